package quorum_test

import (
	"context"
	"errors"
	"path"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// failingLog returns a file system of which only the mark beside the log can be synced once broken is set.
func failingLog(broken *atomic.Bool) vfs.FS {
	return vfs.NewFault(vfs.NewMem(), func(op vfs.Op) error {
		if broken.Load() && op.Kind == vfs.OpSync && path.Base(op.Path) != "zkd.mark" {
			return syscall.EIO
		}
		return nil
	})
}

// R22: when the log fails the server ends by itself. Stop may be called then and says why again.
func TestStopAfterTheServerHasEndedByItself(t *testing.T) {
	var broken atomic.Bool
	s, err := quorum.Start(config(failingLog(&broken)), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, s.ClientAddrs()[0], time.Minute)
	broken.Store(true)
	if _, err := c.SetData("/", nil, -1); err == nil {
		t.Fatal("a write was answered that the log could not take")
	}
	<-s.Done()
	if err := s.Err(); !errors.Is(err, syscall.EIO) {
		t.Errorf("the server ended with %v", err)
	}
	for range 2 {
		if err := s.Stop(context.Background()); !errors.Is(err, syscall.EIO) {
			t.Errorf("stop: %v", err)
		}
	}
}

// R22: a connection that is not read, because too many of its writes wait, does not hold up the end.
func TestAServerWhoseLogFailsDoesNotWaitForBusyClients(t *testing.T) {
	var broken atomic.Bool
	s, err := quorum.Start(config(failingLog(&broken)), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, s.ClientAddrs()[0], time.Minute)
	broken.Store(true)
	set := proto.SetDataRequest{Path: "/", Version: -1}
	var stream []byte
	for i := range int32(20000) {
		stream = rawclient.AppendRequest(stream, 1+i, zk.OpSetData, set.Append(nil))
	}
	began := time.Now()
	go c.WriteRaw(stream) // fails when the server is gone
	<-s.Done()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the server took %v to end", took)
	}
	if err := s.Stop(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Errorf("stop: %v", err)
	}
}
