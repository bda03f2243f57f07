package zab

import (
	"encoding/binary"
	"fmt"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// beginSync takes DIFF, TRUNC or SNAP.
func (f *Learner) beginSync(p *proto.QuorumPacket) {
	if f.phase != awaitSync {
		f.end(ReasonUnexpected, "%v, %v", p.Type, f.phase)
		return
	}
	if f.cfg.ForceSnap && p.Type != proto.PacketSnap {
		f.end(ReasonNoSnapshot, "%v", p.Type)
		return
	}
	switch last := f.cfg.Last; {
	case p.Type == proto.PacketSnap && p.Zxid < 0:
		f.end(ReasonMalformed, "SNAP %v", p.Zxid)
		return
	case p.Type == proto.PacketSnap:
		f.mode, f.base = Snap, p.Zxid
	case p.Type == proto.PacketDiff || p.Zxid == last:
		// The zxid of a DIFF says nothing: what counts is what follows it.
		f.mode, f.base, f.ready = Diff, last, true
	case p.Zxid > last || p.Zxid.Counter() == 0:
		// There is no such record here. ZooKeeper would cut somewhere else, or end the process (R11).
		f.endForSnap(ReasonCannotCut, "TRUNC to %v, log ends at %v", p.Zxid, last)
		return
	default:
		f.mode, f.base = Trunc, p.Zxid
	}
	f.phase = syncing
	f.received, f.committed, f.staged, f.delivered = f.base, f.base, f.base, f.base
	f.do(BeginSync{f.mode, f.base})
}

// syncReady: what the rest of the sync builds on is there. It must be exactly what the leader named.
func (f *Learner) syncReady(at zk.Zxid) {
	if f.mode == 0 || f.ready {
		panic(fmt.Sprintf("zab: SyncReady while the learner is %v", f.phase))
	}
	if at != f.base {
		f.endForSnap(ReasonCannotCut, "ends at %v, not at %v", at, f.base)
		return
	}
	f.ready, f.heard = true, f.now
	f.stage()
	if f.phase == committingSync {
		f.commitSync()
	}
}

// syncRefused: this server has not got what the sync is to build on. A stream that broke off says nothing of its history.
func (f *Learner) syncRefused(why string) {
	if f.mode == Snap {
		f.end(ReasonBrokenSnap, "%s", why)
		return
	}
	f.endForSnap(ReasonCannotCut, "%s", why)
}

// proposal takes a txn in its place: directly behind the last one (R6).
func (f *Learner) proposal(z zk.Zxid, data []byte) {
	if f.cfg.Observer && f.phase == live {
		return // observers get INFORM
	}
	if f.inSnapshot(z) {
		return
	}
	f.append(z, data)
}

// append adds a txn to what is pending.
func (f *Learner) append(z zk.Zxid, data []byte) {
	in, ok := zxidOf(data)
	switch {
	case f.phase < syncing:
		f.end(ReasonUnexpected, "txn %v, %v", z, f.phase)
	case !ok || in != z:
		f.end(ReasonMalformed, "txn %v in a packet of %v", in, z)
	case !z.Follows(f.received) && f.phase == syncing && f.mode != Snap:
		// The leader's own log may lack something (ZOOKEEPER-2099, -4925): it would send the same again.
		f.endForSnap(ReasonGap, "%v behind %v, epoch %d, %v", z, f.received, f.epoch, f.phase)
	case !z.Follows(f.received) || z.Epoch() > f.epoch || f.phase > syncing && z.Epoch() < f.epoch:
		f.end(ReasonGap, "%v behind %v, epoch %d, %v", z, f.received, f.epoch, f.phase)
	default:
		f.received = z
		f.pending.add(Txn{z, data})
	}
}

// inSnapshot reports that z is in the snapshot received. A Java leader takes a snapshot while txns go
// on, after it has noted from which on it will send them, so that some come twice.
func (f *Learner) inSnapshot(z zk.Zxid) bool {
	return f.mode == Snap && z <= f.base && f.received == f.base
}

// commit takes a COMMIT. It may come in any phase from the sync on (R4), and must be of the oldest
// proposal that is not committed.
func (f *Learner) commit(z zk.Zxid) {
	if f.cfg.Observer && f.phase == live {
		return // observers get INFORM
	}
	if f.mode == Snap && z <= f.base && f.committed == f.base {
		return // of a txn that the snapshot holds
	}
	next := zk.Zxid(0)
	if n := f.pending.upto(f.committed); n < f.pending.len() {
		next = f.pending.all()[n].Zxid
	}
	if z != next || f.phase < syncing {
		f.end(ReasonCommitOrder, "%v, but the next is %v", z, next)
		return
	}
	f.committed = z
}

// commitConfig takes COMMITANDACTIVATE: a COMMIT of a reconfiguration, and who is to lead after it.
func (f *Learner) commitConfig(p *proto.QuorumPacket) {
	if len(p.Data) < 8 {
		f.end(ReasonMalformed, "%v with %d bytes", p.Type, len(p.Data))
		return
	}
	f.commit(p.Zxid)
	if f.phase != learnerEnded {
		f.do(ConfigCommitted{p.Zxid, designated(p.Data)})
	}
}

func designated(data []byte) zk.ServerID { return zk.ServerID(binary.BigEndian.Uint64(data)) }

// inform takes INFORM: a txn that is committed already, for observers. INFORMANDACTIVATE is that of a
// reconfiguration.
func (f *Learner) inform(p *proto.QuorumPacket) {
	data := p.Data
	if p.Type == proto.PacketInformAndActivate {
		if len(data) < 8 {
			f.end(ReasonMalformed, "%v with %d bytes", p.Type, len(data))
			return
		}
		data = data[8:]
	}
	if !f.cfg.Observer {
		f.end(ReasonUnexpected, "%v %v", p.Type, p.Zxid)
		return
	}
	f.dropUncommitted()
	if !f.inSnapshot(p.Zxid) {
		if f.append(p.Zxid, data); f.phase != learnerEnded {
			f.committed = p.Zxid
		}
	}
	if p.Type == proto.PacketInformAndActivate && f.phase != learnerEnded {
		f.do(ConfigCommitted{p.Zxid, designated(p.Data)})
	}
}

// stage hands out what became committed in the sync.
func (f *Learner) stage() {
	if !f.ready {
		return // what they build on may be refused
	}
	if txns := f.pending.between(f.staged, f.committed); len(txns) > 0 {
		f.staged = f.committed
		f.do(Stage{txns})
	}
}

// newLeader takes NEWLEADER: the leader's committed history is complete. History, then epoch, then
// acknowledgement (R1, R2).
func (f *Learner) newLeader(p *proto.QuorumPacket) {
	switch {
	case f.phase != syncing:
		f.end(ReasonUnexpected, "%v, %v", p.Type, f.phase)
		return
	case p.Zxid != zk.MakeZxid(f.epoch, 0):
		f.end(ReasonWrongEpoch, "NEWLEADER %v, LEADERINFO of %d", p.Zxid, f.epoch)
		return
	}
	if len(p.Data) > 0 {
		f.do(ConfigSeen{p.Data})
	}
	f.stage()
	f.phase = committingSync
	if f.ready {
		f.commitSync()
	}
}

func (f *Learner) commitSync() { f.do(CommitSync{f.staged}) }

// syncCommitted: the history is durable, so the epoch may be.
func (f *Learner) syncCommitted(last zk.Zxid) {
	if f.phase != committingSync || last != f.staged {
		panic(fmt.Sprintf("zab: sync committed up to %v while the learner is %v, at %v", last, f.phase, f.staged))
	}
	f.durable, f.delivered = last, last
	if f.cfg.Current == f.epoch {
		f.ackNewLeader()
		return
	}
	f.phase = savingEpoch
	f.do(SaveCurrent{f.epoch})
}

func (f *Learner) currentDurable(e zk.Epoch) {
	f.mustBe(savingEpoch, e)
	f.ackNewLeader()
}

func (f *Learner) ackNewLeader() {
	f.phase, f.heard = awaitUpToDate, f.now
	f.send(packet(proto.PacketAck, zk.MakeZxid(f.epoch, 0)))
}

// upToDate takes UPTODATE: the leader is established, and this server serves. What came since
// NEWLEADER goes the normal way from here.
func (f *Learner) upToDate(p *proto.QuorumPacket) {
	if f.phase != awaitUpToDate {
		f.end(ReasonUnexpected, "%v, %v", p.Type, f.phase)
		return
	}
	f.phase = live
	f.send(packet(proto.PacketAck, zk.MakeZxid(f.epoch, 0)))
	f.do(Activate{f.epoch})
	if f.cfg.Observer {
		f.dropUncommitted()
	}
	f.persistAbove(f.staged)
}

// dropUncommitted forgets proposals that an observer should not have got (older Java leaders send
// them before UPTODATE). It must not log what may never be committed; if it is, INFORM brings it again.
func (f *Learner) dropUncommitted() {
	if f.received == f.committed {
		return
	}
	kept := f.pending.between(0, f.committed)
	f.pending = window{}
	for _, t := range kept { // a view of the window that was
		f.pending.add(t)
	}
	f.received = f.committed
}

// persistAbove logs what is pending above z.
func (f *Learner) persistAbove(z zk.Zxid) {
	if txns := f.pending.between(z, f.received); len(txns) > 0 {
		f.do(Persist{txns})
	}
}

// synced: what the log holds may be acknowledged, and applied if it is committed (R8). A Java leader
// counts acknowledgements txn by txn, so each gets one.
func (f *Learner) synced(z zk.Zxid) {
	if z > max(f.received, f.durable) {
		panic(fmt.Sprintf("zab: log durable up to %v, but %v is the newest proposal", z, f.received))
	}
	if z <= f.durable || f.phase != live {
		return
	}
	if !f.cfg.Observer {
		first := len(f.packets)
		for _, t := range f.pending.between(f.durable, z) {
			f.packets = append(f.packets, packet(proto.PacketAck, t.Zxid))
		}
		f.do(Send{Packets: f.packets[first:len(f.packets):len(f.packets)]})
	}
	f.durable = z
	f.deliver()
}

// deliver applies what is committed and durable, and completes each sync in its place among the
// COMMITs: a session that asked for a sync and then for a write is answered in this order.
func (f *Learner) deliver() {
	upto := min(f.committed, f.durable)
	n := 0
	for n < len(f.syncs) && f.syncs[n] <= max(f.delivered, upto) {
		f.deliverUpto(f.syncs[n])
		f.do(SyncDone{})
		n++
	}
	f.syncs = f.syncs[:copy(f.syncs, f.syncs[n:])]
	f.deliverUpto(upto)
}

func (f *Learner) deliverUpto(z zk.Zxid) {
	if z > f.delivered {
		txns := f.pending.between(f.delivered, z)
		f.delivered = z
		f.do(Deliver{txns})
	}
}
