package sim

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/stats"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// Release is a release of Apache ZooKeeper that a server may be a model of: what matters of it to the servers it
// talks to, see section 15 of the quorum protocol. It has no clients of its own. Its elections are those of
// quorum/election, whose differences from Java's no server can see.
type Release string

// The releases. Those before and behind them, up to the next, behave like them.
const (
	Java380 Release = "3.8.0" // acknowledges NEWLEADER before what came with it is on the disk
	Java386 Release = "3.8.6" // after that, and after all proposals that came with it
	Java393 Release = "3.9.3" // takes COMMITs before UPTODATE
	Java395 Release = "3.9.5" // also refuses gaps
)

// careless releases lose what they have acknowledged where they crash at the wrong moment: here they never do.
func (v Release) careless() bool { return v == Java380 || v == Java393 }

// javaDisk is what a crash leaves of a Java server.
type javaDisk struct {
	accepted, current zk.Epoch
	snapshot          []byte // a stream; nil for none
	snapZxid          zk.Zxid
	log               []logged // also what the snapshot holds
}

type logged struct {
	zxid zk.Zxid
	data []byte
}

func (d *javaDisk) last() zk.Zxid {
	if n := len(d.log); n > 0 {
		return max(d.log[n-1].zxid, d.snapZxid)
	}
	return d.snapZxid
}

// load builds the state that the disk holds.
func (d *javaDisk) load() (*tree.Tree, error) {
	t := tree.New(tree.Options{ExtendedTypes: false})
	if d.snapshot != nil {
		var err error
		if t, err = readTree(bytes.NewReader(d.snapshot), d.snapZxid); err != nil {
			return nil, err
		}
	}
	for _, e := range d.log {
		if e.zxid > d.snapZxid {
			if err := replay(t, e); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

func readTree(in io.Reader, at zk.Zxid) (*tree.Tree, error) {
	loader := tree.NewLoader(tree.Options{})
	if _, err := snap.ReadStream(in, loader, nil); err != nil {
		return nil, err
	}
	return loader.Finish(at)
}

func writeTree(t *tree.Tree) []byte {
	view := t.Freeze()
	defer view.Release()
	var b bytes.Buffer
	if err := snap.WriteStream(&b, view, nil); err != nil {
		panic(err) // a buffer takes all
	}
	return b.Bytes()
}

func replay(t *tree.Tree, e logged) error {
	var txn proto.Txn
	if err := proto.DecodeTxn(e.data, &txn); err != nil {
		return err
	}
	return t.Replay(&txn)
}

// java is a process of a Java server.
type java struct {
	l    *life
	w    *World
	d    *javaDisk
	v    Release
	core *election.Election

	outcome *election.Elected // of an election, not taken yet
	over    bool              // the role has ended, and is not cleared up
	term    replica.Term
	role    proto.PeerState
	epoch   zk.Epoch
	live    bool // it serves
	now     int  // half ticks

	tree   *tree.Tree
	queued []logged // for the log, not durable

	learner javaLearner
	leader  javaLeader
}

func startJava(l *life) (*java, error) {
	core, err := election.New(election.Config{Self: l.s.id, Members: l.w.members})
	if err != nil {
		return nil, err
	}
	l.stats = new(stats.Server)
	j := &java{l: l, w: l.w, d: l.s.java, v: l.s.release, core: core}
	if j.tree, err = j.d.load(); err != nil {
		return nil, err
	}
	// As R21 has it: the marker files and the refusals of Java's start-up are not modelled.
	j.d.current = max(j.d.current, j.d.last().Epoch())
	j.d.accepted = max(j.d.accepted, j.d.current)
	j.look()
	return j, nil
}

func (j *java) look() {
	j.role, j.outcome = proto.Looking, nil
	j.ElectionEvent(election.Start{Zxid: j.lastLogged(), Epoch: j.d.current})
}

func (j *java) lastLogged() zk.Zxid {
	if n := len(j.queued); n > 0 {
		return j.queued[n-1].zxid
	}
	return j.d.last()
}

func (j *java) ElectionEvent(ev election.Event) {
	for _, a := range j.core.Step(ev) {
		if won, ok := a.(election.Elected); ok {
			j.outcome = &won
			continue
		}
		j.l.Do(a)
	}
}

func (j *java) ElectionTick() { j.ElectionEvent(election.Tick{}) }

func (j *java) RolesDue() bool { return j.over || j.outcome != nil && j.role == proto.Looking }

// Roles takes the role that was elected, or clears up behind the one that has ended: the log is flushed, and what
// is in memory made equal to it.
func (j *java) Roles() bool {
	switch {
	case j.over:
		j.over = false
		j.leader.close()
		j.flush()
		t, err := j.d.load()
		if err != nil {
			j.w.fail("%v cannot read its own log: %v", j.l, err)
			return true
		}
		j.tree = t
		j.learner, j.leader = javaLearner{}, javaLeader{}
		j.look()
	case j.outcome != nil && j.role == proto.Looking:
		e := *j.outcome
		j.outcome = nil
		j.term++
		j.role, j.epoch, j.live = e.Role, 0, false
		if e.Role == proto.Leading {
			j.lead()
		} else if !j.follow(e.Vote.Leader) {
			j.ElectionEvent(election.Halt{})
			j.look()
		}
	default:
		return false
	}
	return true
}

// end ends the role.
func (j *java) end(format string, args ...any) {
	if j.role == proto.Looking || j.over {
		return
	}
	j.w.trace("%v (Java) ends its role: %s", j.l, fmt.Sprintf(format, args...))
	j.over, j.live, j.role = true, false, proto.Looking
	j.ElectionEvent(election.Halt{})
	if j.learner.up != nil {
		j.learner.up.Drop()
	}
	j.leader.drop()
}

// established tells the elector, and begins to serve.
func (j *java) established() {
	j.live = true
	j.tree.SetLastZxid(max(j.tree.LastZxid(), zk.MakeZxid(j.epoch, 0)))
	j.ElectionEvent(election.Established{Epoch: j.epoch})
}

// append hands a txn to the log thread.
func (j *java) append(e logged) { j.queued = append(j.queued, e) }

func (j *java) flush() {
	j.d.log = append(j.d.log, j.queued...)
	j.queued = nil
}

func (j *java) NeedsSync() bool { return len(j.queued) > 0 }

// SyncLog is the log thread.
func (j *java) SyncLog() {
	done := slices.Clone(j.queued)
	j.flush()
	if j.w.point(j.l, "the log of a Java server"); j.l.dead {
		return
	}
	for _, e := range done {
		if j.role == proto.Leading {
			j.leaderAcked(nil, e.zxid)
		} else {
			j.learner.logged(e.zxid)
		}
	}
	j.flushLinks()
}

func (j *java) HasWork() bool  { return false }
func (j *java) Work()          {}
func (j *java) HasJob() bool   { return false }
func (j *java) Job()           {}
func (j *java) Failure() error { return nil }

// SaveSnapshot takes a snapshot of what is applied.
func (j *java) SaveSnapshot() {
	if j.live && j.tree.LastZxid() <= j.d.last() && j.tree.LastZxid().Counter() > 0 {
		j.d.snapshot, j.d.snapZxid = writeTree(j.tree), j.tree.LastZxid()
	}
}

func (j *java) Close() error {
	j.end("it is stopped")
	j.leader.close()
	j.flush()
	return nil
}

// crash loses what is not on the disk: the older part of what is queued may be there.
func (j *java) crash() {
	keep := len(j.queued)
	if !j.v.careless() {
		keep = j.w.rng.IntN(keep + 1)
	}
	j.d.log = append(j.d.log, j.queued[:keep]...)
	j.queued = nil
}

func (j *java) Serving() replica.Term {
	if !j.live {
		return 0
	}
	return j.term
}

func (j *java) Facts() replica.Facts {
	f := replica.Facts{
		Leading: j.role == proto.Leading, Serving: j.live, Term: j.term, Accepted: j.d.accepted, Current: j.d.current,
		Logged: j.lastLogged(), Durable: j.lastLogged(), Applied: j.tree.LastZxid(), Digest: j.tree.Digest(),
	}
	if f.Leading && j.live {
		f.LeaderEpoch = j.epoch
	}
	return f
}

func (j *java) withTree(f func(t *tree.Tree)) { f(j.tree) }

func (j *java) HalfTick() {
	j.now++
	if j.over {
		return
	}
	switch j.role {
	case proto.Leading:
		j.leaderTick()
	case proto.Following:
		j.learner.tick()
	}
	j.flushLinks()
}

func (j *java) Received(term replica.Term, l replica.Link, packets []proto.QuorumPacket) {
	for i := range packets {
		if term != j.term || j.over || j.role == proto.Looking {
			break
		}
		if j.role == proto.Leading {
			j.leaderReceived(l, &packets[i])
		} else {
			j.learner.received(&packets[i])
		}
	}
	j.flushLinks()
}

func (j *java) flushLinks() {
	if j.over || j.l.dead {
		return
	}
	if j.learner.up != nil {
		j.learner.up.Flush()
	}
	for _, k := range j.leader.links {
		k.Flush()
	}
}

func (j *java) Down(term replica.Term, l replica.Link, err error) {
	if term != j.term || j.over {
		return
	}
	if j.role == proto.Leading {
		j.leaderLost(l)
	} else {
		j.end("connection lost: %v", err)
	}
}

func (j *java) Joined(term replica.Term, l replica.Link, info proto.LearnerInfo, observer bool) {
	if term != j.term || j.over || j.role != proto.Leading {
		l.Drop()
		return
	}
	j.leader.links = append(j.leader.links, &javaLink{Link: l, server: info.ServerID, observer: observer, heard: j.now})
}

func (j *java) ReceiveSnapshot(term replica.Term, _ replica.Link, in io.Reader) error {
	if term != j.term || j.over || j.role != proto.Following {
		return errBroken
	}
	t, err := readTree(in, j.learner.base)
	if err != nil {
		j.end("snapshot: %v", err)
		return err
	}
	j.tree = t
	return nil
}

var _ process = (*java)(nil)
