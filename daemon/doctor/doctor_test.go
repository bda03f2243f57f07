package doctor

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zkd/daemon/config"
	"zkd/quorum/zk"
)

var rewrite = flag.Bool("rewrite", false, "replace the expected output in testdata")

// hosts are three servers by name, of which the first is this one.
const hosts = "id = 1\ndata_dir = \"/var/lib/zkd\"\n[client]\nlisten = [\"192.0.2.1:2181\"]\n[firewall]\nmode = \"auto\"\n" +
	"[servers]\n1 = \"h1\"\n2 = \"h2\"\n3 = \"h3\"\n"

// well are the facts of a host on which nothing is wrong. change, if not nil, changes the text of its configuration.
func well(t *testing.T, toml string) Facts {
	t.Helper()
	cfg, notices, err := config.Parse("/etc/zkd/zkd.toml", []byte(toml), nil)
	if err != nil {
		t.Fatal(err)
	}
	conf := func(id string) map[string]string {
		return map[string]string{"clientPort": "2181", "serverId": id, "tickTime": "2000", "initLimit": "10", "syncLimit": "5",
			"minSessionTimeout": "4000", "maxSessionTimeout": "40000"}
	}
	servers := map[zk.ServerID]string{1: "h1:2888:3888:participant;0.0.0.0:2181", 2: "h2:2888:3888:participant", 3: "h3:2888:3888:participant"}
	addr := netip.MustParseAddr
	return Facts{
		ConfigFile: "/etc/zkd/zkd.toml", Config: cfg, Notices: notices,
		Names: []Name{{Server: 1, Own: true, Host: "h1", Addresses: []netip.Addr{addr("192.0.2.1")}},
			{Server: 2, Host: "h2", Addresses: []netip.Addr{addr("192.0.2.2")}}, {Server: 3, Host: "h3", Addresses: []netip.Addr{addr("192.0.2.3")}}},
		Server: Server{Answers: true, Serving: true, Told: true, Version: "0.1.0", Leads: true, LeadsMillis: 3_600_000,
			Links: []Link{{ID: 2, Election: true, Follows: true}, {ID: 3, Election: true, Follows: true}}},
		Inbound: []Inbound{{Port: 3888, From: addr("192.0.2.2"), Open: true}, {Port: 2888, From: addr("192.0.2.3"), Open: true}, {Port: 2181, From: addr("192.0.2.77")}},
		Ports: []Port{{Use: "client", Server: 1, Own: true, Address: "192.0.2.1:2181", OK: true}, {Use: "client", Server: 2, Address: "h2:2181", OK: true, RTTMicros: 300},
			{Use: "election", Server: 2, Address: "h2:3888", OK: true, RTTMicros: 300}},
		Listen: Listeners{Known: true, All: []Listener{{Address: netip.MustParseAddrPort("192.0.2.1:2181"), PID: 7, Command: "zkd", Unit: "zkd.service"},
			{Address: netip.MustParseAddrPort("127.0.0.1:8080"), PID: 7, Command: "zkd", Unit: "zkd.service"}}},
		Members: []Member{{ID: 2, Address: "h2:2181", OK: true, Version: "3.9.5-zkd-0.1.0, built on 2026-01-01", Conf: conf("2"), Servers: servers, HasClock: true},
			{ID: 3, Address: "h3:2181", OK: true, Version: "3.9.4-f5e3f7d, built on 2026-01-01", Conf: conf("3"), Servers: servers}},
		Firewall:  &Firewall{},
		Dirs:      []Dir{{Use: "data_dir", Path: "/var/lib/zkd", Found: true, Owner: "zkd", Server: "zkd", Mode: 0o750, FileSystem: "ext4", FreeBytes: 50 << 30, TotalBytes: 100 << 30}},
		Fsync:     &Fsync{Dir: "/var/lib/zkd/version-2", Count: 200, P50: 800, P99: 3000, Max: 9000},
		Snapshots: &Snapshots{Count: 3, NewestAgeSeconds: 3600, NewestBytes: 1 << 20, LogFiles: 4, LogBytes: 1 << 20},
		Clock:     &Clock{Synchronised: true},
		Process:   &Process{PID: 7, Command: "zkd", UID: 990, MaxFiles: 65536, OpenFiles: 30, Binary: "/usr/bin/zkd"},
		Unit:      &Unit{Name: "zkd.service", Loaded: true, Active: "active", Sub: "running", Result: "success", Enabled: "enabled", User: "zkd", CapabilityNet: true},
		Ephemeral: &config.PortRange{Low: 32768, High: 60999},
	}
}

func TestNothingIsWrongWithAGoodHost(t *testing.T) {
	r := Judge(well(t, hosts))
	if len(r.Findings) != 0 || len(r.Fine) != len(checks()) || r.Summary() != "0 problems, 0 warnings, 21 fine" {
		t.Errorf("%+v\n%s", r.Findings, r.Summary())
	}
}

func TestWhatIsNotKnownIsNeitherWrongNorFine(t *testing.T) {
	f := well(t, hosts)
	f.Members, f.Firewall, f.Dirs, f.Fsync, f.Snapshots, f.Clock, f.Process, f.Unit, f.Ephemeral = nil, nil, nil, nil, nil, nil, nil, nil, nil
	f.Listen = Listeners{}
	f.Unseen = []Unseen{{"rules of firewalls", "run this as root"}}
	r := Judge(f)
	if len(r.Findings) != 0 || r.Summary() != "0 problems, 0 warnings, 8 fine, 1 not looked at" {
		t.Errorf("%+v\n%s %q", r.Findings, r.Summary(), r.Fine)
	}
}

// Each row breaks one thing on a good host. What is said of it, and nothing else, is in testdata/NAME.txt.
func TestFindings(t *testing.T) {
	set := func(change func(*Facts)) func(*testing.T) Facts {
		return func(t *testing.T) Facts {
			f := well(t, hosts)
			change(&f)
			return f
		}
	}
	toml := func(from, to string) func(*testing.T) Facts {
		return func(t *testing.T) Facts {
			text := strings.Replace(hosts, from, to, 1)
			f := well(t, text)
			for i := range f.Members { // they have the same configuration
				f.Members[i].Servers = nil
			}
			return f
		}
	}
	tests := map[string]func(*testing.T) Facts{
		"config unreadable": set(func(f *Facts) { f.ConfigError = "open /etc/zkd/zkd.toml: permission denied" }),
		"config wrong": set(func(f *Facts) {
			_, _, err := config.Parse("zkd.toml", []byte("clent.listen = []\nid = 900\n"), nil)
			f.Wrong = err.(config.Errors)
		}),
		"config notices": toml("[firewall]", "[admin]\nlisten = [\"0.0.0.0:8080\"]\n[firewall]"),
		"even voters":    toml("3 = \"h3\"", "3 = \"h3\"\n4 = \"h4\""),
		"down": set(func(f *Facts) {
			f.Server = Server{Reason: "not running: client port 192.0.2.1:2181 is closed"}
			f.Process = nil
		}),
		"down and disabled": set(func(f *Facts) { // a host that was booted after an installation that enabled nothing
			f.Server = Server{Reason: "not running: client port 192.0.2.1:2181 is closed"}
			f.Process = nil
			f.Unit.Active, f.Unit.Sub, f.Unit.Enabled = "inactive", "dead", "disabled"
		}),
		"port of a stranger": set(func(f *Facts) {
			f.Server, f.Process = Server{Reason: "cannot tell: client port 192.0.2.1:2181 does not answer"}, nil
			f.Listen.All[0].Command, f.Listen.All[0].Unit = "nc", ""
		}),
		"down without systemd": set(func(f *Facts) { f.Server = Server{Reason: "not running: x"}; f.Process, f.Unit = nil, nil }),
		"not serving": set(func(f *Facts) {
			f.Server = Server{Answers: true, Reason: "not serving: no quorum; 1 of 3 voters in touch"}
		}),
		"the server's own": set(func(f *Facts) {
			f.Server.Problems = []Finding{{"Z406", Error, "3 times the tree was not as the digest in a transaction says", "keep the logs"},
				{"Z101", Warning, "this host cannot reach its own client port", "let lo in"}}
			f.Ports[0].OK, f.Ports[0].Class = false, "timed out" // said once
		}),
		"loopback shut": set(func(f *Facts) { f.Ports[0].OK, f.Ports[0].Class = false, "timed out" }),
		"second address shut": set(func(f *Facts) {
			f.Ports = append(f.Ports, Port{Use: "client", Server: 1, Own: true, Address: "127.0.0.1:2181", Class: "timed out"})
			f.Listen.All = append(f.Listen.All, Listener{Address: netip.MustParseAddrPort("127.0.0.1:2181"), PID: 7, Command: "zkd", Unit: "zkd.service"})
		}),
		"no IPv6 here": set(func(f *Facts) { // the server leaves [::1] out then
			f.Ports = append(f.Ports, Port{Use: "client", Server: 1, Own: true, Address: "[::1]:2181", Class: "no route"})
		}),
		"id of another":   set(func(f *Facts) { f.Members[0].Conf["serverId"] = "3" }),
		"id twice":        set(func(f *Facts) { f.Members[0].Conf["serverId"] = "1" }),
		"name unknown":    set(func(f *Facts) { f.Names[1].Addresses, f.Names[1].Error = nil, "no such host" }),
		"own name on lo":  set(func(f *Facts) { f.Names[0].Addresses = []netip.Addr{netip.MustParseAddr("127.0.1.1")} }),
		"peer name on lo": set(func(f *Facts) { f.Names[1].Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")} }),
		"two families":    set(func(f *Facts) { f.Names[1].Addresses = []netip.Addr{netip.MustParseAddr("2001:db8::2")} }),
		"port of java": set(func(f *Facts) {
			f.Listen.All[0] = Listener{Address: netip.MustParseAddrPort("[::]:2181"), PID: 99, Command: "java", Unit: "zookeeper.service"}
		}),
		"admin port taken": set(func(f *Facts) { f.Listen.All[1].PID, f.Listen.All[1].Command, f.Listen.All[1].Unit = 99, "nginx", "" }),
		"election shut":    set(func(f *Facts) { f.Ports[2].OK, f.Ports[2].Class = false, "timed out" }),
		"election refused": set(func(f *Facts) { f.Ports[2].OK, f.Ports[2].Class = false, "refused" }),
		"other's client":   set(func(f *Facts) { f.Ports[1].OK, f.Ports[1].Class = false, "refused" }),
		"outside election": set(func(f *Facts) {
			f.Server.Links[0] = Link{ID: 2, Class: "no answer"}
			f.Server.Links[1] = Link{ID: 3, Class: "timed out"} // no way there: nothing is known of the way back
		}),
		"outside peer": set(func(f *Facts) {
			f.Server.Serving, f.Server.LeadsMillis, f.Server.Problems = false, 5_000, []Finding{{"Z107", Error, "no quorum", "bring them back"}}
			f.Inbound = f.Inbound[:1]
			for i := range f.Members {
				f.Server.Links[i].Follows, f.Members[i].NotServing = false, true
			}
			f.Inbound = append(f.Inbound, Inbound{Port: 2888, From: netip.MustParseAddr("192.0.2.3"), Open: true}) // which takes over the history
		}),
		"outside just elected": set(func(f *Facts) {
			f.Server.LeadsMillis, f.Server.Links[0].Follows, f.Members[0].NotServing, f.Inbound = 3_000, false, true, f.Inbound[:1]
		}),
		"outside nobody knows who": set(func(f *Facts) { // it may be server 2 by another address
			f.Server.Links[0].Follows, f.Members[0].NotServing, f.Inbound[1].From = false, true, netip.MustParseAddr("198.51.100.2")
		}),
		"outside a follower": set(func(f *Facts) { f.Server.Leads, f.Inbound = false, nil }),
		"outside the largest": set(func(f *Facts) {
			f.Config.ID, f.Inbound = 3, f.Inbound[2:]
			f.Server.Leads, f.Server.Links[1].ID = false, 1
			f.Members, f.Names[0].Own, f.Names[2].Own, f.Ports = nil, false, true, nil
			f.Config.Client.Listen = []string{"0.0.0.0:2181"}
		}),
		"outside not told": set(func(f *Facts) { f.Server.Told, f.Server.Leads, f.Server.Links, f.Inbound = false, false, nil, nil }),
		"outside strangers": set(func(f *Facts) {
			stranger := Inbound{Port: 2181, From: netip.MustParseAddr("203.0.113.9"), Open: true, Stranger: true}
			gone := Inbound{Port: 2181, From: netip.MustParseAddr("203.0.113.10"), Stranger: true}
			f.Inbound = append(f.Inbound, stranger, stranger, gone)
		}),
		"outside many strangers": set(func(f *Facts) {
			for i := range 5 {
				f.Inbound = append(f.Inbound, Inbound{Port: 2181, From: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), Open: true, Stranger: true})
			}
			f.Inbound = append(f.Inbound, Inbound{Port: 3888, From: netip.MustParseAddr("203.0.113.4"), Open: true, Stranger: true})
		}),
		"outside strangers without rules": set(func(f *Facts) {
			f.Server.Unguarded = true
			f.Inbound = append(f.Inbound, Inbound{Port: 2181, From: netip.MustParseAddr("203.0.113.9"), Open: true, Stranger: true})
		}),
		"unit weakened and guarded": set(func(f *Facts) { f.Unit.CapabilityNet, f.Server.Guarded = false, true }),
		"refused and a member is missing": set(func(f *Facts) {
			f.Server.Links[1] = Link{ID: 3, Class: "timed out"}
			f.Firewall.Refused = []Refused{{3888, netip.MustParseAddr("192.0.2.33"), 6}, {2888, netip.MustParseAddr("192.0.2.33"), 2}}
		}),
		"refused and nobody is missing": set(func(f *Facts) { f.Firewall.Refused = []Refused{{3888, netip.MustParseAddr("203.0.113.9"), 1}} }),
		"refused nobody knows who": set(func(f *Facts) {
			f.Server.Links[0].Election, f.Server.Links[1].Election = false, false
			f.Firewall.Refused = []Refused{{Port: 3888, Packets: 77}}
		}),
		"refused and the leader misses one": set(func(f *Facts) {
			f.Server.Links[0].Follows = false
			f.Firewall.Refused = []Refused{{2888, netip.MustParseAddr("2001:db8::33"), 1}}
		}),
		"refused once long ago": set(func(f *Facts) { f.Firewall.Refused = []Refused{{Port: 3888, Packets: 77}} }),
		"foreign firewall": set(func(f *Facts) {
			f.Firewall.Problems = []Finding{{"Z102", Warning, "ufw drops member 2", "run: ufw allow"}}
		}),
		"two rules": set(func(f *Facts) {
			f.Firewall.Problems = []Finding{{"Z101", Warning, "ufw drops loopback", "run: ufw allow"}, {"Z101", Warning, "iptables drops loopback", "run: iptables"}}
			f.Ports[0].OK, f.Ports[0].Class = false, "timed out" // of that
		}),
		"other tick": set(func(f *Facts) { f.Members[1].Conf["tickTime"] = "3000" }),
		"other list": set(func(f *Facts) {
			f.Members[0].Servers = map[zk.ServerID]string{1: "h1:2888:3888", 2: "h2:2889:3888", 4: "h4:2888:3888"}
		}),
		"old java":          set(func(f *Facts) { f.Members[1].Version = "3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f, built on 2022" }),
		"half upgraded":     set(func(f *Facts) { f.Members[0].Version = "3.9.5-zkd-0.0.9, built on 2026" }),
		"dir of root":       set(func(f *Facts) { f.Dirs[0].Owner, f.Dirs[0].Mode = "root", 0o755 }),
		"dir in memory":     set(func(f *Facts) { f.Dirs[0].FileSystem = "tmpfs" }),
		"dir over nfs":      set(func(f *Facts) { f.Dirs[0].FileSystem = "nfs" }),
		"dir unreadable":    set(func(f *Facts) { f.Dirs[0].Error = "stat /var/lib/zkd: permission denied" }),
		"dir gone":          set(func(f *Facts) { f.Dirs[0].Found = false }),
		"disk full":         set(func(f *Facts) { f.Dirs[0].FreeBytes = 100 << 20 }),
		"disk nearly full":  set(func(f *Facts) { f.Dirs[0].FreeBytes = 4 << 30 }),
		"disk slow":         set(func(f *Facts) { f.Fsync.P99 = 25_400 }),
		"disk very slow":    set(func(f *Facts) { f.Fsync.P50, f.Fsync.P99 = 400_000, 1_500_000 }),
		"restore cut short": set(func(f *Facts) { f.Restoring = true }),
		"snapshot damaged":  set(func(f *Facts) { f.Snapshots.Damaged = []string{"snapshot.9: too short: 3 bytes"} }),
		"no snapshot":       set(func(f *Facts) { *f.Snapshots = Snapshots{LogFiles: 2} }),
		"snapshot stale":    set(func(f *Facts) { f.Snapshots.NewestAgeSeconds, f.Snapshots.LogBytes = 9*86400, 3<<30 }),
		"log damaged":       set(func(f *Facts) { f.Snapshots.LogDamage = "log.1: damaged: at byte 700" }),
		"too many files":    set(func(f *Facts) { f.Snapshots.Count = 31 }),
		"no purge":          toml("[firewall]", "[storage]\npurge_interval = \"0s\"\n[firewall]"),
		"clock free":        set(func(f *Facts) { f.Clock.Synchronised = false }),
		"clock behind":      set(func(f *Facts) { f.Members[0].BehindMillis = 61_500 }),
		"clock ahead":       set(func(f *Facts) { f.Members[0].BehindMillis = -3_000 }),
		"few files":         set(func(f *Facts) { f.Process.MaxFiles, f.Process.OpenFiles = 1024, 1000 }),
		"swapped":           set(func(f *Facts) { f.Process.SwapBytes = 300 << 20 }),
		"replaced":          set(func(f *Facts) { f.Process.Replaced = true }),
		"as root":           set(func(f *Facts) { f.Process.UID, f.Unit.User = 0, "root" }),
		"far away":          set(func(f *Facts) { f.Ports[1].RTTMicros = 700_000 }),
		"large snapshot":    set(func(f *Facts) { f.Snapshots.NewestBytes = 5 << 30 }),
		"ephemeral port":    toml("192.0.2.1:2181", "192.0.2.1:33333"),
		"reserved port": func(t *testing.T) Facts {
			f := toml("192.0.2.1:2181", "192.0.2.1:33333")(t)
			f.Ephemeral.Reserved = func(port int) bool { return port == 33333 }
			return f
		},
		"unit failed":   set(func(f *Facts) { f.Unit.Active, f.Unit.Result, f.Unit.ExitStatus = "failed", "exit-code", 78 }),
		"unit starting": set(func(f *Facts) { f.Unit.Active, f.Unit.StatusText = "activating", "replaying log.1: 41 %" }),
		"unit disabled": set(func(f *Facts) { f.Unit.Enabled, f.Unit.NeedsReload, f.Unit.Restarts = "disabled", true, 3 }),
		"unit weakened": set(func(f *Facts) { f.Unit.CapabilityNet, f.Unit.OtherZooKeeper = false, "zookeeper.service" }),
	}
	for name, facts := range tests {
		t.Run(name, func(t *testing.T) {
			r := Judge(facts(t))
			if r.Problems+r.Warnings != len(r.Findings) {
				t.Errorf("%d problems and %d warnings in %d findings", r.Problems, r.Warnings, len(r.Findings))
			}
			for _, f := range r.Findings {
				if f.Fix == "" {
					t.Errorf("%s %s: nothing to do about it", f.Code, f.Text)
				}
			}
			file := filepath.Join("testdata", strings.NewReplacer(" ", "_", "'", "").Replace(name)+".txt")
			if *rewrite {
				if err := os.WriteFile(file, []byte(r.Text()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if r.Text() != string(want) {
				t.Errorf("got\n%swant\n%s", r.Text(), want)
			}
		})
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) != len(tests) {
		t.Errorf("%d files in testdata and %d rows, %v", len(files), len(tests), err)
	}
}
