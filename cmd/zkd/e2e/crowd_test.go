package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

const (
	crowdSize = 10000
	// crowdTimeout is the sessions' timeout, crowdPing how long a client is silent before it pings.
	crowdTimeout = 30 * time.Second
	crowdPing    = 5 * time.Second
	// crowdConnecting bounds how many handshakes are under way at a time.
	crowdConnecting = 200
	// spareDescriptors are for all but the crowd's connections.
	spareDescriptors = 500
	// crowdLimit bounds what all of the crowd must have done, on a busy machine.
	crowdLimit = 2 * time.Minute
)

// A crowdMember is one client that holds its session and one ephemeral znode, and does no more.
type crowdMember struct {
	*sessionClient
	name  string
	heard atomic.Int64                     // when a server last attached the session or answered a ping: nanoseconds of the test
	live  atomic.Pointer[rawclient.Client] // the connection, for who wants to close it
}

// A crowd is many clients of one ensemble.
type crowd struct {
	members    []*crowdMember
	start      time.Time
	connecting chan struct{} // holds a token for each handshake under way
	stop       chan struct{}
	failed     chan error
	running    sync.WaitGroup
}

// gather opens the sessions of a crowd, spread over all servers, each with its ephemeral below root.
func gather(t testing.TB, e *ensemble, size int, root string) *crowd {
	t.Helper()
	c := &crowd{
		start: time.Now(), connecting: make(chan struct{}, crowdConnecting),
		stop: make(chan struct{}), failed: make(chan error, size),
	}
	for i := range size {
		m := &crowdMember{name: fmt.Sprintf("%s/c-%05d", root, i), sessionClient: &sessionClient{
			addrs: e.addrs(), timeout: crowdTimeout, server: i % len(e.all), password: make([]byte, proto.PasswordBytes),
		}}
		c.members = append(c.members, m)
		c.running.Go(func() {
			if err := c.keep(m); err != nil {
				c.failed <- fmt.Errorf("%s, session %v, server %d: %w", m.name, m.session, m.server+1, err)
			}
		})
	}
	t.Cleanup(c.disperse)
	c.await(t, 0)
	return c
}

// disperse ends all clients; their sessions are left to expire.
func (c *crowd) disperse() {
	close(c.stop)
	for _, m := range c.members {
		if conn := m.live.Load(); conn != nil {
			conn.Close()
		}
	}
	c.running.Wait()
}

// await waits until every member has heard of a server since then.
func (c *crowd) await(t testing.TB, since time.Duration) {
	t.Helper()
	silent := len(c.members)
	heard := poll(crowdLimit, func() bool {
		select {
		case err := <-c.failed:
			t.Fatal(err)
		default:
		}
		silent = 0
		for _, m := range c.members {
			if m.heard.Load() <= int64(since) {
				silent++
			}
		}
		return silent == 0
	})
	if !heard {
		t.Fatalf("%d of %d clients hear of no server within %v", silent, len(c.members), crowdLimit)
	}
}

// keep holds a member's session until the crowd disperses: it pings when nothing else happens, and takes its
// session elsewhere when a connection breaks.
func (c *crowd) keep(m *crowdMember) error {
	defer m.drop()
	for {
		select {
		case <-c.stop:
			return nil
		default:
		}
		if m.conn == nil {
			if err := c.attach(m); err != nil {
				return err
			}
			continue
		}
		m.conn.Timeout = crowdPing
		_, err := m.conn.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if err = m.conn.SendXid(zk.XidPing, zk.OpPing, nil); err == nil {
				m.conn.Timeout = crowdTimeout / 3
				_, err = m.conn.ReadFrame()
			}
		}
		if err != nil {
			m.drop()
			continue
		}
		m.heard.Store(int64(time.Since(c.start)))
	}
}

// attach finds a server for a member's session. The first time, the member creates its znode.
func (c *crowd) attach(m *crowdMember) error {
	select {
	case <-c.stop:
		return nil
	case c.connecting <- struct{}{}:
	}
	defer func() { <-c.connecting }()
	first := m.session == 0
	err := m.connect()
	if err == nil && first {
		_, _, err = m.create(m.name, "", zk.ModeEphemeral)
	}
	if errors.Is(err, errUnsent) || errors.Is(err, errLost) && !first {
		return nil
	}
	if err != nil {
		return err
	}
	m.live.Store(m.conn)
	m.heard.Store(int64(time.Since(c.start)))
	return nil
}

// crowdFor returns how many clients this process may have connections for.
func crowdFor(t testing.TB) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	size := min(crowdSize, int(limit.Cur)-spareDescriptors)
	if size < crowdSize {
		t.Logf("only %d of %d clients: the limit of descriptors is %d", size, crowdSize, limit.Cur)
	}
	return size
}

// Ten thousand sessions outlive their leader: each is taken by another server, none expires, and no
// ephemeral goes.
func TestEnsembleLosesNoSessionOfACrowd(t *testing.T) {
	e := startEnsemble(t, repeat(3, selectedTarget(t)))
	leader := e.awaitAll(t)
	auditor, err := newSessionClient(e.addrs(), crowdTimeout, 1)
	if err != nil {
		t.Fatal(err)
	}
	const root = "/crowd"
	if _, _, err := auditor.create(root, "", zk.ModePersistent); err != nil {
		t.Fatal(err)
	}
	auditor.drop()
	began := time.Now()
	c := gather(t, e, crowdFor(t), root)
	t.Logf("%d sessions in %v", len(c.members), time.Since(began))

	killed := time.Since(c.start)
	e.kill(t, leader)
	c.await(t, killed)
	t.Logf("all with another server, or heard of theirs, %v after the leader's death", time.Since(c.start)-killed)
	e.launch(t, leader)
	e.awaitAll(t)
	c.await(t, time.Since(c.start))

	for _, id := range e.all {
		auditor, err := newSessionClient([]string{e.servers[id].addr()}, crowdTimeout, 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(auditor.drop)
		if err := auditor.sync(root); err != nil {
			t.Fatal(err)
		}
		names, _, err := auditor.children(root, false)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		for i, m := range c.members {
			if want := fmt.Sprintf("c-%05d", i); i >= len(names) || names[i] != want {
				t.Fatalf("server %d has %d ephemerals of %d live sessions: %s of session %v is missing", id, len(names), len(c.members), want, m.session)
			}
		}
	}
}

// A session whose client is gone ends by its timeout, on whatever server it was, also if its leader
// is killed meanwhile.
func TestEnsembleExpiresSessions(t *testing.T) {
	const timeout = 8 * ensembleTick
	e := startEnsemble(t, repeat(3, selectedTarget(t)))
	leader := e.awaitAll(t)
	auditor, err := newSessionClient(e.addrs(), ensembleSessionTimeout, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer auditor.drop()
	var gone []string
	for _, id := range e.all {
		c, err := newSessionClient([]string{e.servers[id].addr()}, timeout, 1)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("/of-server-%d", id)
		if _, _, err := c.create(name, "", zk.ModeEphemeral); err != nil {
			t.Fatal(err)
		}
		gone = append(gone, name)
		c.drop()
	}
	e.kill(t, leader)
	eventually(t, electionLimit, "the ephemerals go with their sessions", func() bool {
		for _, name := range gone {
			if err := auditor.sync(name); err != nil {
				return false
			}
			if _, err := auditor.exists(name); !errors.Is(err, zk.ErrNoNode) {
				return false
			}
		}
		return true
	})
	e.launch(t, leader)
	e.awaitAll(t)
	for node, is := range e.checkTrees(t) {
		if is.stat.EphemeralOwner != 0 {
			t.Errorf("%s outlived its session", node)
		}
	}
}
