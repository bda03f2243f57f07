package conformance

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

// sessionTimeoutMillis is what a case's sessions ask for unless the case is about timeouts: far
// longer than any case takes.
const sessionTimeoutMillis = 30000

// patience bounds every wait for something that must happen.
const patience = 15 * time.Second

// T is one case at work on a server.
type T struct {
	*testing.T
	Server *Server
	root   string
}

func newT(t *testing.T, s *Server) *T { return &T{T: t, Server: s} }

// has reports whether the server has the behaviour that 3.9.5 or, for a deliberate difference,
// zkd has.
func (t *T) has(d *Difference) bool { return d.in(t.Server) }

// needs ends the case unless the server has the behaviour. It is for rules that cannot be tried on
// other servers: they would be harmed.
func (t *T) needs(d *Difference) bool {
	if !t.has(d) {
		t.Logf("not tried on %v: %v", t.Server, d)
		return false
	}
	return true
}

// conn is a client of a case. Methods of rawclient return what happened; the lower-case ones here
// end the case unless it went well.
type conn struct {
	*rawclient.Client
	t *T
}

// dial connects and sends nothing.
func (t *T) dial() *conn {
	t.Helper()
	c, err := rawclient.Dial(t.Server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return t.own(c)
}

// open opens a new session.
func (t *T) open() *conn {
	t.Helper()
	return t.openFor(sessionTimeoutMillis)
}

// openFor opens a new session with that timeout.
func (t *T) openFor(timeoutMillis int32) *conn {
	t.Helper()
	c, err := rawclient.Open(t.Server.Addr, timeoutMillis)
	if err != nil {
		t.Fatal(err)
	}
	return t.own(c)
}

// resume takes over the session of c on a new connection.
func (t *T) resume(c *conn) *conn {
	t.Helper()
	resumed, err := c.Resume(t.Server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return t.own(resumed)
}

// own closes the client when the case ends.
func (t *T) own(c *rawclient.Client) *conn {
	c.Timeout = patience
	t.Cleanup(func() { c.Close() })
	return &conn{c, t}
}

// path returns name below a znode of the case's own, which it creates when first asked.
func (t *T) path(name string) string {
	t.Helper()
	if t.root == "" {
		c := t.open()
		t.root = c.create("/"+t.Name()[strings.LastIndexByte(t.Name(), '/')+1:], zk.ModePersistent)
	}
	return t.root + "/" + name
}

// ok ends the case if err is not nil.
func (t *T) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused ends the case unless the server refused with that code.
func (t *T) refused(err error, want zk.Code) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// closed ends the case unless the server closes the connection without another byte.
func (t *T) closed(c *conn) {
	t.Helper()
	frame, err := c.ReadFrame()
	if err == nil {
		t.Fatalf("got the frame %x, want the connection closed", frame)
	}
	if !isClosed(err) {
		t.Fatalf("got %v, want the connection closed", err)
	}
}

// isClosed reports whether err says that the other side ended the connection. A server that closes
// with bytes unread makes the kernel send an RST instead of a FIN.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// equal ends the case unless got is want.
func equal[V comparable](t *T, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// equalSlices ends the case unless got has the items of want in that order.
func equalSlices[V comparable](t *T, what string, got, want []V) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// sameItems ends the case unless got and want hold the same strings in any order.
func sameItems(t *T, what string, got []string, want ...string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	equalSlices(t, what, got, want)
}

// create creates a node with a few bytes of data that everybody may do everything with.
func (c *conn) create(path string, mode zk.CreateMode) string {
	c.t.Helper()
	return c.createWith(path, []byte("data"), proto.OpenACL, mode)
}

func (c *conn) createWith(path string, data []byte, acl []proto.ACL, mode zk.CreateMode) string {
	c.t.Helper()
	created, err := c.Create(path, data, acl, mode)
	if err != nil {
		c.t.Fatalf("create %s: %v", path, err)
	}
	return created
}

func (c *conn) delete(path string) {
	c.t.Helper()
	if err := c.Delete(path, -1); err != nil {
		c.t.Fatalf("delete %s: %v", path, err)
	}
}

// set returns the new stat.
func (c *conn) set(path, data string) proto.Stat {
	c.t.Helper()
	stat, err := c.SetData(path, []byte(data), -1)
	if err != nil {
		c.t.Fatalf("setData %s: %v", path, err)
	}
	return stat
}

func (c *conn) stat(path string) proto.Stat {
	c.t.Helper()
	stat, err := c.Exists(path, false)
	if err != nil {
		c.t.Fatalf("exists %s: %v", path, err)
	}
	return stat
}

func (c *conn) absent(path string) {
	c.t.Helper()
	if _, err := c.Exists(path, false); !errors.Is(err, zk.ErrNoNode) {
		c.t.Fatalf("exists %s: got %v, want %v", path, err, zk.ErrNoNode)
	}
}

// watchExists leaves an exists watch on path.
func (c *conn) watchExists(path string) {
	c.t.Helper()
	if _, err := c.Exists(path, true); err != nil && !errors.Is(err, zk.ErrNoNode) {
		c.t.Fatalf("exists %s: %v", path, err)
	}
}

// watchData leaves a data watch on path, which must exist.
func (c *conn) watchData(path string) {
	c.t.Helper()
	if _, _, err := c.GetData(path, true); err != nil {
		c.t.Fatalf("getData %s: %v", path, err)
	}
}

// watchChildren leaves a child watch on path, which must exist.
func (c *conn) watchChildren(path string) {
	c.t.Helper()
	if _, err := c.GetChildren(path, true); err != nil {
		c.t.Fatalf("getChildren %s: %v", path, err)
	}
}

func (c *conn) auth(userPassword string) {
	c.t.Helper()
	if err := c.Auth("digest", []byte(userPassword)); err != nil {
		c.t.Fatalf("auth %s: %v", userPassword, err)
	}
}

// ping waits until the server has answered everything so far and returns the zxid of the reply.
func (c *conn) ping() zk.Zxid {
	c.t.Helper()
	zxid, err := c.Ping()
	if err != nil {
		c.t.Fatalf("ping: %v", err)
	}
	return zxid
}

// event waits for a notification, whatever it is.
func (c *conn) event() rawclient.Event {
	c.t.Helper()
	event, err := c.WaitEvent()
	if err != nil {
		c.t.Fatalf("waiting for a notification: %v", err)
	}
	return event
}

// expectEvent waits for the next notification, which must be that one, and returns it.
func (c *conn) expectEvent(kind zk.EventType, path string) rawclient.Event {
	c.t.Helper()
	event := c.event()
	want := proto.WatcherEvent{Type: kind, State: zk.StateSyncConnected, Path: path}
	if event.WatcherEvent != want {
		c.t.Fatalf("got the event %v, want %v", describe(event.WatcherEvent), describe(want))
	}
	return event
}

// noEvent ends the case if a notification has come. The server sends what it owes before it
// answers the ping that is sent here.
func (c *conn) noEvent() {
	c.t.Helper()
	c.ping()
	if events := c.Events(); len(events) > 0 {
		c.t.Fatalf("got %d events, the first %v, want none", len(events), describe(events[0].WatcherEvent))
	}
}

func describe(e proto.WatcherEvent) string {
	return fmt.Sprintf("{type %d, state %d, path %q}", e.Type, e.State, e.Path)
}

// digestID returns the id of the digest scheme for "user:password".
func digestID(userPassword string) string {
	user, _, _ := strings.Cut(userPassword, ":")
	sum := sha1.Sum([]byte(userPassword))
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

// digestACL grants perms to a digest user.
func digestACL(perms zk.Perm, userPassword string) proto.ACL {
	return proto.ACL{Perms: perms, ID: proto.ID{Scheme: "digest", ID: digestID(userPassword)}}
}

// worldACL grants perms to everybody.
func worldACL(perms zk.Perm) proto.ACL {
	return proto.ACL{Perms: perms, ID: proto.ID{Scheme: "world", ID: "anyone"}}
}
