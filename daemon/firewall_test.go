package daemon

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"zkd/daemon/config"
	"zkd/firewall"
	"zkd/firewall/foreign"
	"zkd/firewall/keeper"
	"zkd/quorum"
	"zkd/quorum/zk"
)

func TestTheFirewallIsThatOfTheConfiguration(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*config.Config)
		want   keeper.Config
	}{
		"nothing configured": {func(*config.Config) {}, keeper.Config{
			Mode: "auto", Refusal: "drop", ClientListen: []string{"127.0.0.1:2181", "[::1]:2181"}, AdminListen: []string{"127.0.0.1:8080", "[::1]:8080"},
		}},
		"no admin port": {func(c *config.Config) { c.Admin.Enabled = false }, keeper.Config{
			Mode: "auto", Refusal: "drop", ClientListen: []string{"127.0.0.1:2181", "[::1]:2181"},
		}},
		"a member of three, one of them with two addresses": {func(c *config.Config) {
			c.ID, c.Client.Listen, c.Admin.Enabled = 2, []string{":2181"}, false
			c.Firewall.From = map[zk.ServerID][]string{3: {"203.0.113.0/24"}}
			c.Servers = []config.Server{
				{ID: 1, Addresses: []config.PeerAddress{{Host: "a", PeerPort: 2888, ElectionPort: 3888}}},
				{ID: 2, Addresses: []config.PeerAddress{{Host: "b", PeerPort: 2889, ElectionPort: 3889}, {Host: "fd00::2", PeerPort: 2890, ElectionPort: 3890}}},
				{ID: 3, Addresses: []config.PeerAddress{{Host: "c", PeerPort: 2888, ElectionPort: 3888}}, Observer: true},
			}
		}, keeper.Config{
			Mode: "auto", Refusal: "drop", ClientListen: []string{":2181"}, PeerListen: []string{"b:2889", "[fd00::2]:2890"}, ElectionListen: []string{"b:3889", "[fd00::2]:3890"},
			Members: []keeper.Member{{Name: "1", Hosts: []string{"a"}}, {Name: "2", Hosts: []string{"b", "fd00::2"}}, {Name: "3", Hosts: []string{"c"}, From: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}},
		}},
		"a member that listens on all addresses": {func(c *config.Config) {
			c.ID, c.Admin.Enabled, c.Ensemble.ListenOnAll = 1, false, true
			c.Servers = []config.Server{member(1, "a"), member(2, "b")}
		}, keeper.Config{
			Mode: "auto", Refusal: "drop", ClientListen: []string{"127.0.0.1:2181", "[::1]:2181"}, PeerListen: []string{":2888"}, ElectionListen: []string{":3888"},
			Members: []keeper.Member{{Name: "1", Hosts: []string{"a"}}, {Name: "2", Hosts: []string{"b"}}},
		}},
		"the only one of its list stands alone": {func(c *config.Config) { c.Servers = []config.Server{member(1, "a")} }, keeper.Config{
			Mode: "auto", Refusal: "drop", ClientListen: []string{"127.0.0.1:2181", "[::1]:2181"}, AdminListen: []string{"127.0.0.1:8080", "[::1]:8080"},
		}},
		"every key of its own": {func(c *config.Config) {
			c.Admin.Enabled = false
			c.Firewall = config.Firewall{Mode: "required", Clients: []string{}, Admins: []string{"10.0.0.9"}, Refuse: "reject", OnStop: "keep", Table: "zkd_x"}
		}, keeper.Config{
			Mode: "required", Table: "zkd_x", Keep: true, Refusal: "reject", ClientListen: []string{"127.0.0.1:2181", "[::1]:2181"},
			Clients: []netip.Prefix{}, Admins: []netip.Prefix{netip.MustParsePrefix("10.0.0.9/32")},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			test.change(&cfg)
			if got := FirewallConfig(cfg); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// fakeFirewall notes what it is told.
type fakeFirewall struct {
	mu     sync.Mutex
	calls  []string
	st     keeper.Status
	refuse error // of start and Update
}

func (f *fakeFirewall) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

func (f *fakeFirewall) seen() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.calls, ", ")
}

func (f *fakeFirewall) start(_ context.Context, cfg keeper.Config, _ *zap.Logger) (Firewall, error) {
	f.note("start " + string(cfg.Mode))
	return f, f.refuse
}

func (f *fakeFirewall) Update(_ context.Context, cfg keeper.Config) error {
	f.note("update " + string(cfg.Mode) + " " + string(cfg.Refusal))
	return f.refuse
}

func (f *fakeFirewall) Poke()                 { f.note("poke") }
func (f *fakeFirewall) Status() keeper.Status { return f.st }
func (f *fakeFirewall) Stop(context.Context) error {
	f.note("stop")
	return nil
}

// guarded is a host with a firewall whose calls stand in one row with those of the server.
func guarded(t *testing.T) (*host, *fakeFirewall) {
	h, f := newHost(t), &fakeFirewall{st: keeper.Status{Mode: keeper.Auto, Active: true}}
	h.cfg.Client.Listen = []string{"192.0.2.1:2181"}
	h.deps.Firewall = f.start
	start := h.deps.Start
	h.deps.Start = func(c quorum.Config, progress func(string)) (Member, error) {
		f.note("open")
		return start(c, progress)
	}
	h.member.stop = func(context.Context) error {
		f.note("close")
		return h.member.stopErr
	}
	return h, f
}

func TestRulesAreThereBeforeThePortsAndGoAfterThem(t *testing.T) {
	h, f := guarded(t)
	h.run()
	h.await("READY=1")
	h.signals <- syscall.SIGTERM
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if got, want := f.seen(), "start auto, open, close, stop"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestRulesStayWhereAPortMayBeOpen(t *testing.T) {
	h, f := guarded(t)
	h.member.stopErr = errors.New("something hangs")
	h.run()
	h.await("READY=1")
	h.signals <- syscall.SIGTERM
	if err := h.wait(); err == nil {
		t.Error("Run without an error")
	}
	if got, want := f.seen(), "start auto, open, close"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestWithoutRulesThatMustBeNothingIsOpened(t *testing.T) {
	for code, refuse := range map[int]error{
		ExitPermission: errors.Join(firewall.ErrPermission, syscall.EPERM),
		ExitConfig:     &keeper.ConfigError{Err: errors.New("port 2181 has two uses")},
	} {
		h, f := guarded(t)
		h.cfg.Firewall.Mode, f.refuse = "required", refuse
		h.run()
		if err := h.wait(); ExitCode(err) != code {
			t.Errorf("Run: %v, exit code %d, want %d", err, ExitCode(err), code)
		}
		if got, want := f.seen(), "start required"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
}

func TestAServerThatCannotStartLeavesNoRules(t *testing.T) {
	h, f := guarded(t)
	h.deps.Start = func(quorum.Config, func(string)) (Member, error) { return nil, syscall.EADDRINUSE }
	h.run()
	if err := h.wait(); ExitCode(err) != ExitBusy {
		t.Errorf("Run: %v", err)
	}
	if got, want := f.seen(), "start auto, stop"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestWhereEveryPortIsOnLoopbackTheHostIsLeftAlone(t *testing.T) {
	for mode, want := range map[string]string{"auto": "open, close", "required": "start required, open, close, stop", "off": "start off, open, close, stop"} {
		h, f := guarded(t)
		h.cfg.Client.Listen, h.cfg.Firewall.Mode = []string{"127.0.0.1:2181"}, mode
		h.run()
		if got := h.await("READY=1"); strings.Contains(got, "firewall") {
			t.Errorf("%s: ready with %q", mode, got)
		}
		h.signals <- syscall.SIGTERM
		if err := h.wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := f.seen(); got != want {
			t.Errorf("%s: %s; want %s", mode, got, want)
		}
	}
}

func TestAReloadChangesTheRules(t *testing.T) {
	h, f := guarded(t)
	fresh := h.cfg
	h.deps.Reload = func() (config.Config, []config.Notice, error) { return fresh, nil, nil }
	h.run()
	h.await("READY=1")
	reload := func() string {
		t.Helper()
		h.signals <- syscall.SIGHUP
		h.await("RELOADING=1")
		return h.await("READY=1")
	}
	fresh.Firewall.Refuse, fresh.Client.Listen = "reject", []string{"127.0.0.1:2181"}
	reload()
	last := h.logs.FilterMessage("configuration reloaded; some changes wait for a restart").All()
	if len(last) != 1 || !reflect.DeepEqual(last[0].ContextMap()["changed"], []any{"firewall.refuse"}) ||
		!reflect.DeepEqual(last[0].ContextMap()["waiting"], []any{"client.listen"}) {
		t.Errorf("log: %v", last)
	}
	reload()
	if last := h.logs.FilterMessage("configuration reloaded; some changes wait for a restart").All(); len(last) != 2 || len(last[1].ContextMap()["changed"].([]any)) != 0 {
		t.Errorf("the second reload of the same file: %v", last)
	}
	f.refuse = &keeper.ConfigError{Err: errors.New("too many sources")}
	fresh.Log.Level = "debug"
	if got := reload(); !strings.Contains(got, "the last reload was refused") {
		t.Errorf("after a refusal: %q", got)
	}
	h.signals <- syscall.SIGTERM
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	// The address that the server really listens on is not on loopback.
	if got, want := f.seen(), "start auto, open, update auto reject, update auto reject, update auto reject, close, stop"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestRulesComeAndGoByReload(t *testing.T) {
	f := &fakeFirewall{}
	g := guard{start: f.start, log: zap.NewNop()}
	c := config.Default() // on loopback
	for _, mode := range []string{"auto", "required", "auto", "auto", "off"} {
		c.Firewall.Mode = mode
		if err := g.follow(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := f.seen(), "start required, update off drop, stop, start off"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestAMemberThatCannotBeReachedHasItsNameLookedUp(t *testing.T) {
	f := &fakeFirewall{}
	g := guard{start: f.start, rules: f}
	st := func(class string, unreachable ...zk.ServerID) quorum.Status {
		e := three(1, 0, unreachable...)
		for i := range e.Members {
			if !e.Members[i].Election.OK {
				e.Members[i].Election.Class = class
			}
		}
		return quorum.Status{Ensemble: e}
	}
	for i, step := range []struct {
		st   quorum.Status
		poke bool
	}{
		{quorum.Status{}, false}, {st(""), false}, {st("timed out", 2), true}, {st("timed out", 2), false}, {st("timed out", 2, 3), true},
		{st("refused", 2, 3), true}, {st(""), false}, {st("refused", 2), true},
	} {
		f.calls = nil
		g.look(step.st)
		if got := slices.Equal(f.calls, []string{"poke"}); got != step.poke {
			t.Errorf("step %d: calls %v", i, f.calls)
		}
	}
}

func TestTheStatusLineTellsOfTheFirewall(t *testing.T) {
	for name, test := range map[string]struct {
		st   keeper.Status
		want string
	}{
		"in force":       {keeper.Status{Mode: keeper.Auto, Active: true}, ""},
		"switched off":   {keeper.Status{Mode: keeper.Off, Reason: "switched off"}, ""},
		"not permitted":  {keeper.Status{Mode: keeper.Auto, Reason: "x is needed"}, "; firewall: the rules that keep strangers from the ports are not in force: x is needed"},
		"shut by others": {keeper.Status{Mode: keeper.Auto, Active: true, Foreign: []foreign.Finding{{Text: "may drop"}, {Certain: true, Text: "ufw drops"}}}, "; firewall: ufw drops"},
	} {
		d := process{guard: guard{start: (&fakeFirewall{}).start, rules: &fakeFirewall{st: test.st}}}
		if _, got, _ := strings.Cut(d.statusLine(quorum.Status{Serving: true}, time.Now()), "serving on "); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestConfigurationsOfWhichNoRulesCanBeMadeAreNotSupported(t *testing.T) {
	c := config.Default()
	c.Client.Listen, c.Admin.Listen = []string{"192.0.2.1:2181"}, []string{"192.0.2.2:2181"}
	for mode, code := range map[string]int{"auto": ExitConfig, "required": ExitConfig, "off": ExitOK} {
		c.Firewall.Mode = mode
		if err := Supported(c); ExitCode(err) != code {
			t.Errorf("%s: %v", mode, err)
		}
	}
	c.Client.Listen, c.Admin.Listen = []string{"[::1]:2181"}, []string{"127.0.0.1:2181"}
	c.Firewall.Mode = "auto"
	if err := Supported(c); err != nil {
		t.Errorf("on loopback: %v", err)
	}
}

// Another program has an address of the admin port, and gives it up.
func TestTheRulesLeaveOutWhereTheAdminPortIsNot(t *testing.T) {
	var bound []string
	d := process{cfg: config.Default(), log: zap.NewNop(), admin: adminPort{bound: func() []string { return bound }}}
	d.cfg.Client.Listen, d.cfg.Admin.Listen = []string{"192.0.2.1:2181"}, []string{"192.0.2.1:8080", "127.0.0.1:8080"}
	f := &fakeFirewall{}
	d.guard = guard{start: f.start, rules: f, log: zap.NewNop()}
	for i, step := range []struct {
		bound, judged string
		calls         int
	}{
		{"", "192.0.2.1:8080 127.0.0.1:8080", 0}, // not opened yet
		{"192.0.2.1:8080 127.0.0.1:8080", "192.0.2.1:8080 127.0.0.1:8080", 0},
		{"127.0.0.1:8080", "192.0.2.1:8080 127.0.0.1:8080", 0},
		{"127.0.0.1:8080", "127.0.0.1:8080", 1},
		{"127.0.0.1:8080", "127.0.0.1:8080", 1},
		{"192.0.2.1:8080 127.0.0.1:8080", "192.0.2.1:8080 127.0.0.1:8080", 2},
	} {
		bound = strings.Fields(step.bound)
		d.followAdminPort(t.Context())
		if got := strings.Join(FirewallConfig(d.listening(d.cfg)).AdminListen, " "); got != step.judged || len(f.calls) != step.calls {
			t.Errorf("step %d: judged %s, want %s; calls %q", i, got, step.judged, f.calls)
		}
	}
}
