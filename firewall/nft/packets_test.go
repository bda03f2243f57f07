package nft

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"zkd/firewall"
	"zkd/firewall/netlab"
)

// hosts are two: one with zkd, and one on the other end of its cable that speaks for everybody else, by
// the address from which it calls.
//
//	10.1.0.1   fd00:1::1     zkd, on all ports
//	10.1.0.2   fd00:1::2     a member
//	10.7.0.2   fd00:7::2     a member in another subnet
//	10.1.0.3   fd00:1::3     in the subnet of the clients
//	192.0.2.9  2001:db8::9   a stranger, routed
type hosts struct{ zkd, lan *netlab.Namespace }

func newHosts(t *testing.T) hosts {
	h := hosts{netlab.New(t), netlab.New(t)}
	h.zkd.Link("lan0", h.lan, "zkd0")
	h.zkd.Addr("lan0", "10.1.0.1/24", "fd00:1::1/64")
	h.lan.Addr("zkd0", "10.1.0.2/24", "10.1.0.3/24", "10.7.0.2/32", "192.0.2.9/32", "fd00:7::2/128", "fd00:1::2/64", "fd00:1::3/64", "2001:db8::9/128")
	// Neighbours are known: a rule that shuts ICMPv6 would otherwise seem to shut TCP.
	h.zkd.Run("ip", "link", "set", "lan0", "address", "02:00:00:00:00:01")
	h.lan.Run("ip", "link", "set", "zkd0", "address", "02:00:00:00:00:02")
	for _, a := range []string{"10.1.0.2", "10.1.0.3", "fd00:1::2", "fd00:1::3"} {
		h.zkd.Run("ip", "neighbour", "replace", a, "lladdr", "02:00:00:00:00:02", "dev", "lan0", "nud", "permanent")
	}
	for _, a := range []string{"10.1.0.1", "fd00:1::1"} {
		h.lan.Run("ip", "neighbour", "replace", a, "lladdr", "02:00:00:00:00:01", "dev", "zkd0", "nud", "permanent")
	}
	h.zkd.Run("ip", "route", "add", "default", "via", "10.1.0.2")
	h.zkd.Run("ip", "-6", "route", "add", "default", "via", "fd00:1::2")
	for _, port := range []string{"2181", "2888", "3888", "8080", "22"} {
		h.zkd.Listen("[::]:" + port) // IPv4 too
	}
	return h
}

// Outcomes of a connection.
const (
	open  = "open"
	shut  = "shut"  // no answer
	reset = "reset" // refused
)

// patience for a packet to arrive: nothing else is waited for, over a cable in the same machine.
const patience = 150 * time.Millisecond

// try connects. An outcome other than the one that is expected is tried again with more patience: a busy
// machine may be slow, but rules do not change their mind.
func (h hosts) expect(t *testing.T, source, address, want string) {
	t.Helper()
	from := h.lan
	if source == "self" {
		from, source = h.zkd, ""
	}
	var got string
	var err error
	for within := patience; within < 3*time.Second; within *= 4 {
		err = from.Dial(source, address, within)
		switch {
		case err == nil:
			got = open
		case errors.Is(err, syscall.ECONNREFUSED):
			got = reset
		case errors.Is(err, os.ErrDeadlineExceeded), os.IsTimeout(err):
			got = shut
		default:
			got = err.Error()
		}
		if got == want {
			return
		}
	}
	t.Errorf("%s to %s: %s (%v), want %s", source, address, got, err, want)
}

// Real packets meet the rules as the policy says, in both families, from everybody.
func TestPacketsAreJudgedAsThePolicySays(t *testing.T) {
	h := newHosts(t)
	for _, source := range []string{"10.1.0.3", "192.0.2.9"} { // without rules everything is open: the test can fail
		h.expect(t, source, "10.1.0.1:8080", open)
	}
	apply(t, &Netfilter{Namespace: h.zkd.FD()}, build(t, policy()))
	for _, family := range []struct{ own, loopback, member, remote, subnet, stranger string }{
		{"10.1.0.1", "127.0.0.1", "10.1.0.2", "10.7.0.2", "10.1.0.3", "192.0.2.9"},
		{"[fd00:1::1]", "[::1]", "fd00:1::2", "fd00:7::2", "fd00:1::3", "2001:db8::9"},
	} {
		for port, want := range map[string][4]string{ // member, member elsewhere, subnet, stranger
			"2181": {open, open, open, shut},
			"2888": {open, open, shut, shut},
			"3888": {open, open, shut, shut},
			"8080": {shut, shut, shut, shut},
			"22":   {open, open, open, open}, // none of ours
		} {
			for i, source := range []string{family.member, family.remote, family.subnet, family.stranger} {
				h.expect(t, source, family.own+":"+port, want[i])
			}
			h.expect(t, "self", family.loopback+":"+port, open)
			h.expect(t, "self", family.own+":"+port, open) // travels over loopback too
		}
	}
	counted := make(map[string]uint64)
	for _, c := range read(t, &Netfilter{Namespace: h.zkd.FD()}).Counts {
		counted[c.Rule.Comment] += c.Packets
	}
	for _, comment := range []string{"loopback", "client port, client", "client port, member", "peer port, member", "refused: client port, stranger", "refused: peer port, client",
		"refused: election port, stranger", "refused: admin port, member", "refused: admin port, stranger"} {
		if counted[comment] == 0 {
			t.Errorf("nothing was counted for %q: %v", comment, counted)
		}
	}
}

func TestRejectAnswersWithAReset(t *testing.T) {
	h := newHosts(t)
	p := policy()
	p.Refusal = firewall.Reject
	apply(t, &Netfilter{Namespace: h.zkd.FD()}, build(t, p))
	for _, c := range [][2]string{{"192.0.2.9", "10.1.0.1:2181"}, {"2001:db8::9", "[fd00:1::1]:2181"}, {"10.1.0.3", "10.1.0.1:2888"}} {
		h.expect(t, c[0], c[1], reset)
	}
}

// A removed member is cut off at once, also in the middle of a connection: nothing is remembered.
func TestARemovedMemberLosesItsConnection(t *testing.T) {
	h := newHosts(t)
	n := &Netfilter{Namespace: h.zkd.FD()}
	p := policy()
	p.ClientPorts = append(p.ClientPorts, everywhere(2281)...) // the echo
	rs := build(t, p)
	apply(t, n, rs)
	conn := h.echo(t, "10.1.0.3", "10.1.0.1:2281")
	if err := conn.ask("a", time.Second*10); err != nil {
		t.Fatal(err)
	}
	p.Clients = prefixes("10.1.0.2")
	next := build(t, p)
	if err := n.UpdateSets(t.Context(), "zkd", firewall.Changed(next, rs)); err != nil {
		t.Fatal(err)
	}
	if err := conn.ask("b", patience); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the removal: %v", err)
	}
}

// Another program has the same ports at another address of the host: it is none of ours.
func TestPacketsForAnotherAddressAreNotJudged(t *testing.T) {
	h := newHosts(t)
	h.zkd.Addr("lan0", "10.1.0.99/24", "fd00:1::99/64")
	h.zkd.Run("ip", "link", "set", "lan0", "address", "02:00:00:00:00:01")
	for _, a := range []string{"10.1.0.99", "fd00:1::99"} {
		h.lan.Run("ip", "neighbour", "replace", a, "lladdr", "02:00:00:00:00:01", "dev", "zkd0", "nud", "permanent")
	}
	p := policy()
	p.ClientPorts, p.PeerPorts = at("10.1.0.1:2181", "[fd00:1::1]:2181"), at("10.1.0.1:2888")
	p.ElectionPorts, p.AdminPorts = at("0.0.0.0:3888"), at("127.0.0.1:8080", "[::1]:8080")
	apply(t, &Netfilter{Namespace: h.zkd.FD()}, build(t, p))
	for address, want := range map[string]string{
		"10.1.0.1:2181": shut, "10.1.0.99:2181": open, "10.1.0.1:2888": shut, "10.1.0.99:2888": open, "10.1.0.1:3888": shut, "10.1.0.99:3888": shut,
		"10.1.0.1:8080": open, "10.1.0.99:8080": open,
	} {
		h.expect(t, "192.0.2.9", address, want)
	}
	for address, want := range map[string]string{
		"[fd00:1::1]:2181": shut, "[fd00:1::99]:2181": open, "[fd00:1::1]:2888": open, "[fd00:1::1]:3888": shut, "[fd00:1::1]:8080": open,
	} {
		h.expect(t, "2001:db8::9", address, want)
	}
}
