package txlog

import (
	"bytes"
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
	sum, err := Verify(vfs.OS(), where, 0, nil)
	if err != nil || !sum.OK() || sum.Last != last || sum.Files != len(infos) || len(sum.Findings) != 0 {
		t.Errorf("verified %+v, %v", sum, err)
	}
}
