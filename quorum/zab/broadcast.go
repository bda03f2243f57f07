package zab

import (
	"fmt"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// broadcast proposes txns: to the live followers, and to the own log.
func (l *Leader) broadcast(txns []Txn) {
	if l.phase != active {
		panic("zab: broadcast by a leader that is not established")
	}
	for _, t := range txns {
		if t.Zxid != l.proposed+1 || t.Zxid > l.last {
			panic(fmt.Sprintf("zab: broadcast of %v behind %v; the newest zxid given out is %v", t.Zxid, l.proposed, l.last))
		}
		l.proposed = t.Zxid
		l.window.add(t)
	}
	if len(txns) == 0 {
		return
	}
	l.sendAll(l.followers, func() {
		for _, t := range txns {
			l.packets = append(l.packets, carrying(proto.PacketProposal, t))
		}
	})
	for _, k := range l.links {
		if k.state == LinkLive && !k.observer {
			k.sent = l.proposed
		}
	}
	l.do(Persist{txns})
}

// synced: the own log is durable up to z, which is an acknowledgement like that of any other voter.
func (l *Leader) synced(z zk.Zxid) {
	if z > max(l.proposed, l.durable) {
		panic(fmt.Sprintf("zab: log durable up to %v, but %v is the newest proposal", z, l.proposed))
	}
	if z <= l.durable {
		return
	}
	l.durable = z
	l.tally.ack(l.cfg.Self, z)
}

// ack takes an ACK. What it acknowledges is told by its zxid alone (R5): Java learners send one for
// NEWLEADER, the same again for UPTODATE, and some of them others for what they got in the sync, even
// before that for NEWLEADER (ZOOKEEPER-4685).
func (l *Leader) ack(k *link, z zk.Zxid) {
	switch {
	case k.state < LinkSyncing:
		l.closeLink(k, ReasonUnexpected, "ACK %v", z)
	case z == l.newLeaderZxid():
		l.ackEpochStart(k)
	case z <= k.cut || z.Counter() == 0:
		// Of the sync, which the ACK of NEWLEADER stands for.
	case k.state != LinkLive || k.observer || z > k.sent:
		l.closeLink(k, ReasonAckedUnsent, "ACK %v", z)
	case z > k.acked:
		k.acked = z
		if k.votes {
			l.tally.ack(k.server, z)
		}
	}
}

// ackEpochStart takes the ACK of epoch<<32: the first is for NEWLEADER, the second for UPTODATE.
func (l *Leader) ackEpochStart(k *link) {
	switch k.state {
	case LinkSyncing:
		l.closeLink(k, ReasonAckedUnsent, "NEWLEADER")
	case LinkLeading:
		l.ackNewLeader(k)
	case LinkLive:
		k.settled = true
	}
}

// advance commits and delivers what can be, and answers barriers that can be.
func (l *Leader) advance() {
	if committed := l.tally.committed; committed > l.announced {
		txns := l.window.between(l.announced, committed)
		l.sendAll(l.followers, func() {
			for _, t := range txns {
				l.packets = append(l.packets, packet(proto.PacketCommit, t.Zxid))
			}
		})
		l.sendAll(l.observers, func() {
			for _, t := range txns {
				l.packets = append(l.packets, carrying(proto.PacketInform, t))
			}
		})
		l.announced = committed
	}
	if upto := min(l.announced, l.durable); upto > l.delivered && upto.Counter() > 0 {
		txns := l.window.between(l.delivered, upto)
		l.delivered = upto
		l.do(Deliver{txns})
	}
	l.holdBack()
	l.answerBarriers()
}

// trimWindow lets go of what is delivered and held back for nobody.
func (l *Leader) trimWindow() {
	if l.window.len() == 0 {
		return
	}
	keep := l.delivered
	for _, k := range l.links {
		if k.final && k.state < LinkLive {
			keep = min(keep, k.cut)
		}
	}
	l.window.dropUpto(keep)
}

// barrier is a Barrier that waits.
type barrier struct {
	id    uint64
	link  LinkID
	after zk.Zxid // answered once this is delivered
	round uint64  // and this round is confirmed
}

// barrier notes the question, and asks a quorum whether this is still the leader. One round of PINGs
// is under way at a time; questions that come meanwhile share the next, since the answers to this one
// may have been sent before they came.
func (l *Leader) barrier(b Barrier) {
	if l.phase != active {
		panic("zab: barrier at a leader that is not established")
	}
	l.barriers = append(l.barriers, barrier{b.ID, b.Link, l.proposed, l.round + 1})
	if l.round == l.confirmed {
		l.startRound()
	}
}

func (l *Leader) startRound() {
	l.round++
	for _, k := range l.links {
		if k.votes && k.state == LinkLive && !k.gone {
			l.ping(k)
		}
	}
}

// ping sends PING. Those to a live learner are counted, and so are their answers, which come in order:
// that is how an answer is known to be to a PING of this round, and not one that waited in a buffer
// while this server stood still.
func (l *Leader) ping(k *link) {
	l.send(k, packet(proto.PacketPing, l.proposed))
	if k.state != LinkLive {
		return // a Java learner does not answer before UPTODATE
	}
	k.pinged++
	if k.round < l.round {
		k.round, k.roundPing = l.round, k.pinged
	}
}

// pong takes the answer to a PING.
func (l *Leader) pong(k *link, p *proto.QuorumPacket) {
	if k.state < LinkLeading {
		l.closeLink(k, ReasonUnexpected, "%v", p.Type)
		return
	}
	if k.settled {
		k.ponged++
	}
	if len(p.Data) > 0 && k.state == LinkLive {
		l.do(Touch{Link: k.id, Server: k.server, Data: p.Data})
	}
}

// answerBarriers answers, in order, those that are due.
func (l *Leader) answerBarriers() {
	for l.round > l.confirmed || len(l.barriers) > 0 {
		if l.round > l.confirmed && l.quorum(func(k *link) bool {
			return k.state == LinkLive && k.round == l.round && k.ponged >= k.roundPing
		}) {
			l.confirmed = l.round
		}
		n := 0
		for n < len(l.barriers) && l.due(&l.barriers[n]) {
			l.answer(&l.barriers[n])
			n++
		}
		l.barriers = l.barriers[:copy(l.barriers, l.barriers[n:])]
		if len(l.barriers) == 0 || l.round > l.confirmed || l.barriers[len(l.barriers)-1].round <= l.confirmed {
			return
		}
		l.startRound()
	}
}

func (l *Leader) due(b *barrier) bool {
	return b.round <= l.confirmed && (b.after.Counter() == 0 || b.after <= l.delivered)
}

func (l *Leader) answer(b *barrier) {
	if k := l.link(b.link); k != nil {
		l.send(k, packet(proto.PacketSync, 0))
	}
	l.do(BarrierDone{b.id})
}
