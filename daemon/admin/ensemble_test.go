package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/peer"
	"zkd/quorum/zk"
)

// askFake answers for the members.
type askFake struct {
	told  map[zk.ServerID]Told
	asked []string
	shut  map[string]Told // own addresses that answer otherwise than told says
}

func (a *askFake) Ask(_ context.Context, addrs []string) map[string]Told {
	a.asked = addrs
	all := maps.Clone(a.shut)
	if all == nil {
		all = make(map[string]Told)
	}
	for id, addr := range places {
		if _, ok := all[addr]; !ok && slices.Contains(addrs, addr) {
			all[addr] = a.told[id]
		}
	}
	return all
}

// places are where the members of follower serve clients.
var places = map[zk.ServerID]string{
	1: "127.0.0.1:2181",   // this server, as this host reaches it
	2: "192.168.1.5:2181", // not given: its host, our port
	3: "192.168.1.9:2182", // a port for all addresses
	4: "10.0.0.4:2181",    // as given
}

func up() quorum.Reach {
	return quorum.Reach{Known: true, OK: true, Since: noon.Add(-time.Hour)}
}

func down(class peer.Class, err string) quorum.Reach {
	return quorum.Reach{Known: true, Class: string(class), Error: err, Since: noon.Add(-time.Minute)}
}

// memberAt is a member that is known by its configuration only.
func memberAt(id zk.ServerID, host string) quorum.MemberStatus {
	return quorum.MemberStatus{ID: id, PeerAddr: host + ":2888", ElectionAddr: host + ":3888", Zxid: -1, Lag: -1, Election: up()}
}

// follower is the first of the three servers of one network, in a healthy ensemble with an observer.
func follower() *fake {
	f := serving()
	f.st.Role, f.st.Epoch, f.st.ClientAddrs = quorum.Follower, 7, []string{"0.0.0.0:2181"}
	f.st.LastZxid, f.st.LoggedZxid = 0x70000002a, 0x70000002b
	one, two, three, four := memberAt(1, "192.168.1.3"), memberAt(2, "192.168.1.5"), memberAt(3, "192.168.1.9"), memberAt(4, "zk4.example")
	one.Self, one.Election, one.Synced, one.Role = true, quorum.Reach{}, true, quorum.Follower
	two.Role, two.Peer = quorum.Leader, up()
	three.ClientAddr = "0.0.0.0:2182"
	four.Observer, four.ClientAddr = true, "10.0.0.4:2181"
	f.st.Ensemble = &quorum.EnsembleStatus{Leader: 2, Quorum: true, Voters: 3, NeededVoters: 2, Losses: 1,
		Members: []quorum.MemberStatus{one, two, three, four}}
	return f
}

// everybody is what the members say while all is well.
func everybody() *askFake {
	return &askFake{told: map[zk.ServerID]Told{
		1: {Client: up(), Role: quorum.Follower, Zxid: 0x70000002a}, 2: {Client: up(), Role: quorum.Leader, Zxid: 0x70000002d},
		3: {Client: up(), Role: quorum.Follower, Zxid: 0x70000002a}, 4: {Client: up(), Role: quorum.Observer, Zxid: 0x600000001},
	}}
}

// leading is the same ensemble as its leader sees it, with one server down and the observer behind.
func leading() (*fake, *askFake) {
	f, a := follower(), everybody()
	f.st.Role = quorum.Leader
	e := f.st.Ensemble
	e.Leader, e.Losses = 1, 0
	e.Members[0].Role = quorum.Leader
	e.Members[1].Role, e.Members[1].Synced, e.Members[1].Zxid, e.Members[1].Lag, e.Members[1].Peer = quorum.Follower, true, 0x70000002a, 1, quorum.Reach{}
	e.Members[2].Election = down(peer.Refused, "dial tcp 192.168.1.9:3888: connect: connection refused")
	e.Members[3].Role, e.Members[3].Synced, e.Members[3].Zxid, e.Members[3].Lag = quorum.Observer, true, 0x600000001, 900
	a.told[2] = Told{Client: up(), Role: quorum.Follower, Zxid: 0x70000002a}
	a.told[3] = Told{Client: down(peer.Refused, "dial tcp 192.168.1.9:2182: connect: connection refused"), Zxid: -1}
	return f, a
}

// alone is the first server when it reaches nobody.
func alone() (*fake, *askFake) {
	f := follower()
	f.st.Role, f.st.Serving, f.st.NotServing = quorum.Looking, false, "looking for a leader"
	e := f.st.Ensemble
	e.Leader, e.Quorum, e.Losses, e.Election = 0, false, -1, "looking in round 5 for a vote for 1"
	e.Members[0].Role, e.Members[0].Synced = quorum.Looking, false
	e.Members[1].Role, e.Members[1].Peer = "", quorum.Reach{}
	e.Members[1].Election = down(peer.TimedOut, "dial tcp 192.168.1.5:3888: i/o timeout")
	e.Members[2].Election = down(peer.Refused, "dial tcp 192.168.1.9:3888: connect: connection refused")
	timedOut := Told{Client: down(peer.TimedOut, "i/o timeout"), Zxid: -1}
	return f, &askFake{told: map[zk.ServerID]Told{1: {Client: up(), Role: quorum.Looking, Zxid: -1}, 2: timedOut, 3: timedOut, 4: timedOut}}
}

func asking(f *fake, a *askFake) *Server {
	s := newServer(f)
	s.o.Asker = a
	return s
}

func TestAMemberAnswersAsInTheGoldenFiles(t *testing.T) {
	healthy := asking(follower(), everybody())
	led := asking(leading())
	looking := asking(alone())
	cutOff := func() *Server {
		f, a := alone()
		a.told[2] = Told{Client: up(), Role: quorum.Leader, Zxid: 0x700000030}
		return asking(f, a)
	}()
	shut := func() *Server {
		a := everybody()
		a.told[1] = Told{Client: down(peer.TimedOut, "dial tcp 127.0.0.1:2181: i/o timeout"), Zxid: -1}
		return asking(follower(), a)
	}()
	syncing := func() *Server {
		f := follower()
		f.st.Serving, f.st.NotServing = false, "following server 2"
		f.st.Ensemble.Sync = "taking a snapshot, 41 of 100 MiB"
		return asking(f, everybody())
	}()
	for file, test := range map[string]struct {
		s      *Server
		target string
	}{
		"follower.json":             {healthy, "/status"},
		"follower.txt":              {healthy, "/status?format=text"},
		"leader.txt":                {led, "/status?format=text"},
		"looking.json":              {looking, "/status"},
		"looking.txt":               {looking, "/status?format=text"},
		"looking-readyz.txt":        {looking, "/readyz?verbose"},
		"cut-off.txt":               {cutOff, "/status?format=text"},
		"loopback-shut.txt":         {shut, "/status?format=text"},
		"syncing.txt":               {syncing, "/status?format=text"},
		"follower-leader.json":      {healthy, "/commands/leader"},
		"follower-voting_view.json": {healthy, "/commands/voting_view"},
		"follower-zabstate.json":    {healthy, "/commands/zabstate"},
		"follower-observers.json":   {healthy, "/commands/observers"},
		"leader-leader.json":        {led, "/commands/lead"},
		"leader-observers.json":     {led, "/commands/obsr"},
		"leader-zabstate.json":      {led, "/commands/zabstate"},
		"looking-leader.json":       {looking, "/commands/leader"},
		"looking-zabstate.json":     {looking, "/commands/zabstate"},
		"syncing-zabstate.json":     {syncing, "/commands/zabstate"},
	} {
		t.Run(file, func(t *testing.T) {
			golden(t, "member/"+file, ask(test.s, "GET", test.target).Body.Bytes())
		})
	}
}

// A member that is served by nobody and one that cannot be asked must not look alike.
func TestABlockedLoopbackIsNoTroubleOfTheEnsemble(t *testing.T) {
	a := everybody()
	a.told[1] = Told{Client: down(peer.TimedOut, "i/o timeout"), Zxid: -1}
	s := asking(follower(), a)
	if rec := ask(s, "GET", "/readyz"); rec.Code != http.StatusOK {
		t.Errorf("/readyz: %d, %s", rec.Code, rec.Body)
	}
	r := s.report(t.Context())
	if !r.Serving || !r.Ensemble.Quorum || r.Ensemble.Losses != 1 || strings.Contains(r.Ensemble.Summary, "missing") {
		t.Errorf("%+v", r.Ensemble)
	}
	if len(r.Problems) != 1 || r.Problems[0].Code != "Z101" {
		t.Errorf("problems %+v, want Z101 alone", r.Problems)
	}
}

func TestMembersAreAskedWhereTheyServeClients(t *testing.T) {
	a := everybody()
	asking(follower(), a).report(t.Context())
	if want := slices.Sorted(maps.Values(places)); !slices.Equal(slices.Sorted(slices.Values(a.asked)), want) {
		t.Errorf("asked %q, want %q", a.asked, want)
	}
}

// A firewall may let in one address of a host and not another: none of them may pass for all.
func TestEveryAddressOfTheOwnClientPortIsAsked(t *testing.T) {
	f, a := follower(), everybody()
	f.st.ClientAddrs = []string{"127.0.0.1:2181", "192.168.1.3:2181", "[fd00::3]:2181", "[::]:2181"}
	ok, shut := a.told[1], Told{Client: down(peer.TimedOut, "i/o timeout"), Zxid: -1}
	a.shut = map[string]Told{"127.0.0.1:2181": ok, "192.168.1.3:2181": shut, "[fd00::3]:2181": shut}
	r := asking(f, a).report(t.Context())
	for _, addr := range []string{"127.0.0.1:2181", "192.168.1.3:2181", "[fd00::3]:2181"} {
		if !slices.Contains(a.asked, addr) {
			t.Errorf("%s was not asked, but %q", addr, a.asked)
		}
	}
	if len(r.Problems) != 1 || r.Problems[0].Code != "Z101" || !strings.Contains(r.Problems[0].Text, "192.168.1.3:2181 (timed out) and [fd00::3]:2181 (timed out)") {
		t.Errorf("problems %+v", r.Problems)
	}
	if c := r.Ensemble.Members[0].Client; c.OK || c.Address != "192.168.1.3:2181" {
		t.Errorf("the table shows %+v, not an address that is shut", c)
	}
}

func TestThisServersOwnPortIsAskedByIPv4WhereItTakesThat(t *testing.T) {
	for listens, want := range map[string]string{"[::]:2181": "127.0.0.1:2181", "0.0.0.0:2181": "127.0.0.1:2181", "[::1]:2181": "[::1]:2181", "192.168.1.3:2181": "192.168.1.3:2181"} {
		f := follower()
		f.st.ClientAddrs = []string{listens}
		if got := ownAddrs(f.st); !slices.Equal(got, []string{want}) {
			t.Errorf("%s is asked at %s, want %s", listens, got, want)
		}
	}
}

func TestWhatTheNextLossMeansDependsOnWhoIsMissing(t *testing.T) {
	led, _ := leading()
	two := follower()
	two.st.Ensemble.Voters, two.st.Ensemble.Losses, two.st.Ensemble.Members = 2, 0, two.st.Ensemble.Members[:2]
	for want, st := range map[string]quorum.Status{
		"bring the missing servers back: zkd status says which": led.st,
		"none is missing: 2 voters can lose none; use 3 or 5":   two.st,
	} {
		all := ensembleProblems(st, ensembleReport(st, heard{}), nil)
		if len(all) == 0 || all[0].Code != "Z108" || all[0].Fix != want {
			t.Errorf("%+v, want Z108 first and to %s", all, want)
		}
	}
}

func TestClientAddress(t *testing.T) {
	for name, test := range map[string]struct{ configured, host, want string }{
		"given":                             {"10.0.0.2:2182", "b", "10.0.0.2:2182"},
		"a port of all IPv4 addresses":      {"0.0.0.0:2182", "b", "b:2182"},
		"a port of all addresses":           {":2182", "fd00::2", "[fd00::2]:2182"},
		"all IPv6 addresses":                {"[::]:2182", "b", "b:2182"},
		"not given":                         {"", "b", "b:2181"},
		"not given, on an IPv6 host":        {"", "fd00::2", "[fd00::2]:2181"},
		"not given, and on this host":       {"", "A", ""},
		"given, and on this host":           {"a:2182", "a", "a:2182"},
		"nothing is known of it whatsoever": {"", "", ""},
	} {
		if got := ClientAddress(test.configured, test.host, "a", "2181"); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*quorum.Status)
		want   string
	}{
		"healthy": {func(*quorum.Status) {}, "server 2 leads; 3 of 3 voters in touch, 2 needed: 1 more may be lost"},
		"five":    {func(s *quorum.Status) { s.Ensemble.Voters, s.Ensemble.NeededVoters, s.Ensemble.Losses = 5, 3, 2 }, "server 2 leads; 5 of 5 voters in touch, 3 needed: 2 more may be lost"},
		"one voter is away": {func(s *quorum.Status) {
			s.Ensemble.Losses, s.Ensemble.Members[2].Election = 0, down(peer.NameUnknown, "no such host")
		},
			"server 2 leads; 2 of 3 voters in touch, 2 needed: the next loss ends the service; missing: server 3 (192.168.1.9:3888 name unknown: the name has no address)"},
		"an observer is away": {func(s *quorum.Status) { s.Ensemble.Members[3].Election = down(peer.OtherError, "a strange error") },
			"server 2 leads; 3 of 3 voters in touch, 2 needed: 1 more may be lost; missing: observer 4 (zk4.example:3888 a strange error)"},
		"the leader's own election port does not matter to who follows it": {func(s *quorum.Status) { s.Ensemble.Members[1].Election = down(peer.TimedOut, "x") },
			"server 2 leads; 3 of 3 voters in touch, 2 needed: 1 more may be lost"},
		"just started": {func(s *quorum.Status) {
			s.Ensemble.Leader, s.Ensemble.Quorum, s.Ensemble.Losses = 0, false, -1
			s.Ensemble.Members[1].Election, s.Ensemble.Members[2].Election = quorum.Reach{}, quorum.Reach{}
			s.Ensemble.Members = s.Ensemble.Members[:3]
		},
			"no quorum; 1 of 3 voters in touch, 2 needed; missing: server 2 (192.168.1.5:3888 not tried yet), server 3 (192.168.1.9:3888 not tried yet)"},
		"a leader knows who does not follow": {func(s *quorum.Status) {
			s.Role, s.Ensemble.Leader, s.Ensemble.Losses = quorum.Leader, 1, 0
			s.Ensemble.Members = s.Ensemble.Members[:3]
			s.Ensemble.Members[2].Synced = true
		},
			"this server leads; 2 of 3 voters in touch, 2 needed: the next loss ends the service; missing: server 2 (can be reached, does not follow yet)"},
	} {
		t.Run(name, func(t *testing.T) {
			st := follower().st
			test.change(&st)
			if got := Verdict(st); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// What somebody needs at three in the morning: since when, who, and what to do where.
func TestAnOutageSaysWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*quorum.Status)
		want   string
	}{
		"one of the two that are away is enough": {func(*quorum.Status) {},
			"This server has been looking for a leader for 1h0m0s, since 2026-01-02 11:00:00 UTC. 1 of the 2 missing servers must come back:\n" +
				"  Z103 server 2, timed out for 1m0s, since 2026-01-02 11:59:00 UTC\n       -> see whether 192.168.1.5 is up: ping 192.168.1.5; if it is, run there: zkd firewall check\n" +
				"  Z103 server 3, refused for 1m0s, since 2026-01-02 11:59:00 UTC\n       -> start the server on 192.168.1.9: systemctl start zkd; journalctl -u zkd -n 50 says why it was not running\n"},
		"both are needed": {func(s *quorum.Status) { s.Ensemble.NeededVoters = 3 }, "All 2 missing servers must come back:\n"},
		"an observer is not": {func(s *quorum.Status) {
			s.Ensemble.NeededVoters, s.Ensemble.Members[1].Observer = 3, true
		}, "The missing server must come back:\n  Z103 server 3,"},
		"just started": {func(s *quorum.Status) { s.Ensemble.Members[1].Election = quorum.Reach{} }, "\n  server 2, which was not tried yet: look again in a few seconds\n"},
		"one direction only": {func(s *quorum.Status) { s.Ensemble.Members[1].Election = down(peer.NoAnswer, "x") },
			"Z103 server 2, no answer for 1m0s, since 2026-01-02 11:59:00 UTC\n       -> let 192.168.1.5 in on the election port of this host: zkd firewall check\n"},
		"nobody is away": {func(s *quorum.Status) { s.Ensemble.Members[1].Election, s.Ensemble.Members[2].Election = up(), up() },
			"All voters can be reached, and an election takes seconds: where it does not end, run zkd doctor on each host\n"},
		"weights decide":                {func(s *quorum.Status) { s.Ensemble.NeededVoters = 1 }, "Of the missing servers, enough for a quorum must come back:\n"},
		"a full disk is another matter": {func(s *quorum.Status) { s.ReadOnlyDisk = true }, ""},
		"it leads, or follows":          {func(s *quorum.Status) { s.Ensemble.Leader = 2 }, ""},
		"it serves":                     {func(s *quorum.Status) { s.Serving = true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, a := alone()
			test.change(&f.st)
			r := asking(f, a).report(t.Context())
			text, _ := r.outage()
			if !strings.Contains(text, test.want) || test.want == "" && text != "" || !strings.Contains(r.Text(), text) {
				t.Errorf("got\n%swant\n%s", text, test.want)
			}
		})
	}
	var old Report // of a server that does not say when it answered
	if got := old.since(noon); got != "since 2026-01-02 12:00:00 UTC" {
		t.Error(got)
	}
}

func TestWhyNotServing(t *testing.T) {
	lone, _ := alone()
	full, _ := alone()
	full.st.ReadOnlyDisk, full.st.NotServing = true, "the disk is nearly full"
	elected := follower().st
	elected.Serving, elected.NotServing = false, "waiting for a quorum of followers"
	bare := quorum.Status{NotServing: "recovering the log"}
	for name, test := range map[string]struct {
		st   quorum.Status
		want string
	}{
		"serving":                       {follower().st, ""},
		"standalone":                    {bare, "recovering the log"},
		"no reason":                     {quorum.Status{}, "no reason given"},
		"without a quorum: who and why": {lone.st, Verdict(lone.st)},
		"with a full disk: the disk":    {full.st, "the disk is nearly full"},
		"with a leader: what it does":   {elected, "waiting for a quorum of followers"},
	} {
		if got := WhyNotServing(test.st); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
