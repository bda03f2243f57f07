package quorum_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"zkd/quorum"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// logOneMore appends a txn to the log of a stopped server that no other server has, and returns its zxid.
func logOneMore(t *testing.T, disk vfs.FS) zk.Zxid {
	t.Helper()
	l, _, err := txlog.Open(disk, versionDir, txlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	records, err := l.Read(0)
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	var last zk.Zxid
	var txn []byte
	for {
		z, payload, err := records.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last, txn = z, append(txn[:0], payload...)
	}
	binary.BigEndian.PutUint64(txn[12:], uint64(last+1))
	if err := errors.Join(l.Append(last+1, txn), l.Sync()); err != nil {
		t.Fatal(err)
	}
	return last + 1
}

// A server has one txn that was never committed, right behind a snapshot of its own: it cannot cut there, and must take
// the leader's whole state. It does that while it is needed, since the third server is gone.
func TestR12AServerThatCannotCutIsSyncedWithoutAnotherElection(t *testing.T) {
	disks := []*vfs.Mem{vfs.NewMem(), vfs.NewMem(), vfs.NewMem()}
	e := newEnsemble(t, 3, 0, func(i int, cfg *quorum.Config) { cfg.FS = disks[i] })
	leader := e.await()
	c := e.client(leader)
	for i := range 20 {
		create(t, c, fmt.Sprintf("/n%d", i), nil, zk.ModePersistent)
	}
	e.checkEqual()
	ahead := other(leader, 3)
	third := 3 - leader - ahead
	if _, err := e.servers[ahead].Snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range e.servers {
		e.stop(i)
	}
	tail := logOneMore(t, disks[ahead])

	e.start(leader) // an epoch without txns, of which the server ahead knows nothing
	e.start(third)
	e.await()
	e.stop(leader)
	e.stop(third)

	e.start(leader)
	e.start(ahead)
	if got := e.await(); got != leader {
		t.Errorf("server %d leads, and server %d knows of a later epoch", got+1, leader+1)
	}
	if n := e.servers[ahead].Stats().SnapsReceived.Load(); n != 1 {
		t.Errorf("%d snapshots were received", n)
	}
	if z := e.servers[ahead].Status().LoggedZxid; z == tail {
		t.Errorf("%v was never committed, and is applied", tail)
	}
	create(t, e.client(leader), "/after", nil, zk.ModePersistent)
	e.start(third)
	e.await()
	e.checkEqual()
}

// throttled stops reading after some bytes, until the connection is closed.
type throttled struct {
	net.Conn
	left   int
	full   func()
	closed chan struct{}
	once   sync.Once
}

func (c *throttled) Read(b []byte) (int, error) {
	if c.left <= 0 {
		c.full()
		<-c.closed
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(b)
	c.left -= n
	return n, err
}

func (c *throttled) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// A snapshot that breaks off, since the leader has died, says nothing of the history of the server that it was for: this
// one helps to elect the next leader at once.
func TestR12AServerWhoseSnapshotBreaksOffIsCounted(t *testing.T) {
	e := newEnsemble(t, 3, 0, nil)
	leader := e.await()
	c := e.client(leader)
	for i := range 40 {
		create(t, c, fmt.Sprintf("/n%d", i), make([]byte, 50_000), zk.ModePersistent)
	}
	e.checkEqual()
	away := other(leader, 3)
	e.stop(away)
	e.configs[away].FS = vfs.NewMem()
	network := e.configs[away].Network
	half, cut := make(chan struct{}), make(chan struct{})
	full := sync.OnceFunc(func() { close(half) })
	e.configs[away].Network.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		nc, err := network.Dial(ctx, address)
		select {
		case <-cut:
		default:
			if err == nil {
				slow := &throttled{Conn: nc, left: 500_000, full: full, closed: make(chan struct{})}
				go func() {
					<-cut
					slow.Close()
				}()
				nc = slow
			}
		}
		return nc, err
	}
	e.start(away)
	<-half
	e.stop(leader)
	close(cut)
	e.await()
	for _, i := range []int{away, 3 - leader - away} {
		if ended := e.servers[i].Status().Ensemble.Ended; strings.Contains(ended, string(zab.ReasonNoAckQuorum)) {
			t.Errorf("server %d: %s", i+1, ended)
		}
	}
}
