package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zkd/daemon/config"
	"zkd/daemon/sd"
	"zkd/daemon/socket"
	"zkd/firewall"
	"zkd/firewall/keeper"
	"zkd/quorum"
	"zkd/quorum/peer"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/stats"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// fakeMember is a server that does what a test tells it.
type fakeMember struct {
	socket.Source // nil: of all that is on the socket these tests only ask the process
	mu            sync.Mutex
	st            quorum.Status
	n             stats.Server
	done          chan struct{}
	err           error
	stopErr       error
	stopped       bool
	stop          func(ctx context.Context) error
	word          func(string) string
}

func newMember() *fakeMember {
	now := time.Now()
	return &fakeMember{done: make(chan struct{}), st: quorum.Status{
		ID: 1, Role: quorum.Standalone, Serving: true, Since: now, Started: now, Epoch: 2, ClientAddrs: []string{"127.0.0.1:2181"},
	}}
}

func (m *fakeMember) Status() quorum.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := m.st
	st.LastProgress = time.Now()
	return st
}

func (m *fakeMember) Stats() *stats.Server          { return &m.n }
func (m *fakeMember) WatchSummary() (int, int, int) { return 0, 0, 0 }
func (m *fakeMember) FourLetter(word string) (string, bool) {
	if m.word != nil {
		return m.word(word), true
	}
	return "", false
}
func (m *fakeMember) WatchesBySession() map[zk.SessionID][]string { return nil }
func (m *fakeMember) Done() <-chan struct{}                       { return m.done }
func (m *fakeMember) Err() error                                  { return m.err }
func (m *fakeMember) Stop(ctx context.Context) error {
	if m.stop != nil {
		return m.stop(ctx)
	}
	m.stopped = true
	return m.stopErr
}

// host is the world around one Run: the service manager, the signals and the log.
type host struct {
	t       *testing.T
	member  *fakeMember
	cfg     config.Config
	deps    Deps
	signals chan os.Signal
	logs    *observer.ObservedLogs
	conn    *net.UnixConn
	seen    []string
	result  chan error
}

func newHost(t *testing.T) *host {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	core, logs := observer.New(zap.DebugLevel)
	h := &host{t: t, member: newMember(), cfg: config.StandaloneDefault(t.TempDir()), signals: make(chan os.Signal, 4),
		logs: logs, conn: conn, result: make(chan error, 1)}
	h.cfg.Admin.Listen = []string{"127.0.0.1:0"}
	h.deps = Deps{
		Start:   func(quorum.Config, func(string)) (Member, error) { return h.member, nil },
		Signals: h.signals, Notifier: sd.FromEnvironment(), Logger: zap.New(core), Build: Build{Version: "1.2.3"},
	}
	return h
}

func (h *host) run() { go func() { h.result <- Run(h.t.Context(), h.cfg, h.deps) }() }

// await reads notifications until one contains text.
func (h *host) await(text string) string {
	h.t.Helper()
	buf := make([]byte, 4096)
	for {
		if err := h.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			h.t.Fatal(err)
		}
		n, err := h.conn.Read(buf)
		if err != nil {
			h.t.Fatalf("waiting for %q after %q: %v", text, h.seen, err)
		}
		h.seen = append(h.seen, string(buf[:n]))
		if strings.Contains(string(buf[:n]), text) {
			return string(buf[:n])
		}
	}
}

func (h *host) wait() error {
	h.t.Helper()
	select {
	case err := <-h.result:
		return err
	case <-time.After(10 * time.Second):
		h.t.Fatal("Run did not return")
		return nil
	}
}

// set changes how the server is.
func (h *host) set(change func(*quorum.Status)) {
	h.member.mu.Lock()
	defer h.member.mu.Unlock()
	change(&h.member.st)
}

func (h *host) logged(message string) bool { return h.logs.FilterMessage(message).Len() > 0 }

func TestReadyWhenServingAndAStopByTERM(t *testing.T) {
	h := newHost(t)
	h.run()
	if got := h.await("READY=1"); !strings.Contains(got, "STATUS=standalone, epoch 2, serving on 127.0.0.1:2181") {
		t.Errorf("ready with %q", got)
	}
	h.signals <- syscall.SIGTERM
	h.await("STOPPING=1")
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if !h.member.stopped {
		t.Error("the server was not stopped")
	}
	first := h.logs.All()[0]
	if first.Message != "zkd starts" || first.ContextMap()["data_dir"] != h.cfg.DataDir {
		t.Errorf("the first line %v does not name the data directory", first)
	}
}

func TestRecoveryIsShownAndATERMDuringItEndsAtOnce(t *testing.T) {
	h := newHost(t)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	h.deps.Start = func(_ quorum.Config, progress func(string)) (Member, error) {
		progress("replaying log.100000001: 41 %")
		<-never
		return nil, errors.New("not reached")
	}
	h.run()
	h.await("STATUS=replaying log.100000001: 41 %")
	h.signals <- syscall.SIGTERM
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAServerThatEndsByItselfEndsTheProcessWithItsReason(t *testing.T) {
	h := newHost(t)
	h.member.err = fmt.Errorf("txlog: sync log.100000001: %w", syscall.EIO)
	h.run()
	h.await("READY=1")
	close(h.member.done)
	err := h.wait()
	if !errors.Is(err, syscall.EIO) || ExitCode(err) != ExitData {
		t.Errorf("Run: %v, exit code %d; want the reason and %d", err, ExitCode(err), ExitData)
	}
	if !h.member.stopped || !h.logged("zkd ends") {
		t.Error("the rest of the server was not stopped, or the end not logged")
	}
}

func TestReload(t *testing.T) {
	h := newHost(t)
	fresh := h.cfg
	var failure error
	h.deps.Reload = func() (config.Config, []config.Notice, error) { return fresh, nil, failure }
	h.run()
	h.await("READY=1")

	fresh.Log.Level = "debug"
	h.signals <- syscall.SIGHUP
	h.await("RELOADING=1")
	h.await("READY=1")
	if !h.logged("configuration reloaded") {
		t.Errorf("log: %v", h.logs.All())
	}

	fresh.Client.MaxConnections = 7
	h.signals <- syscall.SIGHUP
	h.await("RELOADING=1")
	h.await("READY=1")
	waiting := h.logs.FilterMessage("configuration reloaded; some changes wait for a restart").All()
	if len(waiting) != 1 || !reflect.DeepEqual(waiting[0].ContextMap()["waiting"], []any{"client.max_connections"}) {
		t.Errorf("log: %v", waiting)
	}

	failure = config.Errors{{What: "wrong"}}
	h.signals <- syscall.SIGHUP
	h.await("RELOADING=1")
	if got := h.await("READY=1"); !strings.Contains(got, "the last reload was refused") {
		t.Errorf("after a bad file: %q", got)
	}
	if !h.logged("reload refused, the old configuration stays") {
		t.Errorf("log: %v", h.logs.All())
	}
	// The next line, whatever it is about, says so too: the file on disk is still wrong.
	h.set(func(st *quorum.Status) { st.ReadOnlyDisk = true })
	if got := h.await("writes are refused: the disk is nearly full"); !strings.Contains(got, "the last reload was refused") {
		t.Errorf("the line after a bad file forgets it: %q", got)
	}
	failure = nil
	h.signals <- syscall.SIGHUP
	h.await("RELOADING=1")
	if got := h.await("READY=1"); strings.Contains(got, "reload") {
		t.Errorf("after the file was put right: %q", got)
	}
	h.signals <- syscall.SIGTERM
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestARequiredAdminPortThatIsTakenEndsTheStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, required := range map[string]bool{"required": true, "not required": false} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.cfg.Admin.Listen, h.cfg.Admin.Required = []string{l.Addr().String()}, required
			h.run()
			if !required {
				h.await("READY=1")
				h.signals <- syscall.SIGTERM
				if err := h.wait(); err != nil {
					t.Errorf("Run: %v; a busy admin port must not stop the server", err)
				}
				return
			}
			if err := h.wait(); ExitCode(err) != ExitBusy {
				t.Errorf("Run: %v, exit code %d, want %d", err, ExitCode(err), ExitBusy)
			}
			if !h.member.stopped {
				t.Error("the server was left running")
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"a clean end":                  {nil, 0},
		"no rules can be made of it":   {fmt.Errorf("x: %w", &keeper.ConfigError{Err: errors.New("y")}), 78},
		"rules are not permitted":      {fmt.Errorf("%w: %w", firewall.ErrPermission, syscall.EPERM), 77},
		"anything else":                {errors.New("x"), 1},
		"a typed error":                {fmt.Errorf("run: %w", Errorf(ExitNoQuorum, "x")), 4},
		"a wrong configuration":        {fmt.Errorf("load: %w", config.Errors{{What: "x"}}), 78},
		"a port in use":                {&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}, 75},
		"a data directory in use":      {fmt.Errorf("x: %w", vfs.ErrLocked), 75},
		"an address of elsewhere":      {&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)}, 75},
		"a name without an address":    {fmt.Errorf("x: %w", &net.DNSError{Err: "server misbehaving", Name: "h1", IsTemporary: true}), 75},
		"no permission":                {&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, 77},
		"damaged data":                 {fmt.Errorf("x: %w", &txlog.CorruptError{File: "log.1"}), 74},
		"data that means nothing":      {fmt.Errorf("x: %w", &replica.DamageError{Dir: "d", Err: errors.New("y")}), 74},
		"a damaged snapshot":           {fmt.Errorf("x: %w", &snap.CorruptError{Name: "snapshot.1", Err: errors.New("y")}), 74},
		"no snapshot that is whole":    {&snap.NoneError{Dir: "d"}, 74},
		"a restore that was cut short": {fmt.Errorf("x: %w", replica.ErrRestoreUnfinished), 74},
		"a disk that fails":            {&fs.PathError{Op: "fsync", Path: "x", Err: syscall.EIO}, 74},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ExitCode(test.err); got != test.want {
				t.Errorf("ExitCode(%v) = %d, want %d", test.err, got, test.want)
			}
		})
	}
}

func TestEverySettingOfTheServerComesFromTheConfiguration(t *testing.T) {
	// Each field of the configuration that concerns the server is set to a value of its own; a field
	// of quorum.Config that keeps its zero was forgotten.
	c := config.Default()
	c.ID, c.DataDir, c.LogDir = 7, "/d", "/l"
	c.Client = config.Client{Listen: []string{"192.0.2.1:1"}, MaxConnections: 11, MaxConnectionsPerAddress: 12, MaxFrame: 13, HandshakeTimeout: 14}
	c.Session = config.Session{TickTime: 21, MinTimeout: 22, MaxTimeout: 23}
	c.Storage = config.Storage{SnapCount: 31, SnapSize: 32, LogSize: 33, Preallocate: 34, ForceSync: false, FsyncWarning: 35,
		Compression: "gz", PurgeInterval: 36, PurgeRetain: 37, MinFree: 38}
	c.Auth = config.Auth{SuperDigest: "u:x", DigestAlgorithm: "SHA-256", Digest: true, SkipACL: true}
	c.Limits = config.Limits{MaxOutstanding: 41, EnforceQuota: true}
	c.Nodes = config.Nodes{TTL: true, ReapInterval: 51, ReapPerMinute: 52, ContainerNeverUsed: 53}
	c.Words = config.Words{Allow: []string{"ruok"}}
	c.Servers = []config.Server{member(7, "a"), member(8, "b")}
	c.Ensemble = config.Ensemble{InitLimit: 61, SyncLimit: 62, ListenOnAll: true, ConnectTimeout: 63, Version: 0x100000007}
	log := zap.NewNop()
	got, err := quorumConfig(c, "1.2.3", log)
	if err != nil {
		t.Fatal(err)
	}
	if got.Network.Dial == nil || got.Network.Listen == nil {
		t.Error("no network")
	}
	got.Network = peer.Network{} // functions cannot be compared
	want := quorum.Config{
		ID: 7, Version: "1.2.3", DataDir: "/d", LogDir: "/l", ClientAddrs: []string{"192.0.2.1:1"},
		TickTime: 21, MinSessionTimeout: 22, MaxSessionTimeout: 23, MaxConnsPerIP: 12, MaxConns: 11, MaxFrameBytes: 13,
		MaxOutstanding: 41, HandshakeTimeout: 14, FourLetterWords: []string{"ruok"}, SnapCount: 31, SnapSizeBytes: 32, LogSizeBytes: 33,
		PreallocBytes: 34, NoForceSync: true, FsyncWarning: 35, SnapshotCompression: "gz", PurgeInterval: 36, PurgeRetain: 37, MinFreeBytes: 38,
		SkipACL: true, SuperDigest: "u:x", DigestAlg: "SHA-256", DigestEnabled: true, ExtendedTypes: true, EnforceQuota: true,
		ReapInterval: 51, ReapPerMinute: 52, ContainerNeverUsed: 53, Logger: log,
		Ensemble: proto.QuorumConfig{Version: 0x100000007, Servers: []proto.QuorumServer{
			{ID: 7, Addrs: []proto.PeerAddr{{Host: "a", QuorumPort: 2888, ElectionPort: 3888}}},
			{ID: 8, Addrs: []proto.PeerAddr{{Host: "b", QuorumPort: 2888, ElectionPort: 3888}}},
		}},
		InitLimit: 61, SyncLimit: 62, ListenOnAllIPs: true, ElectionTimeout: 63,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	v := reflect.ValueOf(got)
	for f, value := range v.Fields() {
		if value.IsZero() && !slices.Contains([]string{"FS", "Listeners", "Network"}, f.Name) {
			t.Errorf("quorum.Config.%s is not set from the configuration", f.Name)
		}
	}
}

func TestTheDefaultsOfConfigurationAndServerAgree(t *testing.T) {
	got, err := quorumConfig(config.Default(), "0", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := quorum.DefaultConfig()
	want.DataDir, want.ClientAddrs = got.DataDir, got.ClientAddrs
	// config says these in full
	want.MinSessionTimeout, want.MaxSessionTimeout = got.MinSessionTimeout, got.MaxSessionTimeout
	want.ElectionTimeout = 5 * time.Second
	got.Network = peer.Network{} // functions cannot be compared
	if !reflect.DeepEqual(got, want) {
		t.Errorf("by config  %+v\nby quorum %+v", got, want)
	}
}

func TestAHostWithoutIPv6IsServedWithoutItsLoopback(t *testing.T) {
	none := errors.New("no IPv6")
	for name, test := range map[string]struct {
		addrs, want []string
		missing     error
	}{
		"both loopbacks":         {[]string{"127.0.0.1:2181", "[::1]:2181"}, []string{"127.0.0.1:2181"}, none},
		"another IPv6 address":   {[]string{"127.0.0.1:2181", "[fd00::1]:2181"}, []string{"127.0.0.1:2181", "[fd00::1]:2181"}, nil},
		"nothing else is listed": {[]string{"[::1]:2181"}, []string{"[::1]:2181"}, nil},
	} {
		if got, missing := withoutMissingIPv6(test.addrs, func() error { return none }); !slices.Equal(got, test.want) || missing != test.missing {
			t.Errorf("%s: %v, %v", name, got, missing)
		}
		if got, missing := withoutMissingIPv6(test.addrs, func() error { return nil }); !slices.Equal(got, test.addrs) || missing != nil {
			t.Errorf("%s, with IPv6: %v, %v", name, got, missing)
		}
	}
}

func TestMemoryLimitIsTheLeastOfTheGroupsAbove(t *testing.T) {
	files := map[string]string{
		"/proc/self/cgroup": "12:memory:/other\n0::/system.slice/zkd.service\n",
		"/sys/fs/cgroup/system.slice/zkd.service/memory.max": "max\n",
		"/sys/fs/cgroup/system.slice/memory.max":             "1000000\n",
	}
	read := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
	if got := memoryLimit(read); got != 1000000 {
		t.Errorf("limit of the slice: %d", got)
	}
	files["/sys/fs/cgroup/system.slice/zkd.service/memory.max"] = "500\n"
	if got := memoryLimit(read); got != 500 {
		t.Errorf("limit of the unit: %d", got)
	}
	clear(files)
	if got := memoryLimit(read); got != 0 {
		t.Errorf("without control groups: %d", got)
	}
}

func TestLoggerTakesItsLevelAndRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, format := range []string{"auto", "console", "json", "journal"} {
		log, level, err := newLogger(config.Log{Level: "warn", Format: format})
		if err != nil || log.Core().Enabled(zap.InfoLevel) || !log.Core().Enabled(zap.WarnLevel) {
			t.Errorf("%s: %v", format, err)
			continue
		}
		level.SetLevel(zap.DebugLevel)
		if !log.Core().Enabled(zap.DebugLevel) {
			t.Errorf("%s: a new level has no effect", format)
		}
	}
	for _, c := range []config.Log{{Level: "loud", Format: "json"}, {Level: "info", Format: "xml"}} {
		if _, _, err := newLogger(c); ExitCode(err) != ExitConfig {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestGarbageIsBoundedInBytesAndForLargeTreesInShare(t *testing.T) {
	tests := map[string]struct {
		live uint64
		want int
	}{
		"an empty server collects rarely":       {0, gcMostPercent},
		"a small heap gets the headroom":        {16 << 20, 193},
		"a large one a share of itself":         {1 << 30, gcLeastPercent},
		"and the change between them is smooth": {128 << 20, 18},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := gcPercent(tc.live); got != tc.want {
				t.Errorf("gcPercent(%d) = %d, want %d", tc.live, got, tc.want)
			}
		})
	}
}
