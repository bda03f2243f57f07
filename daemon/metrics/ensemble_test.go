package metrics

import (
	"regexp"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/peer"
	"zkd/quorum/zk"
)

func reach(ok bool) quorum.Reach { return quorum.Reach{Known: true, OK: ok} }

// follower is the first of three voters, of which the second leads; the fourth member observes.
func follower() *fake {
	f := standalone()
	f.st.Role = quorum.Follower
	e := &quorum.EnsembleStatus{Leader: 2, Quorum: true, Voters: 3, NeededVoters: 2, Losses: 1}
	for id := zk.ServerID(1); id <= 4; id++ {
		e.Members = append(e.Members, quorum.MemberStatus{ID: id, Self: id == 1, Observer: id == 4, Zxid: -1, Lag: -1, Election: reach(true)})
	}
	e.Members[0].Synced, e.Members[0].Lag, e.Members[0].Election = true, 3, quorum.Reach{}
	e.Members[1].Role, e.Members[1].Peer = quorum.Leader, reach(true)
	e.Members[2].Election = reach(false)
	f.st.Ensemble = e
	f.s.Lookings.Add(2)
	f.s.ElectionMillis.Observe(210)
	f.s.SyncMillis.Observe(34)
	f.s.LearnerProposals.Add(50)
	f.s.LearnerCommits.Add(49)
	f.s.ProposalMillis.Observe(2)
	f.s.PeerMishaps[peer.Foreign].Add(5)
	return f
}

// leader is the same server leading: the second follows, the third is away, the observer is behind.
func leader() *fake {
	f := follower()
	f.st.Role, f.st.Ensemble.Leader, f.st.Ensemble.Losses = quorum.Leader, 1, 0
	m := f.st.Ensemble.Members
	m[0].Lag = 0
	m[1].Role, m[1].Synced, m[1].Lag, m[1].Peer = quorum.Follower, true, 1, quorum.Reach{}
	m[3].Role, m[3].Synced, m[3].Lag = quorum.Observer, true, 700
	f.s.Learners.Set(2)
	f.s.PendingSyncs.Set(1)
	f.s.DiffsSent.Add(3)
	f.s.SnapsSent.Add(1)
	f.s.ProposalBytes.Observe(48)
	f.s.ProposalBytes.Observe(36)
	f.s.QuorumAckMillis.Observe(4)
	f.s.AckMillis(2).Observe(3)
	f.s.AckMillis(4).Observe(90)
	return f
}

func observer() *fake {
	f := follower()
	f.st.Role, f.st.ID = quorum.Observer, 4
	f.st.Ensemble.Members[0].Self, f.st.Ensemble.Members[3].Self = false, true
	return f
}

// Dashboards find a leader by the metrics that only a leader has.
func TestWhatOnlyALeaderHasIsExposedByALeaderOnly(t *testing.T) {
	for _, name := range []string{"learners", "synced_followers", "synced_non_voting_followers", "synced_observers", "pending_syncs",
		"leader_uptime", "last_proposal_size", "max_proposal_size", "min_proposal_size"} {
		line := regexp.MustCompile(`(?m)^` + name + ` `)
		for role, f := range map[string]*fake{"leader": leader(), "follower": follower(), "observer": observer(), "standalone": standalone()} {
			if got, want := line.MatchString(scrape(t, f)), role == "leader"; got != want {
				t.Errorf("%s: %s is exposed: %t, want %t", role, name, got, want)
			}
		}
	}
}

func TestAMemberWithoutAQuorumIsMeasuredToo(t *testing.T) {
	f := follower()
	f.st.Role, f.st.Serving, f.st.Since = quorum.Looking, false, start.Add(time.Minute)
	f.st.Ensemble.Leader, f.st.Ensemble.Quorum, f.st.Ensemble.Losses = 0, false, -1
	text := scrape(t, f)
	for _, want := range []string{"quorum_size 3", "zkd_quorum 0", "zkd_quorum_losses -1", "zkd_leader_id 0", `zkd_server_state{state="looking"} 1`, "zkd_serving 0"} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want) + `$`).MatchString(text) {
			t.Errorf("no line %q", want)
		}
	}
}
