package foreign

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func prefix(s string) netip.Prefix {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p
	}
	a := netip.MustParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen())
}

// flows of a member of three on 10.1.0.1 and fd00:1::1, whose clients are in its subnet.
func flows() []Flow {
	own4, own6 := netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("fd00:1::1")
	list := []Flow{
		{Name: "loopback", Loopback: true, Peer: prefix("127.0.0.1"), Own: netip.MustParseAddr("127.0.0.1"), Ports: []uint16{2181, 8080}},
		{Name: "loopback", Loopback: true, Peer: prefix("::1"), Own: netip.MustParseAddr("::1"), Ports: []uint16{2181, 8080}},
		{Name: "own address", Loopback: true, Peer: prefix("10.1.0.1"), Own: own4, Ports: []uint16{2181, 8080}},
	}
	for _, peer := range []string{"10.1.0.2", "172.16.0.3", "fd00:1::2"} {
		f := Flow{Name: "member", Peer: prefix(peer), Own: own4, Interface: "lan0", Ports: []uint16{2888, 3888}}
		if f.Peer.Addr().Is6() {
			f.Own = own6
		}
		out := f
		out.Out = true
		list = append(list, f, out)
	}
	return append(list, Flow{Name: "clients", Peer: prefix("10.1.0.0/24"), Own: own4, Interface: "lan0", Ports: []uint16{2181}})
}

// The views were read from hosts with the real programs, and what is found was compared with real connections:
//
//   - iptables (1.8.9, nft): policy drop, the LAN and answers accepted, no rule for loopback
//   - ufw (0.36.2): enabled as it comes
//   - firewalld (1.3.3): started as it comes
//
// The commands of ufw and firewalld were run there too, and opened the ports.
func TestFindingsOnRealHosts(t *testing.T) {
	for _, name := range []string{"iptables", "ufw", "firewalld"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var v View
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, f := range Check(v, flows()) {
				fmt.Fprintf(&b, "%s\n", f.Text)
				for _, c := range f.Fix {
					fmt.Fprintf(&b, "\t%s\n", c)
				}
				fmt.Fprintf(&b, "\tkeep: %s\n", f.Keep)
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got\n%swant\n%s", b.String(), want)
			}
		})
	}
}

// port, from, state and in are matches.
func port(list ...uint16) Match {
	m := Match{Field: DestPort}
	for _, p := range list {
		b := []byte{byte(p >> 8), byte(p)}
		m.Spans = append(m.Spans, Span{b, b})
	}
	return m
}

func exactly(f Field, value ...byte) Match {
	return Match{Field: f, Spans: []Span{{value, value}}}
}

func not(m Match) Match { m.Not = !m.Not; return m }

func in(name string) Match { return exactly(InName, append([]byte(name), 0)...) }

func established() Match {
	return Match{Field: State, Mask: big32(stateEstablished), Not: true, Spans: []Span{{big32(0), big32(0)}}}
}

func TestPacketsGoThroughTheRulesOfOthers(t *testing.T) {
	base := func(drop bool, rules ...Rule) []Chain {
		return []Chain{{Family: "inet", Table: "t", Name: "in", Hook: Input, Type: "filter", PolicyDrop: drop, Rules: rules}}
	}
	with := func(chains []Chain, name string, rules ...Rule) []Chain {
		return append(chains, Chain{Family: "inet", Table: "t", Name: name, Rules: rules})
	}
	maybe := Match{Field: Unknown}
	far := Packet{Source: netip.MustParseAddr("10.1.0.2"), Dest: netip.MustParseAddr("10.1.0.1"), Port: 2181}
	far6 := Packet{Source: netip.MustParseAddr("fd00::2"), Dest: netip.MustParseAddr("fd00::1"), Port: 2181}
	lo := Packet{Loopback: true, Source: netip.MustParseAddr("127.0.0.1"), Dest: netip.MustParseAddr("127.0.0.1"), Port: 2181}
	known, answer := far, far
	known.Interface = "eth1"
	answer.Answer, answer.Source, answer.Dest = true, far.Dest, far.Source

	const through, lost, depends = "through", "lost", "depends"
	for name, test := range map[string]struct {
		chains []Chain
		p      Packet
		want   string
	}{
		"nothing there":                             {nil, far, through},
		"policy drop":                               {base(true), far, lost},
		"policy drop, accepted port":                {base(true, Rule{Matches: []Match{port(22, 2181)}, Verdict: Accept}), far, through},
		"policy drop, other port":                   {base(true, Rule{Matches: []Match{port(22)}, Verdict: Accept}), far, lost},
		"policy accept, rejected at the end":        {base(false, Rule{Matches: []Match{port(22)}, Verdict: Accept}, Rule{Verdict: Reject}), far, lost},
		"answers are accepted, this is none":        {base(true, Rule{Matches: []Match{established()}, Verdict: Accept}), far, lost},
		"answers are accepted, this is one":         {base(true, Rule{Matches: []Match{established()}, Verdict: Accept}), answer, through},
		"loopback is accepted":                      {base(true, Rule{Matches: []Match{in("lo")}, Verdict: Accept}), lo, through},
		"loopback is accepted, this is none":        {base(true, Rule{Matches: []Match{in("lo")}, Verdict: Accept}), far, lost},
		"all but loopback is dropped":               {base(false, Rule{Matches: []Match{not(in("lo"))}, Verdict: Drop}), far, lost},
		"loopback by type":                          {base(true, Rule{Matches: []Match{exactly(InType, big16(typeLoopback)...)}, Verdict: Accept}), far, lost},
		"loopback by index":                         {base(true, Rule{Matches: []Match{exactly(InIndex, big32(1)...)}, Verdict: Accept}), far, lost},
		"an interface, which is not known":          {base(true, Rule{Matches: []Match{in("eth1")}, Verdict: Accept}), far, depends},
		"an interface, this one":                    {base(true, Rule{Matches: []Match{in("eth1")}, Verdict: Accept}), known, through},
		"interfaces whose names begin alike":        {base(true, Rule{Matches: []Match{exactly(InName, []byte("eth")...)}, Verdict: Accept}), known, through},
		"names that begin with l":                   {base(true, Rule{Matches: []Match{exactly(InName, 'l')}, Verdict: Accept}), far, depends},
		"an outgoing interface, at the input":       {base(true, Rule{Matches: []Match{exactly(OutName, []byte("eth1")...)}, Verdict: Accept}), known, lost},
		"a source":                                  {base(true, Rule{Matches: []Match{exactly(Source4, 10, 1, 0, 2)}, Verdict: Accept}), far, through},
		"the first bytes of a source":               {base(true, Rule{Matches: []Match{exactly(Source4, 10, 1)}, Verdict: Accept}), far, through},
		"a masked source":                           {base(true, Rule{Matches: []Match{{Field: Source4, Mask: []byte{255, 255, 255, 0xfe}, Spans: []Span{{[]byte{10, 1, 0, 2}, []byte{10, 1, 0, 2}}}}}, Verdict: Accept}), far, through},
		"a source of the other family":              {base(true, Rule{Matches: []Match{exactly(Source4, 10, 1, 0, 2)}, Verdict: Accept}), far6, lost},
		"not a source, of the other family":         {base(false, Rule{Matches: []Match{not(exactly(Source4, 10, 1, 0, 2))}, Verdict: Drop}), far6, through},
		"a limit may let it through":                {base(true, Rule{Matches: []Match{maybe, port(2181)}, Verdict: Accept}), far, depends},
		"a limit on another port does not":          {base(true, Rule{Matches: []Match{maybe, port(22)}, Verdict: Accept}), far, lost},
		"a limit may drop it":                       {base(false, Rule{Matches: []Match{maybe}, Verdict: Drop}), far, depends},
		"a limit may drop it, accepted before":      {base(false, Rule{Matches: []Match{port(2181)}, Verdict: Accept}, Rule{Matches: []Match{maybe}, Verdict: Drop}), far, through},
		"UDP is dropped":                            {base(false, Rule{Matches: []Match{exactly(Protocol, 17)}, Verdict: Drop}), far, through},
		"a queue":                                   {base(false, Rule{Verdict: Unclear}), far, depends},
		"a statement goes on":                       {base(true, Rule{}, Rule{Verdict: Accept}), far, through},
		"a jump comes back":                         {with(base(true, Rule{Verdict: Jump, Target: "x"}, Rule{Verdict: Accept}), "x", Rule{Matches: []Match{port(22)}, Verdict: Drop}), far, through},
		"a jump decides":                            {with(base(false, Rule{Verdict: Jump, Target: "x"}), "x", Rule{Verdict: Drop}), far, lost},
		"a return comes back":                       {with(base(true, Rule{Verdict: Jump, Target: "x"}, Rule{Verdict: Accept}), "x", Rule{Verdict: Return}, Rule{Verdict: Drop}), far, through},
		"a goto does not come back":                 {with(base(true, Rule{Verdict: Goto, Target: "x"}, Rule{Verdict: Accept}), "x", Rule{Matches: []Match{port(22)}, Verdict: Drop}), far, lost},
		"a return of the base chain is its policy":  {base(true, Rule{Verdict: Return}, Rule{Verdict: Accept}), far, lost},
		"a jump in circles":                         {with(base(false, Rule{Verdict: Jump, Target: "x"}), "x", Rule{Verdict: Jump, Target: "x"}), far, depends},
		"a jump to nowhere":                         {base(false, Rule{Verdict: Jump, Target: "x"}), far, depends},
		"a map of states":                           {base(false, Rule{Map: &Map{Field: State, Cases: []Case{{Span{big32(stateNew), big32(stateNew)}, Drop, ""}}}}), far, lost},
		"a map that does not have it":               {base(true, Rule{Map: &Map{Field: State, Cases: []Case{{Span{big32(stateEstablished), big32(stateEstablished)}, Drop, ""}}}}, Rule{Verdict: Accept}), far, through},
		"an accept of one chain, a drop of another": {append(base(false, Rule{Verdict: Accept}), Chain{Family: "ip", Table: "u", Name: "in", Hook: Input, Type: "filter", Priority: 5, PolicyDrop: true}), far, lost},
		"the other family drops":                    {[]Chain{{Family: "ip6", Table: "u", Name: "in", Hook: Input, Type: "filter", PolicyDrop: true}}, far, through},
		"another hook drops":                        {[]Chain{{Family: "ip", Table: "u", Name: "out", Hook: Output, Type: "filter", PolicyDrop: true}}, far, through},
		"a chain that translates":                   {[]Chain{{Family: "ip", Table: "nat", Name: "INPUT", Hook: Input, Type: "nat", PolicyDrop: true}}, far, through},
	} {
		t.Run(name, func(t *testing.T) {
			fate := Judge(test.chains, Input, test.p)
			got := through
			switch {
			case fate.Lost():
				got = lost
			case fate.Dropped:
				got = depends
			}
			if got != test.want {
				t.Errorf("%s, want %s: %+v", got, test.want, fate)
			}
		})
	}
}

func TestManagersAreKnownByTheirNames(t *testing.T) {
	v := View{Configured: []string{"inet filter"}, Chains: []Chain{{Family: "ip", Table: "filter", Name: "ufw-before-input"}}}
	for name, test := range map[string]struct {
		via  Via
		want Manager
	}{
		"firewalld":                     {Via{Family: "inet", Table: "firewalld", Chain: "filter_IN_public"}, Firewalld},
		"ufw, by its chains":            {Via{Family: "ip", Table: "filter", Chain: "INPUT", Base: "INPUT"}, UFW},
		"no chains of ufw there":        {Via{Family: "ip6", Table: "filter", Chain: "INPUT", Base: "INPUT"}, IptablesNFT},
		"Docker in iptables":            {Via{Family: "ip", Table: "filter", Chain: "DOCKER-USER", Base: "INPUT"}, Docker},
		"Docker in nftables":            {Via{Family: "ip", Table: "docker-bridges", Chain: "raw-PREROUTING", Base: "raw-PREROUTING"}, Docker},
		"Kubernetes":                    {Via{Family: "ip", Table: "filter", Chain: "KUBE-FIREWALL", Base: "INPUT"}, Kubernetes},
		"the file of nftables.service":  {Via{Family: "inet", Table: "filter", Chain: "input", Base: "input"}, NftablesUnit},
		"somebody else":                 {Via{Family: "inet", Table: "mine", Chain: "input", Base: "input"}, OtherNftables},
		"nft with a name like iptables": {Via{Family: "ip", Table: "filter", Chain: "input", Base: "input"}, OtherNftables},
	} {
		t.Run(name, func(t *testing.T) {
			if got := manager(v, test.via); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// What may drop is told from what does, and comes after it; loopback comes first.
func TestFindingsSayHowCertainTheyAre(t *testing.T) {
	limit := Rule{Matches: []Match{{Field: Unknown}}, Verdict: Drop}
	found := Check(View{Chains: []Chain{
		{Family: "ip", Table: "a", Name: "i", Hook: Input, Type: "filter", Rules: []Rule{limit}},
		{Family: "ip6", Table: "b", Name: "i", Hook: Input, Type: "filter", PolicyDrop: true, Rules: []Rule{{Matches: []Match{in("lo")}, Verdict: Accept}}},
	}}, flows())
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%s %v %v %v", f.Table, f.Certain, f.Loopback, strings.Contains(f.Text, "may drop")))
	}
	if want := "ip6 b true false false, ip a false true true"; strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

// The rules of the old iptables are not visible; that they are there is.
func TestLegacyTablesAreSaid(t *testing.T) {
	if found := Check(View{Legacy4: []string{"nat"}}, flows()); len(found) != 0 {
		t.Errorf("a nat table: %+v", found)
	}
	found := Check(View{Legacy4: []string{"nat", "filter"}, Legacy6: []string{"filter"}}, flows())
	if len(found) != 2 || found[0].Manager != IptablesLegacy || found[0].Certain || found[0].Fix[0] != "iptables-legacy -S INPUT" ||
		found[1].Fix[1] != "ip6tables-legacy -I INPUT -i lo -j ACCEPT" {
		t.Errorf("found %+v", found)
	}
}

// The commands name the hook, the table and the direction in which the packets were lost.
func TestCommandsFitWhereThePacketsWereLost(t *testing.T) {
	for name, test := range map[string]struct {
		family, table, chain string
		hook                 Hook
		want                 string
	}{
		"iptables, nothing comes in": {"ip", "filter", "INPUT", Input,
			"iptables -I INPUT -i lo -j ACCEPT\n" +
				"iptables -I INPUT -p tcp --source 10.1.0.2,172.16.0.3 -m multiport --destination-ports 2888,3888 -j ACCEPT\n" +
				"iptables -I INPUT -p tcp --source 10.1.0.2,172.16.0.3 -m multiport --source-ports 2888,3888 -j ACCEPT\n" +
				"iptables -I INPUT -p tcp --source 10.1.0.0/24 -m multiport --destination-ports 2181 -j ACCEPT"},
		"ip6tables, nothing goes out": {"ip6", "filter", "OUTPUT", Output,
			"ip6tables -I OUTPUT -o lo -j ACCEPT\n" +
				"ip6tables -I OUTPUT -p tcp --destination fd00:1::2 -m multiport --source-ports 2888,3888 -j ACCEPT\n" +
				"ip6tables -I OUTPUT -p tcp --destination fd00:1::2 -m multiport --destination-ports 2888,3888 -j ACCEPT"},
		"before routing": {"ip6", "raw", "PREROUTING", Prerouting,
			"ip6tables -t raw -I PREROUTING -i lo -j ACCEPT\n" +
				"ip6tables -t raw -I PREROUTING -p tcp --source fd00:1::2 -m multiport --destination-ports 2888,3888 -j ACCEPT\n" +
				"ip6tables -t raw -I PREROUTING -p tcp --source fd00:1::2 -m multiport --source-ports 2888,3888 -j ACCEPT"},
		"nft": {"ip6", "mine", "out", Output,
			"nft 'insert rule ip6 mine out oifname \"lo\" accept'\n" +
				"nft 'insert rule ip6 mine out ip6 daddr { fd00:1::2 } tcp sport { 2888, 3888 } accept'\n" +
				"nft 'insert rule ip6 mine out ip6 daddr { fd00:1::2 } tcp dport { 2888, 3888 } accept'"},
	} {
		t.Run(name, func(t *testing.T) {
			found := Check(View{Chains: []Chain{{Family: test.family, Table: test.table, Name: test.chain, Hook: test.hook, Type: "filter", PolicyDrop: true}}}, flows())
			if len(found) != 1 || !found[0].Certain {
				t.Fatalf("found %+v", found)
			}
			if got := strings.Join(found[0].Fix, "\n"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
