package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zkd/quorum"
	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// fakeSource is a server that does what a test tells it.
type fakeSource struct {
	mu       sync.Mutex
	st       quorum.Status
	sessions []quorum.SessionInfo
	shed     int
	handOver func() (zk.ServerID, error)
	snapshot func() (zk.Zxid, error)
}

func (f *fakeSource) Status() quorum.Status { return f.st }

func (f *fakeSource) Sessions() []quorum.SessionInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]quorum.SessionInfo{}, f.sessions...)
}

func (f *fakeSource) CloseSession(id zk.SessionID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, s := range f.sessions {
		if s.ID == id {
			f.sessions = append(f.sessions[:i], f.sessions[i+1:]...)
			return nil
		}
	}
	return errors.New("no such session")
}

func (f *fakeSource) Connections() []quorum.ConnInfo {
	return []quorum.ConnInfo{{Remote: "192.0.2.9:4711", Session: 0x100, TimeoutMillis: 4000, LastOp: "PING", Received: 3, Sent: 2,
		Established: time.Unix(100, 0), LastResponse: time.Unix(200, 0), AvgLatency: 1500 * time.Microsecond, LastZxid: 7}}
}

func (f *fakeSource) ShedConnections(percent int) int {
	f.shed = percent
	return 3
}

func (f *fakeSource) HandOver(context.Context) (zk.ServerID, error) { return f.handOver() }
func (f *fakeSource) Snapshot(context.Context) (zk.Zxid, error)     { return f.snapshot() }

// serve runs a server with f and returns a client of it, and its log.
func serve(t *testing.T, f *fakeSource, dir string) (*Client, *observer.ObservedLogs) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	core, logs := observer.New(zap.InfoLevel)
	s, err := Open(Options{Path: path, Source: f, SnapshotDir: dir, Logger: zap.New(core), Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "admin answers %s %s", r.Method, r.URL.Path)
	})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket's file is left: %v", err)
		}
	})
	return NewClient(path), logs
}

func standing() *fakeSource {
	return &fakeSource{
		st: quorum.Status{ID: 1, Serving: true, Role: quorum.Leader},
		sessions: []quorum.SessionInfo{
			{ID: 0x200, TimeoutMillis: 4000, ExpiresAt: time.Unix(1000, 0), Ephemerals: []string{"/a"}, Remote: "192.0.2.9:4711"},
			{ID: 0x1f, TimeoutMillis: 6000},
		},
		handOver: func() (zk.ServerID, error) { return 2, nil },
	}
}

func TestSessionsAreListedByTheirIDs(t *testing.T) {
	c, _ := serve(t, standing(), "")
	got, err := c.Sessions(t.Context())
	at := time.Unix(1000, 0).UTC()
	want := Sessions{[]Session{{ID: "0x1f", TimeoutMillis: 6000, Ephemerals: []string{}},
		{ID: "0x200", TimeoutMillis: 4000, ExpiresAt: &at, Client: "192.0.2.9:4711", Ephemerals: []string{"/a"}}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestKillSaysWhatEndedAndWhatThereIsNot(t *testing.T) {
	f := standing()
	c, logs := serve(t, f, "")
	got, err := c.KillSessions(t.Context(), "0x200", "33")
	if err != nil || !reflect.DeepEqual(got, Killed{[]string{"0x200"}, []string{"0x33"}}) {
		t.Errorf("%+v, %v", got, err)
	}
	if left := f.Sessions(); len(left) != 1 || left[0].ID != 0x1f {
		t.Errorf("left: %v", left)
	}
	said := logs.FilterMessage("session ended by an operator").All()
	if len(said) != 1 || said[0].ContextMap()["uid"] != int64(os.Geteuid()) || said[0].ContextMap()["pid"] != int64(os.Getpid()) {
		t.Errorf("the log does not say who did it: %v", said)
	}
}

func TestWhatCannotBeDoneIsSaidInASentence(t *testing.T) {
	tests := map[string]struct {
		change func(*fakeSource)
		do     func(*Client) error
		code   int
		text   string
	}{
		"no id": {nil, func(c *Client) error { _, err := c.KillSessions(context.Background(), "x"); return err },
			400, `"x" is no session: write its id in hexadecimal, as zkd session list does`},
		"no ids": {nil, func(c *Client) error { _, err := c.KillSessions(context.Background()); return err }, 400, "no session is named"},
		"a server that does not serve": {func(f *fakeSource) { f.st = quorum.Status{NotServing: "it is Monday"} },
			func(c *Client) error { _, err := c.KillSessions(context.Background(), "1"); return err }, 503, "the server does not serve: it is Monday"},
		"too many percent": {nil, func(c *Client) error { _, err := c.ShedConnections(context.Background(), 101); return err }, 400, "percent must be from 1 to 100"},
		"no percent":       {nil, func(c *Client) error { _, err := c.ShedConnections(context.Background(), 0); return err }, 400, "percent must be from 1 to 100"},
		"a server alone": {func(f *fakeSource) { f.handOver = func() (zk.ServerID, error) { return 0, quorum.ErrNotLeading } },
			func(c *Client) error { _, err := c.HandOver(context.Background()); return err }, 409, "this server stands alone: there is nobody to hand over to"},
		"a follower": {func(f *fakeSource) {
			f.st.Ensemble = &quorum.EnsembleStatus{Leader: 3}
			f.handOver = func() (zk.ServerID, error) { return 0, quorum.ErrNotLeading }
		}, func(c *Client) error { _, err := c.HandOver(context.Background()); return err }, 409, "this server does not lead: server 3 does"},
		"a leader that leads again": {func(f *fakeSource) { f.handOver = func() (zk.ServerID, error) { return 1, nil } },
			func(c *Client) error { _, err := c.HandOver(context.Background()); return err }, 409, "the others did not elect one of them in time: this server leads again"},
		"no leader yet": {func(f *fakeSource) {
			f.handOver = func() (zk.ServerID, error) { return 0, errors.New("no leader yet") }
		},
			func(c *Client) error { _, err := c.HandOver(context.Background()); return err }, 503, "no leader yet"},
		"a disk that fails": {func(f *fakeSource) { f.snapshot = func() (zk.Zxid, error) { return 0, syscall.EIO } },
			func(c *Client) error { _, _, _, err := c.SaveSnapshot(context.Background()); return err }, 500, "the server could not write a snapshot: input/output error"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := standing()
			if tc.change != nil {
				tc.change(f)
			}
			c, _ := serve(t, f, "")
			var got *Error
			if err := tc.do(c); !errors.As(err, &got) || got.Code != tc.code || got.Text != tc.text {
				t.Errorf("got %v, want %d %s", err, tc.code, tc.text)
			}
		})
	}
}

func TestConnectionsAreListedAndShedAndLeadershipIsHandedOver(t *testing.T) {
	f := standing()
	c, _ := serve(t, f, "")
	list, err := c.Connections(t.Context())
	want := Connection{Client: "192.0.2.9:4711", Session: "0x100", TimeoutMillis: 4000, LastOp: "PING", Received: 3, Sent: 2, AvgLatencyMs: 1.5,
		LastZxid: "0x7", Established: time.Unix(100, 0).UTC(), LastResponseAt: time.Unix(200, 0).UTC()}
	if err != nil || len(list.Connections) != 1 || list.Connections[0] != want {
		t.Errorf("got %+v, %v\nwant %+v", list, err, want)
	}
	if n, err := c.ShedConnections(t.Context(), 25); n != 3 || err != nil || f.shed != 25 {
		t.Errorf("shed: %d, %v, asked for %d %%", n, err, f.shed)
	}
	if leader, err := c.HandOver(t.Context()); leader != 2 || err != nil {
		t.Errorf("hand-over: %d, %v", leader, err)
	}
}

func TestASnapshotIsWaitedForAndReadToItsEnd(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "snapshot.5.gz"), []byte("the bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := standing()
	busy := 2
	f.snapshot = func() (zk.Zxid, error) {
		if busy > 0 {
			busy--
			return 0, replica.ErrSnapshotBusy
		}
		return 5, nil
	}
	c, _ := serve(t, f, dir)
	name, size, body, err := c.SaveSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if name != "snapshot.5.gz" || size != 9 || string(text) != "the bytes" || err != nil {
		t.Errorf("%s, %d bytes: %q, %v", name, size, text, err)
	}
}

func TestNothingThatChangesIsAGETAndTheRestIsTheAdminPorts(t *testing.T) {
	f := standing()
	c, _ := serve(t, f, "")
	for _, path := range []string{"/sessions/kill", "/sessions/list", "/connections/shed", "/leader/hand-over", "/snapshot/save", "/status"} {
		resp, err := c.http.Get("http://localhost" + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "admin answers GET " + path; string(body) != want {
			t.Errorf("GET %s: %q, want %q", path, body, want)
		}
	}
	if f.shed != 0 || len(f.sessions) != 2 {
		t.Error("a GET has changed something")
	}
}

func TestWhoMayUseTheSocket(t *testing.T) {
	own := os.Geteuid()
	tests := map[string]struct {
		who  caller
		want bool
	}{
		"root":                          {caller{known: true, uid: 0, gid: 1}, true},
		"the user of the server":        {caller{known: true, uid: own, gid: 1}, true},
		"one with the group":            {caller{known: true, uid: 70000, gid: 4242}, true},
		"one with the group as another": {caller{known: true, uid: 70000, gid: 1, groups: []int{5, 4242}}, true},
		"a stranger":                    {caller{known: true, uid: 70000, gid: 1, groups: []int{5}}, false},
		"nobody knows":                  {caller{}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := listener{gid: 4242}
			if err := l.allowed(tc.who); (err == nil) != tc.want {
				t.Errorf("allowed: %v", err)
			}
		})
	}
}

func TestTheKernelSaysWhoIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	out, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	who := callerAt(in)
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if !who.known || who.uid != os.Geteuid() || who.pid != os.Getpid() || who.gid != os.Getegid() || len(who.groups) != len(groups) {
		t.Errorf("the kernel says %+v, own groups are %v", who, groups)
	}
	if who := callerAt(pipeEnd(t)); who.known {
		t.Errorf("a connection that is none of a socket's: %+v", who)
	}
}

func pipeEnd(t *testing.T) net.Conn {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return a
}

func TestAStaleSocketIsReplacedALiveOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen(path); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "another server answers on it") {
		t.Errorf("beside a live one: %v", err)
	}
	first.UnixListener.Close() // as a crash: the file stays
	second, err := listen(path)
	if err != nil {
		t.Fatalf("in the place of a stale one: %v", err)
	}
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the end of the first took the file of the second: %v", err)
	}
	second.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("in the place of a file: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" || err != nil {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if _, err := listen(filepath.Join(t.TempDir(), strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "admin.socket") {
		t.Errorf("a long path: %v", err)
	}
}

func TestAStrangerIsToldSoAndCountedInTheLog(t *testing.T) {
	f := standing()
	core, logs := observer.New(zap.WarnLevel)
	s := &Server{o: Options{Source: f, Logger: zap.New(core)}, l: &listener{gid: 4242}, busy: make(chan struct{}, 1)}
	w := &recorder{header: http.Header{}}
	req, err := http.NewRequestWithContext(context.WithValue(t.Context(), callerKey{}, caller{known: true, uid: 70000, gid: 1, pid: 9}), "POST", "/connections/shed", strings.NewReader(`{"percent":50}`))
	if err != nil {
		t.Fatal(err)
	}
	s.guard(s.routes()).ServeHTTP(w, req)
	if w.code != 403 || f.shed != 0 || !strings.Contains(w.text.String(), "user 70000 may not use") || logs.Len() != 1 {
		t.Errorf("code %d, shed %d, %s, %v", w.code, f.shed, w.text.String(), logs.All())
	}
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	code   int
	text   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(b []byte) (int, error) { return r.text.Write(b) }
