package sim

import (
	"time"

	"zkd/quorum/zk"
)

// patience is how long a healed ensemble may take until all of it serves, in virtual time.
const patience = 60 * time.Second

// heal ends all faults, and demands that the ensemble serves: every server has the same state, and takes a write.
func (w *World) heal() {
	w.trace("all faults end")
	w.healed = true
	w.reunite()
	for _, s := range w.servers {
		s.broken, s.stalled = false, 0
		w.empty(s)
		if s.life != nil && s.life.m != nil {
			s.life.paused = min(s.life.paused, w.now)
		}
	}
	if w.chance(2) {
		w.spareNobody()
	}
	until := w.now + patience
	for w.failure == "" && !w.allServe() {
		if w.now > until {
			w.fail("after %v without faults not all servers serve: %s", patience, w.whoServes())
			return
		}
		w.step()
	}
	for _, c := range w.clients {
		c.silent = false
	}
	// Nobody loses a session now that is heard of.
	w.calmSince = w.now
	for w.failure == "" && w.now < w.calmSince+2*sessionTimeout {
		w.step()
	}
	// Each server takes a write, and then everybody falls silent.
	written := w.checks.grants
	for w.failure == "" && w.checks.grants < written+3*len(w.clients) {
		if w.now > until+patience {
			w.fail("after %v without faults clients are not served", w.now-until+patience)
			return
		}
		w.step()
	}
	w.calmSince = 0 // who is not heard of any more may lose its session
	for _, c := range w.clients {
		c.stopped = true
	}
	for w.failure == "" && !w.agree() {
		if w.now > until+2*patience {
			w.fail("servers that are left in peace do not come to the same state: %s", w.whoServes())
			return
		}
		w.step()
	}
	if w.failure == "" {
		w.holdAll()
		w.servers[0].life.m.withTree(w.checks.inOrder)
	}
}

// spareNobody keeps all servers away but just enough for a quorum, and demands that these serve: each of them is needed,
// whatever its history.
func (w *World) spareNobody() {
	in := make(map[zk.ServerID]bool)
	for _, i := range w.rng.Perm(len(w.servers)) {
		if !w.view.HasQuorum(func(id zk.ServerID) bool { return in[id] }) {
			in[w.servers[i].id] = true
		}
	}
	for id := range w.servers { // some are only there because others came later
		s := w.servers[id]
		if in[s.id] && w.view.HasQuorum(func(id zk.ServerID) bool { return in[id] && id != s.id }) {
			delete(in, s.id)
		}
	}
	for _, s := range w.servers {
		if s.away = !in[s.id]; s.away && s.life != nil {
			s.life.die("and stays away")
		}
	}
	for until := w.now + patience; w.failure == "" && !w.allServe(); w.step() {
		if w.now > until {
			w.fail("after %v without faults a bare quorum does not serve: %s", patience, w.whoServes())
			return
		}
	}
	for _, s := range w.servers {
		if s.away {
			s.away = false
			s.start()
		}
	}
}

func (w *World) allServe() bool {
	for _, s := range w.servers {
		if s.away {
			continue
		}
		if s.life == nil || s.life.m == nil || s.life.m.Serving() == 0 {
			return false
		}
	}
	return true
}

func (w *World) whoServes() (text string) {
	for _, s := range w.servers {
		switch {
		case s.life == nil || s.life.m == nil:
			text += " down"
		default:
			f := s.life.m.Facts()
			text += " " + f.Applied.String()
			if f.Leading {
				text += "(leads)"
			} else if f.Serving {
				text += "(follows)"
			} else {
				text += "(no role)"
			}
		}
	}
	return text
}

// agree reports whether all servers serve and have applied the same, and have nothing left to do.
func (w *World) agree() bool {
	if !w.allServe() {
		return false
	}
	at := zk.Zxid(-1)
	for _, s := range w.servers {
		f := s.life.m.Facts()
		if at == -1 {
			at = f.Applied
		}
		if f.Applied != at || f.Durable != f.Logged || f.Logged > f.Applied || s.life.m.HasWork() {
			return false
		}
	}
	return true
}
