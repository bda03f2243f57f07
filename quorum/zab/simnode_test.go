package zab

import (
	"encoding/binary"
	"fmt"
	"slices"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// entry is a txn as the simulation sees it: where it stands, and what tells it from any other.
type entry struct {
	zxid  zk.Zxid
	value uint64
}

func (e entry) txn() Txn {
	data := make([]byte, proto.TxnHeaderBytes, proto.TxnHeaderBytes+8)
	binary.BigEndian.PutUint64(data[12:], uint64(e.zxid))
	return Txn{e.zxid, binary.BigEndian.AppendUint64(data, e.value)}
}

func entryOf(t Txn) entry {
	return entry{t.Zxid, binary.BigEndian.Uint64(t.Data[proto.TxnHeaderBytes:])}
}

func entriesOf(txns []Txn) []entry {
	all := make([]entry, len(txns))
	for i, t := range txns {
		all[i] = entryOf(t)
	}
	return all
}

func endOf(history []entry) zk.Zxid {
	if len(history) == 0 {
		return 0
	}
	return history[len(history)-1].zxid
}

func hasPrefix(history, prefix []entry) bool {
	return len(history) >= len(prefix) && slices.Equal(history[:len(prefix)], prefix)
}

// disk is what a crash leaves of a server. The slices are never changed in place.
type disk struct {
	accepted, current zk.Epoch
	base              []entry // the state in the newest snapshot, as the history that led to it
	log               []entry // behind it
}

func (d *disk) history() []entry { return slices.Concat(d.base, d.log) }

// role is what a server is.
type role uint8

const (
	looking role = iota
	leading
	learning
)

// write is one pending write to a disk: the log is appended to, or something else is done at once.
type write struct {
	txns []entry
	do   func() // nil for the log
	then Event  // reported when it is durable
}

// staging is a new state that is being built beside the old.
type staging struct {
	mode      SyncMode
	at        zk.Zxid // what the leader calls the end of its snapshot
	base, log []entry
}

// node is a simulated server: its disk, the core of its role, and a shell that performs the actions.
// The shell tells the truth, unless the world's lies say otherwise.
type node struct {
	w        *world
	id       zk.ServerID
	observer bool
	up       bool
	isolated bool
	disk     disk

	role      role
	leader    *Leader
	learner   *Learner
	links     []*simLink // of this role
	writes    []write
	events    []Event // that the shell will report some time
	applied   []entry // the tree
	proposed  []entry // a leader's history with all that it proposed
	staging   *staging
	forceSnap bool
	syncs     []int // clients' syncs: how long the truth was when they came
	barriers  map[uint64]int

	// What only lies make use of.
	zombies  []write  // of earlier roles
	memory   []entry  // what the server takes for its history
	promised zk.Epoch // accepted, but not on the disk
	covered  []entry  // log that a snapshot took the place of
}

// history is what the server reports about itself.
func (n *node) history() []entry {
	if n.memory != nil {
		return n.memory
	}
	return n.disk.history()
}

// Last and Locate make a node the History of its leader.
func (n *node) Last() zk.Zxid { return endOf(n.history()) }

func (n *node) Locate(z zk.Zxid) (at zk.Zxid, record, ok bool) {
	floor, log := endOf(n.disk.base), n.disk.log
	if n.w.lies.forgetFloor && len(n.covered) > 0 {
		floor, log = endOf(n.covered[:1])-1, slices.Concat(n.covered, n.disk.log)
	}
	if z < floor {
		return 0, false, false
	}
	at = floor
	for _, e := range log {
		if e.zxid <= z {
			at, record = e.zxid, true
		}
	}
	return at, record, true
}

func (n *node) lead() {
	n.role = leading
	n.applied = n.history()
	n.proposed = n.applied
	n.barriers = make(map[uint64]int)
	n.leader = Lead(LeaderConfig{
		Self: n.id, View: n.w.viewOf(n.id), Accepted: max(n.disk.accepted, n.promised), Current: n.disk.current, History: n,
		InitLimit: 10, SyncLimit: 5, BacklogBytes: n.w.backlogBytes,
	})
	n.perform(n.leader.Start())
}

func (n *node) learn(from *node) {
	n.role = learning
	n.syncs = nil
	n.learner = Learn(LearnerConfig{
		Self: n.id, Observer: n.observer, Accepted: max(n.disk.accepted, n.promised), Current: n.disk.current, Last: n.Last(),
		InitLimit: 10, SyncLimit: 5, PendingBytes: 1 << 20, ForceSnap: n.forceSnap,
	})
	n.forceSnap = false
	k := n.w.connect(n, from)
	n.links = []*simLink{k}
	n.perform(n.learner.Start())
}

// step tells the core of the role something.
func (n *node) step(ev Event) {
	n.w.trace("%d <- %T", n.id, ev)
	switch n.role {
	case leading:
		actions := n.leader.Step(ev)
		n.w.noteCommitted(n)
		n.perform(actions)
	case learning:
		n.perform(n.learner.Step(ev))
	}
	n.w.check(n)
}

func (n *node) perform(actions []Action) {
	for _, a := range slices.Clone(actions) {
		if !n.up || n.role == looking {
			return
		}
		n.w.trace("%d: %v", n.id, a)
		if n.w.r.IntN(n.w.crashOdds) == 0 {
			n.crash()
			return
		}
		n.act(a)
	}
}

func (n *node) act(a Action) {
	switch a := a.(type) {
	case Send:
		for _, k := range n.links {
			if a.To == nil || slices.Contains(a.To, k.id) {
				k.send(n, a.Packets)
			}
		}
	case Close:
		if i := slices.IndexFunc(n.links, func(k *simLink) bool { return k.id == a.Link }); i >= 0 {
			n.links[i].close(n)
		}
	case End:
		n.forceSnap = a.ForceSnap
		n.endRole()
	case SaveAccepted:
		if n.w.lies.acceptedInMemory {
			n.promised = a.Epoch
			n.events = append(n.events, AcceptedDurable(a))
			return
		}
		n.save(func() { n.disk.accepted = a.Epoch }, AcceptedDurable(a), false)
	case SaveCurrent:
		n.save(func() { n.disk.current, n.disk.accepted = a.Epoch, max(n.disk.accepted, a.Epoch) }, CurrentDurable(a), false)
	case Persist:
		n.append(entriesOf(a.Txns))
	case Deliver:
		n.applied = slices.Concat(n.applied, entriesOf(a.Txns))
	case BeginSync, Stage, CommitSync, AbandonSync:
		n.actSync(a)
	case StreamTxns, StreamSnapshot, Forward, BarrierDone, Touch, UpToDate:
		n.actLeader(a)
	case AnswerPing:
		n.links[0].send(n, []proto.QuorumPacket{a.Packet})
	case SyncDone:
		n.w.readBehindSync(n, n.syncs[0])
		n.syncs = n.syncs[1:]
	case Activate, ConfigSeen, ConfigCommitted, Revalidated:
	default:
		panic(fmt.Sprintf("unknown action %T", a))
	}
}

func (n *node) actLeader(a Action) {
	switch a := a.(type) {
	case StreamTxns:
		k := n.link(a.Link)
		at := a.After
		log := n.disk.history()
		if len(n.covered) > 0 {
			log = slices.Concat(n.covered, n.disk.log)
		}
		for _, e := range log {
			if e.zxid <= a.After || e.zxid > a.Upto {
				continue
			}
			if !n.w.lies.forgetFloor && !e.zxid.Follows(at) && at != 0 {
				n.w.fail("server %d streams %v behind %v", n.id, e.zxid, at)
			}
			at = e.zxid
			k.send(n, []proto.QuorumPacket{carrying(proto.PacketProposal, e.txn()), packet(proto.PacketCommit, e.zxid)})
		}
		if at != a.Upto {
			n.w.fail("server %d is to stream up to %v, its log ends at %v", n.id, a.Upto, at)
		}
		n.events = append(n.events, Streamed{a.Link})
	case StreamSnapshot:
		if end := endOf(n.applied); end != a.At && (a.At.Counter() != 0 || end > a.At) {
			n.w.fail("server %d is to send a snapshot at %v, its tree is at %v", n.id, a.At, endOf(n.applied))
		}
		n.link(a.Link).sendSnapshot(n, n.applied)
		n.events = append(n.events, Streamed{a.Link})
	case Forward:
		for range a.Packets {
			n.events = append(n.events, Barrier{Link: a.Link})
		}
	case BarrierDone:
		if came, own := n.barriers[a.ID]; own {
			n.w.readBehindSync(n, came)
		}
	}
}

func (n *node) link(id LinkID) *simLink {
	i := slices.IndexFunc(n.links, func(k *simLink) bool { return k.id == id })
	return n.links[i]
}

func (n *node) actSync(a Action) {
	switch a := a.(type) {
	case BeginSync:
		n.staging = &staging{mode: a.Mode, at: a.At, base: n.disk.base, log: n.disk.log}
		if n.memory != nil {
			n.staging.base, n.staging.log = nil, n.memory
		}
		if a.Mode == Trunc {
			n.events = append(n.events, n.truncate(a.At))
		}
	case Stage:
		n.staging.log = slices.Concat(n.staging.log, entriesOf(a.Txns))
	case CommitSync:
		n.commitSync(a.Last)
	case AbandonSync:
		n.staging = nil
	}
}

// epochStart returns z if it is epoch<<32, which no txn has.
func epochStart(z zk.Zxid) zk.Zxid {
	if z.Counter() == 0 {
		return z
	}
	return 0
}

// truncate cuts what is staged, exactly or not at all.
func (n *node) truncate(at zk.Zxid) Event {
	s := n.staging
	if endOf(s.base) == at {
		s.log = nil
		return SyncReady{at}
	}
	for i, e := range s.log {
		if e.zxid == at {
			s.log = s.log[:i+1]
			return SyncReady{at}
		}
	}
	if n.w.lies.dirtySnapshot && endOf(s.base) > at {
		s.log = nil // only the log is cut, and the newest snapshot believed to be at the end of it
		return SyncReady{at}
	}
	return SyncRefused{"no such record"}
}

func (n *node) commitSync(last zk.Zxid) {
	s := n.staging
	n.staging = nil
	n.applied = slices.Concat(s.base, s.log)
	replace := func() {
		n.disk.base, n.disk.log = s.base, s.log
		n.memory = nil
	}
	switch {
	case n.w.lies.snapshotInMemory && s.mode != Diff:
		replace = func() {}
	case n.w.lies.keepMemory && s.mode == Diff && n.memory != nil:
		staged := s.log[len(n.memory):]
		replace = func() { n.disk.log, n.memory = slices.Concat(n.disk.log, staged), nil }
	case n.w.lies.forgetFloor && s.mode == Snap:
		n.covered = slices.Concat(n.covered, n.disk.log)
	}
	n.save(replace, SyncCommitted{last}, n.w.lies.epochBeforeHistory)
}

// save queues a write. A liar reports it at once, and does it last of all.
func (n *node) save(do func(), then Event, lie bool) {
	if lie {
		n.events = append(n.events, then)
		then = nil
	}
	w := write{do: do, then: then}
	if n.w.lies.epochBeforeHistory && !lie {
		n.writes = slices.Insert(n.writes, 0, w)
		return
	}
	n.writes = append(n.writes, w)
}

// append queues a write to the log.
func (n *node) append(txns []entry) {
	w := write{txns: txns, then: Synced{endOf(txns)}}
	if n.w.lies.ackBeforeSync {
		n.events = append(n.events, w.then)
		w.then = nil
	}
	n.writes = append(n.writes, w)
}

// writeOne makes the oldest pending write durable; of the log, all that is pending in a row.
func (n *node) writeOne() {
	var then []Event
	for len(n.writes) > 0 {
		w := n.writes[0]
		n.writes = n.writes[1:]
		if w.then != nil {
			then = append(then, w.then)
		}
		if w.do != nil {
			w.do()
			break
		}
		n.disk.log = slices.Concat(n.disk.log, w.txns)
		if len(n.writes) == 0 || n.writes[0].do != nil {
			break
		}
	}
	if len(then) > 0 {
		n.step(then[len(then)-1])
	}
	n.w.checkDisk(n)
}

// endRole closes the links, brings writes to an end or forgets them, and takes what is on the disk
// for the state of the server (R7, R8).
func (n *node) endRole() {
	wasLearning := n.role == learning
	for _, k := range n.links {
		k.close(n)
	}
	keepLog := n.w.r.IntN(2) == 0
	var forgotten []entry
	for _, w := range n.writes {
		switch {
		case w.do != nil:
			w.do()
		case keepLog:
			n.disk.log = slices.Concat(n.disk.log, w.txns)
		case n.w.lies.zombieWriter:
			n.zombies = append(n.zombies, w)
		default:
			forgotten = append(forgotten, w.txns...)
		}
	}
	n.forget()
	if n.w.lies.keepMemory && len(forgotten) > 0 && wasLearning {
		n.memory = slices.Concat(n.disk.history(), forgotten)
	}
	n.w.checkDisk(n)
}

// forget drops all that is not on the disk.
func (n *node) forget() {
	n.role, n.leader, n.learner, n.links = looking, nil, nil, nil
	n.writes, n.events, n.staging, n.syncs, n.barriers = nil, nil, nil, nil, nil
	n.applied, n.proposed, n.memory = nil, nil, nil
}

// crash stops the server. Of the pending writes an older part may have reached the disk.
func (n *node) crash() {
	n.w.trace("%d crashes", n.id)
	for _, k := range n.links {
		k.close(n)
	}
	for _, w := range n.writes {
		if n.w.r.IntN(2) == 0 {
			break
		}
		if w.do != nil {
			w.do()
			continue
		}
		cut := n.w.r.IntN(len(w.txns) + 1)
		n.disk.log = slices.Concat(n.disk.log, w.txns[:cut])
		if cut < len(w.txns) {
			break
		}
	}
	n.up, n.forceSnap = false, false
	n.zombies, n.promised, n.covered = nil, 0, nil
	n.forget()
}

// restart repairs the epochs as far as the history proves them (R21).
func (n *node) restart() {
	n.w.trace("%d starts", n.id)
	n.up = true
	n.repair()
}

func (n *node) repair() {
	n.disk.current = max(n.disk.current, endOf(n.disk.history()).Epoch())
	n.disk.accepted = max(n.disk.accepted, n.disk.current)
}

// compact takes a snapshot of what is known to be committed and drops the log below it.
func (n *node) compact() {
	h := n.disk.history()
	k := n.w.r.IntN(len(h) + 1)
	if !n.w.lies.dirtySnapshot && (k > len(n.w.truth) || !slices.Equal(h[:k], n.w.truth[:k])) || k < len(n.disk.base) {
		return
	}
	if len(n.writes) == 0 && n.staging == nil {
		n.disk.base, n.disk.log = h[:k:k], h[k:]
	}
}

// askSync lets a client of a follower call sync.
func (n *node) askSync() {
	n.syncs = append(n.syncs, len(n.w.truth))
	request := proto.ForwardedRequest{Session: 1, Cxid: 1, Op: zk.OpSync}
	n.links[0].send(n, []proto.QuorumPacket{{Type: proto.PacketRequest, Zxid: -1, Data: request.Append(nil), AuthInfo: nil}})
}
