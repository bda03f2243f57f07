package firewall

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestRangesAreWrittenAsNftWritesThem(t *testing.T) {
	for name, test := range map[string]struct {
		in   []netip.Prefix
		want string
	}{
		"nested":                     {prefixes("10.0.0.0/8", "10.1.0.0/16"), "10.0.0.0/8"},
		"everything and more":        {prefixes("0.0.0.0/0", "198.51.100.0/24"), "0.0.0.0/0"},
		"two halves":                 {prefixes("10.0.0.0/25", "10.0.0.128/25"), "10.0.0.0/24"},
		"neighbours that do not fit": {prefixes("10.0.1.0/24", "10.0.2.0/24"), "10.0.1.0-10.0.2.255"},
		"up to the last address":     {prefixes("240.0.0.0/4", "255.255.255.255"), "240.0.0.0/4"},
		"bits behind the prefix":     {prefixes("10.0.0.7/24"), "10.0.0.0/24"},
		"the last of IPv6":           {prefixes("ff00::/8"), "ff00::/8"},
		"a single address":           {prefixes("10.0.0.7"), "10.0.0.7"},
		"a zone":                     {[]netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("fe80::1%eth0").WithZone(""), 64)}, "fe80::/64"},
		"IPv4 in the form of IPv6":   {prefixes("::ffff:10.0.0.0/104"), "10.0.0.0/8"},
	} {
		t.Run(name, func(t *testing.T) {
			v4, v6, err := Merge(test.in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range append(v4, v6...) {
				got = append(got, r.String())
			}
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("got %s, want %s", s, test.want)
			}
		})
	}
}

func TestDiffNamesWhatChanges(t *testing.T) {
	base := build(t, three())
	for name, test := range map[string]struct {
		have     func(Policy) Ruleset
		setsOnly bool
		want     string
	}{
		"nothing": {func(p Policy) Ruleset { return build(t, p) }, true, ""},
		"a member more": {func(p Policy) Ruleset {
			p.Members = prefixes("192.168.1.11", "192.168.1.12", "fd00:1::11")
			return build(t, p)
		}, true, "- set members4: 192.168.1.11-192.168.1.12\n+ set members4: 192.168.1.11-192.168.1.13"},
		"another way to refuse": {func(p Policy) Ruleset { p.Refusal = Reject; return build(t, p) }, false,
			"- rule refuse: reject with tcp reset\n+ rule refuse: drop"},
		"an empty table": {func(Policy) Ruleset { return Ruleset{Table: "zkd"} }, false, "+ set ports { type inet_service }\n+ set ports: 2181\n"},
		"somebody's rule in front": {func(p Policy) Ruleset {
			rs := build(t, p)
			rs.Chains[0].Rules = slices.Insert(rs.Chains[0].Rules, 0, Rule{Verdict: DropPacket})
			return rs
		}, false, "- rule input: drop"},
		"somebody's set and chain": {func(p Policy) Ruleset {
			rs := build(t, p)
			rs.Sets = append(rs.Sets, Set{Name: "x", Kind: IPv4})
			rs.Chains = append(rs.Chains, Chain{Name: "y"})
			return rs
		}, false, "- set x { type ipv4_addr }\n- chain y"},
		"another policy of the chain": {func(p Policy) Ruleset {
			rs := build(t, p)
			rs.Chains[0].Other = "policy drop"
			return rs
		}, false, "- chain input policy drop\n+ chain input"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Diff(base, test.have(three()))
			got := strings.Join(c.Lines, "\n")
			if test.want == "" && got != "" || !strings.HasPrefix(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if c.SetsOnly != test.setsOnly {
				t.Errorf("SetsOnly is %v", c.SetsOnly)
			}
		})
	}
}

func TestChangedNamesTheSetsToWrite(t *testing.T) {
	p := three()
	p.Clients = prefixes("192.168.1.0/24")
	var names []string
	for _, s := range Changed(build(t, p), build(t, three())) {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"clients6"}) {
		t.Errorf("changed: %v", names)
	}
}

func TestMoreAddressesAreWider(t *testing.T) {
	more := three()
	more.Members = append(more.Members, prefixes("192.168.1.14", "10.0.0.1")...)
	less := three()
	less.Clients = prefixes("192.168.1.0/25", "fd00:1::/64")
	ports := three()
	ports.ClientPorts = everywhere(2182)
	for name, test := range map[string]struct {
		have Policy
		want bool
	}{"the same": {three(), true}, "a member more": {more, true}, "fewer clients": {less, false}, "another port": {ports, false}} {
		if got := Wider(build(t, three()), build(t, test.have)); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheTallyOutlivesTheCountersOfTheKernel(t *testing.T) {
	rs := build(t, three())
	counts := func(packets uint64) (list []Count) {
		for _, r := range rs.Chains[2].Rules {
			if r.Count {
				list = append(list, Count{Chain: "judge", Rule: r, Packets: packets, Bytes: 60 * packets})
			}
		}
		return list
	}
	var tally Tally
	for _, n := range []uint64{0, 5, 7} {
		tally.Add(counts(n))
	}
	tally.Add(counts(2)) // the table was made anew by somebody
	tally.Restarted()    // and now by us: it has counted more than before all the same
	tally.Add(counts(3))
	tally.Add(counts(3))
	list := tally.Refused()
	// Every port refuses strangers, and the classes that are for other ports.
	var keys []string
	for _, r := range list {
		keys = append(keys, r.Use+":"+string(r.Source))
		want := uint64(12)
		if r.Source != Stranger {
			want *= 2 // one rule for each family
		}
		if r.Packets != want || r.Bytes != 60*want {
			t.Errorf("%+v: want %d packets", r, want)
		}
	}
	want := "client:stranger peer:client peer:stranger election:client election:stranger"
	if got := strings.Join(keys, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestClientsComeFromTheSubnetsOfTheListenAddresses(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("192.168.1.5/24"),
		netip.MustParsePrefix("10.8.0.5/16"), netip.MustParsePrefix("fd00:1::5/64"), netip.MustParsePrefix("fe80::5/64"),
		netip.MustParsePrefix("10.9.0.5/32")}
	for name, test := range map[string]struct {
		listen, want string
	}{
		"loopback":             {"127.0.0.1 ::1", ""},
		"one address":          {"192.168.1.5", "192.168.1.0/24"},
		"two":                  {"192.168.1.5 fd00:1::5 127.0.0.1", "192.168.1.0/24 fd00:1::/64"},
		"all of IPv4":          {"0.0.0.0", "192.168.1.0/24 10.8.0.0/16"},
		"all of IPv6 and IPv4": {"::", "192.168.1.0/24 10.8.0.0/16 fd00:1::/64 fe80::/64"},
		"a link-local address": {"fe80::5%eth0", "fe80::/64"},
		"not of this host":     {"192.168.1.6", ""},
		"without a subnet":     {"10.9.0.5", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var listen []netip.Addr
			for _, s := range strings.Fields(test.listen) {
				listen = append(listen, netip.MustParseAddr(s))
			}
			var got []string
			for _, p := range Connected(listen, own) {
				got = append(got, p.String())
			}
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("got %s, want %s", s, test.want)
			}
		})
	}
	if got := Connected([]netip.Addr{{}}, own); len(got) != 4 {
		t.Errorf("no host at all: %v", got)
	}
}
