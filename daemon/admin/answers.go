package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"zkd/quorum"
)

// errNoWord means that the server does not answer the four-letter word that a command is made of.
var errNoWord = errors.New("the server did not answer")

// word returns the lines of a four-letter word's answer.
func (s *Server) word(name string) ([]string, error) {
	text, ok := s.o.Source.FourLetter(name)
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, errNoWord)
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n"), nil
}

// confKeys are the keys of configuration by those of the word conf.
var confKeys = []struct{ word, key string }{
	{"clientPort", "client_port"}, {"dataDir", "data_dir"}, {"dataLogDir", "data_log_dir"},
	{"tickTime", "tick_time"}, {"maxClientCnxns", "max_client_cnxns"},
	{"minSessionTimeout", "min_session_timeout"}, {"maxSessionTimeout", "max_session_timeout"},
	{"serverId", "server_id"}, {"clientPortListenBacklog", "client_port_listen_backlog"},
}

func (s *Server) configuration() (object, error) {
	lines, err := s.word("conf")
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for _, line := range lines {
		if key, value, ok := strings.Cut(line, "="); ok {
			values[key] = value
		}
	}
	var o object
	for _, k := range confKeys {
		if v, ok := values[k.word]; ok {
			o = append(o, member{k.key, numberOrText(v)})
		}
	}
	return o, nil
}

// numberOrText returns a JSON number where text is one, else the text.
func numberOrText(text string) any {
	if json.Valid([]byte(text)) {
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return json.RawMessage(text)
		}
	}
	return text
}

func (s *Server) dirs() (object, error) {
	lines, err := s.word("dirs")
	if err != nil {
		return nil, err
	}
	var o object
	for _, line := range lines {
		if key, value, ok := strings.Cut(line, ": "); ok {
			o = append(o, member{key, numberOrText(value)})
		}
	}
	return o, nil
}

func (s *Server) digests() (object, error) {
	lines, err := s.word("hash")
	if err != nil {
		return nil, err
	}
	all := []object{}
	for _, line := range lines {
		zxidText, digest, ok := strings.Cut(line, ": ")
		zxid, err := strconv.ParseUint(strings.TrimPrefix(zxidText, "0x"), 16, 64)
		if !ok || err != nil {
			continue
		}
		all = append(all, object{{"zxid", int64(zxid)}, {"digest", numberOrText(digest)}, {"digest_version", 2}})
	}
	return object{{"digests", all}}, nil
}

func (s *Server) readOnly() (object, error) { return object{{"read_only", false}}, nil }

func (s *Server) lastSnapshot() (object, error) {
	st := s.o.Source.Status()
	if st.SnapshotTime.IsZero() {
		return object{{"zxid", "ffffffffffffffff"}, {"timestamp", -1}}, nil // as ZooKeeper where there is none
	}
	return object{{"zxid", strconv.FormatUint(uint64(st.SnapshotZxid), 16)}, {"timestamp", st.SnapshotTime.Unix()}}, nil
}

func (s *Server) watchSummary() (object, error) {
	conns, paths, watches := s.o.Source.WatchSummary()
	return object{{"num_connections", conns}, {"num_paths", paths}, {"num_total_watches", watches}}, nil
}

// monitor is mntr without the zk_ of its keys.
func (s *Server) monitor() (object, error) {
	lines, err := s.word("mntr")
	if err != nil {
		return nil, err
	}
	var o object
	for _, line := range lines {
		if key, value, ok := strings.Cut(line, "\t"); ok {
			o = append(o, member{strings.TrimPrefix(key, "zk_"), numberOrText(value)})
		}
	}
	return o, nil
}

func (s *Server) serverStats() (object, error) {
	st, n := s.o.Source.Status(), s.o.Source.Stats()
	srvr, err := s.word("srvr")
	if err != nil {
		return nil, err
	}
	version := strings.TrimPrefix(srvr[0], "Zookeeper version: ")
	responses := object{
		{"last_buffer_size", n.ResponseBytes.Last()}, {"min_buffer_size", n.ResponseBytes.Min()},
		{"max_buffer_size", n.ResponseBytes.Max()},
	}
	sizes := map[string]any{"datadir_size": 0, "logdir_size": 0}
	if dirs, err := s.dirs(); err == nil {
		for _, m := range dirs {
			sizes[m.key] = m.value
		}
	}
	o := object{
		{"version", version},
		{"read_only", false},
		{"server_stats", object{
			{"packets_sent", n.PacketsSent.Load()},
			{"packets_received", n.PacketsReceived.Load()},
			{"server_state", string(st.Role)},
			{"num_alive_client_connections", st.Connections},
			{"outstanding_requests", st.Outstanding},
			{"min_latency", n.Latency.Min() / 1000},
			{"avg_latency", millis(n.Latency.Avg())},
			{"max_latency", n.Latency.Max() / 1000},
			{"data_dir_size", sizes["datadir_size"]},
			{"log_dir_size", sizes["logdir_size"]},
			{"last_processed_zxid", int64(st.LastZxid)},
			{"uptime", s.now().Sub(st.Started).Milliseconds()},
			{"fsync_threshold_exceed_count", n.FsyncSlow.Load()},
			{"auth_failed_count", n.AuthFailed.Load()},
			{"non_mtlslocal_conn_count", 0},
			{"non_mtlsremote_conn_count", 0},
			{"provider_null", false},
			{"client_response_stats", responses},
		}},
		{"client_response", responses},
	}
	if st.Role == quorum.Leader {
		o = append(o, member{"proposal_stats", object{
			{"last_buffer_size", n.ProposalBytes.Last()}, {"min_buffer_size", n.ProposalBytes.Min()},
			{"max_buffer_size", n.ProposalBytes.Max()},
		}})
	}
	return append(o, member{"node_count", st.Znodes}), nil
}
