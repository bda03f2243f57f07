package gather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"zkd/daemon"
	"zkd/daemon/admin"
	"zkd/daemon/config"
	"zkd/daemon/doctor"
	"zkd/firewall"
	"zkd/firewall/keeper"
	"zkd/quorum/zk"
)

func TestAddressesOfTheKernelsTables(t *testing.T) {
	for line, want := range map[string]string{
		"   0: 00000000:0885 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1":                                               "0.0.0.0:2181 4711",
		"   1: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1":                                                 "127.0.0.1:5000 12",
		"   2: 0100007F:1388 0100007F:0885 01 00000000:00000000 00:00000000 00000000     0        0 13 1":                                                 "",
		"   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1": "[::1]:8080 14",
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode":                                                "",
	} {
		l, inode, ok := parseListener(line)
		got := ""
		if ok {
			got = l.Address.String() + " " + inode
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func TestTheKernelSaysThatThisTestListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all := listeners(os.ReadFile)
	for _, one := range all.All {
		if one.Address.String() == l.Addr().String() {
			if one.PID != os.Getpid() || one.Command == "" {
				t.Errorf("%+v, this is process %d", one, os.Getpid())
			}
			return
		}
	}
	t.Errorf("%v is not listed: %+v", l.Addr(), all)
}

func TestUnitsAreNamedByConfigurationAndControlGroup(t *testing.T) {
	for file, want := range map[string]string{"": "zkd.service", "/etc/zkd/zkd.toml": "zkd.service", "/etc/zkd/blue.toml": "zkd@blue.service",
		"/tmp/blue.toml": "zkd.service", "/etc/zkd/zoo.cfg": "zkd.service"} {
		if got := unitName(file); got != want {
			t.Errorf("%q: %s, want %s", file, got, want)
		}
	}
	for groups, want := range map[string]string{"0::/system.slice/zookeeper.service\n": "zookeeper.service", "0::/user.slice/user-1000.slice/session-2.scope\n": "",
		"0::/system.slice/system-zkd.slice/zkd@blue.service\n": "zkd@blue.service"} {
		if got := unitIn(groups); got != want {
			t.Errorf("%q: %q, want %q", groups, got, want)
		}
	}
}

func TestWhatSystemctlShows(t *testing.T) {
	got := parseUnit("zkd.service", "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nUnitFileState=disabled\nNRestarts=2\n"+
		"ExecMainStatus=0\nNeedDaemonReload=yes\nUser=zkd\nAmbientCapabilities=cap_net_admin\nStatusText=leader, epoch 3\n")
	want := doctor.Unit{Name: "zkd.service", Loaded: true, Active: "active", Sub: "running", Result: "success", Enabled: "disabled", Restarts: 2,
		NeedsReload: true, User: "zkd", CapabilityNet: true, StatusText: "leader, epoch 3"}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := parseUnit("x.service", "LoadState=not-found\nActiveState=inactive\n"); got.Loaded {
		t.Errorf("a unit that is not there: %+v", got)
	}
}

func TestWhatConfAndSrvrSay(t *testing.T) {
	conf, servers := parseConf("clientPort=2181\ntickTime=2000\nserverId=3\nmembership: \nserver.1=h1:2888:3888:participant;0.0.0.0:2181\nserver.3=h3:2888:3888:observer\nversion=0\n")
	if conf["tickTime"] != "2000" || conf["serverId"] != "3" || len(servers) != 2 || servers[3] != "h3:2888:3888:observer" {
		t.Errorf("%v, %v", conf, servers)
	}
	for _, text := range []string{"conf is not executed because it is not in the whitelist.\n", "", "This ZooKeeper instance is not currently serving requests\n"} {
		if conf, servers := parseConf(text); conf != nil || servers != nil {
			t.Errorf("%q: %v, %v", text, conf, servers)
		}
	}
	if got := versionIn("Zookeeper version: 3.8.0-5a02a05, built on 2022-02-25\nLatency: 0\n"); got != "3.8.0-5a02a05, built on 2022-02-25" {
		t.Errorf("version %q", got)
	}
	if got := versionIn("SSH-2.0\n"); got != "" {
		t.Errorf("version %q of what is no server", got)
	}
}

func TestClocksAreComparedWithinASecond(t *testing.T) {
	at := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		theirs time.Duration // from at, before it is cut to a second
		want   int64
	}{
		"the same":       {0, 0},
		"cut":            {-900 * time.Millisecond, 0},
		"an hour behind": {-time.Hour, 3599_000},
		"an hour ahead":  {time.Hour, -3599_900},
	} {
		if got := apart(at, at.Add(100*time.Millisecond), at.Add(tc.theirs)); got != tc.want {
			t.Errorf("%s: %d ms, want %d", name, got, tc.want)
		}
	}
}

func TestAProcessOfProc(t *testing.T) {
	files := map[string]string{
		"/proc/7/status": "Name:\tzkd\nUid:\t990\t990\t990\t990\nVmSwap:\t    2048 kB\n",
		"/proc/7/limits": "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \n",
	}
	read := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
	p, err := processOf(7, read)
	if want := (doctor.Process{PID: 7, Command: "zkd", UID: 990, MaxFiles: 1024, SwapBytes: 2 << 20}); err != nil || *p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
	if _, err := processOf(8, read); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that has ended: %v", err)
	}
}

func TestADirectoryAndItsDisk(t *testing.T) {
	dir := t.TempDir()
	d := doctor.Dir{Path: dir}
	if lookAt(&d); !d.Found || d.Owner != userName(os.Geteuid()) || d.TotalBytes == 0 || d.Error != "" {
		t.Errorf("%+v", d)
	}
	d = doctor.Dir{Path: filepath.Join(dir, "not/yet")}
	if lookAt(&d); d.Found || d.TotalBytes == 0 || d.Error != "" {
		t.Errorf("one that is not there: %+v", d)
	}
	s, err := fsync(t.Context(), dir)
	if err != nil || s.Count == 0 || s.P50 > s.P99 || s.P99 > s.Max {
		t.Errorf("%+v, %v", s, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the look at the disk left %v, %v", left, err)
	}
	if _, err := fsync(t.Context(), filepath.Join(dir, "not")); err == nil {
		t.Error("a directory that is not there was written to")
	}
}

func TestSnapshotsAndLogsAreCounted(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"snapshot.9": 3, "log.1": 100, "log.8": 10, "log.a": 50, "zkd.mark": 5, "log.x": 5} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := &gatherer{}
	s, err := g.snapshots(dir, dir)
	if err != nil || s.Count != 0 || len(s.Damaged) != 1 || !strings.Contains(s.Damaged[0], "snapshot.9") || s.LogFiles != 3 || s.LogBytes != 160 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := g.snapshots(filepath.Join(dir, "not"), dir); s != nil || err != nil {
		t.Errorf("without a directory: %+v, %v", s, err)
	}
}

// words is a client port that answers some words; it closes the connection for others.
func words(t *testing.T, answers map[string]string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				word := make([]byte, 4)
				if _, err := io.ReadFull(c, word); err == nil {
					io.WriteString(c, answers[string(word)])
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestMembersAreAskedAndWhatTheyDoNotSayIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	clock := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
	}))
	defer clock.Close()
	_, adminPort, err := net.SplitHostPort(clock.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	open := words(t, map[string]string{"srvr": "Zookeeper version: 3.9.4-f5e, built on x\n", "conf": "clientPort=1\nserverId=2\nserver.1=a\n"})
	mute := words(t, map[string]string{"srvr": "Zookeeper version: 3.9.5-zkd-0.1.0, built on x\n", "conf": "conf is not executed because it is not in the whitelist.\n"})
	const notServing = "This ZooKeeper instance is not currently serving requests\n"
	looking := words(t, map[string]string{"srvr": notServing, "conf": notServing})
	cfg := config.Default()
	cfg.DataDir = t.TempDir()
	cfg.Admin.Listen = []string{"127.0.0.1:" + adminPort}
	for i, host := range []string{"127.0.0.1", "127.0.0.2", "no.such.name.invalid", "127.0.0.4"} {
		cfg.Servers = append(cfg.Servers, config.Server{ID: zk.ServerID(i + 1), Addresses: []config.PeerAddress{{Host: host, PeerPort: 2888, ElectionPort: 1}}})
	}
	f := Gather(t.Context(), Options{
		Load: func() (config.Config, []config.Notice, error) { return cfg, nil, nil },
		Others: func(config.Config) map[zk.ServerID]string {
			return map[zk.ServerID]string{2: open, 3: mute, 4: closed, 5: looking}
		},
		Members: true, Timeout: 5 * time.Second,
	})
	if len(f.Members) != 4 {
		t.Fatalf("members: %+v", f.Members)
	}
	if m := f.Members[0]; !m.OK || m.Version != "3.9.4-f5e, built on x" || m.Conf["serverId"] != "2" || m.Servers[1] != "a" || !m.HasClock ||
		m.BehindMillis < 3590_000 || m.BehindMillis > 3610_000 {
		t.Errorf("one that says all: %+v", m)
	}
	if m := f.Members[1]; !m.OK || m.Conf != nil || m.Version == "" {
		t.Errorf("one that does not tell its configuration: %+v", m)
	}
	if m := f.Members[2]; m.OK || m.Class != "refused" {
		t.Errorf("one that is down: %+v", m)
	}
	if m := f.Members[3]; !m.OK || !m.NotServing || m.Version != "" {
		t.Errorf("one without a quorum: %+v", m)
	}
	names := map[string]string{}
	for _, n := range f.Names {
		names[n.Host] = fmt.Sprint(n.Addresses, n.Error != "")
	}
	if names["127.0.0.1"] != fmt.Sprint([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, false) || names["no.such.name.invalid"] != "[] true" {
		t.Errorf("names: %v", names)
	}
	var elections []string
	for _, p := range f.Ports {
		if p.Use == "election" {
			if p.Server == 3 && p.Class != "" {
				p.Class = "no name" // or no resolver
			}
			elections = append(elections, strconv.Itoa(int(p.Server))+" "+p.Class)
		}
	}
	if !reflect.DeepEqual(elections, []string{"2 refused", "3 no name", "4 refused"}) {
		t.Errorf("election ports: %q", elections)
	}
	unseen := map[string]string{}
	for _, u := range f.Unseen {
		unseen[u.What] = u.Why
	}
	if !strings.Contains(unseen["configuration of the server at "+mute], "words.allow") || unseen["configuration and version of the server at "+closed] == "" ||
		!strings.Contains(unseen["configuration and version of the server at "+looking], "does not serve") {
		t.Errorf("unseen: %v", unseen)
	}
}

func TestAConfigurationThatCannotBeReadIsAllThatIsSaidOfIt(t *testing.T) {
	f := Gather(context.Background(), Options{ConfigFile: "x.toml",
		Load: func() (config.Config, []config.Notice, error) { return config.Config{}, nil, fs.ErrPermission }})
	if f.ConfigError != fs.ErrPermission.Error() || f.Dirs != nil || f.Ports != nil {
		t.Errorf("%+v", f)
	}
}

// An ordinary user who asks may not read the server's directory, which is as it should be.
func TestWhatOnlyRootMayReadIsNoProblem(t *testing.T) {
	const where = "data_dir = \"/nowhere/zkd\"\nclient.listen = [\"127.0.0.1:9\"]\nadmin.enabled = false\n"
	const two = "[servers]\n1 = \"127.0.0.1:1:2\"\n2 = \"127.0.0.1:3:4\"\n"
	for name, test := range map[string]struct {
		text string
		noID bool
	}{
		"a server for itself":                         {where, false},
		"the key has the number":                      {"id = 1\n" + where + two, false},
		"nothing but myid has it, and nobody answers": {where + two, true},
	} {
		denied := func(name string) ([]byte, error) { return nil, fmt.Errorf("open %s: %w", name, fs.ErrPermission) }
		f := Gather(t.Context(), Options{Timeout: time.Second, Load: func() (config.Config, []config.Notice, error) {
			return config.Parse("zkd.toml", []byte(test.text), denied)
		}})
		r := doctor.Judge(f)
		for _, found := range r.Findings {
			if strings.Contains(found.Text, "myid") || strings.HasPrefix(found.Code, "Z20") && found.Code != "Z203" {
				t.Errorf("%s: %+v", name, found)
			}
		}
		if want := (doctor.Unseen{What: "the number of this server in /nowhere/zkd/myid", Why: asRoot}); !slices.Contains(r.Unseen, want) || f.NoID != test.noID {
			t.Errorf("%s: number unknown %t, unseen %+v, want %+v", name, f.NoID, r.Unseen, want)
		}
		if slices.Contains(r.Fine, "ports of members") == test.noID && len(f.Config.Servers) > 1 {
			t.Errorf("%s: fine %q", name, r.Fine)
		}
	}
}

// The server is asked for its number where the file does not tell it.
func TestTheServerTellsItsNumberAndItsConnections(t *testing.T) {
	port := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"schema":1,"id":2,"mode":"looking","time":"2026-01-02T12:00:09Z","since":"2026-01-02T12:00:00Z","ensemble":{"leader":2,"members":[`+
			`{"id":1,"synced":true,"election":{"known":true,"ok":true}},{"id":2,"self":true},{"id":3,"election":{"known":true,"class":"no answer"}}]}}`)
	}))
	defer port.Close()
	text := fmt.Sprintf("data_dir = \"/nowhere/zkd\"\nclient.listen = [\"127.0.0.1:9\"]\nadmin.listen = [%q]\n[servers]\n1 = \"127.0.0.1:1:2\"\n2 = \"127.0.0.1:3:4\"\n",
		port.Listener.Addr())
	f := Gather(t.Context(), Options{Timeout: 5 * time.Second, Load: func() (config.Config, []config.Notice, error) {
		return config.Parse("zkd.toml", []byte(text), func(string) ([]byte, error) { return nil, fs.ErrPermission })
	}})
	if f.NoID || f.Config.ID != 2 || !f.Server.Told {
		t.Errorf("number %d, unknown %t, %+v", f.Config.ID, f.NoID, f.Server)
	}
	want := []doctor.Link{{ID: 1, Election: true, Follows: true}, {ID: 3, Class: "no answer"}}
	if !f.Server.Leads || f.Server.LeadsMillis != 9000 || !slices.Equal(f.Server.Links, want) {
		t.Errorf("%+v, want a leader for 9 s and links %+v", f.Server, want)
	}
}

func TestWhoHasComeFromOtherHosts(t *testing.T) {
	const rest = " 00000000:00000000 00:00000000 00000000 0 0 1 1\n"
	tables := map[string]string{
		"/proc/net/tcp": "  sl  local_address rem_address   st\n" +
			"   0: 00000000:0885 00000000:0000 0A" + rest + // listens on 2181
			"   1: 010200C0:0885 4D0200C0:C350 01" + rest + // 192.0.2.77 is connected
			"   2: 010200C0:0885 4E0200C0:C350 06" + rest + // 192.0.2.78 was
			"   3: 010200C0:0885 4F0200C0:C350 03" + rest + // 192.0.2.79 has not come all the way
			"   4: 0100007F:0885 0100007F:C350 01" + rest + // this host, by loopback
			"   5: 010200C0:0885 010200C0:C351 01" + rest + // and by its address
			"   6: 010200C0:C350 500200C0:0885 01" + rest, // this host is a client of 192.0.2.80
		"/proc/net/tcp6": "   0: 00000000000000000000000000000000:0F30 00000000000000000000000000000000:0000 0A" + rest + // listens on 3888
			"   1: 0000000000000000FFFF0000010200C0:0F30 0000000000000000FFFF0000020200C0:C350 01" + rest, // 192.0.2.2, in IPv6 form
	}
	read := func(name string) ([]byte, error) { return []byte(tables[name]), nil }
	addr := netip.MustParseAddr
	to := addr("192.0.2.1")
	got := inbound(read, listeners(read), []netip.Addr{addr("192.0.2.1")})
	want := []doctor.Inbound{{Port: 2181, To: to, From: addr("192.0.2.77"), Open: true}, {Port: 2181, To: to, From: addr("192.0.2.78")}, {Port: 3888, To: to, From: addr("192.0.2.2"), Open: true}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// Whom the rules are to keep out, of those.
	elsewhere := doctor.Inbound{Port: 2181, To: addr("192.0.2.100"), From: addr("192.0.2.78"), Open: true} // another program's
	g := &gatherer{f: doctor.Facts{Inbound: append(got, elsewhere)}}
	cfg, _, err := config.Parse("zkd.toml", []byte("id = 1\nclient.listen = [\"192.0.2.1:2181\"]\nfirewall.clients = [\"192.0.2.77\"]\n"+
		"[servers]\n1 = \"192.0.2.1\"\n2 = \"192.0.2.2\"\n3 = \"192.0.2.3\"\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	planner := keeper.Planner{Interfaces: func() ([]keeper.Interface, error) { return nil, nil }}
	plan, err := planner.Plan(t.Context(), daemon.FirewallConfig(cfg))
	if err != nil {
		t.Fatal(err)
	}
	g.strangers(plan.Ruleset)
	for i, want := range []bool{false, true, false, false} {
		if in := g.f.Inbound[i]; in.Stranger != want {
			t.Errorf("%+v, want a stranger: %t", in, want)
		}
	}
}

// What the running server says of its rules and ports counts, not what the configuration alone would have.
func TestTheServerIsBelievedAboutItsFirewall(t *testing.T) {
	for name, test := range map[string]struct {
		said admin.FirewallReport
		want string // of Z104
	}{
		"in force":                          {admin.FirewallReport{Mode: "auto", Active: true}, ""},
		"not in force":                      {admin.FirewallReport{Mode: "auto", Reason: "no nf_tables"}, "no nf_tables"},
		"none wanted, others are looked at": {admin.FirewallReport{Mode: "off", Reason: "every port is on loopback"}, ""},
	} {
		st := keeper.Status{Mode: keeper.Auto, Active: true, NoClients: true}
		believe(&st, test.said)
		got := admin.FirewallProblems(st)
		if z104 := got[0].Code == "Z104"; z104 != (test.want != "") || z104 && !strings.HasSuffix(got[0].Text, test.want) || got[len(got)-1].Code != "Z109" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestTheRulesAreOfThePortsThatTheServerHas(t *testing.T) {
	port := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"schema":1,"id":2,"admin_addresses":[%q]}`, r.Context().Value(http.LocalAddrContextKey))
	}))
	defer port.Close()
	own := port.Listener.Addr().String()
	for name, test := range map[string]struct {
		id   zk.ServerID
		want []string
	}{
		"another program has an address": {2, []string{own}},
		"another server answers":         {3, []string{"127.0.0.1:1", own}},
	} {
		cfg := config.Default()
		cfg.ID, cfg.Admin.Socket, cfg.Admin.Listen = test.id, "off", []string{"127.0.0.1:1", own}
		if got := AsServed(t.Context(), cfg, 5*time.Second).Admin.Listen; !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// Who was refused at the ports for members, lately, and would be now.
func TestTheKernelsLogNamesWhoWasRefused(t *testing.T) {
	line := func(seconds int, source, port, protocol string) string {
		return fmt.Sprintf("6,77,%d000000,-;zkd-refused: IN=lan0 OUT= MAC=02:00 SRC=%s DST=192.0.2.1 LEN=60 PROTO=%s SPT=40000 DPT=%s WINDOW=64240 SYN URGP=0 \n SUBSYSTEM=x\n",
			seconds, source, protocol, port)
	}
	addr := netip.MustParseAddr
	at := func(a netip.Addr, p uint16) []netip.AddrPort { return []netip.AddrPort{netip.AddrPortFrom(a, p)} }
	rules, err := firewall.Build(firewall.Policy{PeerPorts: at(netip.Addr{}, 2888), ElectionPorts: at(addr("192.0.2.1"), 3888), Members: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/32")}})
	if err != nil {
		t.Fatal(err)
	}
	got := refusedLines([]string{
		line(999, "192.0.2.9", "3888", "TCP"), line(1000, "192.0.2.9", "3888", "TCP"), line(1000, "192.0.2.9", "2888", "TCP"),
		line(1000, "2001:db8::9", "2888", "TCP"),
		strings.Replace(line(1000, "192.0.2.17", "3888", "TCP"), "DST=192.0.2.1", "DST=192.0.2.100", 1), // another server's
		line(1000, "192.0.2.2", "3888", "TCP"),                                                          // a member by now
		line(1000, "192.0.2.10", "2181", "TCP"),                                                         // another port
		line(300, "192.0.2.11", "3888", "TCP"),                                                          // long ago
		line(1000, "192.0.2.12", "3888", "UDP"), line(1000, "nobody", "3888", "TCP"), line(1000, "192.0.2.13", "x", "TCP"),
		"6,78,1000000000,-;IN=lan0 SRC=192.0.2.14 PROTO=TCP DPT=3888\n", "zkd-refused: SRC=192.0.2.15", "6,79,x,-;zkd-refused: SRC=192.0.2.16", "",
	}, 1000*time.Second, []uint16{2888, 3888}, rules)
	want := []doctor.Refused{{Port: 3888, From: addr("192.0.2.9"), Packets: 2}, {Port: 2888, From: addr("192.0.2.9"), Packets: 1}, {Port: 2888, From: addr("2001:db8::9"), Packets: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
