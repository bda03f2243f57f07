package serve

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// newTestConn returns a connection whose client reads nothing.
func newTestConn(t *testing.T, s *Server) (c *conn, client net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return newConn(s, ours), theirs
}

func TestNobodyIsGivenMemoryBeforeTheHandshake(t *testing.T) {
	c, client := newTestConn(t, newServer(t))
	go client.Write(jute.AppendInt(nil, maxConnectBytes+1))
	if _, err := c.firstFrame(); !errors.Is(err, errFrameLength) || !strings.Contains(err.Error(), "connect request") {
		t.Error(err)
	}
}

func TestIdentitiesOfAConnectionAreBoundedInBytes(t *testing.T) {
	c, _ := newTestConn(t, newServer(t))
	add := func(name string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		r := proto.AuthRequest{Scheme: "digest", Auth: []byte(name + ":secret")}
		c.authenticate(proto.RequestHeader{Xid: zk.XidAuth, Op: zk.OpAuth}, r.Append(nil))
	}
	for i := range 10 {
		add(fmt.Sprintf("%d%s", i, strings.Repeat("x", maxIDBytes/16)))
	}
	if c.ending {
		t.Fatal("ten identities are too many")
	}
	add(strings.Repeat("x", maxIDBytes/2))
	if !c.ending || idBytes(*c.ids.Load()) > maxIDBytes {
		t.Errorf("%d bytes of identities are kept", idBytes(*c.ids.Load()))
	}
}

func TestWatchesOfAConnectionAreBounded(t *testing.T) {
	s := newServer(t)
	c, _ := newTestConn(t, s)
	watch := func(from, to int) {
		r := proto.SetWatchesRequest{RelativeZxid: 1, Data: []string{}, Child: []string{}}
		for i := from; i < to; i++ {
			r.Exist = append(r.Exist, fmt.Sprintf("/missing-%d", i))
		}
		body := r.Append(nil, zk.OpSetWatches)
		s.cfg.Replica.Read(func(v *replica.View) {
			c.mu.Lock()
			defer c.mu.Unlock()
			d := jute.NewDecoder(body)
			c.setWatches(v, proto.RequestHeader{Xid: zk.XidSetWatches, Op: zk.OpSetWatches}, &d)
		})
	}
	watch(0, maxWatches)
	if c.ended {
		t.Fatalf("%d watches are too many", maxWatches)
	}
	watch(maxWatches, maxWatches+1)
	if !c.ended {
		t.Error("one more is not")
	}
}
