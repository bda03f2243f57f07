package quorum_test

import (
	"fmt"
	"strings"
	"testing"

	"zkd/quorum"
	"zkd/quorum/zk"
)

// The service lives while a majority does, and everybody is told when it does not: three servers stand the loss of
// one, four no more than that, five that of two.
func TestAMajorityMustLive(t *testing.T) {
	for _, tc := range []struct{ voters, losses int }{{3, 1}, {4, 1}, {5, 2}} {
		t.Run(fmt.Sprintf("%d servers", tc.voters), func(t *testing.T) {
			e := newEnsemble(t, tc.voters, 0, nil)
			leader := e.await()
			eventually(t, "the losses that it stands are known", func() bool {
				return e.servers[leader].Status().Ensemble.Losses == tc.losses
			})
			for lost := range tc.losses {
				e.stop(leader)
				leader = e.await()
				create(t, e.client(leader), fmt.Sprintf("/with-%d-lost", lost+1), nil, zk.ModePersistent)
				eventually(t, "the next loss is counted", func() bool {
					return e.servers[leader].Status().Ensemble.Losses == tc.losses-lost-1
				})
			}
			e.stop(leader)
			for i, s := range e.servers {
				if s == nil {
					continue
				}
				want := fmt.Sprintf("no quorum: %d of %d voters are needed; missing: ", tc.voters/2+1, tc.voters)
				eventually(t, fmt.Sprintf("server %d says that there is no service", i+1), func() bool {
					st := s.Status()
					return !st.Serving && st.Role == quorum.Looking && strings.Contains(st.NotServing, want) && st.Ensemble.Losses == -1
				})
			}
			e.start(leader)
			e.await()
		})
	}
}

// A server without weight follows, and counts for nothing.
func TestAWeightlessServerNeverLeads(t *testing.T) {
	e := newEnsemble(t, 3, 0, func(_ int, cfg *quorum.Config) {
		cfg.Ensemble.Groups = []zk.Group{{ID: 1, Members: []zk.Weight{{ID: 1, Weight: 1}, {ID: 2, Weight: 1}, {ID: 3, Weight: 0}}}}
	})
	if leader := e.await(); leader == 2 {
		t.Fatal("the server of weight 0 leads")
	}
	create(t, e.client(2), "/by-the-weightless", nil, zk.ModePersistent)
	e.stop(2)
	leader := e.await()
	create(t, e.client(leader), "/without-it", nil, zk.ModePersistent)
	e.start(2)
	e.await()
	e.checkEqual()
	e.stop(other(leader, 2))
	eventually(t, "there is no quorum: the two others do not make one", func() bool { return !e.servers[leader].Status().Serving })
}
