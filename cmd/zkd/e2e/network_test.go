package e2e

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A network is a switch with a host for each server of an ensemble, and one for the test and its
// clients. Every host is a network namespace, so that servers with one and the same zoo.cfg lose the packets that a real
// network loses: they vanish on the way, in one direction if so told, below connections that stay open. The addresses
// are of RFC 5737, and lead nowhere else.
//
// Needs root in its own network namespace; see namespace_test.go.
type network struct {
	hosts int
	cuts  map[way]cut
	slow  map[int]bool
}

// testHost is the number of the test's own host; servers count from 1.
const testHost = 0

// A way leads packets from one host to another.
type way struct{ from, to int }

// A cut is what becomes of the packets of a way: a statement of nft.
type cut string

const (
	blackHole cut = "drop" // they vanish
	// reset breaks connections at once. The packets that say so pass, also through the opposite cut.
	reset cut = "tcp flags & rst == 0 reject with tcp reset"
)

// newNetwork returns a network with so many hosts beside the test's. It ends with the test.
func newNetwork(t testing.TB, hosts int) *network {
	t.Helper()
	need(t, iproute, nftables, utilLinux)
	n := &network{hosts: hosts, cuts: map[way]cut{}, slow: map[int]bool{}}
	script := []string{"link add zkd type bridge", "address add " + hostAddr(testHost) + "/24 dev zkd", "link set zkd up"}
	for host := range hosts {
		host++
		name := hostName(host)
		script = append(script,
			"netns add "+name,
			fmt.Sprintf("link add %s type veth peer name eth0 netns %s", name, name),
			"link set "+name+" master zkd up",
		)
	}
	t.Cleanup(func() { // a namespace that goes takes its cable along, but later
		script := []string{"link del zkd"}
		for host := range hosts {
			script = append(script, "link del "+hostName(host+1), "netns del "+hostName(host+1))
		}
		run(t, strings.Join(script, "\n"), "ip", "-batch", "-")
	})
	run(t, strings.Join(script, "\n"), "ip", "-batch", "-")
	for host := range hosts {
		host++
		run(t, strings.Join([]string{
			"address add " + hostAddr(host) + "/24 dev eth0", "link set eth0 up", "link set lo up",
		}, "\n"), "ip", "-n", hostName(host), "-batch", "-")
	}
	return n
}

func hostName(host int) string { return fmt.Sprintf("server%d", host) }

// hostAddr returns a host's address; the test's is the last of the network.
func hostAddr(host int) string {
	if host == testHost {
		host = 254
	}
	return fmt.Sprintf("192.0.2.%d", host)
}

// on returns what runs a program on a host, in front of its command. The process is the program's own.
func on(host int) []string { return []string{"nsenter", "--net=/run/netns/" + hostName(host), "--"} }

// run runs a program with that input and fails the test if it fails.
func run(t testing.TB, input string, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(input)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s\n%s", command, err, input, output)
	}
}

// cut cuts the ways from each of one group to each of the other, in that direction only.
func (n *network) cut(t testing.TB, how cut, from, to []int) {
	t.Helper()
	for _, a := range from {
		for _, b := range to {
			n.cuts[way{a, b}] = how
		}
	}
	for _, b := range to {
		n.apply(t, b)
	}
}

// part cuts all ways between two groups of hosts, in both directions.
func (n *network) part(t testing.TB, how cut, one, other []int) {
	t.Helper()
	n.cut(t, how, one, other)
	n.cut(t, how, other, one)
}

// slowDown leaves a host 50 kB/s for all that it sends.
func (n *network) slowDown(t testing.TB, host int) {
	t.Helper()
	n.slow[host] = true
	run(t, "", "tc", "-n", hostName(host), "qdisc", "replace", "dev", "eth0", "root",
		"tbf", "rate", "400kbit", "burst", "16kb", "latency", "2s")
}

// heal undoes all.
func (n *network) heal(t testing.TB) {
	t.Helper()
	cut := map[int]bool{}
	for w := range n.cuts {
		cut[w.to] = true
	}
	clear(n.cuts)
	for _, host := range slices.Sorted(maps.Keys(cut)) {
		n.apply(t, host)
	}
	for _, host := range slices.Sorted(maps.Keys(n.slow)) {
		run(t, "", "tc", "-n", hostName(host), "qdisc", "del", "dev", "eth0", "root")
	}
	clear(n.slow)
}

// apply makes a host refuse the packets that the cuts say, in one transaction.
func (n *network) apply(t testing.TB, host int) {
	t.Helper()
	rules := []string{"table ip cuts", "delete table ip cuts", "table ip cuts {", "chain arriving {", "type filter hook input priority 0"}
	for w, how := range n.cuts {
		if w.to == host {
			rules = append(rules, fmt.Sprintf("ip saddr %s %s", hostAddr(w.from), how))
		}
	}
	rules = append(rules, "}", "}")
	if host == testHost {
		run(t, strings.Join(rules, "\n"), "nft", "-f", "-")
		return
	}
	run(t, strings.Join(rules, "\n"), slices.Concat(on(host), []string{"nft", "-f", "-"})...)
}
