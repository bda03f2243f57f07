package sim

import (
	"syscall"

	"zkd/quorum/vfs"
)

// diskOf is the disk of a server as one of its processes sees it: any operation may be the last.
func (w *World) diskOf(l *life) vfs.FS {
	disk := l.s.disk
	return vfs.NewFault(disk, func(op vfs.Op) error {
		if l.dead || !op.Kind.Changes() {
			return nil
		}
		if !w.healed && w.chance(w.temper.crashOdds) {
			l.die(string(op.Kind) + " " + op.Path)
			return nil
		}
		if l.s.broken {
			switch op.Kind {
			case vfs.OpSync, vfs.OpWrite, vfs.OpAllocate:
				w.checks.faulted[l.s.id] = true
				return syscall.EIO
			}
		}
		return nil
	})
}
