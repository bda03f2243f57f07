package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// A queueHistory is what became of the items of a queue, as its clients were told.
type queueHistory struct {
	mu        sync.Mutex
	created   map[string]queueItem // by path
	attempted map[string]bool      // contents of creates whose reply was lost
	taken     map[string]bool      // by path: whether the client was told so, or the reply was lost
}

type queueItem struct {
	content string
	zxid    zk.Zxid
}

func newQueueHistory() queueHistory {
	return queueHistory{created: map[string]queueItem{}, attempted: map[string]bool{}, taken: map[string]bool{}}
}

// put is told of a create, which err says was acknowledged, lost or not sent.
func (q *queueHistory) put(created, content string, zxid zk.Zxid, err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.attempted[content] = q.attempted[content] || errors.Is(err, errLost)
		return err
	}
	if other, twice := q.created[created]; twice {
		return fmt.Errorf("%s was created for %s and for %s", created, other.content, content)
	}
	q.created[created] = queueItem{content, zxid}
	return nil
}

// take is told of a delete.
func (q *queueHistory) take(item string, err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case err == nil && q.taken[item]:
		return fmt.Errorf("%s was taken twice", item)
	case err == nil:
		q.taken[item] = true
	case errors.Is(err, errLost):
		q.taken[item] = q.taken[item] || false
	}
	return err
}

// check compares what is there, path -> content, with what the clients were told.
func (q *queueHistory) check(t testing.TB, there map[string]string) {
	t.Helper()
	contents := map[string]string{}
	for item, content := range there {
		want, known := q.created[item]
		switch {
		case !known && !q.attempted[content]:
			t.Errorf("%s with %q: nobody put it there", item, content)
		case known && want.content != content:
			t.Errorf("%s has %q, want %q", item, content, want.content)
		case q.taken[item]:
			t.Errorf("%s is back: it was taken", item)
		case contents[content] != "":
			t.Errorf("%q is there twice: %s and %s", content, item, contents[content])
		}
		contents[content] = item
	}
	for item := range q.created {
		if _, taken := q.taken[item]; !taken && there[item] == "" {
			t.Errorf("%s is gone: its create was acknowledged", item)
		}
	}
	// Sequence numbers rise with the history, so they are unique, too.
	byZxid := slices.SortedFunc(maps.Keys(q.created), func(a, b string) int { return cmp.Compare(q.created[a].zxid, q.created[b].zxid) })
	last := -1
	for _, item := range byZxid {
		number, err := strconv.Atoi(item[strings.LastIndex(item, "-")+1:])
		if err != nil || number <= last {
			t.Errorf("%s, zxid %v, comes behind number %d: %v", item, q.created[item].zxid, last, err)
		}
		last = number
	}
}

// A lockHold is a time in which a session surely had the lock and was alive.
type lockHold struct {
	session  zk.SessionID
	from, to time.Duration // since the start of the load
}

type lockHistory struct {
	mu    sync.Mutex
	holds []lockHold
}

func (h *lockHistory) add(hold lockHold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holds = append(h.holds, hold)
}

// check wants no two holders at a time.
func (h *lockHistory) check(t testing.TB) {
	t.Helper()
	slices.SortFunc(h.holds, func(a, b lockHold) int { return cmp.Compare(a.from, b.from) })
	for i, hold := range h.holds[min(1, len(h.holds)):] {
		if before := h.holds[i]; hold.from < before.to {
			t.Errorf("two live sessions hold the lock: %+v and %+v", before, hold)
		}
	}
}

// checkHistory judges all that the clients were told, once they have ended and the ensemble is whole.
func (l *ensembleLoad) checkHistory(t testing.TB, tree map[string]treeNode) {
	t.Helper()
	there := map[string]string{}
	queue := path.Join(l.root, "queue") + "/"
	for node, is := range tree {
		if strings.HasPrefix(node, queue) {
			there[node] = is.data
		}
	}
	l.queue.check(t, there)
	l.locks.check(t)
	now := l.h.now()
	for i := range registers {
		is := tree[l.register(i)]
		l.h.record(len(l.clients), now, registerCall{kind: readRegister, path: l.register(i)}, registerReply{value: is.data, version: is.stat.Version})
	}
	l.h.checkOrder(t)
	l.h.checkLinearizable(t)
	own := map[zk.SessionID]bool{}
	events := 0
	for _, c := range l.clients {
		own[c.session] = true
		events += c.events
	}
	for node, is := range tree {
		if own[zk.SessionID(is.stat.EphemeralOwner)] {
			t.Errorf("%s outlived its session %#x", node, is.stat.EphemeralOwner)
		}
	}
	if len(l.h.stamps) == 0 || len(l.locks.holds) == 0 || len(l.queue.taken) == 0 || events == 0 {
		t.Errorf("%d writes, %d locks, %d items taken, %d events: the load has proved nothing",
			len(l.h.stamps), len(l.locks.holds), len(l.queue.taken), events)
	}
	t.Logf("%d calls on registers, %d writes, %d items, %d locks, %d events", len(l.h.registers), len(l.h.stamps), len(l.queue.created), len(l.locks.holds), events)
}

// A treeNode is all that a client can see of a znode.
type treeNode struct {
	data string
	stat proto.Stat
	acl  []proto.ACL
}

func (n treeNode) equal(other treeNode) bool {
	return n.data == other.data && n.stat == other.stat && slices.Equal(n.acl, other.acl)
}

// checkTrees wants every server to have the same tree, to the last stat, and no zkd to have seen a digest that
// differs. It returns the tree.
func (e *ensemble) checkTrees(t testing.TB) map[string]treeNode {
	t.Helper()
	var first map[string]treeNode
	for _, id := range e.all {
		s := e.servers[id]
		tree := s.readTree(t)
		if first == nil {
			first = tree
		}
		for _, node := range slices.Sorted(maps.Keys(merged(first, tree))) {
			if is, want := tree[node], first[node]; !is.equal(want) {
				t.Errorf("%s is %+v on server %d, %s, and %+v on server %d, %s", node,
					is, id, s.target.name, want, e.all[0], e.servers[e.all[0]].target.name)
			}
		}
		// Apache ZooKeeper counts one now and then in an ensemble of its own, with equal trees.
		if n := mismatches(t, s); n != "0" && s.target.name == zkdTarget.name {
			t.Errorf("server %d, %s, has seen %s digests that differ", id, s.target.name, n)
		}
	}
	return first
}

func merged(a, b map[string]treeNode) map[string]treeNode {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// insist makes a call again if it stays without an answer where a ZooKeeper may have had it: 3.8.0 forgets one now and then
// (ZOOKEEPER-4537). Of zkd every answer is wanted.
func insist(allZkd bool, call func() error) error {
	err := call()
	for tries := 0; tries < 3 && errors.Is(err, errLost) && !allZkd; tries++ {
		err = call()
	}
	return err
}

// readTree returns all znodes of one server but those that servers make for themselves.
func (s *server) readTree(t testing.TB) map[string]treeNode {
	t.Helper()
	addr := s.addr()
	c, err := newSessionClient([]string{addr}, ensembleSessionTimeout, 0)
	if err != nil {
		t.Fatalf("%s: %v", addr, err)
	}
	defer c.drop()
	read := func(what, node string, call func() error) {
		t.Helper()
		if err := insist(s.target.name == zkdTarget.name, call); err != nil {
			t.Fatalf("%s: %s %s: %v", addr, what, node, err)
		}
	}
	read("sync", "/", func() error { return c.sync("/") })
	tree := map[string]treeNode{}
	for paths := []string{"/"}; len(paths) > 0; {
		node := paths[0]
		paths = paths[1:]
		var is treeNode
		var names []string
		read("get", node, func() (err error) { is.data, is.stat, err = c.get(node, false); return err })
		read("getACL", node, func() (err error) { is.acl, err = c.acl(node); return err })
		read("getChildren", node, func() (err error) { names, _, err = c.children(node, false); return err })
		tree[node] = is
		for _, name := range names {
			if child := path.Join(node, name); child != "/zookeeper" {
				paths = append(paths, child)
			}
		}
	}
	if err := c.close(); err != nil && !errors.Is(err, errLost) {
		t.Errorf("%s: close: %v", addr, err)
	}
	return tree
}

var mismatchesLine = regexp.MustCompile(`(?m)^zk_digest_mismatches_count\t(\d+)`)

// mismatches returns how many digests differed since the server's start, as mntr says.
func mismatches(t testing.TB, s *server) string {
	t.Helper()
	answer, err := fourLetterWord(s.addr(), "mntr")
	wantErr(t, nil, err)
	found := mismatchesLine.FindStringSubmatch(answer)
	if found == nil {
		t.Fatalf("mntr of %s has no zk_digest_mismatches_count:\n%s", s.target.name, answer)
	}
	return found[1]
}
