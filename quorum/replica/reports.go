package replica

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// What [Peers] report, on whatever goroutine has it.

// Joined takes in the link of a learner of the role.
func (r *Replica) Joined(term Term, l Link, info proto.LearnerInfo, observer bool) {
	r.turn.Lock()
	defer r.release(false)
	if r.role != leading || r.term != term {
		l.Drop()
		return
	}
	r.links[zab.LinkID(l.ID())] = &memberLink{Link: l, server: info.ServerID, observer: observer}
	delete(r.gone, info.ServerID)
}

// Received takes in what came over a link, in order.
func (r *Replica) Received(term Term, l Link, packets []proto.QuorumPacket) {
	r.turn.Lock()
	id, slow := zab.LinkID(l.ID()), false
	if r.known(term, id) {
		if err := r.checkTxns(packets); err != nil {
			r.endRole(zab.ReasonMalformed, err.Error())
		} else {
			r.countPackets(id, packets)
			r.step(zab.Received{Link: id, Packets: packets})
			r.heard()
		}
		slow = r.owed[id] > slowOwedBytes
	}
	r.release(r.role == learning && len(packets) <= inlinePackets)
	if slow && !r.cfg.manual {
		r.pause(slowRead)
	}
}

// checkTxns looks at what a leader sends to be logged: what this server cannot apply must not become durable here,
// or it could not start any more.
func (r *Replica) checkTxns(packets []proto.QuorumPacket) error {
	if r.role != learning {
		return nil
	}
	for i := range packets {
		p := &packets[i]
		data := p.Data
		switch p.Type {
		case proto.PacketProposal, proto.PacketInform:
		case proto.PacketInformAndActivate:
			data = data[min(8, len(data)):] // who is to lead
		default:
			continue
		}
		if err := proto.DecodeTxn(data, &r.txn); err != nil {
			return fmt.Errorf("%v %v: %w", p.Type, p.Zxid, err)
		}
	}
	return nil
}

// inlinePackets is how many packets at most came with one read where nothing else seems to go on: a learner's
// link then syncs the log itself, since it would only wait for what follows from that. A leader's must not:
// the acknowledgement that makes up for a slow disk may be what it reads next.
const inlinePackets = 2

// Streamed takes in that a stream is in the hands of the link.
func (r *Replica) Streamed(term Term, l Link) {
	r.turn.Lock()
	defer r.release(false)
	if id := zab.LinkID(l.ID()); r.known(term, id) && r.role == leading {
		r.links[id].streaming = false
		r.step(zab.Streamed{Link: id})
	}
}

// Down takes in that a link has ended by itself.
func (r *Replica) Down(term Term, l Link, err error) {
	r.turn.Lock()
	defer r.release(false)
	id := zab.LinkID(l.ID())
	switch {
	case !r.known(term, id):
		if r.term == term && r.role == none {
			r.downTerm = term
		}
	case r.role == leading:
		r.log.Info("lost the connection to a learner", zap.Int64("peer", int64(r.links[id].server)), zap.Bool("observer", r.links[id].observer), zap.Error(err))
		r.unlink(id)
		if bad := (*unreadable)(nil); errors.As(err, &bad) {
			r.passOver(bad)
		}
		r.step(zab.LinkDown{Link: id})
	default:
		r.log.Info("lost the connection to the leader", zap.Int64("peer", int64(r.up.server)), zap.Error(err))
		r.step(zab.LinkDown{Link: id})
	}
}

// PortFailed takes in that the leader's port accepts nobody any more (R22).
func (r *Replica) PortFailed(term Term, err error) {
	r.turn.Lock()
	defer r.release(false)
	if r.role == leading && r.term == term {
		r.endRole("the peer port failed", err.Error())
	}
}

// known reports whether a link belongs to the role that there is.
func (r *Replica) known(term Term, id zab.LinkID) bool {
	switch {
	case r.term != term || r.role == none:
		return false
	case r.role == leading:
		return r.links[id] != nil
	default:
		return true
	}
}

// noteProgress tells of transfers of which bytes have moved: they are slow, not stuck. Other links do not
// count: what is sent over them may never arrive.
func (r *Replica) noteProgress() {
	var moving []*memberLink
	for _, l := range r.links {
		if _, sent := l.Moved(); l.streaming && sent != l.moved {
			l.moved = sent
			moving = append(moving, l)
		}
	}
	if r.up != nil && r.staging.receiving {
		if got, _ := r.up.Moved(); got != r.up.moved {
			r.up.moved = got
			moving = append(moving, r.up)
		}
	}
	slices.SortFunc(moving, func(a, b *memberLink) int { return cmp.Compare(a.ID(), b.ID()) })
	for _, l := range moving {
		r.step(zab.Progress{Link: zab.LinkID(l.ID())})
	}
}

// ElectionFailed takes in that the election port accepts nobody any more: the server cannot be a member.
func (r *Replica) ElectionFailed(err error) {
	r.turn.Lock()
	defer r.release(false)
	r.fail(err)
}

// ElectionEvent takes in what the election port reports.
func (r *Replica) ElectionEvent(ev election.Event) {
	looking := r.elector.step(ev)
	if down, lost := ev.(election.LinkDown); lost {
		looking = append(looking, down.Peer)
	}
	if len(looking) == 0 {
		return
	}
	r.turn.Lock()
	defer r.release(false)
	for _, id := range looking {
		r.voterGone(id)
	}
}

// voterGone takes in that a voter looks for another leader, or cannot be reached on the election port. A server that
// was elected and is not followed yet gives way when those left are no quorum, instead of waiting for initLimit
// (R24); one that connects to the leader looks again.
func (r *Replica) voterGone(id zk.ServerID) {
	switch {
	case r.role == none:
		if r.elected.Leader != id {
			return
		}
		if r.rejoin { // whoever leads next is told the truth
			r.rejoin = false
			r.elector.halt()
		}
		if r.cancelFollow != nil {
			r.cancelFollow()
		}
	case r.role == leading && !r.active:
		for _, l := range r.links {
			if l.server == id {
				return // it has come all the same
			}
		}
		if r.gone == nil {
			r.gone = make(map[zk.ServerID]bool)
		}
		r.gone[id] = true
		if !r.cfg.Members.Views()[0].HasQuorum(func(v zk.ServerID) bool { return !r.gone[v] }) {
			r.endRole("the voters look for another leader", "")
		}
	}
}
