package replica

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"zkd/quorum/vfs"
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
