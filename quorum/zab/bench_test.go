package zab

import (
	"fmt"
	"testing"

	"zkd/quorum/proto"
)

// BenchmarkLeader is one batch of txns from proposal to delivery, with two followers.
func BenchmarkLeader(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := &script{}
			for _, line := range []string{
				"leader id=1 view=1,2,3 accepted=4 current=4", "recv 2 FOLLOWERINFO server=2 accepted=4",
				"recv 3 FOLLOWERINFO server=3 accepted=4", "acceptedDurable 5", "recv 2 ACKEPOCH 0 current=4", "recv 3 ACKEPOCH 0 current=4",
				"currentDurable 5", "streamed 2", "streamed 3", "recv 2 ACK 0x500000000, ACK 0x500000000", "recv 3 ACK 0x500000000, ACK 0x500000000",
			} {
				s.do(line)
			}
			l := s.leader
			txns, acks := make([]Txn, size), make([]proto.QuorumPacket, size)
			data := txnAt(1).Data
			b.ReportAllocs()
			for b.Loop() {
				for i := range txns {
					next, ok := l.Propose()
					if !ok {
						b.Fatal("zxids are spent")
					}
					txns[i] = Txn{next, data}
					acks[i] = packet(proto.PacketAck, next)
				}
				l.Step(Broadcast{txns})
				l.Step(Received{Link: 2, Packets: acks})
				l.Step(Synced{txns[size-1].Zxid})
				l.Step(Received{Link: 3, Packets: acks})
			}
		})
	}
}

// BenchmarkFollower is one batch of txns from proposal to delivery.
func BenchmarkFollower(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := &script{}
			for _, line := range []string{
				"learner id=2 accepted=4 current=4", "recv LEADERINFO 0x500000000", "acceptedDurable 5",
				"recv DIFF 0, NEWLEADER 0x500000000", "syncCommitted 0", "currentDurable 5", "recv UPTODATE -1",
			} {
				s.do(line)
			}
			f := s.learner
			proposals, commits := make([]proto.QuorumPacket, size), make([]proto.QuorumPacket, size)
			next := z(5, 0)
			b.ReportAllocs()
			for b.Loop() {
				for i := range proposals {
					next++
					proposals[i] = carrying(proto.PacketProposal, txnAt(next))
					commits[i] = packet(proto.PacketCommit, next)
				}
				f.Step(Received{Packets: proposals})
				f.Step(Received{Packets: commits})
				f.Step(Synced{next})
			}
			if !f.Active() {
				b.Fatal("the role ended")
			}
		})
	}
}
