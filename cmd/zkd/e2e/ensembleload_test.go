package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// How many clients work at once, each with a session of its own; and how long each rests after a call: the histories
// stay short enough to be judged, and two cores have room for five servers.
const (
	registerClients = 4
	queueClients    = 3
	lockClients     = 3
	watchClients    = 2
	clientRest      = 15 * time.Millisecond
)

// Where a majority is reachable, every client gets the answers to so many calls in so much time, on a busy machine.
const (
	progressCalls = 30
	progressLimit = 60 * time.Second
)

// An ensembleLoad is clients at work below one znode, and what they were told.
type ensembleLoad struct {
	root    string
	random  *rand.Rand // for who strikes beside the load
	h       *history   // of registers, and the order of all writes
	queue   queueHistory
	locks   lockHistory
	clients []*sessionClient

	// barriers says that a read behind a sync must see every write acknowledged before: so it is with zkd.
	// A ZooKeeper that was deposed and has not noticed yet answers syncs all the same.
	barriers bool

	// mayRefuse says that a server may refuse writes for want of room; refused counts them.
	mayRefuse bool
	refused   atomic.Int64

	stop   chan struct{}
	failed chan error // what no client should see; closed when all have ended
}

// startLoad connects the clients and lets them work.
func startLoad(t testing.TB, e *ensemble, root string, barriers, mayRefuse bool, random *rand.Rand) *ensembleLoad {
	t.Helper()
	l := &ensembleLoad{
		root: root, random: random, h: newHistory(time.Now(), 0), barriers: barriers, mayRefuse: mayRefuse, stop: make(chan struct{}),
		queue: newQueueHistory(),
	}
	var jobs []func(*sessionClient, int, *rand.Rand) error
	for range registerClients {
		jobs = append(jobs, l.useRegisters)
	}
	for range queueClients {
		jobs = append(jobs, l.useQueue)
	}
	for range lockClients {
		jobs = append(jobs, l.useLock)
	}
	for range watchClients {
		jobs = append(jobs, l.watch)
	}
	for range jobs {
		c, err := newSessionClient(e.addrs(), ensembleSessionTimeout, random.Uint64())
		if err != nil {
			t.Fatal(err)
		}
		l.clients = append(l.clients, c)
		t.Cleanup(c.drop)
	}
	l.prepare(t, e.allAre("zkd"))
	l.failed = make(chan error, len(jobs))
	var running sync.WaitGroup
	for id, job := range jobs {
		seed := rand.New(rand.NewPCG(random.Uint64(), 0))
		running.Go(func() {
			if err := job(l.clients[id], id, seed); err != nil {
				l.failed <- fmt.Errorf("client %d, session %v, server %d: %w", id, l.clients[id].session, l.clients[id].server+1, err)
			}
		})
	}
	go func() {
		running.Wait()
		close(l.failed)
	}()
	return l
}

func (l *ensembleLoad) register(i int) string { return fmt.Sprintf("%s/reg-%d", l.root, i) }

// prepare creates what the clients work on.
func (l *ensembleLoad) prepare(t testing.TB, allZkd bool) {
	t.Helper()
	c := l.clients[0]
	nodes := map[string]string{l.root: "", path.Join(l.root, "queue"): ""}
	for i := range registers {
		nodes[l.register(i)] = initialRegister.value
	}
	for _, node := range slices.Sorted(maps.Keys(nodes)) {
		lost := false
		err := insist(allZkd, func() error {
			_, _, err := c.create(node, nodes[node], zk.ModePersistent)
			if lost && errors.Is(err, zk.ErrNodeExists) {
				return nil
			}
			lost = errors.Is(err, errLost)
			return err
		})
		if err != nil {
			t.Fatalf("create %s: %v", node, err)
		}
	}
	for _, c := range l.clients { // each must find them
		if err := insist(allZkd, func() error { return c.sync(l.root) }); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitProgress waits until every client has had the answers to some calls that it made after this.
func (l *ensembleLoad) awaitProgress(t testing.TB) {
	t.Helper()
	want := make([]int64, len(l.clients))
	for i, c := range l.clients {
		want[i] = c.answered.Load() + 1 + progressCalls // one may have been under way
	}
	waiting := -1
	reached := poll(progressLimit, func() bool {
		l.check(t)
		waiting = 0
		for waiting < len(want) && l.clients[waiting].answered.Load() >= want[waiting] {
			waiting++
		}
		return waiting == len(want)
	})
	if !reached {
		t.Fatalf("client %d gets no answers for %v", waiting, progressLimit)
	}
}

// check fails the test if a client has seen what no client should see.
func (l *ensembleLoad) check(t testing.TB) {
	t.Helper()
	select {
	case err, running := <-l.failed:
		if running {
			t.Fatal(err)
		}
	default:
	}
}

// end stops the clients and returns when they have.
func (l *ensembleLoad) end(t testing.TB) {
	t.Helper()
	close(l.stop)
	late := time.After(callLimit)
	for {
		select {
		case err, running := <-l.failed:
			if !running {
				return
			}
			t.Fatal(err)
		case <-late:
			t.Fatalf("a client has waited for a reply for %v", callLimit)
		}
	}
}

// work calls step again and again until the load ends. What step returns ends it, but for an answer
// that never came.
func (l *ensembleLoad) work(step func() error) error {
	rest := time.NewTicker(clientRest)
	defer rest.Stop()
	for {
		select {
		case <-l.stop:
			return nil
		case <-rest.C:
		}
		switch err := step(); {
		case err == nil, errors.Is(err, errLost), errors.Is(err, errUnsent):
		case l.mayRefuse && refusal(err):
			l.refused.Add(1)
		default:
			return err
		}
	}
}

// useRegisters reads and writes registers that all such clients share.
func (l *ensembleLoad) useRegisters(c *sessionClient, id int, random *rand.Rand) error {
	versions := map[string]int32{} // newest seen: a session never sees older
	count := 0
	return l.work(func() error {
		count++
		register := l.register(random.IntN(registers))
		switch random.IntN(6) {
		case 0, 1:
			return l.read(c, id, register, versions)
		case 2:
			return l.readOwn(c, register, versions)
		case 3:
			return l.write(c, id, registerCall{kind: setRegister, path: register, value: fmt.Sprintf("c%d-%d", id, count)}, versions)
		default:
			return l.write(c, id, registerCall{kind: casRegister, path: register, value: fmt.Sprintf("c%d-%d", id, count), version: versions[register]}, versions)
		}
	})
}

// read is a sync and a read: linearizable, where l.barriers says so.
func (l *ensembleLoad) read(c *sessionClient, id int, register string, versions map[string]int32) error {
	began := l.h.now()
	if err := c.sync(register); err != nil {
		return err
	}
	data, stat, err := c.get(register, false)
	if err != nil {
		return err
	}
	if l.barriers {
		l.h.record(id, began, registerCall{kind: readRegister, path: register}, registerReply{value: data, version: stat.Version})
	}
	return newer(register, stat.Version, versions)
}

// readOwn is a read alone, which may be old, but never older than what the session has seen.
func (l *ensembleLoad) readOwn(c *sessionClient, register string, versions map[string]int32) error {
	_, stat, err := c.get(register, false)
	if err != nil {
		return err
	}
	return newer(register, stat.Version, versions)
}

func newer(register string, version int32, versions map[string]int32) error {
	if version < versions[register] {
		return fmt.Errorf("%s has version %d, and had version %d in this session", register, version, versions[register])
	}
	versions[register] = version
	return nil
}

func (l *ensembleLoad) write(c *sessionClient, id int, call registerCall, versions map[string]int32) error {
	version := int32(-1)
	if call.kind == casRegister {
		version = call.version
	}
	began := l.h.now()
	stat, err := c.set(call.path, call.value, version)
	switch {
	case err == nil:
		l.h.acknowledge(began, int64(stat.Mzxid), "set "+call.path)
		l.h.record(id, began, call, registerReply{version: stat.Version})
		return newer(call.path, stat.Version, versions)
	case errors.Is(err, zk.ErrBadVersion):
		l.h.record(id, began, call, registerReply{refused: true})
		return nil // the next read finds the version
	case errors.Is(err, errLost):
		l.h.record(id, began, call, registerReply{lost: true})
	}
	return err
}

// useQueue puts items at the end of a queue and takes them from its head.
func (l *ensembleLoad) useQueue(c *sessionClient, id int, random *rand.Rand) error {
	queue := path.Join(l.root, "queue")
	count := 0
	var queued []string
	return l.work(func() error {
		switch random.IntN(5) {
		case 0:
			if names, _, err := c.children(queue, false); err != nil {
				return err
			} else if slices.Sort(names); len(names) > 0 {
				queued = names
			}
			return nil
		case 1:
			if len(queued) == 0 {
				return nil
			}
			head := path.Join(queue, queued[0])
			queued = queued[1:]
			err := c.delete(head, -1)
			if errors.Is(err, zk.ErrNoNode) {
				return nil // another client was faster
			}
			return l.queue.take(head, err)
		default:
			count++
			content := fmt.Sprintf("c%d-%d", id, count)
			began := l.h.now()
			created, stat, err := c.create(queue+"/n-", content, zk.ModePersistentSequential)
			if err == nil {
				l.h.acknowledge(began, int64(stat.Czxid), "create "+created)
			}
			return l.queue.put(created, content, stat.Czxid, err)
		}
	})
}

// useLock takes one lock, an ephemeral znode that all such clients want, proves for some calls that it still has it, and
// releases it.
func (l *ensembleLoad) useLock(c *sessionClient, _ int, random *rand.Rand) error {
	lock := path.Join(l.root, "lock")
	var hold *lockHold // nil while another has the lock
	turns := 0
	unsure := false // of whether the lock was taken, or released
	return l.work(func() error {
		if unsure {
			mine, err := l.ownsLock(c, lock)
			if err != nil {
				return err
			}
			unsure = false
			switch {
			case mine && hold == nil:
				hold, turns = l.newHold(c), random.IntN(8)
			case !mine:
				hold = nil
			}
			return nil
		}
		switch {
		case hold == nil:
			_, _, err := c.create(lock, c.session.String(), zk.ModeEphemeral)
			if err == nil {
				hold, turns = l.newHold(c), random.IntN(8)
			}
			unsure = errors.Is(err, errLost)
			if errors.Is(err, zk.ErrNodeExists) {
				return nil
			}
			return err
		case turns > 0:
			turns--
			sent := l.h.now()
			stat, err := c.set(lock, c.session.String(), -1)
			switch {
			case err == nil && zk.SessionID(stat.EphemeralOwner) == c.session:
				hold.to = sent // a quorum has agreed since then that the session lives and has the lock
			case err == nil:
				return fmt.Errorf("session %v has the lock that live session %v holds", zk.SessionID(stat.EphemeralOwner), c.session)
			case errors.Is(err, zk.ErrNoNode):
				return fmt.Errorf("the lock that live session %v holds is gone: %w", c.session, err)
			}
			return err
		default:
			if turns == 0 {
				turns--
				l.locks.add(*hold)
			}
			err := c.delete(lock, -1)
			if err == nil {
				hold = nil
			}
			unsure = errors.Is(err, errLost)
			return err
		}
	})
}

func (l *ensembleLoad) newHold(c *sessionClient) *lockHold {
	return &lockHold{session: c.session, from: l.h.now(), to: l.h.now()}
}

// ownsLock looks whose the lock is after a call without an answer.
func (l *ensembleLoad) ownsLock(c *sessionClient, lock string) (bool, error) {
	if err := c.sync(lock); err != nil {
		return false, err
	}
	stat, err := c.exists(lock)
	if errors.Is(err, zk.ErrNoNode) {
		return false, nil
	}
	return zk.SessionID(stat.EphemeralOwner) == c.session, err
}

// watch keeps one watch on each register and on the queue and looks at them behind it: sessionClient
// finds a change that shows before its event.
func (l *ensembleLoad) watch(c *sessionClient, _ int, random *rand.Rand) error {
	queue := path.Join(l.root, "queue")
	return l.work(func() error {
		if random.IntN(registers+1) == 0 {
			if _, armed := c.child[queue]; !armed {
				_, _, err := c.children(queue, true)
				return err
			}
			_, err := c.exists(queue)
			return err
		}
		register := l.register(random.IntN(registers))
		if _, armed := c.data[register]; !armed {
			_, _, err := c.get(register, true)
			return err
		}
		_, err := c.exists(register)
		return err
	})
}

// finish ends all sessions, after a last look of the watching ones at all that they watch.
func (l *ensembleLoad) finish(t testing.TB) {
	t.Helper()
	for id, c := range l.clients {
		watched := slices.Concat(slices.Collect(maps.Keys(c.data)), slices.Collect(maps.Keys(c.child)))
		for _, node := range watched {
			if err := retry(func() error { return c.sync(node) }); err != nil {
				t.Fatalf("client %d: sync: %v", id, err)
			}
			if err := retry(func() error { return second(c.exists(node)) }); err != nil {
				t.Errorf("client %d: %v", id, err)
			}
		}
		err := c.call(zk.OpCloseSession, nil, func(*jute.Decoder) {})
		if err != nil && !errors.Is(err, errLost) {
			t.Errorf("client %d: close session %v: %v", id, c.session, err)
		}
		c.drop()
	}
}

// retry repeats a call that has no effect until it is answered.
func retry(call func() error) error {
	var err error
	poll(progressLimit, func() bool {
		err = call()
		return !errors.Is(err, errLost) && !errors.Is(err, errUnsent)
	})
	return err
}
