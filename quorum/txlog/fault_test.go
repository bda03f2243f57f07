package txlog

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// journey uses a log until something fails. acked is what Sync returned for, appended what may be
// there, and below is set while a truncation may have taken acked back to it.
type journey struct {
	acked, appended zk.Zxid
	log             *Log
}

func (j *journey) run(fsys vfs.FS, o Options) error {
	batch := func(n int) error {
		for range n {
			j.appended++
			if err := j.log.Append(j.appended, payload(j.appended, sizeOf(j.appended))); err != nil {
				return err
			}
		}
		if err := j.log.Sync(); err != nil {
			return err
		}
		j.acked = j.appended
		return nil
	}
	truncate := func(by zk.Zxid) error {
		j.acked -= by
		err := j.log.Truncate(j.acked)
		if err == nil {
			j.appended = j.acked
		}
		return err
	}
	for range 2 {
		var err error
		if j.log, _, err = Open(fsys, dir, o); err != nil {
			return err
		}
		for _, step := range []func() error{
			func() error { return batch(3) },
			func() error { return batch(40) },
			func() error { return batch(1) },
			j.log.Roll,
			func() error { return batch(9) },
			j.log.Roll,
			func() error { return batch(9) },
			func() error { return truncate(12) },
			func() error { return batch(5) },
			func() error {
				r, err := j.log.Read(j.acked - 10)
				if err != nil {
					return err
				}
				defer r.Close()
				for range 5 {
					if _, _, err := r.Next(); err != nil {
						return err
					}
				}
				return nil
			},
			j.log.Close,
		} {
			if err := step(); err != nil {
				return err
			}
		}
		j.log = nil
	}
	return nil
}

// check opens what a failed journey left, with and without a power loss on top.
func (j *journey) check(t *testing.T, name string, m *vfs.Mem) {
	t.Helper()
	disks := []*vfs.Mem{m}
	for seed := range uint64(6) {
		disks = append(disks, m.CrashClone(seed))
	}
	for i, disk := range disks {
		l, rec, err := Open(disk, dir, small)
		if err != nil {
			t.Fatalf("%s: disk %d: %v", name, i, err)
		}
		if rec.Last < j.acked || rec.Last > j.appended || rec.BelowMark {
			t.Fatalf("%s: disk %d: acknowledged %v, appended %v, recovery %+v", name, i, j.acked, j.appended, rec)
		}
		expect(t, l, 1, rec.Last)
		check(t, l.Close())
	}
}

// tolerated says that an error may stay below Sync: it takes nothing from anybody, and is logged.
func tolerated(op vfs.Op, err error) bool {
	trimming := op.Kind == vfs.OpTruncate
	ahead := op.Kind == vfs.OpAllocate || op.Kind == vfs.OpOpen || strings.HasSuffix(op.Path, nextName)
	return trimming || ahead && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE))
}

// Source: R22.
func TestEveryFailedOperationSurfacesIsFinalAndLosesNothing(t *testing.T) {
	changes := func(op vfs.Op) bool { return op.Kind.Changes() }
	for name, c := range map[string]struct {
		inject func(int64, func(vfs.Op) bool, error) vfs.Injector
		match  func(vfs.Op) bool
		err    error
	}{
		"EIO once":     {vfs.FailNth, nil, syscall.EIO},
		"EIO for ever": {vfs.FailFrom, changes, syscall.EIO},
		"ENOSPC once":  {vfs.FailNth, changes, syscall.ENOSPC},
		"EMFILE once":  {vfs.FailNth, func(op vfs.Op) bool { return op.Kind == vfs.OpCreate || op.Kind == vfs.OpOpen }, syscall.EMFILE},
		"disk full":    {vfs.FailFrom, func(op vfs.Op) bool { return op.Kind == vfs.OpWrite || op.Kind == vfs.OpAllocate }, syscall.ENOSPC},
	} {
		for _, o := range []Options{small, {Inline: true}} {
			n := int64(1)
			for ; ; n++ {
				m := vfs.NewMem()
				var failed vfs.Op
				inject := c.inject(n, c.match, c.err)
				core, logs := observer.New(zap.WarnLevel)
				o.Logger = zap.New(core)
				fault := vfs.NewFault(m, func(op vfs.Op) error {
					err := inject(op)
					if err != nil && failed.Seq == 0 {
						failed = op
					}
					return err
				})
				var j journey
				err := j.run(fault, o)
				if fault.Injected() == 0 {
					check(t, err)
					break
				}
				at := fmt.Sprintf("%s at operation %d, %s %s", name, failed.Seq, failed.Kind, failed.Path)
				var injected *vfs.InjectedError
				switch {
				case errors.As(err, &injected) && errors.Is(err, c.err):
				case err == nil && tolerated(failed, c.err):
					if logs.Len() == 0 {
						t.Fatalf("%s: neither returned nor logged", at)
					}
				default:
					t.Fatalf("%s: surfaced as %v", at, err)
				}
				if err != nil && j.log != nil && failed.Kind.Changes() {
					for _, again := range []error{j.log.Sync(), j.log.Append(j.appended+1, payload(j.appended+1, 50)), j.log.Roll()} {
						if again == nil {
							t.Fatalf("%s: the log goes on", at)
						}
					}
					_ = j.log.Close()
				}
				j.check(t, at, m)
			}
			if n < 20 && c.err != syscall.EMFILE || n < 3 {
				t.Errorf("%s: only %d operations", name, n)
			}
		}
	}
}

func TestAFullDiskStopsAllocationAndLaterResumesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		core, logs := observer.New(zap.WarnLevel)
		l, _ := mustOpen(t, m, Options{PreallocBytes: 8192, Logger: zap.New(core)})
		synctest.Wait()
		add(t, l, 1, 1)
		synctest.Wait()
		m.SetCapacity(40000)
		z := zk.Zxid(2)
		for ; logs.Len() == 0; z++ {
			add(t, l, z, z)
			synctest.Wait()
		}
		if got := logs.All()[0].Message; !strings.Contains(got, "no room") {
			t.Errorf("logged %q", got)
		}
		for ; ; z++ { // what room there is can be used
			check(t, l.Append(z, payload(z, sizeOf(z))))
			if l.Sync() != nil {
				break
			}
		}
		if l.Durable() != z-1 || l.Close() == nil {
			t.Errorf("durable %v, want %v", l.Durable(), z-1)
		}
		m.SetCapacity(0)
		l, rec := mustOpen(t, m, Options{PreallocBytes: 8192})
		if rec.Last != z-1 {
			t.Errorf("recovery %+v", rec)
		}
		add(t, l, z, z+100)
		expect(t, l, 1, z+100)
		check(t, l.Close())
	})
}

func TestNoRoomAheadIsTriedAgainWithTheNextMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		full.Store(true)
		fault := vfs.NewFault(vfs.NewMem(), func(op vfs.Op) error {
			if full.Load() && op.Kind == vfs.OpAllocate && op.Path != dir+"/"+MarkName {
				return syscall.ENOSPC
			}
			return nil
		})
		l, _ := mustOpen(t, fault, Options{PreallocBytes: 8192})
		add(t, l, 1, 5)
		full.Store(false)
		time.Sleep(markInterval)
		synctest.Wait()
		infos, err := l.Files()
		check(t, err)
		if infos[0].SizeBytes < 8192 {
			t.Errorf("file has %d bytes", infos[0].SizeBytes)
		}
		check(t, l.Close())
	})
}
