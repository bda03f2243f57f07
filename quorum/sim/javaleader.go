package sim

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/prep"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// commitLogCount is how many txns a model of a Java leader keeps to send from; Java's default is 500.
const commitLogCount = 30

// javaLeader is the leading of a Java server: Leader, LearnerHandler, and the processors behind them.
type javaLeader struct {
	port     replica.Port
	links    []*javaLink // in the order of their coming
	began    int
	elected  bool // a quorum has acknowledged the epoch
	epochSet bool
	own      ownHistory

	committed   []logged // committedLog
	proposed    zk.Zxid
	outstanding []*javaProposal
	prep        *prep.Prep
	touched     map[zk.SessionID]time.Duration
	owner       map[zk.SessionID]uint64 // link
	closing     map[zk.SessionID]bool
}

// ownHistory is what a leader compares learners with.
type ownHistory struct {
	current zk.Epoch
	last    zk.Zxid
}

type javaProposal struct {
	logged
	acks  map[zk.ServerID]bool
	syncs []*javaLink // to be answered behind it
}

// javaLink is a LearnerHandler.
type javaLink struct {
	replica.Link
	server   zk.ServerID
	observer bool
	accepted zk.Epoch
	info     bool // FOLLOWERINFO has come
	promised bool // ACKEPOCH has come
	counts   bool // for the election
	last     zk.Zxid
	forwards bool // gets live traffic
	leading  bool // NEWLEADER was sent
	answered bool // something came behind it
	synced   bool // and that was its ACK
	live     bool // UPTODATE was sent
	heard    int
}

func (k *javaLink) send(t proto.PacketType, z zk.Zxid, data []byte) {
	k.Send(proto.QuorumPacket{Type: t, Zxid: z, Data: data})
}

func (j *java) lead() {
	p, err := j.l.Lead(j.term)
	if err != nil {
		j.end("cannot listen: %v", err)
		return
	}
	j.leader = javaLeader{
		port: p, began: j.now, own: ownHistory{j.d.current, j.lastLogged()}, touched: make(map[zk.SessionID]time.Duration),
		owner: make(map[zk.SessionID]uint64), closing: make(map[zk.SessionID]bool),
	}
	l := &j.leader
	for _, e := range j.d.log {
		if e.zxid > j.d.snapZxid { // what was replayed at the start
			l.committed = append(l.committed, e)
		}
	}
	l.committed = l.committed[max(0, len(l.committed)-commitLogCount):]
}

func (l *javaLeader) drop() {
	for _, k := range l.links {
		k.Drop()
	}
	l.links = nil
}

func (l *javaLeader) close() {
	if l.port != nil {
		l.port.Close()
		l.port = nil
	}
}

func (l *javaLeader) link(id uint64) *javaLink {
	for _, k := range l.links {
		if k.ID() == id {
			return k
		}
	}
	return nil
}

func (j *java) leaderLost(link replica.Link) {
	l := &j.leader
	l.links = slices.DeleteFunc(l.links, func(k *javaLink) bool { return k.ID() == link.ID() })
}

// letGo ends the link of a learner.
func (j *java) letGo(k *javaLink, why string) {
	j.w.trace("%v (Java) lets server %d go: %s", j.l, k.server, why)
	k.Drop()
	j.leaderLost(k)
}

func (j *java) quorum(in func(*javaLink) bool) bool {
	return j.w.view.HasQuorum(func(id zk.ServerID) bool {
		return id == j.l.s.id || slices.ContainsFunc(j.leader.links, func(k *javaLink) bool { return k.server == id && !k.observer && in(k) })
	})
}

func (j *java) leaderTick() {
	l := &j.leader
	if !j.live {
		if j.now-l.began >= 2*initLimit*2 {
			j.end("no quorum within initLimit")
		}
		return
	}
	for _, k := range slices.Clone(l.links) {
		if k.leading && j.now-k.heard >= 2*syncLimit {
			j.letGo(k, "it is silent")
		}
	}
	if !j.quorum(func(k *javaLink) bool { return k.synced }) {
		j.end("no quorum follows")
		return
	}
	for _, k := range l.links {
		if k.leading {
			k.send(proto.PacketPing, l.proposed, nil)
		}
	}
	j.expire()
}

func (j *java) leaderReceived(link replica.Link, p *proto.QuorumPacket) {
	l := &j.leader
	k := l.link(link.ID())
	if k == nil {
		return
	}
	k.heard = j.now
	switch {
	case !k.info:
		j.info(k, p)
	case p.Type == proto.PacketAckEpoch:
		j.ackEpoch(k, p)
	case k.leading && !k.answered:
		k.answered = true
		if p.Type != proto.PacketAck {
			j.w.fail("%v (Java, leads) gets %v as the first packet behind NEWLEADER", j.l, p.Type)
			return
		}
		if k.synced = p.Zxid == zk.MakeZxid(j.epoch, 0); !k.synced {
			j.w.fail("%v (Java, leads) gets ACK %v before that of NEWLEADER: it would never count server %d (ZOOKEEPER-4685)", j.l, p.Zxid, k.server)
			return
		}
		j.tryActivate()
	case p.Type == proto.PacketAck:
		if p.Zxid.Counter() != 0 {
			j.leaderAcked(k, p.Zxid)
		}
	case p.Type == proto.PacketPing:
		j.pong(k, p.Data)
	case p.Type == proto.PacketRequest && j.live:
		j.request(k, p)
	case p.Type == proto.PacketRevalidate && j.live:
		j.revalidate(k, p.Data)
	default:
		j.w.fail("%v (Java, leads) gets %v", j.l, p.Type)
	}
}

func (j *java) info(k *javaLink, p *proto.QuorumPacket) {
	k.info, k.accepted = true, p.Zxid.Epoch()
	l := &j.leader
	if !l.epochSet && j.quorum(func(k *javaLink) bool { return k.info }) {
		e := j.d.accepted
		for _, other := range l.links {
			if other.info {
				e = max(e, other.accepted)
			}
		}
		l.epochSet, j.epoch = true, e+1
		j.d.accepted = j.epoch
		if j.w.point(j.l, "acceptedEpoch of a Java server"); j.l.dead {
			return
		}
		for _, other := range l.links {
			if other.info {
				other.send(proto.PacketLeaderInfo, zk.MakeZxid(j.epoch, 0), []byte{0, 1, 0, 0})
			}
		}
	} else if l.epochSet {
		k.send(proto.PacketLeaderInfo, zk.MakeZxid(j.epoch, 0), []byte{0, 1, 0, 0})
	}
}

func (j *java) ackEpoch(k *javaLink, p *proto.QuorumPacket) {
	l := &j.leader
	current := zk.Epoch(int32(binary.BigEndian.Uint32(p.Data)))
	k.promised, k.last = true, p.Zxid
	if l.elected {
		j.syncLearner(k)
		return
	}
	if current != -1 {
		if current > l.own.current || current == l.own.current && p.Zxid > l.own.last {
			j.letGo(k, "it is ahead")
			return
		}
		k.counts = true
	}
	if !j.quorum(func(k *javaLink) bool { return k.counts }) {
		return
	}
	l.elected = true
	j.d.current = j.epoch
	if j.w.point(j.l, "currentEpoch of a Java server"); j.l.dead {
		return
	}
	l.proposed = zk.MakeZxid(j.epoch, 0)
	for _, other := range slices.Clone(l.links) {
		if other.promised {
			j.syncLearner(other)
		}
	}
}

// syncLearner is LearnerHandler.syncFollower: see the decision table in section 4.1 of the quorum protocol. Of the
// log on its disk this model sends nothing.
func (j *java) syncLearner(k *javaLink) {
	l := &j.leader
	applied := j.tree.LastZxid()
	lowest, highest := applied, applied
	if n := len(l.committed); n > 0 {
		lowest, highest = l.committed[0].zxid, l.committed[n-1].zxid
	}
	switch last := k.last; {
	case last == applied:
		k.send(proto.PacketDiff, last, nil)
	case last > highest && last.Counter() != 0:
		k.send(proto.PacketTrunc, highest, nil)
	case last >= lowest && last <= highest && j.walk(k):
	default:
		k.send(proto.PacketSnap, applied, nil)
		snapshot := writeTree(j.tree)
		k.Stream(func(w io.Writer) error { _, err := io.Copy(w, bytes.NewReader(snapshot)); return err })
	}
	for _, p := range l.outstanding {
		if !k.observer {
			k.send(proto.PacketProposal, p.zxid, p.data)
		}
	}
	k.forwards, k.leading = true, true
	k.send(proto.PacketNewLeader, zk.MakeZxid(j.epoch, 0), []byte(j.w.config))
}

// walk sends the committed log from where the learner's history parts from it.
func (j *java) walk(k *javaLink) bool {
	l := &j.leader
	before := zk.Zxid(-1)
	i := 0
	for ; i < len(l.committed) && l.committed[i].zxid < k.last; i++ {
		before = l.committed[i].zxid
	}
	highest := l.committed[len(l.committed)-1].zxid
	switch first := l.committed[i].zxid; {
	case first == k.last:
		k.send(proto.PacketDiff, highest, nil)
		i++
	case k.last.Counter() == 0:
		k.send(proto.PacketDiff, highest, nil)
	case before < 0 || first.Epoch() != k.last.Epoch():
		return false
	default:
		k.send(proto.PacketTrunc, before, nil)
	}
	for _, e := range l.committed[i:] {
		k.send(proto.PacketProposal, e.zxid, e.data)
		k.send(proto.PacketCommit, e.zxid, nil)
	}
	return true
}

func (j *java) tryActivate() {
	l := &j.leader
	if !j.live {
		if !j.quorum(func(k *javaLink) bool { return k.synced }) {
			return
		}
		j.established()
		l.prep = prep.New(j.tree, j.w.auth, prep.Config{MaxTxnBytes: 1 << 20, DigestEnabled: true})
		for id := range j.tree.Sessions() {
			l.touched[id] = j.w.now
		}
		j.w.counts["reigns of Java"]++
	}
	for _, k := range l.links {
		if k.synced && !k.live {
			k.live = true
			k.send(proto.PacketUpToDate, -1, nil)
		}
	}
}

// propose sends a txn to all that get live traffic, and to the own log.
func (j *java) propose(txn *proto.Txn) *javaProposal {
	l := &j.leader
	l.proposed = txn.Header.Zxid
	p := &javaProposal{logged: logged{txn.Header.Zxid, txn.Append(nil)}, acks: make(map[zk.ServerID]bool)}
	l.outstanding = append(l.outstanding, p)
	for _, k := range l.links {
		if k.forwards && !k.observer {
			k.send(proto.PacketProposal, p.zxid, p.data)
		}
	}
	j.append(p.logged)
	return p
}

// leaderAcked counts an acknowledgement, its own if k is nil, and commits what has a quorum, in order.
func (j *java) leaderAcked(k *javaLink, z zk.Zxid) {
	l := &j.leader
	for _, p := range l.outstanding {
		if p.zxid != z {
			continue
		}
		if k == nil {
			p.acks[j.l.s.id] = true
		} else if !k.observer {
			p.acks[k.server] = true
		}
	}
	for len(l.outstanding) > 0 && j.w.view.HasQuorum(func(id zk.ServerID) bool { return l.outstanding[0].acks[id] }) {
		p := l.outstanding[0]
		l.outstanding = l.outstanding[1:]
		j.commit(p)
	}
}

func (j *java) commit(p *javaProposal) {
	l := &j.leader
	for _, k := range l.links {
		switch {
		case !k.forwards:
		case !k.observer:
			k.send(proto.PacketCommit, p.zxid, nil)
		case k.live:
			k.send(proto.PacketInform, p.zxid, p.data)
		default: // before UPTODATE an observer takes both
			k.send(proto.PacketProposal, p.zxid, p.data)
			k.send(proto.PacketCommit, p.zxid, nil)
		}
	}
	if err := replay(j.tree, p.logged); err != nil {
		j.w.fail("%v (Java) cannot apply %v: %v", j.l, p.zxid, err)
	}
	l.prep.Applied(p.zxid)
	if l.committed = append(l.committed, p.logged); len(l.committed) > commitLogCount {
		l.committed = slices.Delete(l.committed, 0, 1)
	}
	for _, k := range p.syncs {
		k.send(proto.PacketSync, 0, nil)
	}
}

// request prepares what a learner asks for.
func (j *java) request(k *javaLink, p *proto.QuorumPacket) {
	l := &j.leader
	var f proto.ForwardedRequest
	d := jute.NewDecoder(p.Data)
	f.Decode(&d)
	if f.Op == zk.OpSync {
		if n := len(l.outstanding); n > 0 {
			l.outstanding[n-1].syncs = append(l.outstanding[n-1].syncs, k)
		} else {
			k.send(proto.PacketSync, 0, nil)
		}
		return
	}
	req := prep.Request{Session: f.Session, Cxid: f.Cxid, Op: f.Op, Body: slices.Clone(f.Body), IDs: p.AuthInfo}
	code := zk.OK
	switch owner, owned := l.owner[f.Session]; {
	case f.Op == zk.OpCreateSession:
		timeout := jute.NewDecoder(f.Body)
		req.TimeoutMillis = timeout.Int()
		l.owner[f.Session] = k.ID()
	case l.closing[f.Session]:
		code = zk.ErrSessionExpired
	case !owned:
		l.owner[f.Session] = k.ID()
	case owner != k.ID():
		code = zk.ErrSessionMoved
	}
	if f.Op == zk.OpCloseSession && code == zk.OK {
		l.closing[f.Session] = true
	}
	l.touched[f.Session] = j.w.now
	j.prepare(&req, code)
}

func (j *java) prepare(req *prep.Request, code zk.Code) {
	var txn proto.Txn
	l := &j.leader
	now := j.l.s.clock.at(j.w.now).UnixMilli()
	if code != zk.OK {
		l.prep.Refuse(req, l.proposed+1, now, code, &txn)
	} else {
		l.prep.Prepare(req, l.proposed+1, now, &txn)
	}
	j.propose(&txn)
}

func (j *java) revalidate(k *javaLink, data []byte) {
	l := &j.leader
	var t proto.SessionTouch
	d := jute.NewDecoder(data)
	t.Decode(&d)
	_, known := j.tree.SessionTimeout(t.Session)
	valid := known && !l.closing[t.Session]
	if valid {
		l.owner[t.Session], l.touched[t.Session] = k.ID(), j.w.now
	}
	k.send(proto.PacketRevalidate, -1, proto.Revalidated{Session: t.Session, Valid: valid}.Append(nil))
}

func (j *java) pong(k *javaLink, data []byte) {
	if data == nil {
		j.w.fail("%v (Java, leads) gets an answer to PING with null data from server %d: its handler dies of that", j.l, k.server)
	}
	for d := jute.NewDecoder(data); d.Len() >= proto.SessionTouchBytes; {
		var t proto.SessionTouch
		t.Decode(&d)
		j.leader.touched[t.Session] = j.w.now
	}
}

// expire closes the sessions of which nothing was heard for longer than they asked for.
func (j *java) expire() {
	l := &j.leader
	var late []zk.SessionID
	for id, timeout := range j.tree.Sessions() {
		if !l.closing[id] && j.w.now-l.touched[id] > time.Duration(timeout)*time.Millisecond {
			late = append(late, id)
		}
	}
	slices.SortFunc(late, func(a, b zk.SessionID) int { return cmp.Compare(a, b) })
	for _, id := range late {
		l.closing[id] = true
		j.prepare(&prep.Request{Session: id, Op: zk.OpCloseSession}, zk.OK)
	}
}
