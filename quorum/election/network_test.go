package election

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"zkd/quorum/proto"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "play only this seed of the network tests")
	seedsFlag = flag.Uint64("seeds", 150, "how many seeds the network tests play for each ensemble")
)

// eachNetwork plays test for each size and seed.
func eachNetwork(t *testing.T, test func(n *network)) {
	for _, size := range []int{3, 5, 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			first, last := uint64(1), *seedsFlag
			if *seedFlag != 0 {
				first, last = *seedFlag, *seedFlag
			}
			for seed := first; seed <= last; seed++ {
				test(newNetwork(t, seed, size))
			}
		})
	}
}

// In a network that is whole and quick, with servers that notice together that there is no leader,
// one round elects one leader: nobody is elected by two quorums for different votes.
func TestOneRoundElectsOneLeaderWhereNothingIsLate(t *testing.T) {
	eachNetwork(t, func(n *network) {
		n.maxDelay, n.notice = 2, 0
		for _, s := range n.servers {
			n.after(1+n.rnd.IntN(3), func() { n.launch(s) })
		}
		n.tick()
		n.tick()
		n.tick()
		leader := n.untilAgreed(100, "cold start")
		if len(n.leaders) != 1 {
			n.fatalf("leaders %v", n.leaders)
		}
		for _, s := range n.servers {
			if own := s.core.initial; n.view.CanLead(s.id) && own.after(leader.core.initial) {
				n.fatalf("leader %d is worse than %v", leader.id, own)
			}
		}
	})
}

// In any network the promises of checkElected and of the model hold; and once it is whole again, all
// servers agree within 20 seconds.
func TestEveryNetworkAgreesOnceItIsWhole(t *testing.T) {
	eachNetwork(t, func(n *network) {
		n.loss = []float64{0, 0.02, 0.2}[n.rnd.IntN(3)]
		if n.loss > 0 {
			// These losses break no connection, so only repetition repairs them.
			n.maxInterval = 100
		}
		n.maxDelay = 1 + n.rnd.IntN(12)
		for _, s := range n.servers {
			n.after(1+n.rnd.IntN(20), func() {
				if s.core == nil {
					n.launch(s)
				}
			})
		}
		often := 2 + n.rnd.IntN(60)
		for range 800 {
			n.tick()
			if n.rnd.IntN(often) == 0 {
				n.trouble()
			}
		}
		n.heal()
		n.untilAgreed(1000, "after healing")
	})
}

// A server that is started anew joins the leader that is there, in whatever round, and disturbs
// nobody (ZOOKEEPER-1732, -1805, -1818).
func TestRestartedServersJoinTheLeaderThatIsThere(t *testing.T) {
	eachNetwork(t, func(n *network) {
		for _, s := range n.servers {
			n.after(1+n.rnd.IntN(20), func() { n.launch(s) })
		}
		for range 20 {
			n.tick()
		}
		leader := n.untilAgreed(500, "cold start")
		for range 2 * len(n.servers) {
			s := n.servers[n.rnd.IntN(len(n.servers))]
			if s == leader {
				continue
			}
			n.crash(s)
			for range n.rnd.IntN(60) {
				n.tick()
			}
			n.launch(s)
			if now := n.untilAgreed(400, fmt.Sprintf("restart of %d", s.id)); now != leader || len(n.leaders) != 1 {
				n.fatalf("the restart of %d made %d leader instead of %d", s.id, now.id, leader.id)
			}
		}
	})
}

// A leader that is killed is replaced without any of the waits of the protocol, where its death is
// known: what is left are the delays of the network.
func TestAKilledLeaderIsReplacedAtOnce(t *testing.T) {
	eachNetwork(t, func(n *network) {
		n.maxDelay = 1
		for _, s := range n.servers {
			n.after(1, func() { n.launch(s) })
		}
		n.tick()
		leader := n.untilAgreed(500, "cold start")
		n.notice = 1
		n.crash(leader)
		looks := func(s *server) bool {
			return s.core != nil && s.core.votes() && (s.core.Status().State == proto.Looking || s.core.Status().Vote.Leader == leader.id)
		}
		for range DefaultFinalizeWaitTicks {
			n.tick()
			if !slices.ContainsFunc(n.servers, looks) {
				return
			}
		}
		n.fatalf("%d is dead, and some still look", leader.id)
	})
}
