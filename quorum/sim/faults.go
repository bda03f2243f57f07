package sim

import (
	"time"

	"zkd/quorum/vfs"
)

// fault lets something go wrong, or come right again, and then again later.
func (w *World) fault() {
	if w.healed {
		return
	}
	w.after(w.between(w.temper.faultEvery/2, w.temper.faultEvery*3/2), w.fault)
	s := w.servers[w.rng.IntN(len(w.servers))]
	l := s.life
	if l != nil && l.m == nil {
		l = nil
	}
	if l != nil && w.chance(w.temper.snapshots) {
		w.trace("%v is to take a snapshot", l)
		l.m.SaveSnapshot()
		l.settle()
		return
	}
	switch n := w.rng.IntN(25); {
	case n == 0 && s.observer && w.chance(3): // whose host is replaced
		if l != nil {
			l.die("and its disk is gone")
		}
		if s.life == nil {
			w.counts["disks replaced"]++
			s.disk, s.full = vfs.NewMem(), false
		}
	case n < 3 && l != nil:
		l.die("power")
	case n < 4 && l != nil:
		l.stop()
	case n == 4: // the power fails everywhere
		for _, s := range w.servers {
			if s.life != nil {
				s.life.die("power, everywhere")
			}
		}
	case n < 7:
		w.isolate(s)
	case n < 9:
		w.cut()
	case n < 12:
		w.reunite()
	case n < 14 && len(w.net.conns) > 0:
		w.breakLink()
	case n < 16 && l != nil:
		w.pause(l)
	case n == 23 && l != nil && l.replica() != nil:
		w.trace("%v is to hand over", l)
		l.replica().HandOver()
		l.settle()
	case n == 24 && l != nil && l.replica() != nil && l.port != nil && !l.port.closed:
		w.trace("the peer port of %v fails", l)
		l.replica().PortFailed(l.port.term, errBroken)
		l.settle()
	case (n == 16 || n >= 20 && n <= 22) && w.temper.diskFaults:
		w.breakDisk(s)
	case n == 18 && w.temper.diskFaults:
		w.fill(s)
	case n == 19 && w.temper.diskFaults:
		w.trace("the disk of server %d stalls", s.id)
		s.stalled = w.now + w.between(0, 3*time.Second)
	case n == 17 && l != nil:
		w.trace("%v is to take a snapshot", l)
		l.m.SaveSnapshot()
		l.settle()
	}
}

// isolate cuts a server off from all others, in one direction or both.
func (w *World) isolate(s *server) {
	in, out := true, true
	switch w.rng.IntN(4) {
	case 0:
		in = false
	case 1:
		out = false
	}
	w.trace("server %d is cut off: in %v, out %v", s.id, in, out)
	for _, other := range w.servers {
		if other == s {
			continue
		}
		if in {
			w.net.block(other.id, s.id)
		}
		if out {
			w.net.block(s.id, other.id)
		}
	}
}

// cut cuts some ways.
func (w *World) cut() {
	for range 1 + w.rng.IntN(len(w.servers)) {
		a, b := w.servers[w.rng.IntN(len(w.servers))].id, w.servers[w.rng.IntN(len(w.servers))].id
		if a != b {
			w.trace("nothing gets from %d to %d", a, b)
			w.net.block(a, b)
		}
	}
}

// reunite opens all ways.
func (w *World) reunite() {
	w.trace("all ways are open")
	for _, a := range w.servers {
		for _, b := range w.servers {
			w.net.unblock(a.id, b.id)
		}
	}
}

// breakLink ends a connection under both its ends.
func (w *World) breakLink() {
	c := w.net.conns[w.rng.IntN(len(w.net.conns))]
	w.trace("conn%d breaks", c.id)
	for _, e := range c.ends() {
		e.vanish()
		if !e.over() {
			e.l.later(w.net.latency(), func() { e.down(errBroken) })
		}
	}
}

// pause lets a process stand still, as SIGSTOP or a suspended host does.
func (w *World) pause(l *life) {
	d := w.between(tick, pick(w, 2*tick, 20*tick))
	w.trace("%v stands still for %v", l, d)
	l.paused = max(l.paused, w.now+d)
}

// breakDisk lets writes and syncs of a server fail for a while. It happens to a minority, one after the other:
// no ensemble survives the loss of more disks.
func (w *World) breakDisk(s *server) {
	for id := range w.checks.faulted {
		if id != s.id && w.checks.faulted[id] {
			return
		}
	}
	w.trace("the disk of server %d fails", s.id)
	s.broken, s.syncsOnly = true, w.chance(2)
	w.after(w.between(10*time.Millisecond, 2*time.Second), func() {
		w.trace("the disk of server %d works again", s.id)
		s.broken = false
	})
}
