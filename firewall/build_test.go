package firewall

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, s := range texts {
		if !strings.Contains(s, "/") {
			a := netip.MustParseAddr(s)
			list = append(list, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

// at are ports with addresses.
func at(texts ...string) (list []netip.AddrPort) {
	for _, s := range texts {
		list = append(list, netip.MustParseAddrPort(s))
	}
	return list
}

// everywhere are ports at all addresses.
func everywhere(ports ...uint16) (list []netip.AddrPort) {
	for _, p := range ports {
		list = append(list, netip.AddrPortFrom(netip.Addr{}, p))
	}
	return list
}

func build(t *testing.T, p Policy) Ruleset {
	t.Helper()
	rs, err := Build(p)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// three is the ensemble of the examples.
func three() Policy {
	return Policy{
		Table:       "zkd",
		ClientPorts: everywhere(2181), PeerPorts: at("192.168.1.11:2888", "[fd00:1::11]:2888"),
		ElectionPorts: at("192.168.1.11:3888", "[fd00:1::11]:3888"), AdminPorts: at("127.0.0.1:8080", "[::1]:8080"),
		Members: prefixes("192.168.1.11", "192.168.1.12", "192.168.1.13", "fd00:1::11"),
		Clients: prefixes("192.168.1.0/24", "fd00:1::/64"),
	}
}

func TestRulesetsAsText(t *testing.T) {
	standalone := Policy{ClientPorts: at("127.0.0.1:2181", "[::1]:2181"), AdminPorts: at("127.0.0.1:8080", "[::1]:8080")}
	everyone := three()
	everyone.Clients = prefixes("0.0.0.0/0", "::/0", "10.0.0.0/8")
	everyone.ClientPorts = at("0.0.0.0:2181", "192.168.1.11:2181", "127.0.0.1:2181")
	everyone.AdminPorts = at("192.168.1.11:8080", "127.0.0.1:8080")
	everyone.Refusal = Reject
	instance := Policy{
		Table:       "zkd_blue",
		ClientPorts: everywhere(2182, 2281, 2182), PeerPorts: at("10.0.0.1:2889"), ElectionPorts: at("10.0.0.1:2889", "[::]:3889", "10.0.0.1:3889"), AdminPorts: everywhere(8081),
		Members: prefixes("10.0.0.1", "10.0.0.2", "10.0.0.3", "::ffff:10.0.0.4"),
		Admins:  prefixes("10.9.0.0/16"),
	}
	for name, p := range map[string]Policy{
		"three_members": three(), "standalone_on_loopback": standalone, "clients_from_everywhere": everyone, "instance_with_shared_ports": instance,
	} {
		t.Run(name, func(t *testing.T) {
			got := build(t, p).Script()
			file := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	var many []netip.Prefix
	for i := range maxRanges + 1 {
		many = append(many, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 32))
	}
	for name, test := range map[string]struct {
		p    Policy
		want string
	}{
		"the table of another program":     {Policy{Table: "filter"}, `table "filter": must be zkd or zkd_`},
		"a table that only begins like it": {Policy{Table: "zkdx"}, `table "zkdx"`},
		"a table that is not one word":     {Policy{Table: "zkd_a; flush ruleset"}, "must be zkd or zkd_"},
		"an instance without a name":       {Policy{Table: "zkd_"}, `table "zkd_"`},
		"a port of two classes":            {Policy{ClientPorts: everywhere(8080), AdminPorts: everywhere(8080)}, "port 8080 has two uses, client and admin"},
		"a port that the system chooses":   {Policy{ClientPorts: everywhere(0)}, "client port 0"},
		"no prefix":                        {Policy{Clients: []netip.Prefix{{}}}, "is no range of addresses"},
		"more ranges than fit":             {Policy{Clients: many}, "1025 separate ipv4_addr ranges of clients"},
		"an unknown refusal":               {Policy{Refusal: "ignore"}, `refusal "ignore"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Build(test.p); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// The loopback rule is the one whose absence costs hours: no policy is without it, and nothing is before it.
func TestLoopbackIsAcceptedFirst(t *testing.T) {
	for _, p := range []Policy{{}, three()} {
		rs := build(t, p)
		first := rs.Chains[0].Rules[0]
		if c := rs.Chains[0]; !c.Base || !first.Loopback || first.Verdict != Accept || first.From != "" || first.Port != 0 || first.PortSet != "" {
			t.Errorf("the first rule of chain %s is %s", c.Name, first)
		}
	}
}

// Another program may have the same port at another address, and so may another zkd.
func TestOnlyPacketsForTheServerAreJudged(t *testing.T) {
	p := Policy{
		ClientPorts: at("10.0.0.1:2181", "[fd00::1]:2181", "127.0.0.1:2181"), PeerPorts: at("0.0.0.0:2888"), ElectionPorts: at("[::]:3888", "10.0.0.1:3888"),
		AdminPorts: at("127.0.0.1:8080", "127.9.0.1:8080", "[::1]:8080"),
	}
	rs := build(t, p)
	for _, test := range []struct {
		source, dest string
		port         uint16
		judged       bool
	}{
		{"192.0.2.1", "10.0.0.1", 2181, true}, {"192.0.2.1", "10.0.0.2", 2181, false},
		{"2001:db8::1", "fd00::1", 2181, true}, {"2001:db8::1", "fd00::2", 2181, false},
		{"192.0.2.1", "10.0.0.2", 2888, true}, {"2001:db8::1", "fd00::1", 2888, true},
		{"192.0.2.1", "10.0.0.2", 3888, true}, {"2001:db8::1", "fd00::2", 3888, true},
		{"192.0.2.1", "10.0.0.1", 8080, false}, {"192.0.2.1", "127.0.0.1", 8080, false}, {"2001:db8::1", "fd00::1", 8080, false},
	} {
		k := Packet{Source: netip.MustParseAddr(test.source), Dest: netip.MustParseAddr(test.dest), Port: test.port}
		if through, by := rs.Judge(k); through == test.judged {
			t.Errorf("%+v gets through: %v, by %q", k, through, by)
		}
	}
	if got := p.Ports(); !slices.Equal(got, []uint16{2181, 2888, 3888, 8080}) {
		t.Errorf("ports %v", got)
	}
}

// What applies rules can be another process.
func TestRulesetsSurviveJSON(t *testing.T) {
	rs := build(t, three())
	text, err := json.Marshal(State{Exists: true, Ruleset: rs, Counts: []Count{{Chain: "judge", Rule: rs.Chains[1].Rules[0], Packets: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.Ruleset, rs) || !Diff(rs, back.Ruleset).None() || back.Counts[0].Packets != 3 {
		t.Errorf("became %s", text)
	}
}
