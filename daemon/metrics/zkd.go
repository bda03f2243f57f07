package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"zkd/quorum"
	"zkd/quorum/stats"
	"zkd/quorum/zk"
)

// zkdMetrics are the metrics that ZooKeeper does not have.
func zkdMetrics(build Build) []metric {
	return append([]metric{
		{
			name: "zkd_build_info", help: "Always 1; the labels say which program runs.",
			labels: []string{"version", "revision", "goversion"},
			emit: func(_ *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
				out(prometheus.NewConstMetric(d, prometheus.GaugeValue, 1, build.Version, build.Revision, build.GoVersion))
			},
		},
		{
			name: "zkd_server_state", help: "1 for the role that the server has, 0 for the others.",
			labels: []string{"state"},
			emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
				for _, role := range []quorum.Role{quorum.Standalone, quorum.Leader, quorum.Follower, quorum.Observer, quorum.Looking} {
					out(prometheus.NewConstMetric(d, prometheus.GaugeValue, truth(p.st.Role == role), string(role)))
				}
			},
		},
		{
			name: "zkd_fsync_duration_seconds", help: "Time of one sync of the log.",
			emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
				count, sum, buckets := durations(&p.stats.FsyncMicros)
				out(prometheus.NewConstHistogram(d, count, sum, buckets))
			},
		},
		{
			name: "zkd_request_duration_seconds", help: "Time to answer a request, by kind.",
			labels: []string{"kind"},
			emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
				count, sum, buckets := durations(&p.stats.ReadLatency)
				out(prometheus.NewConstHistogram(d, count, sum, buckets, "read"))
				count, sum, buckets = durations(&p.stats.WriteLatency)
				out(prometheus.NewConstHistogram(d, count, sum, buckets, "write"))
			},
		},
		{
			name: "zkd_requests_total", help: "Requests by operation; those that were never asked for are left out.",
			labels: []string{"op"},
			emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
				for op := range p.stats.OpsByType {
					if n := p.stats.OpsByType[op].Load(); n > 0 {
						out(prometheus.NewConstMetric(d, prometheus.CounterValue, float64(n), zk.Op(op).String()))
					}
				}
			},
		},
	}, append(zkdGauges(), zkdCounters()...)...)
}

func zkdGauges() []metric {
	hasSnapshot := func(p *picture) bool { return !p.st.SnapshotTime.IsZero() }
	snapshotAge := gauge("zkd_snapshot_age_seconds", "Age of the newest snapshot.",
		func(p *picture) float64 { return p.now.Sub(p.st.SnapshotTime).Seconds() })
	snapshotAge.when = hasSnapshot
	snapshotBytes := gauge("zkd_snapshot_bytes", "Size of the newest snapshot.",
		func(p *picture) float64 { return float64(p.stats.SnapshotBytes.Load()) })
	snapshotBytes.when = hasSnapshot
	return []metric{
		gauge("zkd_serving", "1 while clients get answers.", func(p *picture) float64 { return truth(p.st.Serving) }),
		gauge("zkd_start_time_seconds", "When the server started, since 1970.",
			func(p *picture) float64 { return float64(p.st.Started.UnixMilli()) / 1e3 }),
		gauge("zkd_zxid_epoch", "High half of the zxid applied last.",
			func(p *picture) float64 { return float64(p.st.LastZxid.Epoch()) }),
		gauge("zkd_zxid_counter", "Low half of the zxid applied last.",
			func(p *picture) float64 { return float64(p.st.LastZxid.Counter()) }),
		gauge("zkd_queued_requests", "Writes waiting for the replica.",
			func(p *picture) float64 { return float64(p.stats.QueueDepth.Load()) }),
		gauge("zkd_watched_paths", "Paths with at least one watch.",
			func(p *picture) float64 { return float64(p.st.WatchedPaths) }),
		gauge("zkd_disk_free_bytes", "Room left below the log directory.",
			func(p *picture) float64 { return float64(p.stats.DiskFreeBytes.Load()) }),
		gauge("zkd_disk_full", "1 while writes are refused because the disk is nearly full.",
			func(p *picture) float64 { return truth(p.st.ReadOnlyDisk) }),
		gauge("zkd_forgot_writes", "1 if the log lost a tail that had been durable.",
			func(p *picture) float64 { return truth(p.st.ForgotWrites != "") }),
		snapshotAge,
		snapshotBytes,
		gauge("zkd_admin_listening", "Addresses that the admin port listens on.",
			func(p *picture) float64 { return float64(p.proc.AdminListening.Load()) }),
		gauge("zkd_config_last_reload_successful", "1 unless the last reload of the configuration was refused.",
			func(p *picture) float64 { return truth(p.proc.ReloadFailed.Load() == 0) }),
		gauge("zkd_config_last_reload_success_timestamp_seconds", "When the configuration in force was read, since 1970.",
			func(p *picture) float64 { return float64(p.proc.ReloadedUnix.Load()) }),
	}
}

func zkdCounters() []metric {
	return []metric{
		counter("zkd_connections_accepted_total", "Client connections accepted.",
			func(s *stats.Server) *stats.Counter { return &s.ConnectionsAccepted }),
		counter("zkd_slow_readers_cut_total", "Clients cut off because they did not read their replies.",
			func(s *stats.Server) *stats.Counter { return &s.SlowReadersCut }),
		counter("zkd_foreign_protocols_total", "Connections to the client port that spoke something else.",
			func(s *stats.Server) *stats.Counter { return &s.ForeignProtocols }),
		counter("zkd_sessions_created_total", "Sessions created.",
			func(s *stats.Server) *stats.Counter { return &s.CreateSessions }),
		counter("zkd_sessions_closed_total", "Sessions closed by their clients or expired.",
			func(s *stats.Server) *stats.Counter { return &s.CloseSessions }),
		counter("zkd_sessions_refused_total", "Clients told that their session is over: it expired, or the password is wrong.",
			func(s *stats.Server) *stats.Counter { return &s.StaleSessions }),
		counter("zkd_quota_soft_exceeded_total", "Writes that went over a soft quota.",
			func(s *stats.Server) *stats.Counter { return &s.QuotaSoftExceeded }),
		counter("zkd_quota_refused_total", "Writes refused by a hard quota.",
			func(s *stats.Server) *stats.Counter { return &s.QuotaHardRefused }),
		counter("zkd_disk_full_refused_total", "Writes refused because the disk is nearly full.",
			func(s *stats.Server) *stats.Counter { return &s.DiskFullRefused }),
		counter("zkd_watch_events_denied_total", "Watch events kept back because the watcher may not read the znode.",
			func(s *stats.Server) *stats.Counter { return &s.WatchEventsDeniedByACL }),
		counter("zkd_fsync_slow_total", "Syncs of the log over the warning threshold.",
			func(s *stats.Server) *stats.Counter { return &s.FsyncSlow }),
		counter("zkd_log_bytes_total", "Bytes appended to the log.",
			func(s *stats.Server) *stats.Counter { return &s.LogBytes }),
		counter("zkd_log_rolls_total", "Log files begun.",
			func(s *stats.Server) *stats.Counter { return &s.LogRolls }),
		counter("zkd_log_read_errors_total", "Times that this leader could not read its own log for another server, and sent everything instead.",
			func(s *stats.Server) *stats.Counter { return &s.LogReadErrors }),
		counter("zkd_snapshots_total", "Snapshots written.",
			func(s *stats.Server) *stats.Counter { return &s.Snapshots }),
		counter("zkd_purged_files_total", "Logs and snapshots purged.",
			func(s *stats.Server) *stats.Counter { return &s.PurgedFiles }),
		counter("zkd_containers_deleted_total", "Empty containers reaped.",
			func(s *stats.Server) *stats.Counter { return &s.ContainersDeleted }),
		counter("zkd_ttl_nodes_deleted_total", "Znodes reaped because their time to live was over.",
			func(s *stats.Server) *stats.Counter { return &s.TTLNodesDeleted }),
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
