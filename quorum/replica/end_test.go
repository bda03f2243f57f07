package replica

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// patience bounds how long a test waits for what must happen; it is no measure of speed.
const patience = 10 * time.Second

// ended waits until the replica has ended.
func ended(t *testing.T, r *Replica) error {
	t.Helper()
	select {
	case <-r.Done():
		return r.Err()
	case <-time.After(patience):
		t.Fatal("the replica does not end")
		return nil
	}
}

// R22: the log fails, in the turn of a connection, just when the loop is about to look at a finished
// snapshot. On a full disk the two go together.
func TestALogThatFailsWhileASnapshotFinishes(t *testing.T) {
	r, err := Start(config(t, vfs.NewMem()))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	r.turn.Lock()
	r.snapping = true
	r.snapDone <- snapResult{err: errors.New("disk full")}
	for len(r.snapDone) > 0 { // until the loop has taken it and waits for its turn
		runtime.Gosched()
	}
	r.fail(broken)
	r.turn.Unlock()
	if err := ended(t, r); !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
}

// What is to be run by a loop that ends is not run, and whoever asked for it hears so.
func TestACallThatComesTooLate(t *testing.T) {
	for range 100 {
		r, err := Start(config(t, vfs.NewMem()))
		if err != nil {
			t.Fatal(err)
		}
		r.turn.Lock()
		called := make(chan error, 1)
		go func() { called <- r.Call(func() { t.Error("the call was run") }) }()
		for range 100 { // mostly long enough for the loop to take the call, which is the case that matters
			runtime.Gosched()
		}
		r.fail(errors.New("broken"))
		r.turn.Unlock()
		r.intake.signal()
		ended(t, r)
		select {
		case err := <-called:
			if !errors.Is(err, ErrStopped) {
				t.Fatalf("call: %v", err)
			}
		case <-time.After(patience):
			t.Fatal("the caller waits for ever")
		}
	}
}

// A snapshot of a large tree takes minutes: neither a stop nor the end after a failure waits for it, and
// what is there of it goes.
func TestAnEndDoesNotWaitForASnapshot(t *testing.T) {
	broken := errors.New("broken")
	tests := map[string]struct {
		end  func(r *Replica)
		want error
	}{
		"stop":         {func(r *Replica) { go r.Stop() }, nil},
		"a failed log": {func(r *Replica) { r.Call(func() { r.fail(broken) }) }, broken},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			writing, goOn := make(chan struct{}), make(chan struct{})
			var once sync.Once
			disk := vfs.NewMem()
			slow := vfs.NewFault(disk, func(op vfs.Op) error {
				if op.Kind == vfs.OpWrite && strings.HasPrefix(path.Base(op.Path), "tmp.snapshot.") && path.Base(op.Path) != "tmp.snapshot.0" {
					once.Do(func() { close(writing) })
					<-goOn
				}
				return nil
			})
			cfg := config(t, slow)
			r, err := Start(cfg)
			if err != nil {
				t.Fatal(err)
			}
			c := connect(t, r)
			for i := range 10 {
				c.submit(zk.OpCreate, createBody(fmt.Sprintf("/n%d", i), make([]byte, 500<<10), zk.ModePersistent))
				if o, err := c.next(); err != nil || o.Err != zk.OK {
					t.Fatal(o.Err, err)
				}
			}
			saved := make(chan error, 1)
			go func() {
				_, err := r.Snapshot(context.Background())
				saved <- err
			}()
			<-writing
			tc.end(r)
			for !r.quit.Load() {
				runtime.Gosched()
			}
			close(goOn)
			if err := ended(t, r); !errors.Is(err, tc.want) {
				t.Errorf("ended with %v", err)
			}
			if err := <-saved; !errors.Is(err, ErrStopped) {
				t.Errorf("snapshot: %v", err)
			}
			if n := cfg.Stats.SnapshotErrors.Load(); n != 0 {
				t.Errorf("%d snapshot errors counted", n)
			}
			names, err := disk.List(cfg.SnapDir)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if strings.Contains(name, "snapshot.") && name != "snapshot.0" {
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}
