package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"zkd/quorum/stats"
)

const millisPerMicro = 1e-3

// zookeeperMetrics are the metrics of ZooKeeper 3.9 that the server has a source for.
func zookeeperMetrics() []metric {
	return append(append(zookeeperGauges(), zookeeperCounters()...), zookeeperSummaries()...)
}

func zookeeperGauges() []metric {
	latency := func(f func(*stats.Histogram) float64) value {
		return func(p *picture) float64 { return f(&p.stats.Latency) * millisPerMicro }
	}
	load := func(of func(*stats.Server) *stats.Counter) value {
		return func(p *picture) float64 { return float64(of(p.stats).Load()) }
	}
	return []metric{
		gauge("avg_latency", "Mean time to answer a request, in milliseconds.",
			latency((*stats.Histogram).Avg)),
		gauge("max_latency", "Longest time to answer a request, in milliseconds.",
			latency(func(h *stats.Histogram) float64 { return float64(h.Max()) })),
		gauge("min_latency", "Shortest time to answer a request, in milliseconds.",
			latency(func(h *stats.Histogram) float64 { return float64(h.Min()) })),
		gauge("packets_received", "Frames received from clients.",
			load(func(s *stats.Server) *stats.Counter { return &s.PacketsReceived })),
		gauge("packets_sent", "Frames sent to clients.",
			load(func(s *stats.Server) *stats.Counter { return &s.PacketsSent })),
		gauge("auth_failed_count", "Failed authentications.",
			load(func(s *stats.Server) *stats.Counter { return &s.AuthFailed })),
		gauge("num_alive_connections", "Open client connections.",
			func(p *picture) float64 { return float64(p.st.Connections) }),
		gauge("outstanding_requests", "Requests taken in and not yet answered.",
			func(p *picture) float64 { return float64(p.st.Outstanding) }),
		gauge("uptime", "Time since the server started, in milliseconds.", func(p *picture) float64 {
			return float64(p.now.Sub(p.st.Started).Milliseconds())
		}),
		gauge("znode_count", "Znodes; the root counts twice, as in ZooKeeper.",
			func(p *picture) float64 { return float64(p.st.Znodes) }),
		gauge("watch_count", "Watches set on this server.",
			func(p *picture) float64 { return float64(p.st.Watches) }),
		gauge("ephemerals_count", "Ephemeral znodes.",
			func(p *picture) float64 { return float64(p.st.Ephemerals) }),
		gauge("approximate_data_size", "Length of all paths and all data, in bytes.",
			func(p *picture) float64 { return float64(p.st.DataBytes) }),
		gauge("global_sessions", "Sessions known to the ensemble.",
			func(p *picture) float64 { return float64(p.st.Sessions) }),
		gauge("open_file_descriptor_count", "Files that the process has open.",
			func(p *picture) float64 { return float64(p.files.open) }),
		gauge("max_file_descriptor_count", "Files that the process may open.",
			func(p *picture) float64 { return float64(p.files.limit) }),
		gauge("last_client_response_size", "Bytes of the last reply.",
			func(p *picture) float64 { return float64(p.stats.ResponseBytes.Last()) }),
		gauge("max_client_response_size", "Bytes of the largest reply.",
			func(p *picture) float64 { return float64(p.stats.ResponseBytes.Max()) }),
		gauge("min_client_response_size", "Bytes of the smallest reply.",
			func(p *picture) float64 { return float64(p.stats.ResponseBytes.Min()) }),
	}
}

func zookeeperCounters() []metric {
	return []metric{
		counter("bytes_received_count", "Bytes received from clients.",
			func(s *stats.Server) *stats.Counter { return &s.BytesReceived }),
		counter("response_bytes", "Bytes sent to clients.",
			func(s *stats.Server) *stats.Counter { return &s.BytesSent }),
		counter("commit_count", "Transactions committed.",
			func(s *stats.Server) *stats.Counter { return &s.Commits }),
		counter("proposal_count", "Transactions proposed.",
			func(s *stats.Server) *stats.Counter { return &s.Proposals }),
		counter("connection_drop_count", "Connections that the server closed.",
			func(s *stats.Server) *stats.Counter { return &s.ConnectionsDropped }),
		counter("connection_rejected", "Connections refused by a limit.",
			func(s *stats.Server) *stats.Counter { return &s.ConnectionsRejected }),
		counter("connection_request_count", "Sessions asked for, new or known.",
			func(s *stats.Server) *stats.Counter { return &s.ConnectionRequests }),
		counter("connection_revalidate_count", "Sessions taken up again by id and password.",
			func(s *stats.Server) *stats.Counter { return &s.Revalidations }),
		counter("digest_mismatches_count", "Transactions after which the tree was not as its digest says.",
			func(s *stats.Server) *stats.Counter { return &s.DigestMismatches }),
		counter("large_requests_rejected", "Requests longer than jute.maxbuffer.",
			func(s *stats.Server) *stats.Counter { return &s.LargeRequestsRejected }),
		counter("sessionless_connections_expired", "Connections that asked for no session in time.",
			func(s *stats.Server) *stats.Counter { return &s.SessionlessExpired }),
		counter("stale_sessions_expired", "Sessions expired.",
			func(s *stats.Server) *stats.Counter { return &s.SessionsExpired }),
		counter("snapshot_error_count", "Snapshots that could not be written.",
			func(s *stats.Server) *stats.Counter { return &s.SnapshotErrors }),
		counter("unrecoverable_error_count", "Errors after which the server had to stop.",
			func(s *stats.Server) *stats.Counter { return &s.UnrecoverableErrors }),
		counter("watch_bytes", "Bytes of watch events sent.",
			func(s *stats.Server) *stats.Counter { return &s.WatchBytes }),
	}
}

func zookeeperSummaries() []metric {
	// once is a summary of the one value that start-up left behind.
	once := func(name, help string, v value) metric {
		return metric{name: name, help: help, emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
			x := v(p)
			out(prometheus.NewConstSummary(d, 1, x, map[float64]float64{0.5: x}))
		}}
	}
	return []metric{
		summary("fsynctime", "Time of one sync of the log, in milliseconds.", basic, millisPerMicro,
			func(s *stats.Server) *stats.Histogram { return &s.FsyncMicros }),
		summary("snapshottime", "Time to write a snapshot, in milliseconds.", basic, 1,
			func(s *stats.Server) *stats.Histogram { return &s.SnapshotMillis }),
		summary("sync_processor_batch_size", "Transactions per sync of the log.", basic, 1,
			func(s *stats.Server) *stats.Histogram { return &s.BatchSize }),
		summary("prep_process_time", "Time to prepare one batch of requests, in milliseconds.", basic, millisPerMicro,
			func(s *stats.Server) *stats.Histogram { return &s.PrepMicros }),
		summary("readlatency", "Time to answer a read, in milliseconds.", advanced, millisPerMicro,
			func(s *stats.Server) *stats.Histogram { return &s.ReadLatency }),
		summary("updatelatency", "Time to answer a write, in milliseconds.", advanced, millisPerMicro,
			func(s *stats.Server) *stats.Histogram { return &s.WriteLatency }),
		summary("node_created_watch_count", "Watches fired per created znode.", basic, 1,
			func(s *stats.Server) *stats.Histogram { return &s.NodeCreatedWatches }),
		summary("node_deleted_watch_count", "Watches fired per deleted znode.", basic, 1,
			func(s *stats.Server) *stats.Histogram { return &s.NodeDeletedWatches }),
		summary("node_changed_watch_count", "Watches fired per changed znode.", basic, 1,
			func(s *stats.Server) *stats.Histogram { return &s.NodeChangedWatches }),
		summary("node_children_watch_count", "Watches fired per changed list of children.", basic, 1,
			func(s *stats.Server) *stats.Histogram { return &s.NodeChildrenWatches }),
		once("dbinittime", "Time to load snapshot and log at start, in milliseconds.", func(p *picture) float64 {
			return float64(p.stats.StartupSnapMillis.Load() + p.stats.StartupTxnsMillis.Load())
		}),
		once("startup_snap_load_time", "Time to load the snapshot at start, in milliseconds.",
			func(p *picture) float64 { return float64(p.stats.StartupSnapMillis.Load()) }),
		once("startup_txns_load_time", "Time to replay the log at start, in milliseconds.",
			func(p *picture) float64 { return float64(p.stats.StartupTxnsMillis.Load()) }),
		once("startup_txns_loaded", "Transactions replayed at start.",
			func(p *picture) float64 { return float64(p.stats.StartupTxns.Load()) }),
	}
}

// trueZeros are the metrics of ZooKeeper that count what zkd never does.
func trueZeros() []metric {
	var all []metric
	zero := func(t prometheus.ValueType, help string, names ...string) {
		for _, name := range names {
			all = append(all, number(t, name, help, func(*picture) float64 { return 0 }))
		}
	}
	zero(prometheus.GaugeValue, "Always 0: zkd has no local sessions, random refusals or TLS yet.",
		"local_sessions", "connection_drop_probability", "outstanding_tls_handshake",
		"non_mtls_remote_conn_count", "non_mtls_local_conn_count")
	zero(prometheus.CounterValue, "Always 0: watches of closed connections are removed at once.",
		"add_dead_watcher_stall_time", "dead_watchers_cleared", "dead_watchers_queued")
	zero(prometheus.CounterValue, "Always 0: zkd needs no cache of replies.",
		"response_packet_cache_hits", "response_packet_cache_misses",
		"response_packet_get_children_cache_hits", "response_packet_get_children_cache_misses")
	zero(prometheus.CounterValue, "Always 0: zkd has no TLS and asks no client for the name of its ensemble.",
		"ensemble_auth_fail", "ensemble_auth_skip", "ensemble_auth_success", "tls_handshake_exceeded",
		"unsuccessful_handshake")
	return all
}
