package admin

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"zkd/quorum"
	"zkd/quorum/zk"
)

// The commands that tell what clients do, or how the host is set up. The keys are ZooKeeper's, and so is that
// sessions are decimal numbers there.

// connection has the keys that ZooKeeper gives one; brief ones are those of stats.
func (s *Server) connection(c quorum.ConnInfo, brief bool) object {
	o := object{
		{"remote_socket_address", c.Remote}, {"interest_ops", c.Interest}, {"outstanding_requests", c.Queued},
		{"packets_received", c.Received}, {"packets_sent", c.Sent},
	}
	if brief {
		return o
	}
	cxid, answered := int32(-1), time.Duration(0)
	if c.HasCxid {
		cxid = c.LastCxid
	}
	if !c.LastResponse.IsZero() {
		answered = c.LastResponse.Sub(s.o.Source.Status().Started)
	}
	return append(o, object{
		{"session_id", int64(c.Session)}, {"last_operation", c.LastOp}, {"established", c.Established.UTC().Format(time.RFC3339Nano)},
		{"session_timeout", c.TimeoutMillis}, {"last_cxid", cxid}, {"last_zxid", int64(c.LastZxid)},
		{"last_response_time", answered.Milliseconds()}, {"last_latency", c.LastLatency.Milliseconds()},
		{"min_latency", c.MinLatency.Milliseconds()}, {"avg_latency", c.AvgLatency.Milliseconds()}, {"max_latency", c.MaxLatency.Milliseconds()},
	}...)
}

func (s *Server) listConnections(brief bool) object {
	all := []object{}
	for _, c := range s.o.Clients.Connections() {
		all = append(all, s.connection(c, brief))
	}
	return object{{"connections", all}, {"secure_connections", []object{}}}
}

func (s *Server) connections() (object, error) { return s.listConnections(false), nil }

// statistics is server_stats with the connections.
func (s *Server) statistics() (object, error) {
	o, err := s.serverStats()
	if err != nil {
		return nil, err
	}
	return append(o, s.listConnections(true)...), nil
}

// dump lists sessions by the time at which they expire, which only the leader knows, and their ephemeral znodes.
func (s *Server) dump() (object, error) {
	byExpiry := make(map[int64][]zk.SessionID)
	paths := make(map[zk.SessionID][]string)
	for _, info := range s.o.Clients.Sessions() {
		if !info.ExpiresAt.IsZero() {
			at := info.ExpiresAt.UnixMilli()
			byExpiry[at] = append(byExpiry[at], info.ID)
		}
		if len(info.Ephemerals) > 0 {
			paths[info.ID] = info.Ephemerals
		}
	}
	expiries := object{}
	for _, at := range slices.Sorted(maps.Keys(byExpiry)) {
		slices.Sort(byExpiry[at])
		expiries = append(expiries, member{strconv.FormatInt(at, 10), byExpiry[at]})
	}
	return object{{"expiry_time_to_session_ids", expiries}, {"session_id_to_ephemeral_paths", bySession(paths)}}, nil
}

// bySession is an object of what there is of each session.
func bySession(paths map[zk.SessionID][]string) object {
	o := object{}
	for _, id := range slices.SortedFunc(maps.Keys(paths), func(a, b zk.SessionID) int { return cmp.Compare(int64(a), int64(b)) }) {
		o = append(o, member{strconv.FormatInt(int64(id), 10), paths[id]})
	}
	return o
}

func (s *Server) watches() (object, error) {
	return object{{"session_id_to_watched_paths", bySession(s.o.Clients.WatchesBySession())}}, nil
}

func (s *Server) watchesByPath() (object, error) {
	byPath := make(map[string][]zk.SessionID)
	for id, paths := range s.o.Clients.WatchesBySession() {
		for _, path := range paths {
			byPath[path] = append(byPath[path], id)
		}
	}
	o := object{}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		slices.Sort(byPath[path])
		o = append(o, member{path, byPath[path]})
	}
	return object{{"path_to_session_ids", o}}, nil
}

// environment is envi with its keys.
func (s *Server) environment() (object, error) {
	lines, err := s.word("envi")
	if err != nil {
		return nil, err
	}
	var o object
	for _, line := range lines {
		if key, value, ok := strings.Cut(line, "="); ok {
			o = append(o, member{key, value})
		}
	}
	return o, nil
}
