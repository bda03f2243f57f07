package e2e

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

var worldACL = zk.WorldACL(zk.PermAll)

// silent is the logger of clients whose connections are meant to break.
type silent struct{}

func (silent) Printf(string, ...any) {}

// A goClient is a connection of go-zookeeper that remembers the states of its session.
type goClient struct {
	*zk.Conn
	mu      sync.Mutex
	states  []zk.State
	offline bool // refuses to dial
	socket  net.Conn
}

// callLimit bounds all calls of a client together. go-zookeeper waits without end for a reply that does not come.
const callLimit = 3 * time.Minute

// dialGo returns a client once it has a session. It is closed with the test, and after callLimit: then what still
// waits fails with zk.ErrConnectionClosed.
func dialGo(t testing.TB, addr string, timeout time.Duration) *goClient {
	t.Helper()
	c := dialGoForever(t, addr, timeout)
	limit := time.AfterFunc(callLimit, c.Close)
	t.Cleanup(func() { limit.Stop() })
	return c
}

// dialGoForever is dialGo without the limit, for clients that work as long as a soak test lasts.
func dialGoForever(t testing.TB, addr string, timeout time.Duration) *goClient {
	t.Helper()
	c := &goClient{}
	note := func(event zk.Event) {
		if event.Type == zk.EventSession {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.states = append(c.states, event.State)
		}
	}
	var err error
	c.Conn, _, err = zk.Connect([]string{addr}, timeout, zk.WithLogger(silent{}), zk.WithLogInfo(false),
		zk.WithEventCallback(note), zk.WithDialer(c.dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.awaitAttached(t, 0)
	return c
}

// attached counts how often a server has given the client a session, new or its old one.
func (c *goClient) attached() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := 0
	for _, state := range c.states {
		if state == zk.StateHasSession {
			count++
		}
	}
	return count
}

// awaitAttached waits until attached is more than before: the state alone may be that of a connection
// whose end the client has not noticed yet.
func (c *goClient) awaitAttached(t testing.TB, before int) {
	t.Helper()
	eventually(t, maxSessionTimeout, "the client has a session", func() bool { return c.attached() > before })
}

func (c *goClient) dial(network, address string, timeout time.Duration) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offline {
		return nil, errors.New("told to stay away")
	}
	var err error
	c.socket, err = net.DialTimeout(network, address, timeout)
	return c.socket, err
}

// setOffline cuts the connection, without a word to the server, and keeps the client from coming
// back; or lets it.
func (c *goClient) setOffline(offline bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offline = offline
	if offline {
		c.socket.Close()
	}
}

// saw reports whether the session was ever in that state.
func (c *goClient) saw(state zk.State) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.states, state)
}

// go-zookeeper, the usual client of Go programs.
func TestGoClient(t *testing.T) {
	s := startServer(t)

	t.Run("nodes", func(t *testing.T) {
		c := dialGo(t, s.addr(), maxSessionTimeout)
		checkPath(t, "/nodes")(c.Create("/nodes", []byte("1"), 0, worldACL))
		wantErr(t, zk.ErrNodeExists, second(c.Create("/nodes", nil, 0, worldACL)))
		wantErr(t, zk.ErrNoNode, second(c.Create("/none/child", nil, 0, worldACL)))
		data, stat, err := c.Get("/nodes")
		if err != nil || string(data) != "1" || stat.Version != 0 || stat.DataLength != 1 {
			t.Errorf("get: %q, %+v, %v", data, stat, err)
		}
		if stat, err = c.Set("/nodes", []byte("22"), 0); err != nil || stat.Version != 1 || stat.Mzxid <= stat.Czxid {
			t.Errorf("set: %+v, %v", stat, err)
		}
		wantErr(t, zk.ErrBadVersion, second(c.Set("/nodes", nil, 0)))
		checkPath(t, "/nodes/s-0000000000")(c.Create("/nodes/s-", nil, zk.FlagSequence, worldACL))
		checkPath(t, "/nodes/e-0000000001")(c.Create("/nodes/e-", nil, zk.FlagEphemeral|zk.FlagSequence, worldACL))
		checkPath(t, "/nodes/box")(c.CreateContainer("/nodes/box", nil, zk.FlagContainer, worldACL))
		children, stat, err := c.Children("/nodes")
		slices.Sort(children)
		if err != nil || strings.Join(children, " ") != "box e-0000000001 s-0000000000" || stat.Cversion != 3 {
			t.Errorf("children: %v, %+v, %v", children, stat, err)
		}
		if _, stat, err = c.Exists("/nodes/e-0000000001"); err != nil || stat.EphemeralOwner != c.SessionID() {
			t.Errorf("ephemeral: %+v, %v; session %#x", stat, err, c.SessionID())
		}
		wantErr(t, zk.ErrNotEmpty, c.Delete("/nodes", -1))
		wantErr(t, nil, c.Delete("/nodes/s-0000000000", 0))
		checkPath(t, "/nodes")(c.Sync("/nodes"))
	})

	t.Run("identities", func(t *testing.T) {
		owner, stranger := dialGo(t, s.addr(), maxSessionTimeout), dialGo(t, s.addr(), maxSessionTimeout)
		wantErr(t, zk.ErrInvalidACL, second(owner.Create("/private", nil, 0, zk.AuthACL(zk.PermAll))))
		wantErr(t, nil, owner.AddAuth("digest", []byte("alice:secret")))
		checkPath(t, "/private")(owner.Create("/private", []byte("p"), 0, zk.AuthACL(zk.PermAll)))
		acl, _, err := owner.GetACL("/private")
		if want := zk.DigestACL(zk.PermAll, "alice", "secret"); err != nil || !slices.Equal(acl, want) {
			t.Errorf("ACL %v, want %v; %v", acl, want, err)
		}
		wantErr(t, zk.ErrNoAuth, second(stranger.Set("/private", nil, -1)))
		wantErr(t, nil, second(owner.SetACL("/private", worldACL, 0)))
		wantErr(t, nil, second(stranger.Set("/private", nil, -1)))
	})

	t.Run("multi", func(t *testing.T) {
		c := dialGo(t, s.addr(), maxSessionTimeout)
		results, err := c.Multi(
			&zk.CreateRequest{Path: "/multi", Data: []byte("0"), Acl: worldACL},
			&zk.CheckVersionRequest{Path: "/multi", Version: 0},
			&zk.SetDataRequest{Path: "/multi", Data: []byte("1"), Version: 0},
			&zk.CreateRequest{Path: "/multi/gone", Acl: worldACL},
			&zk.DeleteRequest{Path: "/multi/gone", Version: 0},
		)
		if err != nil || len(results) != 5 || results[0].String != "/multi" || results[2].Stat.Version != 1 {
			t.Errorf("multi: %+v, %v", results, err)
		}
		_, err = c.Multi(
			&zk.CreateRequest{Path: "/multi/never", Acl: worldACL},
			&zk.CheckVersionRequest{Path: "/multi", Version: 0},
		)
		wantErr(t, zk.ErrBadVersion, err)
		if exists, _, err := c.Exists("/multi/never"); exists || err != nil {
			t.Errorf("a failed transaction left its first create: %v, %v", exists, err)
		}
	})

	t.Run("watches", func(t *testing.T) {
		c, other := dialGo(t, s.addr(), maxSessionTimeout), dialGo(t, s.addr(), maxSessionTimeout)
		_, _, created, err := c.ExistsW("/watched")
		wantErr(t, nil, err)
		checkPath(t, "/watched")(other.Create("/watched", nil, 0, worldACL))
		wantEvent(t, created, zk.EventNodeCreated, "/watched")
		_, _, changed, err := c.GetW("/watched")
		wantErr(t, nil, err)
		wantErr(t, nil, second(other.Set("/watched", []byte("2"), -1)))
		wantEvent(t, changed, zk.EventNodeDataChanged, "/watched")
		_, _, child, err := c.ChildrenW("/watched")
		wantErr(t, nil, err)
		checkPath(t, "/watched/child")(other.Create("/watched/child", nil, 0, worldACL))
		wantEvent(t, child, zk.EventNodeChildrenChanged, "/watched")
		_, _, deleted, err := c.ExistsW("/watched/child")
		wantErr(t, nil, err)
		wantErr(t, nil, other.Delete("/watched/child", 0))
		wantEvent(t, deleted, zk.EventNodeDeleted, "/watched/child")
	})

	t.Run("lock", func(t *testing.T) {
		const contenders, turns = 4, 6
		counter := dialGo(t, s.addr(), maxSessionTimeout)
		checkPath(t, "/counter")(counter.Create("/counter", nil, 0, worldACL))
		failed := make(chan error, contenders)
		for range contenders {
			c := dialGo(t, s.addr(), maxSessionTimeout)
			go func() { failed <- countUnderLock(c, turns) }()
		}
		for range contenders {
			wantErr(t, nil, <-failed)
		}
		if data, _, err := counter.Get("/counter"); err != nil || len(data) != contenders*turns {
			t.Errorf("%d of %d increments are there; %v", len(data), contenders*turns, err)
		}
	})

	t.Run("reconnect after kill -9", func(t *testing.T) {
		c := dialGo(t, s.addr(), maxSessionTimeout)
		session := c.SessionID()
		checkPath(t, "/kept")(c.Create("/kept", nil, zk.FlagEphemeral, worldACL))
		_, _, changed, err := c.GetW("/kept")
		wantErr(t, nil, err)
		_, _, created, err := c.ExistsW("/later")
		wantErr(t, nil, err)
		_, _, child, err := c.ChildrenW("/")
		wantErr(t, nil, err)

		before := c.attached()
		s.kill(t)
		s.start(t)
		c.awaitAttached(t, before)

		if _, stat, err := c.Exists("/kept"); err != nil || c.SessionID() != session || stat.EphemeralOwner != session {
			t.Errorf("session %#x was %#x, owner %+v, %v", c.SessionID(), session, stat, err)
		}
		other := dialGo(t, s.addr(), maxSessionTimeout)
		wantErr(t, nil, second(other.Set("/kept", []byte("x"), -1)))
		wantEvent(t, changed, zk.EventNodeDataChanged, "/kept")
		checkPath(t, "/later")(other.Create("/later", nil, 0, worldACL))
		wantEvent(t, created, zk.EventNodeCreated, "/later")
		wantEvent(t, child, zk.EventNodeChildrenChanged, "/")
		c.Close()
		if exists, _, err := other.Exists("/kept"); exists || err != nil {
			t.Errorf("the ephemeral outlived its session: %v, %v", exists, err)
		}
	})
}

// countUnderLock lengthens /counter by one byte a turn, without a version: a second holder of the lock loses one.
func countUnderLock(c *goClient, turns int) error {
	lock := zk.NewLock(c.Conn, "/lock", worldACL)
	for range turns {
		if err := lock.Lock(); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		data, _, err := c.Get("/counter")
		if err != nil {
			return err
		}
		if _, err := c.Set("/counter", append(data, '.'), -1); err != nil {
			return err
		}
		if err := lock.Unlock(); err != nil {
			return fmt.Errorf("unlock: %w", err)
		}
	}
	return nil
}

func second[T any](_ T, err error) error { return err }

func wantErr(t testing.TB, want, got error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

// checkPath returns a check of what a call that answers with a path has returned.
func checkPath(t testing.TB, want string) func(string, error) {
	return func(got string, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("got path %q, error %v, want %q", got, err, want)
		}
	}
}

func wantEvent(t testing.TB, events <-chan zk.Event, want zk.EventType, path string) {
	t.Helper()
	select {
	case got := <-events:
		if got.Type != want || got.Path != path {
			t.Errorf("got event %v %s, want %v %s", got.Type, got.Path, want, path)
		}
	case <-time.After(answerLimit):
		t.Errorf("no event %v %s comes", want, path)
	}
}
