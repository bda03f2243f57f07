package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"

	"zkd/firewall/foreign"
)

// What is foretold of rules of others is what happens to real packets.
func TestForeignRulesAreForetoldAsTheyAct(t *testing.T) {
	h := newHosts(t)
	n := &Netfilter{Namespace: h.zkd.FD()}
	apply(t, n, build(t, policy())) // zkd's own table is not a foreign one, and lets all of these through but strangers
	type probe struct {
		source string
		port   uint16
	}
	probes := []probe{{"10.1.0.2", 2888}, {"10.1.0.3", 2181}, {"fd00:1::2", 3888}, {"self", 2181}}
	for name, rules := range map[string]string{
		"policy drop":             `chain i { type filter hook input priority 0; policy drop; }`,
		"a port":                  `chain i { type filter hook input priority 0; policy drop; ct state established accept; tcp dport 2888 accept; }`,
		"ports and ranges":        `chain i { type filter hook input priority 0; policy drop; tcp dport { 22, 2180-2190, 3888 } accept; }`,
		"a comparison":            `chain i { type filter hook input priority 0; policy drop; tcp dport >= 2888 accept; }`,
		"not a range":             `chain i { type filter hook input priority 0; policy accept; tcp dport != 2000-2999 drop; }`,
		"a source prefix":         `chain i { type filter hook input priority 0; policy drop; ip saddr 10.1.0.0/30 accept; }`,
		"a source of whole bytes": `chain i { type filter hook input priority 0; policy drop; ip saddr 10.1.0.0/16 accept; }`,
		"an IPv6 prefix":          `chain i { type filter hook input priority 0; policy drop; ip6 saddr fd00:1::/48 accept; }`,
		"a set with intervals": `set s { type ipv4_addr; flags interval; elements = { 10.1.0.3-10.1.0.9, 240.0.0.0/4 }; }
			chain i { type filter hook input priority 0; policy drop; ip saddr @s accept; }`,
		"a set up to the end": `set s { type ipv6_addr; flags interval; elements = { fd00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff }; }
			chain i { type filter hook input priority 0; policy drop; ip6 saddr @s accept; }`,
		"a map of states": `chain i { type filter hook input priority 0; policy drop; ct state vmap { established : accept, new : jump j, invalid : drop }; }
			chain j { tcp dport vmap { 2181 : accept, 2888-2889 : goto k }; }
			chain k { meta nfproto ipv4 return; accept; }`,
		"loopback by name":     `chain i { type filter hook input priority 0; policy drop; iifname "lo" accept; }`,
		"all but loopback":     `chain i { type filter hook input priority 0; policy accept; iif != "lo" drop; }`,
		"the other interface":  `chain i { type filter hook input priority 0; policy drop; iifname { "lan0", "lan1" } accept; }`,
		"names that begin so":  `chain i { type filter hook input priority 0; policy drop; iifname "lan*" accept; }`,
		"by family":            `chain i { type filter hook input priority 0; policy accept; meta nfproto ipv6 drop; }`,
		"by flags":             `chain i { type filter hook input priority 0; policy accept; tcp flags & (fin | syn | rst | ack) == syn drop; }`,
		"local destinations":   `chain i { type filter hook input priority 0; policy drop; fib daddr type local accept; }`,
		"sources with a route": `chain i { type filter hook prerouting priority -150; policy accept; fib saddr . iif oif missing drop; }`,
		"before routing":       `chain i { type filter hook prerouting priority -300; policy accept; ip saddr 10.1.0.2 drop; }`,
		"statements":           `chain i { type filter hook input priority 0; policy drop; counter; log prefix "x"; meta mark set 7; tcp dport 2181 counter accept; }`,
		"a reject":             `chain i { type filter hook input priority 0; policy accept; tcp dport 2888 reject; }`,
		"answers held back":    `chain o { type filter hook output priority 0; policy accept; tcp sport 2888 drop; }`,
	} {
		t.Run(name, func(t *testing.T) {
			h.zkd.Nft("table inet other\ndelete table inet other\ntable inet other {\n" + rules + "\n}\n")
			view, err := n.Foreign(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen := make(map[string]bool)
			for _, p := range probes {
				flow := foreign.Flow{Name: p.source, Interface: "lan0", Own: netip.MustParseAddr("10.1.0.1"), Ports: []uint16{p.port}}
				address := fmt.Sprintf("10.1.0.1:%d", p.port)
				source := p.source
				switch a, err := netip.ParseAddr(p.source); {
				case err != nil:
					flow.Loopback, flow.Peer = true, netip.PrefixFrom(flow.Own, 32)
				case a.Is6():
					flow.Own, flow.Peer, address = netip.MustParseAddr("fd00:1::1"), netip.PrefixFrom(a, 128), fmt.Sprintf("[fd00:1::1]:%d", p.port)
				default:
					flow.Peer = netip.PrefixFrom(a, 32)
				}
				want := open
				for _, f := range foreign.Check(view, []foreign.Flow{flow}) {
					if !f.Certain {
						t.Errorf("%s is not sure: %s", source, f.Text)
					}
					if want = shut; name == "a reject" {
						want = reset
					}
				}
				seen[want] = true
				h.expect(t, source, address, want)
			}
		})
	}
}

// What cannot be known is followed both ways.
func TestConditionsThatAreNotKnown(t *testing.T) {
	h := newHosts(t)
	n := &Netfilter{Namespace: h.zkd.FD()}
	for name, rule := range map[string]string{
		"a limit":         "limit rate over 1/second drop",
		"a mark":          "meta mark 7 drop",
		"several fields":  "ip saddr . tcp dport { 10.1.0.2 . 2888 } drop",
		"who knows when":  "meta hour \"00:00\"-\"23:00\" drop",
		"a random number": "numgen random mod 2 0 drop",
	} {
		t.Run(name, func(t *testing.T) {
			h.zkd.Nft("flush ruleset\ntable inet other { chain i { type filter hook input priority 0; policy accept; " + rule + "; }; }\n")
			view, err := n.Foreign(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			fate := foreign.Judge(view.Chains, foreign.Input, foreign.Packet{Source: netip.MustParseAddr("10.1.0.2"), Dest: netip.MustParseAddr("10.1.0.1"), Port: 2888})
			if !fate.Dropped || !fate.Accepted {
				t.Errorf("fate %+v of %+v", fate, view.Chains)
			}
		})
	}
}

// An expression that cannot be read is a condition, unless it is known to be none.
func TestExpressionsThatAreNotRead(t *testing.T) {
	var tr translator
	drop := &expr.Verdict{Kind: expr.VerdictDrop}
	for name, test := range map[opaque]foreign.Rule{
		"inner": {Matches: []foreign.Match{unknown}, Verdict: foreign.Drop},
		"osf":   {Matches: []foreign.Match{unknown}, Verdict: foreign.Drop},
		"last":  {Verdict: foreign.Drop},
	} {
		if got := tr.rule(rawRule{exprs: []any{name, drop}}); !reflect.DeepEqual(got, test) {
			t.Errorf("%s: got %+v, want %+v", name, got, test)
		}
	}
	if got := tr.rule(rawRule{exprs: []any{opaque("queue")}}); got.Verdict != foreign.Unclear {
		t.Errorf("a queue: %+v", got)
	}
}

// The conditions that iptables keeps in a form of its own, as it makes them.
func TestConditionsOfIptables(t *testing.T) {
	ports := func(list ...uint16) xt.InfoAny {
		info := make([]byte, 48)
		info[0], info[1] = 1, byte(len(list))
		for i, p := range list {
			binary.NativeEndian.PutUint16(info[2+2*i:], p)
		}
		info[32] = 1 // the first is the begin of a range
		u := xt.Unknown(info)
		return &u
	}
	span := func(low, high uint16) foreign.Span { return foreign.Span{From: portBytes(low), To: portBytes(high)} }
	zero := make([]byte, 4)
	native := func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
	nothing := xt.Unknown(nil)
	for name, test := range map[string]struct {
		match expr.Match
		want  []foreign.Match
	}{
		"--dport 2181": {expr.Match{Name: "tcp", Info: &xt.Tcp{SrcPorts: [2]uint16{0, 0xffff}, DstPorts: [2]uint16{2181, 2181}}},
			[]foreign.Match{{Field: foreign.Anything}, {Field: foreign.DestPort, Spans: []foreign.Span{span(2181, 2181)}}}},
		"! --sport 1:9 --syn": {expr.Match{Name: "tcp", Info: &xt.Tcp{SrcPorts: [2]uint16{1, 9}, DstPorts: [2]uint16{0, 0xffff}, InvFlags: xt.TcpInvSrcPorts, FlagsMask: 0x17, FlagsCmp: 2}},
			[]foreign.Match{{Field: foreign.SourcePort, Not: true, Spans: []foreign.Span{span(1, 9)}}, {Field: foreign.Anything},
				{Field: foreign.TCPFlags, Mask: []byte{0x17}, Spans: []foreign.Span{{From: []byte{2}, To: []byte{2}}}}}},
		"-m multiport --dports 2181:2189,3888": {expr.Match{Name: "multiport", Rev: 1, Info: ports(2181, 2189, 3888)},
			[]foreign.Match{{Field: foreign.DestPort, Spans: []foreign.Span{span(2181, 2189), span(3888, 3888)}}}},
		"-m conntrack --ctstate ESTABLISHED,RELATED": {expr.Match{Name: "conntrack", Rev: 3, Info: &xt.ConntrackMtinfo3{ConntrackMtinfo2: xt.ConntrackMtinfo2{
			ConntrackMtinfoBase: xt.ConntrackMtinfoBase{MatchFlags: uint16(xt.ConntrackState)}, StateMask: 6}}},
			[]foreign.Match{{Field: foreign.State, Mask: native(6), Not: true, Spans: []foreign.Span{{From: zero, To: zero}}}}},
		"-m conntrack --ctproto": {expr.Match{Name: "conntrack", Info: &xt.ConntrackMtinfo1{ConntrackMtinfoBase: xt.ConntrackMtinfoBase{MatchFlags: uint16(xt.ConntrackProto)}}},
			[]foreign.Match{unknown}},
		"-m addrtype --dst-type LOCAL": {expr.Match{Name: "addrtype", Rev: 1, Info: &xt.AddrTypeV1{Dest: 1 << 2}},
			[]foreign.Match{{Field: foreign.DestType, Spans: []foreign.Span{{From: native(2), To: native(2)}}}}},
		"-m addrtype --src-type LOCAL": {expr.Match{Name: "addrtype", Rev: 1, Info: &xt.AddrTypeV1{Source: 1 << 2}}, []foreign.Match{unknown}},
		"-p icmp":                      {expr.Match{Name: "icmp", Info: &nothing}, []foreign.Match{{Field: foreign.Impossible}}},
		"-m rt --rt-type 0":            {expr.Match{Name: "rt", Info: &nothing}, []foreign.Match{{Field: foreign.Impossible}}},
		"-m limit":                     {expr.Match{Name: "limit", Info: &nothing}, []foreign.Match{unknown}},
		"-m comment":                   {expr.Match{Name: "comment", Info: &nothing}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := xtMatch(&test.match); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
	for target, want := range map[string]foreign.Verdict{"REJECT": foreign.Reject, "LOG": foreign.Continue, "NFQUEUE": foreign.Unclear} {
		if got := xtTarget(target); got != want {
			t.Errorf("-j %s: %q", target, got)
		}
	}
}

func TestTablesOfAConfigurationFile(t *testing.T) {
	got := configured([]byte("#!/usr/sbin/nft -f\nflush ruleset\n\ntable inet filter {\n\tchain input {\n# table inet no\n}}\nadd table ip6 x\ntable old{\ntable inet filter {\n"))
	if want := []string{"inet filter", "ip6 x", "ip old"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
