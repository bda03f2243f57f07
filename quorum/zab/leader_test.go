package zab

import (
	"math/rand/v2"
	"testing"

	"zkd/quorum/zk"
)

func TestCommitNeedsAQuorumOfVoters(t *testing.T) {
	type ack struct {
		member  zk.ServerID
		counter uint32
	}
	tests := map[string]struct {
		voters []zk.ServerID
		acks   []ack
		want   uint32
	}{
		"alone, its own ack commits":            {[]zk.ServerID{1}, []ack{{1, 3}}, 3},
		"one of three is not enough":            {[]zk.ServerID{1, 2, 3}, []ack{{1, 3}}, 0},
		"two of three commit the lower of both": {[]zk.ServerID{1, 2, 3}, []ack{{1, 3}, {2, 2}}, 2},
		"two of four are not enough":            {[]zk.ServerID{1, 2, 3, 4}, []ack{{1, 3}, {2, 3}}, 0},
		"three of four are":                     {[]zk.ServerID{1, 2, 3, 4}, []ack{{1, 3}, {2, 3}, {4, 1}}, 1},
		"a stranger does not count":             {[]zk.ServerID{1, 2, 3}, []ack{{1, 3}, {9, 3}}, 0},
		"the same voter counts once":            {[]zk.ServerID{1, 2, 3}, []ack{{1, 2}, {1, 3}}, 0},
		"an old ack takes nothing back":         {[]zk.ServerID{1}, []ack{{1, 3}, {1, 2}}, 3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			const epoch = 7
			all := newTally(zk.NewView(tc.voters...), epoch)
			for _, a := range tc.acks {
				all.ack(a.member, zk.MakeZxid(epoch, a.counter))
			}
			if want := zk.MakeZxid(epoch, tc.want); all.committed != want {
				t.Errorf("committed %v, want %v", all.committed, want)
			}
		})
	}
}

// The committed zxid is compared with a naive count of who acknowledged each proposal.
func TestCommitAgreesWithCountingEachProposal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n := 1 + r.IntN(7)
		var voters []zk.ServerID
		for i := range n {
			voters = append(voters, zk.ServerID(i+1))
		}
		all := newTally(zk.NewView(voters...), 1)
		acked := make(map[zk.ServerID]uint32)
		proposed := uint32(0)
		for range 30 {
			if r.IntN(2) == 0 {
				proposed++
				continue
			}
			member := voters[r.IntN(n)]
			upTo := uint32(r.IntN(int(proposed) + 1))
			all.ack(member, zk.MakeZxid(1, upTo))
			acked[member] = max(acked[member], upTo)
			want := uint32(0)
			for z := uint32(1); z <= proposed; z++ {
				count := 0
				for _, a := range acked {
					if a >= z {
						count++
					}
				}
				if count > n/2 {
					want = z
				}
			}
			if all.committed != zk.MakeZxid(1, want) {
				t.Fatalf("%d voters, acked %v: committed %v, want counter %d", n, acked, all.committed, want)
			}
		}
	}
}

func TestNextEpochExceedsHistoryAndEveryAcceptedEpoch(t *testing.T) {
	tests := map[string]struct {
		last     zk.Zxid
		accepted []zk.Epoch
		want     zk.Epoch
		ok       bool
	}{
		"a fresh server begins with 1":       {0, []zk.Epoch{0}, 1, true},
		"accepted ahead of history":          {zk.MakeZxid(3, 9), []zk.Epoch{5}, 6, true},
		"history ahead of the epoch file":    {zk.MakeZxid(8, 1), []zk.Epoch{5}, 9, true},
		"the last epoch has no successor":    {0, []zk.Epoch{1<<31 - 1}, 1 << 31, false},
		"the highest of several members won": {0, []zk.Epoch{1, 4, 2}, 5, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := NextEpoch(tc.last, tc.accepted...)
			if got != tc.want || ok != tc.ok {
				t.Errorf("NextEpoch(%v, %v) = %d, %v; want %d, %v", tc.last, tc.accepted, got, ok, tc.want, tc.ok)
			}
		})
	}
}

func TestProposeStopsBeforeTheCounterWraps(t *testing.T) {
	l := &Leader{phase: active, epoch: 1, last: zk.MakeZxid(1, 1<<32-1-0xff)}
	if z, ok := l.Propose(); ok {
		t.Errorf("proposed %v", z)
	}
}
