package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/zk"
)

// fakeClients are two sessions, of which one is connected.
type fakeClients struct{}

func (fakeClients) Sessions() []quorum.SessionInfo {
	return []quorum.SessionInfo{
		{ID: 0x200, TimeoutMillis: 4000, ExpiresAt: time.UnixMilli(5000), Ephemerals: []string{"/a", "/b"}, Remote: "192.0.2.9:4711"},
		{ID: 0x1f, TimeoutMillis: 6000, ExpiresAt: time.UnixMilli(5000)},
		{ID: 0x20, TimeoutMillis: 6000, ExpiresAt: time.UnixMilli(4000)},
	}
}

func (fakeClients) Connections() []quorum.ConnInfo {
	return []quorum.ConnInfo{{Remote: "192.0.2.9:4711", Session: 0x200, TimeoutMillis: 4000, LastOp: "PING", Received: 3, Sent: 2, Interest: 1,
		Established: noon, LastResponse: noon.Add(-time.Hour + 7*time.Millisecond), AvgLatency: 2 * time.Millisecond, LastZxid: 7}}
}

func (fakeClients) WatchesBySession() map[zk.SessionID][]string {
	return map[zk.SessionID][]string{0x200: {"/a", "/b"}, 0x1f: {"/b"}}
}

// What tells of clients is on the operators' socket, with ZooKeeper's keys, and nowhere else.
func TestTheOperatorsSocketTellsOfClients(t *testing.T) {
	s := newServer(serving())
	const brief = `"remote_socket_address":"192.0.2.9:4711","interest_ops":1,"outstanding_requests":0,"packets_received":3,"packets_sent":2`
	tests := map[string]string{
		"cons": `{"connections":[{` + brief + `,"session_id":512,"last_operation":"PING","established":"2026-01-02T12:00:00Z","session_timeout":4000,` +
			`"last_cxid":-1,"last_zxid":7,"last_response_time":7,"last_latency":0,"min_latency":0,"avg_latency":2,"max_latency":0}],"secure_connections":[],`,
		"dump": `{"expiry_time_to_session_ids":{"4000":[32],"5000":[31,512]},"session_id_to_ephemeral_paths":{"512":["/a","/b"]},`,
		"wchc": `{"session_id_to_watched_paths":{"31":["/b"],"512":["/a","/b"]},`,
		"wchp": `{"path_to_session_ids":{"/a":[512],"/b":[31,512]},`,
		"envi": `{"zookeeper.version":"3.9.5-zkd-1.2.3","user.dir":"/a=b",`,
		"stat": `"connections":[{` + brief + `}],"secure_connections":[],`,
	}
	for word, want := range tests {
		t.Run(word, func(t *testing.T) {
			local := func() *httptest.ResponseRecorder {
				r := httptest.NewRequest("GET", "/commands/"+word, nil)
				r.Host = "localhost"
				rec := httptest.NewRecorder()
				s.LocalHandler().ServeHTTP(rec, r)
				return rec
			}
			s.o.Clients = nil
			if rec := local(); rec.Code != http.StatusForbidden {
				t.Errorf("without anybody to ask: %d", rec.Code)
			}
			s.o.Clients = fakeClients{}
			if rec := ask(s, "GET", "/commands/"+word); rec.Code != http.StatusForbidden || !strings.Contains(rec.Body.String(), "operators' socket") {
				t.Errorf("on the admin port: %d %s", rec.Code, rec.Body)
			}
			rec := local()
			flat := strings.NewReplacer("\n", "", "  ", "", ": ", ":").Replace(rec.Body.String())
			if rec.Code != http.StatusOK || !strings.Contains(flat, want) || !strings.Contains(flat, `"error":null`) {
				t.Errorf("%d\ngot  %s\nwant %s", rec.Code, flat, want)
			}
		})
	}
	if list := ask(s, "GET", "/commands").Body.String(); strings.Contains(list, "/commands/dump") {
		t.Errorf("the admin port lists what it refuses: %s", list)
	}
}
