package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"zkd/firewall"
	"zkd/firewall/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m.Run)) }

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

// everywhere are ports at all addresses, and at those at some.
func everywhere(ports ...uint16) (list []netip.AddrPort) {
	for _, p := range ports {
		list = append(list, netip.AddrPortFrom(netip.Addr{}, p))
	}
	return list
}

func at(texts ...string) (list []netip.AddrPort) {
	for _, s := range texts {
		list = append(list, netip.MustParseAddrPort(s))
	}
	return list
}

// policy of the host that the tests protect, see [protected].
func policy() firewall.Policy {
	return firewall.Policy{
		ClientPorts: everywhere(2181), PeerPorts: everywhere(2888), ElectionPorts: everywhere(3888), AdminPorts: everywhere(8080),
		Members: prefixes("10.1.0.1", "10.1.0.2", "10.7.0.2", "fd00:1::1", "fd00:1::2", "fd00:7::2"),
		Clients: prefixes("10.1.0.0/24", "fd00:1::/64"),
	}
}

func build(t testing.TB, p firewall.Policy) firewall.Ruleset {
	t.Helper()
	rs, err := firewall.Build(p)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func apply(t testing.TB, n *Netfilter, rs firewall.Ruleset) {
	t.Helper()
	if err := n.Apply(t.Context(), rs); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, n *Netfilter) firewall.State {
	t.Helper()
	s, err := n.Read(t.Context(), "zkd")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// same fails the test unless the kernel has rs.
func same(t testing.TB, n *Netfilter, rs firewall.Ruleset) {
	t.Helper()
	s := read(t, n)
	if c := firewall.Diff(rs, s.Ruleset); !s.Exists || !c.None() {
		t.Errorf("the kernel has something else:\n%s", strings.Join(c.Lines, "\n"))
	}
}

// What is applied is what is read back, whether there was a table or not.
func TestAppliedRulesAreReadBack(t *testing.T) {
	ns := netlab.New(t)
	n := &Netfilter{Namespace: ns.FD()}
	if s := read(t, n); s.Exists {
		t.Error("there is a table before there is one")
	}
	everything := policy()
	everything.Clients = prefixes("0.0.0.0/0", "198.51.100.0/24", "::/0", "fd00::/8")
	everything.Refusal = firewall.Reject
	tops := policy()
	tops.Clients = prefixes("240.0.0.0/4", "10.0.1.0/24", "10.0.2.0/24", "0.0.0.0/8", "ff00::/8", "::1/128")
	tops.Admins = prefixes("10.9.0.0/16")
	tops.ClientPorts, tops.PeerPorts, tops.AdminPorts = at("10.1.0.1:2181", "[fd00:1::1]:2181"), at("0.0.0.0:2888", "[fd00:1::1]:2888"), at("[::]:8080")
	for name, p := range map[string]firewall.Policy{"usual": policy(), "everything": everything, "ends of the families": tops, "nothing": {}} {
		rs := build(t, p)
		apply(t, n, rs)
		apply(t, n, rs)
		same(t, n, rs)
		if s := read(t, n); name == "usual" && len(s.Counts) == 0 {
			t.Error("no counter was read")
		}
	}
	for range 2 {
		if err := n.Remove(t.Context(), "zkd"); err != nil {
			t.Error(err)
		}
	}
	if s := read(t, n); s.Exists {
		t.Error("the table is there after its removal")
	}
}

// The text and what goes over netlink are the same rules: each way of loading them lists alike.
func TestTextAndNetlinkMakeTheSameTable(t *testing.T) {
	reject := policy()
	reject.Refusal, reject.Admins = firewall.Reject, prefixes("10.9.0.0/16")
	reject.ClientPorts, reject.PeerPorts, reject.AdminPorts = at("10.1.0.1:2181", "[fd00:1::1]:2181"), at("0.0.0.0:2888"), at("[::1]:8080")
	for name, p := range map[string]firewall.Policy{"drop": policy(), "reject": reject} {
		t.Run(name, func(t *testing.T) {
			rs := build(t, p)
			a, b := netlab.New(t), netlab.New(t)
			apply(t, &Netfilter{Namespace: a.FD()}, rs)
			for range 2 { // over itself, too
				b.Nft(rs.Script())
			}
			same(t, &Netfilter{Namespace: b.FD()}, rs)
			if x, y := a.Run("nft", "-s", "list", "ruleset"), b.Run("nft", "-s", "list", "ruleset"); x != y {
				t.Errorf("netlink made\n%s\nthe text made\n%s", x, y)
			}
		})
	}
}

// As many ranges as Build lets through fit into one batch.
func TestTheLargestPolicyFits(t *testing.T) {
	n := &Netfilter{Namespace: netlab.New(t).FD()}
	p := policy()
	fill := func(first byte) (list []netip.Prefix) {
		for i := range 1024 {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{first, byte(i >> 8), byte(i), 1}), 32),
				netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 1: first, 8: byte(i >> 8), 9: byte(i), 15: 1}), 128))
		}
		return list
	}
	p.Members, p.Clients, p.Admins = fill(10), fill(11), fill(12)
	rs := build(t, p)
	apply(t, n, rs)
	same(t, n, rs)
	p.Members, p.Clients, p.Admins = fill(20), fill(21), fill(22)
	next := build(t, p)
	if err := n.UpdateSets(t.Context(), "zkd", firewall.Changed(next, rs)); err != nil {
		t.Fatal(err)
	}
	same(t, n, next)
}

// Whatever somebody does to the table, Read sees it.
func TestReadSeesWhatSomebodyChanged(t *testing.T) {
	ns := netlab.New(t)
	n := &Netfilter{Namespace: ns.FD()}
	rs := build(t, policy())
	for _, command := range []string{
		"flush ruleset",
		"delete table inet zkd",
		"flush table inet zkd",
		"flush chain inet zkd judge",
		"flush set inet zkd clients4",
		"add element inet zkd members4 { 10.7.7.7 }",
		"insert rule inet zkd input drop",
		"insert rule inet zkd input meta l4proto tcp accept",
		"insert rule inet zkd input meta nfproto ipv6 accept",
		"insert rule inet zkd input iifname \"eth0\" tcp dport 2181 accept",
		"insert rule inet zkd input udp dport 2181 drop",
		"insert rule inet zkd judge tcp dport != 2181 accept",
		"insert rule inet zkd judge tcp sport 2181 accept",
		"insert rule inet zkd judge ip daddr @clients4 accept",
		"insert rule inet zkd listen ip daddr 10.1.0.1 tcp dport 2181 accept",
		"insert rule inet zkd listen ip daddr != 10.1.0.1 tcp dport 2181 jump judge",
		"insert rule inet zkd listen ip daddr 10.1.0.0/24 tcp dport 2181 jump judge",
		"flush chain inet zkd listen",
		"insert rule inet zkd judge ip saddr != @clients4 accept",
		"insert rule inet zkd judge tcp dport 2181 ct state new accept",
		"insert rule inet zkd judge limit rate over 5/minute drop",
		"insert rule inet zkd judge tcp dport 2181 tcp option sack-perm exists accept",
		"insert rule inet zkd input numgen random mod 2 0 drop",
		"add rule inet zkd refuse log prefix \"x\" group 3",
		"add chain inet zkd more { type filter hook input priority 3; policy drop; }",
		"chain inet zkd input { policy drop; }",
		"add set inet zkd extra { type ipv4_addr; flags timeout; }",
		"add map inet zkd verdicts { type inet_service : verdict; }",
	} {
		apply(t, n, rs)
		same(t, n, rs)
		ns.Nft(command)
		s := read(t, n)
		if c := firewall.Diff(rs, s.Ruleset); s.Exists && c.None() {
			t.Errorf("nft %s: not seen", command)
		}
	}
	apply(t, n, rs)
	same(t, n, rs)
}

// Sets change in place: counters go on, and what is not named stays.
func TestSetsChangeInPlace(t *testing.T) {
	h := newHosts(t)
	n := &Netfilter{Namespace: h.zkd.FD()}
	before := build(t, policy())
	apply(t, n, before)
	h.expect(t, "10.1.0.2", "10.1.0.1:2888", open)
	h.expect(t, "10.1.0.3", "10.1.0.1:2888", shut)
	p := policy()
	p.Members = prefixes("10.1.0.1", "10.1.0.3", "fd00:1::3")
	after := build(t, p)
	if err := n.UpdateSets(t.Context(), "zkd", firewall.Changed(after, before)); err != nil {
		t.Fatal(err)
	}
	same(t, n, after)
	h.expect(t, "10.1.0.2", "10.1.0.1:2888", shut)
	h.expect(t, "10.1.0.3", "10.1.0.1:2888", open)
	var tally firewall.Tally
	tally.Add(read(t, n).Counts)
	refused := fmt.Sprint(tally.Refused())
	if !strings.Contains(refused, "{2888 peer client ") {
		t.Errorf("counted: %s", refused)
	}
}

func TestErrorsSayWhatIsMissing(t *testing.T) {
	err := explain("open", fmt.Errorf("netlink receive: %w", syscall.EPERM))
	if !errors.Is(err, firewall.ErrPermission) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("EPERM became %v", err)
	}
	for _, e := range []error{syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT, syscall.EOPNOTSUPP} {
		if err := explain("open", fmt.Errorf("x: %w", e)); !errors.Is(err, firewall.ErrUnsupported) {
			t.Errorf("%v became %v", e, err)
		}
	}
	if err := explain("open", syscall.EBUSY); errors.Is(err, firewall.ErrUnsupported) || errors.Is(err, firewall.ErrPermission) {
		t.Errorf("EBUSY became %v", err)
	}
}

// An expression that cannot be read does not make a rule look like one of ours.
func TestExpressionsOfOthersAreNamed(t *testing.T) {
	ns := netlab.New(t)
	n := &Netfilter{Namespace: ns.FD()}
	apply(t, n, build(t, policy()))
	ns.Nft("insert rule inet zkd judge tcp dport 2181 numgen random mod 2 0 counter accept comment \"mine\"")
	for _, c := range read(t, n).Ruleset.Chains {
		if c.Name == "judge" && (c.Rules[0].Comment != "mine" || !strings.HasPrefix(c.Rules[0].Other, "numgen")) {
			t.Errorf("read as %+v", c.Rules[0])
		}
	}
}
