package metrics

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"zkd/quorum"
	"zkd/quorum/peer"
	"zkd/quorum/stats"
)

func isMember(p *picture) bool { return p.st.Ensemble != nil }

func isLeader(p *picture) bool { return isMember(p) && p.st.Role == quorum.Leader }

// isObserver reports whether the server has no vote, by the configuration.
func isObserver(p *picture) bool {
	return isMember(p) && slices.ContainsFunc(p.st.Ensemble.Members, func(m quorum.MemberStatus) bool { return m.Self && m.Observer })
}

// only exposes m where when holds.
func only(when func(*picture) bool, m metric) metric {
	m.when = when
	return m
}

// ensembleMetrics are the metrics of ZooKeeper 3.9 about servers among each other. Those of a leader
// are exposed by a leader only, as there.
func ensembleMetrics() []metric {
	load := func(of func(*stats.Server) *stats.Gauge) value {
		return func(p *picture) float64 { return float64(of(p.stats).Load()) }
	}
	proposal := func(of func(*stats.Histogram) int64) value {
		return func(p *picture) float64 { return float64(of(&p.stats.ProposalBytes)) }
	}
	synced := func(observer bool) value {
		return func(p *picture) (n float64) {
			for _, m := range p.st.Ensemble.Members {
				if !m.Self && m.Synced && m.Observer == observer {
					n++
				}
			}
			return n
		}
	}
	return append(ensembleCounters(),
		only(isMember, gauge("quorum_size", "Members that vote.",
			func(p *picture) float64 { return float64(p.st.Ensemble.Voters) })),
		only(isLeader, gauge("learners", "Servers connected to this leader.",
			load(func(s *stats.Server) *stats.Gauge { return &s.Learners }))),
		only(isLeader, gauge("synced_followers", "Followers that have the history of this leader.", synced(false))),
		only(isLeader, gauge("synced_non_voting_followers", "Followers that have the history of this leader and no vote.",
			load(func(s *stats.Server) *stats.Gauge { return &s.NonVotingFollowers }))),
		only(isLeader, gauge("synced_observers", "Observers that have the history of this leader.", synced(true))),
		only(isLeader, gauge("pending_syncs", "Sync requests that wait for a quorum.",
			load(func(s *stats.Server) *stats.Gauge { return &s.PendingSyncs }))),
		only(isLeader, gauge("leader_uptime", "Time since this server leads, in milliseconds.",
			func(p *picture) float64 { return float64(p.now.Sub(p.st.Since).Milliseconds()) })),
		only(isLeader, gauge("last_proposal_size", "Bytes of the last proposal.", proposal((*stats.Histogram).Last))),
		only(isLeader, gauge("max_proposal_size", "Bytes of the largest proposal.", proposal((*stats.Histogram).Max))),
		only(isLeader, gauge("min_proposal_size", "Bytes of the smallest proposal.", proposal((*stats.Histogram).Min))),
		metric{name: "ack_latency", help: "Time from the proposing of a transaction to its acknowledgement by a server, in milliseconds.",
			labels: []string{"key"},
			emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
				p.stats.Acks(func(id int64, h *stats.Histogram) {
					out(constSummary(d, h, advanced, 1, strconv.FormatInt(id, 10)))
				})
			}},
	)
}

func ensembleCounters() []metric {
	return []metric{
		counter("looking_count", "Times that this server began to look for a leader.",
			func(s *stats.Server) *stats.Counter { return &s.Lookings }),
		counter("diff_count", "Servers that this leader sent what they lacked.",
			func(s *stats.Server) *stats.Counter { return &s.DiffsSent }),
		counter("snap_count", "Servers that this leader sent everything.",
			func(s *stats.Server) *stats.Counter { return &s.SnapsSent }),
		counter("learner_proposal_received_count", "Proposals received from a leader.",
			func(s *stats.Server) *stats.Counter { return &s.LearnerProposals }),
		counter("learner_commit_received_count", "Commits received from a leader.",
			func(s *stats.Server) *stats.Counter { return &s.LearnerCommits }),
		counter("quit_leading_due_to_disloyal_voter", "Times that this leader gave up because a voter was ahead of it.",
			func(s *stats.Server) *stats.Counter { return &s.DisloyalVoterQuits }),
		counter("revalidate_count", "Sessions that learners asked this leader to take up again.",
			func(s *stats.Server) *stats.Counter { return &s.SessionsRevalidated }),

		summary("election_time", "Time to find a leader, in milliseconds.", basic, 1,
			func(s *stats.Server) *stats.Histogram { return &s.ElectionMillis }),
		summaryOf("follower_sync_time", "Time to take over the leader's history as a follower, in milliseconds.", basic, 1, syncTimes(false)),
		summaryOf("observer_sync_time", "Time to take over the leader's history as an observer, in milliseconds.", basic, 1, syncTimes(true)),
		summary("unavailable_time", "Time from looking for a leader to serving again, in milliseconds.", basic, 1,
			func(s *stats.Server) *stats.Histogram { return &s.UnavailableMillis }),
		summary("leader_unavailable_time", "Time from looking for a leader to serving as one, in milliseconds.", basic, 1,
			func(s *stats.Server) *stats.Histogram { return &s.LeaderUnavailableMillis }),

		only(isMember, summary("proposal_latency", "Time from the proposing of a transaction to its receipt here, in milliseconds.", advanced, 1,
			func(s *stats.Server) *stats.Histogram { return &s.ProposalMillis })),
		only(isMember, summary("proposal_ack_creation_latency", "Time from the proposing of a transaction to its acknowledgement by this server, in milliseconds.", advanced, 1,
			func(s *stats.Server) *stats.Histogram { return &s.ProposalAckMillis })),
		only(isMember, summary("quorum_ack_latency", "Time from the proposing of a transaction to its acknowledgement by a quorum, in milliseconds.", advanced, 1,
			func(s *stats.Server) *stats.Histogram { return &s.QuorumAckMillis })),
		only(isMember, summary("commit_propagation_latency", "Time from the proposing of a transaction to the receipt of its commit, in milliseconds.", advanced, 1,
			func(s *stats.Server) *stats.Histogram { return &s.CommitMillis })),
		only(isMember, summary("propagation_latency", "Time from the proposing of a transaction to its being applied here, in milliseconds.", advanced, 1,
			func(s *stats.Server) *stats.Histogram { return &s.PropagationMillis })),
	}
}

// syncTimes are those of an observer or those of a follower, none for the other.
func syncTimes(observer bool) func(*picture) *stats.Histogram {
	var none stats.Histogram
	return func(p *picture) *stats.Histogram {
		if isObserver(p) != observer {
			return &none
		}
		return &p.stats.SyncMillis
	}
}

// zkdEnsembleMetrics are those about the ensemble that ZooKeeper does not have. The label member holds
// an id, of which there are at most 254.
func zkdEnsembleMetrics() []metric {
	perMember := func(name, help string, f func(p *picture, m quorum.MemberStatus) (value float64, ok bool)) metric {
		return metric{name: name, help: help, labels: []string{"member"}, when: isMember,
			emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
				for _, m := range p.st.Ensemble.Members {
					if v, ok := f(p, m); ok {
						out(prometheus.NewConstMetric(d, prometheus.GaugeValue, v, strconv.FormatInt(int64(m.ID), 10)))
					}
				}
			}}
	}
	return []metric{
		only(isMember, counter("zkd_snapshots_received_total", "Times that a leader sent this server everything.",
			func(s *stats.Server) *stats.Counter { return &s.SnapsReceived })),
		only(isMember, gauge("zkd_sync_received_bytes", "Size of what has come so far of the snapshot being received from the leader; 0 while there is none.",
			func(p *picture) float64 { return float64(p.stats.SyncBytes.Load()) })),
		only(isMember, gauge("zkd_sync_received_txns", "Transactions of the log that have come so far from the leader; 0 while it sends none.",
			func(p *picture) float64 { return float64(p.stats.SyncTxns.Load()) })),
		only(isMember, gauge("zkd_quorum", "1 while a quorum is at work, as far as this server sees.",
			func(p *picture) float64 { return truth(p.st.Ensemble.Quorum) })),
		only(isMember, gauge("zkd_quorum_losses", "Voters that may yet be lost; 0 if the next loss ends the service, -1 without a quorum.",
			func(p *picture) float64 { return float64(p.st.Ensemble.Losses) })),
		only(isMember, gauge("zkd_leader_id", "Id of the server that leads; 0 if none is known to.",
			func(p *picture) float64 { return float64(p.st.Ensemble.Leader) })),
		perMember("zkd_member_synced", "1 for a member that has the history of this leader; of a server that does not lead, of itself only.",
			func(p *picture, m quorum.MemberStatus) (float64, bool) { return truth(m.Synced), m.Self || isLeader(p) }),
		perMember("zkd_member_lag_transactions", "Transactions that a member is behind the leader, where this server knows it.",
			func(_ *picture, m quorum.MemberStatus) (float64, bool) { return float64(m.Lag), m.Lag >= 0 }),
		{name: "zkd_member_reachable", help: "1 if a port of another member can be reached from here, 0 if not; without a value where it is not known.",
			labels: []string{"member", "port"}, when: isMember,
			emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
				for _, m := range p.st.Ensemble.Members {
					for _, port := range []struct {
						name  string
						reach quorum.Reach
					}{{"election", m.Election}, {"peer", m.Peer}} {
						if !m.Self && port.reach.Known {
							out(prometheus.NewConstMetric(d, prometheus.GaugeValue, truth(port.reach.OK), strconv.FormatInt(int64(m.ID), 10), port.name))
						}
					}
				}
			}},
		{name: "zkd_peer_mishaps_total", help: "What other programs did wrong on the election and the peer port.",
			labels: []string{"kind"}, when: isMember,
			emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
				for _, m := range peer.Mishaps() {
					out(prometheus.NewConstMetric(d, prometheus.CounterValue, float64(p.stats.PeerMishaps[m].Load()), m.String()))
				}
			}},
	}
}
