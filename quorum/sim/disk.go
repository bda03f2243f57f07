package sim

import (
	"path"
	"strings"
	"syscall"
	"time"

	"zkd/quorum/vfs"
)

// diskOf is the disk of a server as one of its processes sees it: any operation may be the last.
func (w *World) diskOf(l *life) vfs.FS {
	disk := vfs.NewFault(l.s.disk, func(op vfs.Op) error {
		if l.dead || !op.Kind.Changes() {
			return nil
		}
		if w.point(l, string(op.Kind)+" "+op.Path); l.dead {
			return nil
		}
		if l.s.broken {
			switch {
			case op.Kind == vfs.OpSync, !l.s.syncsOnly && (op.Kind == vfs.OpWrite || op.Kind == vfs.OpAllocate):
				l.faulted, w.checks.faulted[l.s.id] = true, true
				return syscall.EIO
			}
		}
		if l.syncing && op.Kind == vfs.OpSync && strings.HasPrefix(path.Base(op.Path), "log.") {
			w.meanwhile(l)
		}
		return nil
	})
	if w.o.Bug == "" {
		return disk
	}
	return liar{disk, l}
}

// syncLog makes the log durable, as the syncer of a replica does: the protocol goes on meanwhile.
func (l *life) syncLog() {
	l.syncDue, l.syncing = false, true
	l.m.SyncLog()
	l.syncing = false
}

// meanwhile lets something come in while a process waits for its log.
func (w *World) meanwhile(l *life) {
	for range w.rng.IntN(4) {
		if l.dead || w.failure != "" {
			return
		}
		if w.chance(6) {
			l.m.HalfTick()
			continue
		}
		if l.m.HasWork() && w.chance(2) {
			l.m.Work()
			continue
		}
		for _, c := range w.net.conns {
			for _, to := range c.ends() {
				from := to.other()
				// A learner that still syncs would wait for the disk at NEWLEADER.
				if to.l != l || !to.leads && l.m.Serving() == 0 || from == nil || len(from.out.flight) == 0 || to.over() || w.net.blocked[[2]serverID{from.l.s.id, l.s.id}] {
					continue
				}
				if from.out.flight[0].isPacket() && from.out.flight[0].at <= w.now+time.Millisecond {
					from.out.deliver(to)
					w.counts["received during a sync"]++
				}
			}
			if l.dead {
				return
			}
		}
	}
}

// endless is the capacity of a disk with room.
const endless = 1 << 40

// fill leaves little room on a disk, for a while.
func (w *World) fill(s *server) {
	s.disk.SetCapacity(endless)
	free, err := s.disk.FreeBytes(dataDir)
	if err != nil {
		return // it has not started yet
	}
	left := w.rng.Int64N(2 * minFree)
	w.trace("the disk of server %d has room for %d bytes", s.id, left)
	w.counts["disks full"]++
	s.full = true
	s.disk.SetCapacity(endless - free + left + 1)
	w.after(w.between(100*time.Millisecond, 4*time.Second), func() { w.empty(s) })
}

// empty makes room on a disk.
func (w *World) empty(s *server) {
	if s.full {
		w.trace("the disk of server %d has room", s.id)
		s.full = false
		s.disk.SetCapacity(0)
	}
}
