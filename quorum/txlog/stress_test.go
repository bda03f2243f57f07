package txlog

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// One goroutine appends, one syncs, one reads behind, one purges, while the log's own allocates. The
// chunk is small beside the batches, so that writes and allocation meet at the end of the file.
func TestAppendSyncReadAndPurgeTogetherOnARealDisk(t *testing.T) {
	const last = 6000
	where := t.TempDir()
	l, _, err := Open(vfs.OS(), where, Options{PreallocBytes: 64 << 10})
	check(t, err)
	size := func(z zk.Zxid) int { return 40 + int(z*z%3000) }
	var wg sync.WaitGroup
	appended := make(chan struct{}, 1)
	wg.Go(func() {
		defer close(appended)
		for z := zk.Zxid(1); z <= last; z++ {
			if err := l.Append(z, payload(z, size(z))); err != nil {
				t.Error(err)
				return
			}
			if z%1500 == 0 {
				if err := l.Roll(); err != nil {
					t.Error(err)
				}
			}
			select {
			case appended <- struct{}{}:
			default:
			}
		}
	})
	synced := make(chan zk.Zxid, 1)
	wg.Go(func() {
		defer close(synced)
		for range appended {
			if err := l.Sync(); err != nil {
				t.Error(err)
				return
			}
			select {
			case synced <- l.Durable():
			default:
			}
		}
		if err := l.Sync(); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		r, err := l.Read(1)
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Close()
		next := zk.Zxid(1)
		follow := func() {
			for {
				z, b, err := r.Next()
				if err == io.EOF {
					return
				}
				if err != nil || z != next || !bytes.Equal(b, payload(z, size(z))) {
					t.Errorf("read %v, %v, want %v", z, err, next)
					return
				}
				next++
			}
		}
		for range synced {
			follow()
			if _, err := l.PurgeBelow(next - 2); err != nil {
				t.Error(err)
			}
		}
		follow()
		if next != last+1 {
			t.Errorf("reader saw all up to %v", next-1)
		}
	})
	wg.Wait()
	infos, err := l.Files()
	check(t, err)
	check(t, l.Close())
	l, rec, err := Open(vfs.OS(), where, Options{})
	check(t, err)
	again, err := l.Files()
	if err != nil || rec.Last != last || rec.CutFile != "" || rec.BelowMark || len(again) != len(infos) {
		t.Errorf("recovery %+v of %d files, %v; %d were written", rec, len(again), err, len(infos))
	}
	r, err := l.Read(infos[0].First)
	check(t, err)
	for z := infos[0].First; z <= last; z++ {
		if got, b, err := r.Next(); err != nil || got != z || !bytes.Equal(b, payload(z, size(z))) {
			t.Fatalf("read %v, %v, want %v", got, err, z)
		}
	}
	check(t, errors.Join(r.Close(), l.Close()))
}
