package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

const (
	workers        = 6
	registers      = 3
	shortRounds    = 3                // without ZKD_SOAK
	checkLimit     = 60 * time.Second // for porcupine, a round
	expirySlack    = 10 * time.Second // on a busy machine
	olderRounds    = 5                // checked again after each restart
	minLoadMillis  = 300              // between the start of a round and the kill
	moreLoadMillis = 1200
)

// A killLoop is the state of TestKillLoop from round to round.
type killLoop struct {
	server  *server
	random  *rand.Rand
	start   time.Time
	workers []*worker
	zxid    int64 // of the newest write that any client was told of
	done    []finishedRound
}

// A finishedRound is what must stay as it was when its round ended.
type finishedRound struct {
	root      string
	children  []string // of root/nodes, sorted
	registers map[string]zk.Stat
}

// A server under load is killed with SIGKILL and started again, round after round. After each start
// every acknowledged write is there, no write is there by half, the history of the registers is
// linearizable, zxids never went back, and sessions live or end as their clients do.
func TestKillLoop(t *testing.T) {
	seed := loopSeed(t)
	t.Logf("repeat this load with ZKD_SEED=%d", seed)
	l := &killLoop{
		// Small numbers, so that kills meet snapshots and new log files.
		server: startServer(t, "snapCount=400", "preAllocSize=64"),
		random: rand.New(rand.NewPCG(seed, 0)),
		start:  time.Now(),
	}
	l.connectWorkers(t)
	soak := soakTime(t)
	for round := 0; round < shortRounds || time.Since(l.start) < soak; round++ {
		if !t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) { l.round(t, round) }) {
			return
		}
	}
}

func loopSeed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("ZKD_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("ZKD_SEED=%s: %v", text, err)
	}
	return seed
}

func soakTime(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("ZKD_SOAK")
	if text == "" {
		return 0
	}
	soak, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("ZKD_SOAK=%s: %v", text, err)
	}
	return soak
}

// connectWorkers connects the clients whose sessions must last to the end of the test.
func (l *killLoop) connectWorkers(t *testing.T) {
	for id := range workers {
		w := &worker{
			goClient:  dialGoForever(t, l.server.addr(), maxSessionTimeout),
			id:        id,
			ephemeral: fmt.Sprintf("/worker-%d", id),
			random:    rand.New(rand.NewPCG(l.random.Uint64(), 0)),
		}
		w.session = w.SessionID()
		checkPath(t, w.ephemeral)(w.Create(w.ephemeral, nil, zk.FlagEphemeral, worldACL))
		l.workers = append(l.workers, w)
	}
}

// round runs the load, kills and starts the server below it, and checks what is there then.
func (l *killLoop) round(t *testing.T, number int) {
	root := fmt.Sprintf("/round-%d", number)
	h := newHistory(l.start, l.zxid)
	l.prepare(t, root)
	abandoned := l.ephemeralClient(t, root+"/abandoned", minSessionTimeout)
	returning := l.ephemeralClient(t, root+"/returning", maxSessionTimeout)

	stop := make(chan struct{})
	failed := make(chan error, workers)
	for _, w := range l.workers {
		go func() { failed <- w.run(h, root, registers, stop) }()
	}
	load := time.Duration(minLoadMillis+l.random.IntN(moreLoadMillis)) * time.Millisecond
	kill := time.NewTimer(load)
	defer kill.Stop()
	select {
	case <-kill.C:
	case err := <-failed:
		t.Fatalf("before the kill: %v", err)
	}
	abandoned.setOffline(true)
	returning.setOffline(true)
	before := make([]int, workers)
	for i, w := range l.workers {
		before[i] = w.attached()
	}
	l.server.kill(t)
	l.server.start(t)
	started := time.Now()
	for i, w := range l.workers {
		w.awaitAttached(t, before[i]) // never comes from a server that has lost writes which the client saw
	}
	close(stop)
	late := time.After(callLimit)
	for range l.workers {
		select {
		case err := <-failed:
			wantErr(t, nil, err)
		case <-late:
			t.Fatalf("a worker has waited for a reply for %v", callLimit)
		}
	}

	auditor := dialGo(t, l.server.addr(), maxSessionTimeout)
	l.checkSessions(t, auditor)
	l.checkReturning(t, auditor, returning, root+"/returning")
	finished := l.auditRound(t, auditor, h, root)
	l.checkZxids(t, auditor, h)
	h.checkLinearizable(t)
	l.checkOlderRounds(t, auditor)
	l.done = append(l.done, finished)
	l.checkAbandoned(t, auditor, abandoned, root+"/abandoned", started)
	t.Logf("load for %v: %d calls on registers, %d znodes, %d replies lost",
		load, len(h.registers), len(h.fates), countLost(h))
}

func countLost(h *history) int {
	count := len(h.attempted)
	for _, op := range h.registers {
		if op.Output.(registerReply).lost {
			count++
		}
	}
	for _, fate := range h.fates {
		if fate == uncertain {
			count++
		}
	}
	return count
}

// prepare creates the znodes that a round's load works on.
func (l *killLoop) prepare(t *testing.T, root string) {
	t.Helper()
	c := l.workers[0]
	checkPath(t, root)(c.Create(root, nil, 0, worldACL))
	checkPath(t, root+"/nodes")(c.Create(root+"/nodes", nil, 0, worldACL))
	for i := range registers {
		register := fmt.Sprintf("%s/reg-%d", root, i)
		checkPath(t, register)(c.Create(register, []byte(initialRegister.value), 0, worldACL))
	}
	if t.Failed() {
		t.FailNow()
	}
}

func (l *killLoop) ephemeralClient(t *testing.T, path string, timeout time.Duration) *goClient {
	t.Helper()
	c := dialGo(t, l.server.addr(), timeout)
	checkPath(t, path)(c.Create(path, nil, zk.FlagEphemeral, worldACL))
	return c
}

// checkSessions wants every worker to have its first session still, and its ephemeral.
func (l *killLoop) checkSessions(t *testing.T, auditor *goClient) {
	t.Helper()
	for _, w := range l.workers {
		if w.SessionID() != w.session || w.saw(zk.StateExpired) {
			t.Errorf("worker %d lost session %#x and has %#x", w.id, w.session, w.SessionID())
		}
		if exists, stat, err := auditor.Exists(w.ephemeral); err != nil || !exists || stat.EphemeralOwner != w.session {
			t.Errorf("%s of session %#x: exists %v, %+v, %v", w.ephemeral, w.session, exists, stat, err)
		}
	}
}

// checkReturning wants the session of a client that was away during the kill, and comes back in time.
func (l *killLoop) checkReturning(t *testing.T, auditor, returning *goClient, path string) {
	t.Helper()
	session := returning.SessionID()
	if exists, _, err := auditor.Exists(path); !exists || err != nil {
		t.Errorf("%s went before the timeout of its session: %v, %v", path, exists, err)
	}
	before := returning.attached()
	returning.setOffline(false)
	returning.awaitAttached(t, before)
	if exists, stat, err := auditor.Exists(path); err != nil || !exists || stat.EphemeralOwner != session || returning.SessionID() != session {
		t.Errorf("%s of session %#x: exists %v, %+v, %v; the client has session %#x", path, session, exists, stat, err, returning.SessionID())
	}
	returning.Close()
	if exists, _, err := auditor.Exists(path); exists || err != nil {
		t.Errorf("%s outlived its session: %v, %v", path, exists, err)
	}
}

// checkAbandoned wants the session of a client that stays away to end by its timeout, which counts from the start of
// the server, and the client to be told when it comes back.
func (l *killLoop) checkAbandoned(t *testing.T, auditor, abandoned *goClient, path string, started time.Time) {
	t.Helper()
	eventually(t, minSessionTimeout+tick+expirySlack-time.Since(started), path+" ends with its session", func() bool {
		exists, _, err := auditor.Exists(path)
		return err == nil && !exists
	})
	abandoned.setOffline(false)
	eventually(t, programLimit, "the client hears that its session has expired", func() bool { return abandoned.saw(zk.StateExpired) })
}

// auditRound compares the znodes of a round with what its clients were told, reads the registers into its history, and
// returns what must never change again.
func (l *killLoop) auditRound(t *testing.T, auditor *goClient, h *history, root string) finishedRound {
	t.Helper()
	nodes := root + "/nodes"
	children, _, err := auditor.Children(nodes)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(children)
	there := map[string]bool{}
	for _, child := range children {
		child = path.Join(nodes, child)
		there[child] = true
		data, stat, err := auditor.Get(child)
		if err != nil {
			t.Fatal(err)
		}
		l.zxid = max(l.zxid, stat.Czxid)
		fate, known := h.fates[child]
		switch {
		case !known && !h.attempted[string(data)]:
			t.Errorf("%s with data %q: nobody created it", child, data)
		case known && fate == removed:
			t.Errorf("%s: its delete was acknowledged, and it is back", child)
		case known && string(data) != h.contents[child]:
			t.Errorf("%s has data %q, want %q", child, data, h.contents[child])
		}
	}
	for child, fate := range h.fates {
		if fate == acknowledged && !there[child] {
			t.Errorf("%s: its create was acknowledged, and it is gone", child)
		}
	}
	for _, prefix := range h.pairs {
		if there[prefix+"-a"] != there[prefix+"-b"] {
			t.Errorf("%s: one multi, and only one of its two znodes is there", prefix)
		}
	}

	finished := finishedRound{root: root, children: children, registers: map[string]zk.Stat{}}
	for i := range registers {
		register := fmt.Sprintf("%s/reg-%d", root, i)
		began := h.now()
		data, stat, err := auditor.Get(register)
		if err != nil {
			t.Fatal(err)
		}
		h.record(workers, began, registerCall{kind: readRegister, path: register}, registerReply{value: string(data), version: stat.Version})
		finished.registers[register] = *stat
	}
	return finished
}

// checkZxids wants the zxids of writes that did not overlap in the order of time, within the round
// and against all earlier ones; and the next write beyond them all.
func (l *killLoop) checkZxids(t *testing.T, auditor *goClient, h *history) {
	t.Helper()
	l.zxid = max(l.zxid, h.checkOrder(t))
	marker := "/marker-" + strconv.FormatInt(l.zxid, 16)
	checkPath(t, marker)(auditor.Create(marker, nil, 0, worldACL))
	_, stat, err := auditor.Exists(marker)
	if err != nil {
		t.Fatal(err)
	}
	if stat.Czxid <= l.zxid {
		t.Errorf("a new write has zxid %#x, and an old one %#x", stat.Czxid, l.zxid)
	}
	l.zxid = stat.Czxid
}

// checkOlderRounds wants some earlier rounds as they were left.
func (l *killLoop) checkOlderRounds(t *testing.T, auditor *goClient) {
	t.Helper()
	for _, i := range l.random.Perm(len(l.done))[:min(olderRounds, len(l.done))] {
		old := l.done[i]
		children, _, err := auditor.Children(old.root + "/nodes")
		slices.Sort(children)
		if err != nil || !slices.Equal(children, old.children) {
			t.Errorf("%s/nodes has changed since its round: %d children, want %d; %v\n%s", old.root,
				len(children), len(old.children), err, strings.Join(children, " "))
		}
		for register, want := range old.registers {
			if _, got, err := auditor.Get(register); err != nil || *got != want {
				t.Errorf("%s has changed since its round: %+v, want %+v; %v", register, got, want, err)
			}
		}
	}
}
