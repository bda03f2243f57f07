package quorum

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"zkd/quorum/peer"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/serve"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

func (s *Server) role() Role {
	if !s.member() {
		return Standalone
	}
	switch e := s.replica.Ensemble(); {
	case !e.Serving:
		return Looking
	case e.Leading:
		return Leader
	case s.peers.own.Observer:
		return Observer
	default:
		return Follower
	}
}

func peerType(own proto.QuorumServer) int {
	if own.Observer {
		return 1
	}
	return 0
}

// ensemble returns what is known of the ensemble, nil for a server that stands alone.
func (s *Server) ensemble() *EnsembleStatus {
	if !s.member() {
		return nil
	}
	e := s.replica.Ensemble()
	view, err := s.cfg.Ensemble.View()
	if err != nil {
		return nil // it was checked at the start
	}
	st := &EnsembleStatus{Voters: len(view.Voters()), NeededVoters: view.QuorumSize(), Quorum: e.Serving, Sync: syncText(&e), Ended: e.Ended}
	if e.Leading || e.Learning {
		st.Leader = e.Leader
	}
	if !e.Serving {
		st.Election = s.replica.Election().String()
		if e.Learning || e.Leading {
			st.Election = "" // it is over
		}
	}
	reach := make(map[zk.ServerID]peer.Reach)
	for _, r := range s.peers.election.Reach() {
		reach[r.Server] = r
	}
	for _, m := range s.cfg.Ensemble.Servers {
		st.Members = append(st.Members, s.memberStatus(m, &e, reach[m.ID]))
	}
	st.Losses = losses(view, s.cfg.Ensemble.Groups, st)
	return st
}

func (s *Server) memberStatus(m proto.QuorumServer, e *replica.Ensemble, reach peer.Reach) MemberStatus {
	ms := MemberStatus{
		ID: m.ID, Self: m.ID == s.cfg.ID, Observer: m.Observer, Lag: -1,
		PeerAddr: m.Addrs[0].Quorum().String(), ElectionAddr: m.Addrs[0].Election().String(),
	}
	if m.Client.Port != 0 {
		ms.ClientAddr = m.Client.String()
		if m.Client.Host == "" || m.Client.Host == "0.0.0.0" || m.Client.Host == "::" {
			ms.ClientAddr = net.JoinHostPort(m.Addrs[0].Host, strconv.Itoa(int(m.Client.Port)))
		}
	}
	learner := Follower
	if m.Observer {
		learner = Observer
	}
	switch {
	case ms.Self:
		ms.Role, ms.Synced = s.role(), e.Serving
		ms.Election = Reach{Known: true, OK: true, Since: s.started}
		ms.Peer = Reach{Known: e.Leading, OK: e.Leading, Since: e.Since}
		st := s.replica.Status()
		ms.Zxid = st.Logged
		switch {
		case e.Leading && e.Serving:
			ms.Lag = lag(e.Proposed, ms.Zxid)
		case e.Learning && e.Serving:
			ms.Lag = lag(e.Received, ms.Zxid)
		}
		return ms
	case e.Leading:
		for _, l := range e.Learners {
			if l.Server != m.ID {
				continue
			}
			if l.State == zab.LinkLive {
				ms.Role, ms.Synced, ms.Zxid = learner, true, l.Acked
				if l.Observer {
					ms.Zxid = 0 // it acknowledges nothing
				} else {
					ms.Lag = lag(e.Proposed, l.Acked)
				}
			}
		}
	case e.Learning && e.Leader == m.ID:
		ms.Peer = Reach{Known: true, OK: true, Since: e.Since}
		ms.Role = Leader
		if e.Serving {
			ms.Synced, ms.Zxid, ms.Lag = true, e.Received, 0
		}
	}
	if reach.Linked || reach.Class != "" {
		ms.Election = Reach{Known: true, OK: reach.Linked, Class: string(reach.Class), Error: reach.Error, Since: reach.Since}
	}
	return ms
}

// lag is by how many txns z is behind the newest.
func lag(newest, z zk.Zxid) int64 {
	if z.Epoch() != newest.Epoch() {
		return int64(newest.Counter())
	}
	return max(0, int64(newest-z))
}

// losses returns how many more voters may be lost, whichever they are: the fewest that leave no quorum, less
// one. Of groups and weights it supposes that the heaviest go first.
func losses(view zk.View, groups []zk.Group, st *EnsembleStatus) int {
	if !st.Quorum {
		return -1
	}
	weights := make(map[zk.ServerID]int64)
	for _, g := range groups {
		for _, m := range g.Members {
			weights[m.ID] = m.Weight
		}
	}
	there := make(map[zk.ServerID]bool)
	for _, m := range st.Members {
		if !m.Observer && (m.Self || m.Synced || m.Election.OK) {
			there[m.ID] = true
		}
	}
	quorum := func() bool { return view.HasQuorum(func(id zk.ServerID) bool { return there[id] }) }
	voters := slices.Clone(view.Voters())
	slices.SortStableFunc(voters, func(a, b zk.ServerID) int { return cmp.Compare(weights[b], weights[a]) })
	n := 0
	for _, id := range voters {
		if !there[id] {
			continue
		}
		if delete(there, id); !quorum() {
			break
		}
		n++
	}
	return n
}

// syncText says how a learner takes over the history.
func syncText(e *replica.Ensemble) string {
	switch e.Sync {
	case zab.Snap:
		return fmt.Sprintf("receiving a snapshot from server %d: %d MiB", e.Leader, e.SyncBytes>>20)
	case zab.Diff, zab.Trunc:
		return fmt.Sprintf("receiving the log from server %d: %d transactions", e.Leader, e.SyncTxns)
	}
	return ""
}

// explain says why a member does not serve.
func (s *Server) explain(status *Status) {
	e := s.replica.Ensemble()
	status.Since, status.Epoch = e.Since, max(status.Epoch, e.Epoch)
	if e.Serving {
		return
	}
	status.Serving = false
	st := status.Ensemble
	var away []string
	for _, m := range st.Members {
		if m.Self || m.Observer || m.Election.OK {
			continue
		}
		why := m.Election.Class
		if !m.Election.Known {
			why = "not heard of yet"
		}
		away = append(away, fmt.Sprintf("server %d (%s, %s)", m.ID, m.ElectionAddr, why))
	}
	switch {
	case e.DiskOut:
		status.NotServing = "the disk is nearly full: out of the ensemble until there is room"
	case st.Sync != "":
		status.NotServing = st.Sync
	case e.Learning:
		status.NotServing = fmt.Sprintf("joining the leader, server %d", e.Leader)
	case e.Leading:
		status.NotServing = fmt.Sprintf("elected leader, waits for a quorum of %d", st.NeededVoters)
	case len(away) > 0:
		status.NotServing = fmt.Sprintf("no quorum: %d of %d voters are needed; missing: %s", st.NeededVoters, st.Voters, strings.Join(away, ", "))
	default:
		status.NotServing = "an election is under way"
	}
	if e.Ended != "" && !e.Learning && !e.Leading && time.Since(e.Since) < time.Minute {
		status.NotServing += "; the last role ended: " + e.Ended
	}
}

// monitor returns what mntr says of an ensemble. Source: LeaderZooKeeperServer, QuorumZooKeeperServer.
func (s *Server) monitor() []serve.Variable {
	if !s.member() {
		return nil
	}
	e := s.replica.Ensemble()
	states := map[Role]string{Leader: "leading - broadcast", Follower: "following - broadcast", Observer: "observing - broadcast"}
	view, err := s.cfg.Ensemble.View()
	if err != nil {
		return nil
	}
	vars := []serve.Variable{{Name: "peer_state", Value: states[s.role()]}, {Name: "quorum_size", Value: len(view.Voters())}}
	if !e.Leading {
		return vars
	}
	var followers, others, observers int
	for _, l := range e.Learners {
		switch {
		case l.State != zab.LinkLive:
		case l.Observer:
			observers++
		case l.Votes:
			followers++
		default:
			others++
		}
	}
	sizes := &s.stats.ProposalBytes
	return append(vars, []serve.Variable{
		{Name: "learners", Value: followers + others + observers},
		{Name: "synced_followers", Value: followers}, {Name: "synced_non_voting_followers", Value: others},
		{Name: "synced_observers", Value: observers}, {Name: "pending_syncs", Value: s.stats.PendingSyncs.Load()},
		{Name: "leader_uptime", Value: time.Since(e.Since).Milliseconds()},
		{Name: "last_proposal_size", Value: sizes.Last()}, {Name: "max_proposal_size", Value: sizes.Max()}, {Name: "min_proposal_size", Value: sizes.Min()},
	}...)
}
