package sim

import (
	"slices"

	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// javaLearner is the following of a Java server: Learner.syncWithLeader, and Follower.processPacket behind it.
type javaLearner struct {
	j          *java
	up         replica.Link
	heard      int
	base       zk.Zxid // of SNAP or TRUNC
	snapNeeded bool    // SNAP or TRUNC came: the state is written as a snapshot at NEWLEADER
	synced     bool    // NEWLEADER has come
	notYet     []logged
	committed  []zk.Zxid
	last       zk.Zxid  // newest proposal, 0 before the first
	pending    []logged // once it serves: not committed
}

func (j *java) follow(leader zk.ServerID) bool {
	up, err := j.l.Follow(j.term, leader, nil)
	if err != nil {
		return false
	}
	j.learner = javaLearner{j: j, up: up, heard: j.now}
	info := proto.LearnerInfo{ServerID: j.l.s.id, ProtocolVersion: proto.QuorumProtocolVersion}
	up.Send(proto.QuorumPacket{Type: proto.PacketFollowerInfo, Zxid: zk.MakeZxid(j.d.accepted, 0), Data: info.Append(nil)})
	up.Flush()
	return true
}

func (f *javaLearner) send(t proto.PacketType, z zk.Zxid, data []byte) {
	f.up.Send(proto.QuorumPacket{Type: t, Zxid: z, Data: data})
}

func (f *javaLearner) tick() {
	limit := initLimit
	if f.synced {
		limit = syncLimit
	}
	if f.j.now-f.heard >= 2*limit {
		f.j.end("the leader is silent")
	}
}

// logged acknowledges what the log thread has made durable.
func (f *javaLearner) logged(z zk.Zxid) {
	if f.up != nil {
		f.send(proto.PacketAck, z, nil)
	}
}

func (f *javaLearner) received(p *proto.QuorumPacket) {
	j := f.j
	f.heard = j.now
	switch {
	case j.live:
		f.serving(p)
	case p.Type == proto.PacketLeaderInfo:
		f.leaderInfo(p.Zxid.Epoch())
	default:
		f.syncing(p)
	}
}

func (f *javaLearner) leaderInfo(e zk.Epoch) {
	j := f.j
	last, current := j.lastLogged(), int32(j.d.current)
	switch {
	case e < j.d.accepted:
		j.end("the leader's epoch %d is below %d", e, j.d.accepted)
		return
	case e == j.d.accepted:
		current = -1
	default:
		j.d.accepted = e
	}
	j.epoch = e
	f.send(proto.PacketAckEpoch, last, []byte{byte(current >> 24), byte(current >> 16), byte(current >> 8), byte(current)})
}

// syncing takes a packet between ACKEPOCH and UPTODATE.
func (f *javaLearner) syncing(p *proto.QuorumPacket) {
	j := f.j
	switch p.Type {
	case proto.PacketDiff:
	case proto.PacketSnap:
		f.snapNeeded, f.base = true, p.Zxid
		f.keepBelow(p.Zxid)
	case proto.PacketTrunc:
		f.snapNeeded, f.base = true, p.Zxid
		f.truncate(p.Zxid)
	case proto.PacketProposal:
		f.gap(p.Zxid)
		f.last = p.Zxid
		f.notYet = append(f.notYet, logged{p.Zxid, slices.Clone(p.Data)})
	case proto.PacketCommit:
		f.commitEarly(p.Zxid)
	case proto.PacketNewLeader:
		f.newLeader(p.Zxid)
	case proto.PacketUpToDate:
		f.upToDate(zk.MakeZxid(j.epoch, 0))
	case proto.PacketPing:
	default:
		j.w.fail("%v (Java %s) gets %v before UPTODATE", j.l, j.v, p.Type)
	}
}

// javaLeads reports whether the leader is a Java server too: what the two do to each other is their affair.
func (f *javaLearner) javaLeads() bool {
	e, ok := f.up.(*end)
	return ok && e.other() != nil && e.other().l.s.java != nil
}

// gap: 3.9.4 and later refuse a proposal that does not follow the one before; all others are worse for it.
func (f *javaLearner) gap(z zk.Zxid) {
	if f.last != 0 && !z.Follows(f.last) {
		f.j.w.fail("%v (Java %s) gets proposal %v behind %v", f.j.l, f.j.v, z, f.last)
	}
}

// keepBelow drops what the log has above a snapshot that comes. Java keeps it, and has it back after the next start:
// a leader of ours that is not established cannot always avoid that, see zab.planSync.
func (f *javaLearner) keepBelow(z zk.Zxid) {
	j := f.j
	j.flush()
	if j.d.last() > z {
		j.w.counts["SNAP below the log of a Java learner"]++
		f.cut(z)
	}
}

// truncate cuts the log. Where there is no record z Java keeps the first one above it, or ends the process. A leader
// of ours sends TRUNC to records of its own only, but the learner may have got that one with a snapshot.
func (f *javaLearner) truncate(z zk.Zxid) {
	j := f.j
	j.flush()
	switch at := slices.IndexFunc(j.d.log, func(e logged) bool { return e.zxid == z }); {
	case z >= j.d.last() && !f.javaLeads():
		j.w.fail("%v (Java %s) is to cut its log, which ends at %v, at %v: it exits", j.l, j.v, j.d.last(), z)
		return
	case at < 0 || j.d.snapZxid > z:
		j.w.counts["TRUNC to what a Java learner has no record of"]++
	}
	f.cut(z)
	t, err := j.d.load()
	if err != nil {
		j.w.fail("%v cannot read its log: %v", j.l, err)
		return
	}
	j.tree = t
}

func (f *javaLearner) cut(z zk.Zxid) {
	d := f.j.d
	for len(d.log) > 0 && d.log[len(d.log)-1].zxid > z {
		d.log = slices.Clip(d.log[:len(d.log)-1])
	}
}

// commitEarly takes a COMMIT before UPTODATE.
func (f *javaLearner) commitEarly(z zk.Zxid) {
	j := f.j
	if f.synced && (j.v == Java380 || j.v == Java386) {
		if f.javaLeads() {
			j.end("null dereference (ZOOKEEPER-4394)")
			return
		}
		j.w.fail("%v (Java %s) gets COMMIT %v between NEWLEADER and UPTODATE: it dies of that (ZOOKEEPER-4394)", j.l, j.v, z)
		return
	}
	next := len(f.committed)
	if f.snapNeeded && !f.synced {
		next = 0
	}
	if next >= len(f.notYet) || f.notYet[next].zxid != z {
		j.w.fail("%v (Java %s) gets COMMIT %v, which is not of the oldest proposal", j.l, j.v, z)
		return
	}
	if !f.snapNeeded || f.synced {
		f.committed = append(f.committed, z)
		return
	}
	f.apply(f.notYet[0])
	f.notYet = f.notYet[1:]
}

func (f *javaLearner) apply(e logged) {
	if err := replay(f.j.tree, e); err != nil {
		f.j.w.fail("%v (Java) cannot apply %v: %v", f.j.l, e.zxid, err)
	}
}

// newLeader makes the leader's history the own one, each release in its own order.
func (f *javaLearner) newLeader(z zk.Zxid) {
	j := f.j
	f.synced = true
	if z.Epoch() != j.epoch {
		j.w.fail("%v (Java %s) gets NEWLEADER %v in epoch %d", j.l, j.v, z, j.epoch)
	}
	if f.snapNeeded {
		j.d.snapshot, j.d.snapZxid = writeTree(j.tree), max(f.base, j.tree.LastZxid())
	}
	early := f.notYet
	switch j.v {
	case Java380: // epoch first, then the log thread, which acknowledges txn by txn
		j.d.current = j.epoch
		j.queued = append(j.queued, early...)
		f.pending, f.notYet = early, nil
		if j.w.chance(2) { // which may be faster than this one (ZOOKEEPER-4685)
			j.SyncLog()
		}
	case Java386: // all to the disk, then the epoch; acknowledged one by one after UPTODATE
		j.d.log = append(j.d.log, early...)
		f.pending, f.notYet = early, nil
		j.d.current = j.epoch
	default: // what is committed
		n := len(f.committed)
		j.d.log = append(j.d.log, early[:n]...)
		for _, e := range early[:n] {
			f.apply(e)
		}
		f.notYet, f.committed = early[n:], nil
		j.d.current = j.epoch
	}
	if j.w.point(j.l, "a Java server at NEWLEADER"); j.l.dead {
		return
	}
	f.send(proto.PacketAck, z, nil)
}

func (f *javaLearner) upToDate(z zk.Zxid) {
	j := f.j
	f.send(proto.PacketAck, z, nil)
	for _, e := range f.pending {
		if j.v == Java386 {
			f.send(proto.PacketAck, e.zxid, nil)
		}
	}
	for _, e := range f.notYet {
		j.append(e)
		f.pending = append(f.pending, e)
	}
	j.established()
	for _, z := range f.committed {
		f.commit(z)
	}
	f.notYet, f.committed = nil, nil
}

// commit takes a COMMIT of a server that serves: it must be of the head of what is pending, or Java ends the process.
func (f *javaLearner) commit(z zk.Zxid) {
	if len(f.pending) == 0 || f.pending[0].zxid != z {
		f.j.w.fail("%v (Java %s) gets COMMIT %v, which is not of the head of its %d pending txns: it exits", f.j.l, f.j.v, z, len(f.pending))
		return
	}
	f.apply(f.pending[0])
	f.pending = f.pending[1:]
}

func (f *javaLearner) serving(p *proto.QuorumPacket) {
	j := f.j
	switch p.Type {
	case proto.PacketPing:
		f.send(proto.PacketPing, p.Zxid, []byte{})
	case proto.PacketProposal:
		f.gap(p.Zxid)
		f.last = p.Zxid
		e := logged{p.Zxid, slices.Clone(p.Data)}
		f.pending = append(f.pending, e)
		j.append(e)
	case proto.PacketCommit:
		f.commit(p.Zxid)
	case proto.PacketUpToDate: // Java logs that it is surprising
	default:
		j.w.fail("%v (Java %s), which follows, gets %v", j.l, j.v, p.Type)
	}
}

func (j *java) Streamed(replica.Term, replica.Link) {}
