package txlog

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// promise is what a log owes at a moment: at least everything up to acked, at most up to appended.
type promise struct{ acked, appended atomic.Int64 }

// run drives a log through appending, group commit, rolling, truncation, purging and reopening.
func (p *promise) run(t *testing.T, fsys vfs.FS, o Options) {
	t.Helper()
	l, _ := mustOpen(t, fsys, o)
	z := zk.Zxid(0)
	batch := func(n int) {
		t.Helper()
		for range n {
			z++
			p.appended.Store(int64(z))
			check(t, l.Append(z, payload(z, sizeOf(z))))
		}
		check(t, l.Sync())
		p.acked.Store(int64(z))
	}
	for i := range 20 {
		batch(1 + i%5)
	}
	for range 3 {
		check(t, l.Roll())
		batch(3)
	}
	z -= 40 // below the mark, three files back
	p.acked.Store(int64(z))
	check(t, l.Truncate(z))
	p.appended.Store(int64(z))
	for range 6 {
		batch(4)
	}
	check(t, l.Roll())
	batch(30)
	check(t, l.Close())
	l, rec := mustOpen(t, fsys, o)
	if rec.Last != z {
		t.Fatalf("closed with %v, opened with %v", z, rec.Last)
	}
	batch(5)
	batch(2)
	check(t, l.Close())
}

// examine opens a crashed disk and checks the promise.
func (*promise) examine(t *testing.T, m *vfs.Mem, acked, appended zk.Zxid, seed uint64) {
	t.Helper()
	for range 2 { // the second time what the first has left
		l, rec, err := Open(m, dir, small)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if rec.Last < acked || rec.Last > appended {
			t.Fatalf("seed %d: log ends with %v; acknowledged %v, appended %v", seed, rec.Last, acked, appended)
		}
		if rec.BelowMark {
			t.Fatalf("seed %d: log ends with %v, below its mark %v", seed, rec.Last, rec.Mark)
		}
		expect(t, l, 1, rec.Last)
		add(t, l, rec.Last+1, rec.Last+3)
		expect(t, l, 1, rec.Last+3)
		acked = rec.Last + 3
		appended = acked
		check(t, l.Close())
	}
}

// moment is a power loss and what the log owed when it came.
type moment struct {
	disk            *vfs.Mem
	acked, appended zk.Zxid
	seed            uint64
}

// Source: R8, R10, R18.
func TestPowerLossAtAnyMomentLosesNothingThatSyncReturnedFor(t *testing.T) {
	const seeds = 8
	for name, o := range map[string]Options{
		"allocated":     small,
		"growing":       {Inline: true},
		"in background": {PreallocBytes: 4096},
	} {
		t.Run(name, func(t *testing.T) {
			m := vfs.NewMem()
			var p promise
			var mu sync.Mutex
			var moments []moment
			p.run(t, vfs.NewFault(m, func(op vfs.Op) error {
				if !op.Kind.Changes() {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				for seed := uint64(op.Seq) * seeds; seed < uint64(op.Seq+1)*seeds; seed++ {
					// A goroutine of the log may be the one that asks, so the promise moves.
					acked := zk.Zxid(p.acked.Load())
					disk := m.CrashClone(seed)
					moments = append(moments, moment{disk, acked, zk.Zxid(p.appended.Load()), seed})
				}
				return nil
			}), o)
			if len(moments) < 100*seeds {
				t.Errorf("only %d moments", len(moments))
			}
			for _, at := range moments {
				p.examine(t, at.disk, at.acked, at.appended, at.seed)
			}
		})
	}
}

// A crash in the middle of recovery from a crash.
func TestPowerLossDuringRecoveryLosesNothing(t *testing.T) {
	m := vfs.NewMem()
	var p promise
	var crashed *vfs.Mem
	var acked, appended zk.Zxid
	fault := vfs.NewFault(m, func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && op.Seq%3 == 0 {
			crashed, acked, appended = m.CrashClone(uint64(op.Seq)), zk.Zxid(p.acked.Load()), zk.Zxid(p.appended.Load())
			second := vfs.NewFault(crashed, func(again vfs.Op) error {
				if again.Kind.Changes() {
					for seed := range uint64(4) {
						p.examine(t, crashed.CrashClone(seed), acked, appended, seed)
					}
				}
				return nil
			})
			l, _ := mustOpen(t, second, small)
			check(t, l.Close())
		}
		return nil
	})
	p.run(t, fault, small)
}

// A process that is killed leaves its writes in the page cache. What Open finds there counts as
// history from then on, so it must be on the disk when Open returns.
func TestWhatOpenReportsIsDurable(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	add(t, l, 1, 5)
	check(t, l.Append(6, payload(6, sizeOf(6))))
	check(t, l.active.write(l.pending[0].buf)) // killed between write and fdatasync
	l, rec := mustOpen(t, m, small)
	if rec.Last != 6 {
		t.Fatalf("recovery %+v", rec)
	}
	for seed := range uint64(50) {
		(&promise{}).examine(t, m.CrashClone(seed), 6, 6, seed)
	}
	expect(t, l, 1, 6)
}

// Source: R22. The kernel believes pages of a failed fsync to be clean.
func TestWhatOpenReportsIsDurableAlsoBehindAFailedFsync(t *testing.T) {
	m := vfs.NewMem()
	broken := false
	errDisk := errors.New("disk is gone")
	fault := vfs.NewFault(m, func(op vfs.Op) error {
		if broken && op.Kind == vfs.OpSync {
			return errDisk
		}
		return nil
	})
	l, _ := mustOpen(t, fault, small)
	add(t, l, 1, 5)
	broken = true
	check(t, l.Append(6, payload(6, sizeOf(6))))
	if err := l.Sync(); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	if l.Durable() != 5 {
		t.Errorf("durable %v", l.Durable())
	}
	broken = false
	for _, err := range []error{l.Sync(), l.Append(7, payload(7, 50)), l.Roll(), l.Truncate(3), l.StartAfter(9), l.Close()} {
		if !errors.Is(err, errDisk) {
			t.Errorf("after a failed fsync: %v", err)
		}
	}
	_, rec := mustOpen(t, m, small)
	if rec.Last < 5 {
		t.Fatalf("recovery %+v", rec)
	}
	for seed := range uint64(50) {
		(&promise{}).examine(t, m.CrashClone(seed), rec.Last, rec.Last, seed)
	}
}
