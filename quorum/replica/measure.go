package replica

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// measures is what the loop keeps in order to measure how long things take.
type measures struct {
	lookingSince  time.Time // zero while clients are served
	oldestPending int64     // time in the oldest txn that is logged and not durable, 0 for none
}

// age observes how long ago, by the wall clock, a txn was made. A clock that is behind the leader's tells nothing.
func (r *Replica) age(observe func(int64), madeMillis int64) {
	if d := r.cfg.Now().UnixMilli() - madeMillis; d >= 0 && madeMillis > 0 {
		observe(d)
	}
}

// madeAt returns the time in the header of an encoded txn, ms since 1970.
func madeAt(data []byte) int64 {
	const offset = 8 + 4 + 8
	if len(data) < proto.TxnHeaderBytes {
		return 0
	}
	return int64(binary.BigEndian.Uint64(data[offset:]))
}

// countPackets counts what one read over a link gave, before it is acted on.
func (r *Replica) countPackets(id zab.LinkID, packets []proto.QuorumPacket) {
	if r.role == leading {
		for i := range packets {
			if packets[i].Type == proto.PacketAck {
				r.measureAck(id, packets[i].Zxid)
				return
			}
		}
		return
	}
	var proposals, commits, first int64
	for i := range packets {
		switch packets[i].Type {
		case proto.PacketProposal, proto.PacketInform:
			if proposals++; first == 0 && r.active {
				first = madeAt(packets[i].Data)
			}
			if packets[i].Type == proto.PacketInform {
				commits++
			}
		case proto.PacketCommit:
			commits++
		}
	}
	r.stats.LearnerProposals.Add(proposals)
	r.stats.LearnerCommits.Add(commits)
	r.age(r.stats.ProposalMillis.Observe, first)
}

// measureAck observes how long a server took to acknowledge a proposal in flight.
func (r *Replica) measureAck(id zab.LinkID, z zk.Zxid) {
	flying := r.inflight[r.head:]
	i, found := slices.BinarySearchFunc(flying, z, func(p proposal, z zk.Zxid) int { return cmp.Compare(p.zxid, z) })
	if h := r.stats.AckMillis(int64(r.links[id].server)); found && flying[i].hasTxn && h != nil {
		r.age(h.Observe, flying[i].txn.Header.TimeMillis)
	}
}

// measureServing observes how long clients had no service.
func (r *Replica) measureServing() {
	if r.lookingSince.IsZero() {
		return
	}
	gone := r.cfg.Now().Sub(r.lookingSince).Milliseconds()
	r.lookingSince = time.Time{}
	r.stats.UnavailableMillis.Observe(gone)
	if r.role == leading {
		r.stats.LeaderUnavailableMillis.Observe(gone)
	}
}

// setGauges shows what a leader has.
func (r *Replica) setGauges() {
	learners, others := int64(0), int64(0)
	if r.role == leading {
		learners = int64(len(r.links))
		for _, l := range r.leader.Learners() {
			if l.State == zab.LinkLive && !l.Observer && !l.Votes {
				others++
			}
		}
	}
	r.stats.Learners.Set(learners)
	r.stats.NonVotingFollowers.Set(others)
	r.stats.PendingSyncs.Set(int64(len(r.barriers)))
}
