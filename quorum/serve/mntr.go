package serve

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"zkd/quorum/stats"
)

// mntr prints ZooKeeper's monitoring variables as its default metrics provider does: whole numbers
// plain, means and sums of histograms as doubles, times in milliseconds.
func (s *Server) mntr() string {
	var b strings.Builder
	put := func(key string, value any) { fmt.Fprintf(&b, "zk_%s\t%v\n", key, value) }
	st, rs := s.stats, s.cfg.Replica.Status()
	put("version", s.cfg.Words.Version)
	put("server_state", s.cfg.Words.Mode())
	if s.cfg.Words.Monitor != nil {
		for _, v := range s.cfg.Words.Monitor() {
			put(v.Name, v.Value)
		}
	}
	least, avg, most := s.latencyMillis()
	put("avg_latency", javaDouble(avg))
	put("max_latency", most)
	put("min_latency", least)
	open, limit := descriptors()
	for _, v := range []struct {
		key   string
		value int64
	}{
		{"packets_received", st.PacketsReceived.Load()}, {"packets_sent", st.PacketsSent.Load()},
		{"num_alive_connections", st.ConnectionsAlive.Load()}, {"outstanding_requests", st.Outstanding.Load()},
		{"znode_count", int64(rs.Znodes)}, {"watch_count", int64(rs.Watches)}, {"ephemerals_count", int64(rs.Ephemerals)},
		{"approximate_data_size", rs.DataBytes}, {"open_file_descriptor_count", open}, {"max_file_descriptor_count", limit},
		{"global_sessions", int64(rs.Sessions)}, {"local_sessions", 0}, {"connection_drop_count", st.ConnectionsDropped.Load()},
		{"connection_rejected", st.ConnectionsRejected.Load()}, {"connection_request_count", st.ConnectionRequests.Load()},
		{"connection_revalidate_count", st.Revalidations.Load()}, {"bytes_received_count", st.BytesReceived.Load()},
		{"response_bytes", st.BytesSent.Load()}, {"commit_count", st.Commits.Load()}, {"proposal_count", st.Proposals.Load()},
		{"digest_mismatches_count", st.DigestMismatches.Load()}, {"large_requests_rejected", st.LargeRequestsRejected.Load()},
		{"sessionless_connections_expired", st.SessionlessExpired.Load()}, {"stale_sessions_expired", st.SessionsExpired.Load()},
		{"auth_failed_count", st.AuthFailed.Load()}, {"snapshot_error_count", st.SnapshotErrors.Load()},
		{"unrecoverable_error_count", st.UnrecoverableErrors.Load()}, {"watch_bytes", st.WatchBytes.Load()},
	} {
		put(v.key, v.value)
	}
	put("uptime", time.Since(s.cfg.Words.Started).Milliseconds())
	for _, h := range []struct {
		key   string
		of    *stats.Histogram
		scale float64
	}{
		{"fsynctime", &st.FsyncMicros, 1000}, {"snapshottime", &st.SnapshotMillis, 1}, {"readlatency", &st.ReadLatency, 1000},
		{"updatelatency", &st.WriteLatency, 1000}, {"sync_processor_batch_size", &st.BatchSize, 1}, {"prep_process_time", &st.PrepMicros, 1000},
		{"node_created_watch_count", &st.NodeCreatedWatches, 1}, {"node_deleted_watch_count", &st.NodeDeletedWatches, 1},
		{"node_changed_watch_count", &st.NodeChangedWatches, 1}, {"node_children_watch_count", &st.NodeChildrenWatches, 1},
	} {
		put("avg_"+h.key, javaDouble(h.of.Avg()/h.scale))
		put("min_"+h.key, int64(float64(h.of.Min())/h.scale))
		put("max_"+h.key, int64(float64(h.of.Max())/h.scale))
		put("cnt_"+h.key, h.of.Count())
		put("sum_"+h.key, int64(float64(h.of.Sum())/h.scale))
	}
	return b.String()
}

// descriptors returns how many file descriptors are open and how many may be; -1 where unknown.
func descriptors() (open, limit int64) {
	open, limit = -1, -1
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		open = int64(len(entries))
	}
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) == nil {
		limit = int64(r.Cur)
	}
	return open, limit
}
