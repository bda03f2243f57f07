package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"zkd/packaging/testbed"
)

// load is a client in the network of the hosts that creates one znode after the other and remembers which were
// acknowledged.
type load struct {
	conn *zk.Conn
	stop context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	acked []int // numbers of the znodes
	last  error // of the last attempt; nil if it was acknowledged
}

const loadDir = "/load"

type silent struct{}

func (silent) Printf(string, ...any) {}

// connect opens a session from the client's place to any of the servers.
func (s *story) connect(t *testing.T, hosts ...*testbed.Host) *zk.Conn {
	t.Helper()
	var servers []string
	for _, h := range hosts {
		servers = append(servers, netip.AddrPortFrom(h.IP4, 2181).String())
	}
	dial := func(_, address string, timeout time.Duration) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		return s.lab.Client.Dial(ctx, address)
	}
	conn, _, err := zk.Connect(servers, 10*time.Second, zk.WithDialer(dial), zk.WithLogger(silent{}), zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (s *story) startLoad(t *testing.T) {
	conn := s.connect(t, s.lab.Hosts...)
	if _, err := conn.Create(loadDir, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.load = &load{conn: conn, stop: stop, done: make(chan struct{})}
	go s.load.write(ctx)
	s.load.progress(t)
}

// write creates a znode every 5 ms, as long as the servers keep up. What is not acknowledged is not tried
// again: it may have happened.
func (l *load) write(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, err := l.conn.Create(nodeOf(i), nil, 0, zk.WorldACL(zk.PermAll))
		l.mu.Lock()
		if l.last = err; err == nil {
			l.acked = append(l.acked, i)
		}
		l.mu.Unlock()
	}
}

func nodeOf(i int) string { return fmt.Sprintf("%s/%08d", loadDir, i) }

// progress waits until writes are acknowledged that began after now.
func (l *load) progress(t *testing.T) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.acked)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	want := count() + 20
	if err := testbed.Until(ctx, "the client writes on", func() error {
		if n := count(); n < want {
			l.mu.Lock()
			defer l.mu.Unlock()
			return fmt.Errorf("%d of %d writes acknowledged, the last attempt: %w", n, want, l.last)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func (s *story) noLostWrite(t *testing.T) {
	s.load.stop()
	<-s.load.done
	s.load.conn.Close()
	if len(s.load.acked) < 100 {
		t.Fatalf("only %d writes: too few to prove anything", len(s.load.acked))
	}
	var lists [][]string
	for _, h := range s.lab.Hosts {
		func() {
			conn := s.connect(t, h)
			defer conn.Close()
			if _, err := conn.Sync(loadDir); err != nil {
				t.Fatalf("%s: %v", h.Name, err)
			}
			names, _, err := conn.Children(loadDir)
			if err != nil {
				t.Fatalf("%s: %v", h.Name, err)
			}
			slices.Sort(names)
			lists = append(lists, names)
			have := make(map[string]bool, len(names))
			for _, name := range names {
				have[loadDir+"/"+name] = true
			}
			for _, i := range s.load.acked {
				if !have[nodeOf(i)] {
					t.Errorf("%s: the acknowledged write of %s is lost", h.Name, nodeOf(i))
				}
			}
		}()
	}
	for i, names := range lists[1:] {
		if !slices.Equal(names, lists[0]) {
			t.Errorf("%s and %s do not have the same znodes", s.lab.Hosts[0].Name, s.lab.Hosts[i+1].Name)
		}
	}
	t.Logf("%d acknowledged writes are on every server", len(s.load.acked))
}

// upgrade installs the next release on one server after the other, the leader last, as zkd(8) says.
func (s *story) upgrade(t *testing.T) {
	leader := s.leader(t)
	for _, h := range append(s.others(leader), leader) {
		before, edited := s.property(t, h, "MainPID"), s.run(t, h, "cat", "/etc/zkd/zkd.toml")
		s.dpkg(t, h, newVersion)
		s.run(t, h, "zkd", "wait", "--for", "in-sync", "--timeout", patience.String())
		if after := s.property(t, h, "MainPID"); after == before {
			t.Errorf("%s: the server was not restarted", h.Name)
		}
		if r, err := s.report(h); err != nil || r.Version != newVersion {
			t.Errorf("%s: version %s, %v", h.Name, r.Version, err)
		}
		if s.run(t, h, "cat", "/etc/zkd/zkd.toml") != edited {
			t.Errorf("%s: the edited configuration is lost", h.Name)
		}
		wants(t, h.Name+": the configuration of the new release", s.run(t, h, "cat", "/etc/zkd/zkd.toml.dpkg-dist"), "New in "+newVersion)
		s.load.progress(t)
	}
	// Where the operator says so, an upgrade restarts nothing.
	h := s.leader(t)
	before := s.property(t, h, "MainPID")
	if err := h.Put(s.ctx(t), "/etc/default/zkd", "ZKD_RESTART_ON_UPGRADE=no\n"); err != nil {
		t.Fatal(err)
	}
	wants(t, "dpkg", s.dpkg(t, h, newVersion), "until they are restarted")
	if after := s.property(t, h, "MainPID"); after != before {
		t.Errorf("%s: the server was restarted against ZKD_RESTART_ON_UPGRADE=no", h.Name)
	}
	// A server that does not run is not started by an upgrade.
	s.shell(t, h, "rm /etc/default/zkd; systemctl stop zkd")
	s.dpkg(t, h, newVersion)
	s.fails(t, h, 3, []string{"inactive"}, "systemctl", "is-active", "zkd")
	s.run(t, h, "systemctl", "start", "zkd")
	s.inSync(t)
	if l := s.load; errors.Is(l.last, zk.ErrSessionExpired) {
		t.Error("the session of the client did not survive")
	}
}
