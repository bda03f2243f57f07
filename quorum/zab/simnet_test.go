package zab

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// lies are what a shell may do wrong: bugs that Apache ZooKeeper has had. The core cannot prevent
// them; they show that the checks would see what they are there to see.
type lies struct {
	ackBeforeSync      bool // ZOOKEEPER-4646, -3023: a log is reported durable that is not
	epochBeforeHistory bool // ZOOKEEPER-4643, -2678: currentEpoch is durable before the synced history
	snapshotInMemory   bool // ZOOKEEPER-3642, -5094: what SNAP or TRUNC brought is in memory only
	keepMemory         bool // ZOOKEEPER-4882, -2845: after a role the state in memory is taken for that on disk
	zombieWriter       bool // ZOOKEEPER-4712: writes of a role are done after it
	forgetFloor        bool // ZOOKEEPER-2099, -4925: a log with a hole is taken for evidence
	dirtySnapshot      bool // ZOOKEEPER-1549: snapshots hold uncommitted txns, and TRUNC does not undo them
	acceptedInMemory   bool // R2: LEADERINFO and ACKEPOCH before acceptedEpoch is durable
	loneView           bool // a server believes that it alone is the ensemble
}

// item is something on a link: packets, or a snapshot stream, or the end.
type item struct {
	packet   proto.QuorumPacket
	snapshot []entry
	end      bool
}

// simLink is a connection. Each direction keeps its order.
type simLink struct {
	id              LinkID
	learner, leader *node
	up, down        []item // to the leader, to the learner
	closed          bool
}

func (k *simLink) queue(from *node) *[]item {
	if from == k.learner {
		return &k.up
	}
	return &k.down
}

func (k *simLink) send(from *node, packets []proto.QuorumPacket) {
	if k.closed {
		return
	}
	q := k.queue(from)
	for _, p := range packets {
		*q = append(*q, item{packet: p})
	}
}

func (k *simLink) sendSnapshot(from *node, state []entry) {
	if !k.closed {
		q := k.queue(from)
		*q = append(*q, item{snapshot: append([]entry{}, state...)})
	}
}

// close ends the link by one end, or, if by is nil, breaks it. What is under way may still arrive.
func (k *simLink) close(by *node) {
	if k.closed {
		return
	}
	k.closed = true
	for _, end := range []*node{k.learner, k.leader} {
		q := k.queue(end)
		if len(*q) > 0 {
			*q = (*q)[:k.learner.w.r.IntN(len(*q)+1)]
		}
		*q = append(*q, item{end: true})
	}
	if by != nil { // it knows
		other := k.leader
		if by == k.leader {
			other = k.learner
		}
		*k.queue(other) = nil
	}
}

// world is a few servers, their links, and what may happen to them, all drawn from one seed.
type world struct {
	seed  uint64
	r     *rand.Rand
	lies  lies
	view  zk.View
	nodes []*node
	links []*simLink

	nextLink     LinkID
	nextValue    uint64
	nextBarrier  uint64
	backlogBytes int64
	crashOdds    int   // one in so many actions is not done: the server crashes instead
	calm         int   // how many of 100 faults do not happen
	compacting   int   // how many of 1000 things that happen are local snapshots
	disorder     int   // one in so many elections elects anybody, or goes past a leader
	lull         int   // clients write so many times less often
	slow         *node // its disk is ten times slower than the others

	truth       []entry                  // all that was ever committed, in order
	established map[zk.Epoch]zk.ServerID // who led
	adopted     map[zk.Epoch][]entry     // the history with which a leader began its epoch
	failure     string
	log         strings.Builder
	tracing     bool
	commits     int // by clients, in this run
}

func newWorld(seed uint64, l lies) *world {
	w := &world{
		seed: seed, r: rand.New(rand.NewPCG(seed, 7)), lies: l,
		established: make(map[zk.Epoch]zk.ServerID), adopted: make(map[zk.Epoch][]entry),
	}
	// Each seed has a world of its own kind: in a calm one much gets committed, in others little lasts.
	w.crashOdds = []int{200, 1000, 10000}[w.r.IntN(3)]
	w.calm = []int{0, 80, 95}[w.r.IntN(3)]
	w.compacting = []int{0, 2, 20}[w.r.IntN(3)]
	w.lull = []int{1, 20}[w.r.IntN(2)]
	w.disorder = []int{4, 20, 100}[w.r.IntN(3)]
	voters, observers := 3, w.r.IntN(2)
	if w.r.IntN(4) == 0 {
		voters = 5
	}
	w.backlogBytes = []int64{100, 1000, 1 << 20}[w.r.IntN(3)]
	var ids []zk.ServerID
	for i := range voters + observers {
		n := &node{w: w, id: zk.ServerID(i + 1), observer: i >= voters, up: true}
		w.nodes = append(w.nodes, n)
		if !n.observer {
			ids = append(ids, n.id)
		}
	}
	w.view = zk.NewView(ids...)
	w.slow = w.nodes[w.r.IntN(len(w.nodes))]
	return w
}

// viewOf is who, a server believes, votes.
func (w *world) viewOf(id zk.ServerID) zk.View {
	if w.lies.loneView && id == 1 {
		return zk.NewView(id)
	}
	return w.view
}

func (w *world) trace(format string, args ...any) {
	if w.tracing {
		fmt.Fprintf(&w.log, format+"\n", args...)
	}
}

func (w *world) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
		w.trace("FAILURE: %s", w.failure)
	}
}

func (w *world) connect(learner, leader *node) *simLink {
	w.nextLink++
	k := &simLink{id: w.nextLink, learner: learner, leader: leader}
	w.links = append(w.links, k)
	leader.links = append(leader.links, k)
	return k
}

// run lets steps things happen, or stops at the first failure.
func (w *world) run(steps int) {
	for range steps {
		if w.failure != "" {
			return
		}
		w.once()
	}
}

// once lets one thing happen: most of the time work goes on, sometimes something breaks.
func (w *world) once() {
	n := w.nodes[w.r.IntN(len(w.nodes))]
	switch c := w.r.IntN(1000); {
	case c < w.compacting:
		if n.up {
			n.compact()
		}
	case c < 500:
		w.deliverSome()
	case c < 700:
		if n != w.slow || w.r.IntN(10) == 0 {
			w.write(n)
		}
	case c < 790:
		w.report(n)
	case c < 870:
		if w.r.IntN(w.lull) == 0 {
			w.propose(n)
		}
	case c < 900:
		w.elect(false)
	case c < 930:
		w.sync(n)
	case c < 945:
		for _, n := range w.nodes {
			w.tick(n)
		}
	case c < 975:
		if n.isolated = n.isolated && w.r.IntN(6) > 0; !n.up {
			n.restart()
		}
	case w.r.IntN(100) >= w.calm:
		w.fault(n)
	}
}

func (w *world) fault(n *node) {
	switch c := w.r.IntN(25); {
	case c < 10 && len(w.links) > 0:
		w.links[w.r.IntN(len(w.links))].close(nil)
	case c < 13 && n.up:
		n.crash()
	case c < 15 && n.up && n.role != looking:
		n.endRole()
	case c == 15: // the power fails
		for _, n := range w.nodes {
			if n.up {
				n.crash()
			}
		}
	case c == 16: // its operator wants its state afresh
		n.forceSnap = true
	case c < 20 && n.up:
		w.isolate(n)
	case len(n.zombies) > 0:
		n.disk.log = slices.Concat(n.disk.log, n.zombies[0].txns)
		n.zombies = n.zombies[1:]
		w.checkDisk(n)
	}
}

// isolate cuts a server off. The others notice; it does not, before it is back.
func (w *world) isolate(n *node) {
	w.trace("%d is cut off", n.id)
	n.isolated = true
	for _, k := range slices.Clone(n.links) {
		other := k.leader
		if other == n {
			other = k.learner
		}
		k.close(other)
		other.links = slices.DeleteFunc(other.links, func(l *simLink) bool { return l == k })
		if other.up && other.role != looking {
			other.step(LinkDown{k.id})
		}
	}
}

func (w *world) write(n *node) {
	if n.up && len(n.writes) > 0 {
		n.writeOne()
	}
}

func (w *world) report(n *node) {
	if n.up && len(n.events) > 0 {
		ev := n.events[0]
		n.events = n.events[1:]
		n.step(ev)
	}
}

func (w *world) tick(n *node) {
	if n.up && n.role != looking {
		n.step(Tick{})
	}
}

func (w *world) propose(n *node) {
	if !n.up || n.role != leading || !n.leader.Active() {
		return
	}
	var txns []Txn
	for range 1 + w.r.IntN(3) {
		z, ok := n.leader.Propose()
		if !ok {
			return
		}
		w.nextValue++
		e := entry{z, w.nextValue}
		n.proposed = append(slices.Clip(n.proposed), e)
		txns = append(txns, e.txn())
	}
	n.step(Broadcast{txns})
}

// sync lets a client call sync at any server that serves.
func (w *world) sync(n *node) {
	switch {
	case n.up && n.role == leading && n.leader.Active():
		w.nextBarrier++
		n.barriers[w.nextBarrier] = len(w.truth)
		n.step(Barrier{ID: w.nextBarrier})
	case n.up && n.role == learning && n.learner.Active():
		n.askSync()
	}
}

// deliverSome lets some of what is on one link arrive.
func (w *world) deliverSome() {
	var waiting []func()
	for _, k := range w.links {
		if len(k.up) > 0 && !k.leader.isolated {
			waiting = append(waiting, func() { w.arrive(k, &k.up, k.leader) })
		}
		if len(k.down) > 0 && !k.learner.isolated {
			waiting = append(waiting, func() { w.arrive(k, &k.down, k.learner) })
		}
	}
	if len(waiting) > 0 {
		waiting[w.r.IntN(len(waiting))]()
	}
	w.links = slices.DeleteFunc(w.links, func(k *simLink) bool { return k.closed && len(k.up)+len(k.down) == 0 })
}

func (w *world) arrive(k *simLink, q *[]item, to *node) {
	if !slices.Contains(to.links, k) {
		*q = nil // nobody is there any more
		return
	}
	var packets []proto.QuorumPacket
	for limit := 1 + w.r.IntN(4); len(*q) > 0 && len(packets) < limit; {
		it := (*q)[0]
		if it.end || it.snapshot != nil {
			break
		}
		*q = (*q)[1:]
		packets = append(packets, it.packet)
	}
	if len(packets) > 0 {
		to.step(Received{Link: k.id, Packets: packets})
		return
	}
	it := (*q)[0]
	*q = (*q)[1:]
	switch {
	case it.end:
		to.links = slices.DeleteFunc(to.links, func(other *simLink) bool { return other == k })
		to.step(LinkDown{k.id})
	case to.staging != nil:
		to.staging.base, to.staging.log = it.snapshot, nil
		to.events = append(to.events, SyncReady{max(endOf(it.snapshot), epochStart(to.staging.at))})
	}
}

// elect stands for the election. The protocol must be safe whoever is elected, so that sometimes just
// anybody is. Whoever looks for a leader may also find one that leads already, or still believes to.
func (w *world) elect(orderly bool) {
	var voters, all []*node
	var leaders []*node
	for _, n := range w.nodes {
		switch {
		case n.isolated:
		case n.up && n.role == looking && !n.observer:
			voters, all = append(voters, n), append(all, n)
		case n.up && n.role == looking:
			all = append(all, n)
		case n.up && n.role == leading:
			leaders = append(leaders, n)
		}
	}
	isLooking := func(id zk.ServerID) bool {
		return slices.ContainsFunc(voters, func(n *node) bool { return n.id == id })
	}
	if len(leaders) == 0 || !orderly && w.r.IntN(w.disorder) == 0 {
		if len(voters) == 0 || !w.view.HasQuorum(isLooking) && !w.lies.loneView {
			return
		}
		best := slices.MaxFunc(voters, func(a, b *node) int {
			if c := int(a.disk.current - b.disk.current); c != 0 {
				return c
			}
			if c := int(a.Last()>>20 - b.Last()>>20); c != 0 {
				return c
			}
			if c := int(a.Last() - b.Last()); c != 0 {
				return c
			}
			return int(a.id - b.id)
		})
		if !orderly && w.r.IntN(w.disorder) == 0 {
			best = voters[w.r.IntN(len(voters))]
		}
		w.trace("elect %d", best.id)
		best.lead()
		leaders = []*node{best}
	}
	for _, n := range all {
		if n.role == looking && n.up && (orderly || w.r.IntN(3) > 0) {
			leader := leaders[w.r.IntN(len(leaders))]
			if leader.up && leader.role == leading {
				n.learn(leader)
			}
		}
	}
}

// heal ends all faults, and demands that the servers agree and serve.
func (w *world) heal() {
	w.crashOdds = 1 << 30
	for _, n := range w.nodes {
		n.isolated = false
		if !n.up {
			n.restart()
		}
	}
	for range 300 {
		for range 20000 {
			if w.failure != "" || !w.busy() {
				break
			}
			w.deliverSome()
			for _, n := range w.nodes {
				w.write(n)
				w.report(n)
			}
		}
		if w.serving() {
			return
		}
		for _, n := range w.nodes {
			w.tick(n)
		}
		w.elect(true)
	}
	w.fail("no progress after all faults have ended")
}

func (w *world) busy() bool {
	for _, n := range w.nodes {
		if n.up && len(n.writes)+len(n.events) > 0 {
			return true
		}
	}
	return len(w.links) > 0 && slices.ContainsFunc(w.links, func(k *simLink) bool { return len(k.up)+len(k.down) > 0 })
}

// serving reports whether one leads and all others learn, and a new txn gets to all.
func (w *world) serving() bool {
	for _, n := range w.nodes {
		if n.role == looking || n.role == learning && !n.learner.Active() {
			return false
		}
	}
	i := slices.IndexFunc(w.nodes, func(n *node) bool { return n.role == leading && n.leader.Active() })
	if i < 0 {
		return false
	}
	if w.commits++; w.commits > 5 {
		return !slices.ContainsFunc(w.nodes, func(n *node) bool { return !slices.Equal(n.applied, w.truth) })
	}
	w.propose(w.nodes[i])
	return false
}
