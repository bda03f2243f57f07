package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"zkd/firewall"
	"zkd/firewall/foreign"
	"zkd/firewall/keeper"
	"zkd/quorum"
	"zkd/quorum/stats"
)

var update = flag.Bool("update", false, "write the golden files anew")

type fake struct {
	st quorum.Status
	n  stats.Server
	fw *keeper.Status
}

func (f *fake) firewall() (st keeper.Status, ok bool) {
	if f.fw == nil {
		return st, false
	}
	return *f.fw, true
}

func (f *fake) Status() quorum.Status         { return f.st }
func (f *fake) Stats() *stats.Server          { return &f.n }
func (f *fake) WatchSummary() (int, int, int) { return 1, 2, 3 }
func (f *fake) FourLetter(w string) (string, bool) {
	text, ok := map[string]string{
		"conf": "clientPort=2181\nsecureClientPort=-1\ndataDir=/data/version-2\ndataDirSize=5\ndataLogDir=/data/version-2\n" +
			"tickTime=2000\nmaxClientCnxns=60\nminSessionTimeout=4000\nmaxSessionTimeout=40000\nclientPortListenBacklog=-1\nserverId=1\n",
		"dirs": "datadir_size: 67108880\nlogdir_size: 5\n",
		"hash": "0x2a: 18446744073709551615\n",
		"mntr": "zk_version\t3.9.5-zkd-1.2.3, built on 2026-01-01\nzk_server_state\tstandalone\nzk_znode_count\t5\nzk_avg_latency\t0.25\n",
		"envi": "Environment:\nzookeeper.version=3.9.5-zkd-1.2.3\nuser.dir=/a=b\n",
		"srvr": "Zookeeper version: 3.9.5-zkd-1.2.3, built on 2026-01-01\nLatency min/avg/max: 0/0/0\n",
	}[w]
	return text, ok
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func serving() *fake {
	f := &fake{st: quorum.Status{
		ID: 1, Role: quorum.Standalone, Serving: true, Since: noon.Add(-time.Hour), Started: noon.Add(-time.Hour),
		Epoch: 1, LastZxid: 0x10000002a, LoggedZxid: 0x10000002b, Digest: 1<<64 - 1, Znodes: 5, DataBytes: 44,
		Watches: 3, WatchedPaths: 2, Ephemerals: 1, Sessions: 2, Connections: 1,
		SnapshotZxid: 0x100000001, SnapshotTime: noon.Add(-time.Minute),
		ClientAddrs: []string{"127.0.0.1:2181"}, LastProgress: noon.Add(-time.Second),
		RecoveryNotes: []string{"cut 12 bytes of an unfinished record off log.100000001"},
	}}
	f.n.ReadLatency.Observe(250)
	f.n.FsyncMicros.Observe(1500)
	f.n.DiskFreeBytes.Set(1 << 33)
	return f
}

func newServer(f *fake, names ...string) *Server {
	s := New(Options{
		Source: f, Firewall: f.firewall, Addrs: []string{"127.0.0.1:8080", "[::1]:8080", "192.0.2.7:8080", "0.0.0.0:8080"}, Names: names,
		Info:    Info{Version: "1.2.3", Revision: "abc", GoVersion: "go1.26", DataDir: "/data", LogDir: "/data"},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("znode_count 5\n")) }),
		Logger:  zap.NewNop(),
	})
	s.now = func() time.Time { return noon }
	return s
}

func ask(s *Server, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:8080"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, r)
	return rec
}

func TestGuards(t *testing.T) {
	s := newServer(serving(), "zk1.example")
	tests := map[string]struct {
		method, target string
		header         []string
		want           int
	}{
		"localhost is answered":                 {"GET", "/status", nil, 200},
		"so is HEAD":                            {"HEAD", "/status", nil, 200},
		"localhost without a port":              {"GET", "/status", []string{"Host", "LOCALHOST"}, 200},
		"127.0.0.1":                             {"GET", "/status", []string{"Host", "127.0.0.1:8080"}, 200},
		"all of 127.0.0.0/8":                    {"GET", "/status", []string{"Host", "127.9.8.7"}, 200},
		"[::1] with a port":                     {"GET", "/status", []string{"Host", "[::1]:8080"}, 200},
		"[::1] without one":                     {"GET", "/status", []string{"Host", "[::1]"}, 200},
		"a configured name":                     {"GET", "/status", []string{"Host", "zk1.example:8080"}, 200},
		"an address that is listened on":        {"GET", "/status", []string{"Host", "192.0.2.7:8080"}, 200},
		"a stranger's name is refused":          {"GET", "/status", []string{"Host", "evil.example"}, 421},
		"a name that begins with localhost":     {"GET", "/status", []string{"Host", "localhost.evil.example:8080"}, 421},
		"a name that begins with 127.0.0.1":     {"GET", "/metrics", []string{"Host", "127.0.0.1.evil.example"}, 421},
		"the wildcard names no host":            {"GET", "/status", []string{"Host", "0.0.0.0:8080"}, 421},
		"another address of the host":           {"GET", "/status", []string{"Host", "192.0.2.8"}, 421},
		"a decimal form of 127.0.0.1":           {"GET", "/status", []string{"Host", "2130706433"}, 421},
		"no Host at all":                        {"GET", "/status", []string{"Host", ""}, 421},
		"X-Forwarded-Host does not help":        {"GET", "/status", []string{"Host", "evil.example", "X-Forwarded-Host", "localhost"}, 421},
		"POST changes nothing":                  {"POST", "/status", nil, 405},
		"DELETE neither":                        {"DELETE", "/commands/ruok", nil, 405},
		"TRACE is refused":                      {"TRACE", "/status", nil, 405},
		"OPTIONS is no preflight":               {"OPTIONS", "/status", []string{"Origin", "http://evil.example"}, 405},
		"a form of another origin":              {"POST", "/commands/crst", []string{"Sec-Fetch-Site", "cross-site"}, 405},
		"an unknown path":                       {"GET", "/nothing", nil, 404},
		"a path below a page":                   {"GET", "/status/../../etc", nil, 307},
		"metrics":                               {"GET", "/metrics", nil, 200},
		"the links":                             {"GET", "/", nil, 200},
		"the version":                           {"GET", "/version", nil, 200},
		"the schema":                            {"GET", "/status/schema.json", nil, 200},
		"the list of commands":                  {"GET", "/commands", nil, 200},
		"the list of commands, with a slash":    {"GET", "/commands/", nil, 200},
		"a command by its alias":                {"GET", "/commands/srvr", nil, 200},
		"an unknown command":                    {"GET", "/commands/nothing", nil, 404},
		"a command that would change something": {"GET", "/commands/srst", nil, 403},
		"a command that reveals sessions":       {"GET", "/commands/cons", nil, 403},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rec := ask(s, test.method, test.target, test.header...)
			if rec.Code != test.want {
				t.Errorf("%s %s %q: %d, want %d: %s", test.method, test.target, test.header, rec.Code, test.want, rec.Body)
			}
			for name := range rec.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s is sent: no other origin may read an answer", name)
				}
			}
			if rec.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Error("no nosniff")
			}
		})
	}
}

func TestAnAbsoluteURIIsJudgedByItsHost(t *testing.T) {
	s := newServer(serving())
	if rec := ask(s, "GET", "http://evil.example/status", "Host", "evil.example"); rec.Code != 421 {
		t.Errorf("status %d, want 421", rec.Code)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = "testdata/" + name
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; -update writes it anew, then read the diff. Got:\n%s", name, got)
	}
}

func TestAnswersAreAsInTheGoldenFiles(t *testing.T) {
	troubled := serving()
	troubled.st.Serving, troubled.st.NotServing = false, "recovering the log"
	troubled.st.ReadOnlyDisk = true
	troubled.st.ForgotWrites = "log.100000001 lost 3 transactions that had been durable"
	troubled.st.InFsyncSince = noon.Add(-time.Minute)
	troubled.st.LastProgress = noon.Add(-time.Minute)
	troubled.st.SnapshotTime = time.Time{}
	troubled.n.FsyncSlow.Add(1)
	troubled.n.SnapshotErrors.Add(2)
	troubled.n.LogReadErrors.Add(1)
	guarded, open := serving(), serving()
	guarded.fw = &keeper.Status{Mode: keeper.Auto, Active: true, Table: "zkd", Clients: []string{"192.168.1.0/24"}, PutBack: 1,
		Members: []keeper.MemberStatus{{Name: "1", Addresses: []string{"192.168.1.3"}}, {Name: "2", Addresses: []string{}, Error: "zk2: no such host"}},
		Refused: []firewall.Refused{{Port: 2181, Use: "client", Source: firewall.Stranger, Packets: 12, Bytes: 720},
			{Port: 2888, Use: "peer", Source: firewall.Client, Packets: 1, Bytes: 60}},
		Unresolved: []string{"zk2"},
		Foreign: []foreign.Finding{
			{Manager: "ufw", Table: "ip filter", Chain: "INPUT", Certain: true, Blocked: []string{"clients to port 2181"}, Text: "ufw drops clients to port 2181",
				Fix: []string{"ufw allow from 192.168.1.0/24 to any port 2181 proto tcp"}, Keep: "ufw keeps it itself"},
			{Manager: "nft", Table: "inet mine", Chain: "in", Rule: 2, Certain: true, Loopback: true, Blocked: []string{"loopback to port 2181"},
				Text: "inet mine drops loopback to port 2181", Fix: []string{"nft insert rule inet mine in iif lo accept"}},
			{Manager: "nft", Table: "inet mine", Chain: "in", Rule: 3, Text: "inet mine may drop"},
		}}
	open.fw = &keeper.Status{Mode: keeper.Required, Table: "zkd", Reason: "the capability CAP_NET_ADMIN is needed", NoClients: true}
	for file, test := range map[string]struct {
		f      *fake
		target string
	}{
		"status.json":          {serving(), "/status"},
		"status.txt":           {serving(), "/status?format=text"},
		"status-troubled.json": {troubled, "/status"},
		"status-troubled.txt":  {troubled, "/status?format=text"},
		"firewall.json":        {guarded, "/status"},
		"firewall.txt":         {guarded, "/status?format=text"},
		"firewall-off.txt":     {open, "/status?format=text"},
		"schema.json":          {serving(), "/status/schema.json"},
		"readyz.txt":           {serving(), "/readyz?verbose"},
		"readyz-troubled.txt":  {troubled, "/readyz?verbose"},
		"livez-troubled.txt":   {troubled, "/livez"},
		"commands.html":        {serving(), "/commands"},
		"configuration.json":   {serving(), "/commands/conf"},
		"dirs.json":            {serving(), "/commands/dirs"},
		"hash.json":            {serving(), "/commands/hash"},
		"is_read_only.json":    {serving(), "/commands/isro"},
		"last_snapshot.json":   {serving(), "/commands/lsnp"},
		"leader.json":          {serving(), "/commands/lead"},
		"monitor.json":         {serving(), "/commands/mntr"},
		"observers.json":       {serving(), "/commands/obsr"},
		"ruok.json":            {serving(), "/commands/ruok"},
		"ruok-troubled.json":   {troubled, "/commands/ruok"},
		"server_stats.json":    {serving(), "/commands/srvr"},
		"stat_reset.json":      {serving(), "/commands/srst"},
		"unknown.json":         {serving(), "/commands/nothing"},
		"voting_view.json":     {serving(), "/commands/voting_view"},
		"watch_summary.json":   {serving(), "/commands/wchs"},
		"zabstate.json":        {serving(), "/commands/zabstate"},
	} {
		t.Run(file, func(t *testing.T) {
			golden(t, file, ask(newServer(test.f), "GET", test.target).Body.Bytes())
		})
	}
}

func TestEveryFieldOfTheReportIsNamedAndDescribed(t *testing.T) {
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
			return
		}
		for f := range typ.Fields() {
			if f.Tag.Get("json") == "" || f.Tag.Get("doc") == "" {
				t.Errorf("%s.%s needs a json name and a doc sentence: /status is documented by them", typ.Name(), f.Name)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Report]())
}

func TestTextIsAskedForByQueryOrHeader(t *testing.T) {
	s := newServer(serving())
	for name, test := range map[string]struct {
		target, accept string
		text           bool
	}{
		"by query":                       {"/status?format=text", "", true},
		"by header":                      {"/status", "text/plain", true},
		"by header with parameters":      {"/status", "text/plain;q=0.9, */*", true},
		"a browser gets JSON":            {"/status", "text/html,application/xhtml+xml", false},
		"curl gets JSON":                 {"/status", "*/*", false},
		"the query outweighs the header": {"/status?format=json", "text/plain", false},
	} {
		t.Run(name, func(t *testing.T) {
			body := ask(s, "GET", test.target, "Accept", test.accept).Body.String()
			if text := strings.Contains(body, "\nMode: standalone\n"); text != test.text || json.Valid([]byte(body)) == test.text {
				t.Errorf("text = %t, want %t: %s", text, test.text, body)
			}
		})
	}
}

func TestProbes(t *testing.T) {
	for name, test := range map[string]struct {
		change       func(*quorum.Status)
		live, ready  int
		target, want string
	}{
		"a serving server is alive and ready":        {func(*quorum.Status) {}, 200, 200, "/readyz", "ok\n"},
		"one that does not serve is alive":           {func(s *quorum.Status) { s.Serving, s.NotServing = false, "no quorum" }, 200, 503, "/healthz", "serving: no quorum\n"},
		"one that is stuck is neither":               {func(s *quorum.Status) { s.LastProgress = noon.Add(-31 * time.Second) }, 503, 503, "/livez", "replica: the server has stood still for 31s\n"},
		"a slow fsync is forgiven for a while":       {func(s *quorum.Status) { s.InFsyncSince = noon.Add(-19 * time.Second) }, 200, 200, "/livez", "ok\n"},
		"an endless fsync is not":                    {func(s *quorum.Status) { s.InFsyncSince = noon.Add(-21 * time.Second) }, 503, 503, "/livez", "fsync: the disk has not finished an fsync for 21s\n"},
		"a check can be left out":                    {func(s *quorum.Status) { s.InFsyncSince = noon.Add(-time.Hour) }, 503, 503, "/livez?exclude=fsync", "ok\n"},
		"one that has just started counts as moving": {func(s *quorum.Status) { s.LastProgress, s.Started = time.Time{}, noon }, 200, 200, "/livez", "ok\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := serving()
			test.change(&f.st)
			s := newServer(f)
			if got := ask(s, "GET", "/livez").Code; got != test.live {
				t.Errorf("/livez: %d, want %d", got, test.live)
			}
			if got := ask(s, "GET", "/readyz").Code; got != test.ready {
				t.Errorf("/readyz: %d, want %d", got, test.ready)
			}
			if got := ask(s, "GET", test.target).Body.String(); got != test.want {
				t.Errorf("%s: %q, want %q", test.target, got, test.want)
			}
		})
	}
}
