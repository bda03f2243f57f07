package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// DefaultTable is the name of the table unless a host runs several servers.
const DefaultTable = "zkd"

// Refusal is what becomes of a packet that is not allowed.
type Refusal string

const (
	// Drop answers nothing: a stranger learns nothing, and waits.
	Drop Refusal = "drop"
	// Reject answers with a TCP reset: a client goes to the next server at once.
	Reject Refusal = "reject"
)

// Use is what a port is for.
type Use string

const (
	ClientPort   Use = "client"
	PeerPort     Use = "peer"
	ElectionPort Use = "election"
	AdminPort    Use = "admin"
)

// Class is who sent a packet, as far as the policy knows.
type Class string

const (
	Member   Class = "member"
	Client   Class = "client"
	Admin    Class = "admin"
	Stranger Class = "stranger" // none of the others
)

// Policy says who may reach which ports over TCP. Loopback may reach all of them, and members also the client ports.
type Policy struct {
	// Table is DefaultTable, or begins with it and "_": lower-case letters, digits and _, at most 31 bytes.
	// A table of another name is never touched.
	Table string
	// ClientPorts are for Clients, PeerPorts and ElectionPorts for Members, AdminPorts for Admins: the ports with the
	// addresses at which the server listens, since another program may have the same port at another one. An address
	// that is not valid, 0.0.0.0 or :: is all addresses of this host: what listens at one of them is mostly reached by
	// both families, and must not be open to one. What listens on loopback needs no rule, see [Policy.ports]. A port of
	// two uses is an error, but for peer and election.
	ClientPorts, PeerPorts, ElectionPorts, AdminPorts []netip.AddrPort
	// Sources; they may overlap, in any order. IPv4 addresses in IPv6 form are IPv4.
	Members, Clients, Admins []netip.Prefix
	// Refusal is Drop unless set.
	Refusal Refusal
}

// maxRanges bounds the sources of one class and family after merging. More do not fit into one netlink
// message, which is what makes a change atomic.
const maxRanges = 1024

// port is a port of the policy with its uses: one, or peer and election.
type port struct {
	number uint16
	uses   []Use
	// at are the addresses at which it is listened on. The zero address is all of them.
	at []netip.Addr
}

// name says what the port is for: "client", "peer", "peer and election".
func (p port) name() string {
	var names []string
	for _, u := range p.uses {
		names = append(names, string(u))
	}
	return strings.Join(names, " and ")
}

// admits reports whether a class may use the port. Members ask each other on their client ports how they are, for zkd
// wait, status and doctor, from subnets that have no clients.
func (p port) admits(c Class) bool {
	return c == p.allowed() || c == Member && p.allowed() == Client
}

// allowed is the class for which the port is.
func (p port) allowed() Class {
	switch p.uses[0] {
	case ClientPort:
		return Client
	case AdminPort:
		return Admin
	default:
		return Member
	}
}

// ports returns the ports in the order of their rules: clients first, whose packets are the many.
//
// What listens on loopback is left out, so that a program with the same port at the other addresses is not judged.
// Nothing comes in there from outside: the kernel drops what arrives for 127.0.0.0/8 and for ::1 by another interface
// (RFC 1122 3.2.1.3, RFC 4291 2.5.3). For IPv4 net.ipv4.conf.*.route_localnet lifts that; who sets it opens all of the
// host's loopback to its neighbours, and what sets it, such as kube-proxy, brings the rule that shuts it again.
func (p Policy) ports() ([]port, error) {
	var list []port
	for _, group := range []struct {
		use    Use
		listen []netip.AddrPort
	}{{ClientPort, p.ClientPorts}, {PeerPort, p.PeerPorts}, {ElectionPort, p.ElectionPorts}, {AdminPort, p.AdminPorts}} {
		listen := slices.Clone(group.listen)
		slices.SortFunc(listen, netip.AddrPort.Compare)
		for _, l := range listen {
			addr := l.Addr().Unmap().WithZone("")
			if l.Port() == 0 {
				return nil, fmt.Errorf("firewall: %s port 0: the system chooses it, so no rule can name it", group.use)
			}
			if addr.IsLoopback() {
				continue
			}
			if addr.IsUnspecified() {
				addr = netip.Addr{}
			}
			i := slices.IndexFunc(list, func(q port) bool { return q.number == l.Port() })
			if i < 0 {
				i = len(list)
				list = append(list, port{number: l.Port(), uses: []Use{group.use}})
			}
			if next := (port{uses: []Use{group.use}}); list[i].allowed() != next.allowed() {
				return nil, fmt.Errorf("firewall: port %d has two uses, %s and %s: rules cannot tell them apart", l.Port(), list[i].name(), group.use)
			}
			if !slices.Contains(list[i].uses, group.use) {
				list[i].uses = append(list[i].uses, group.use)
			}
			list[i].at = append(list[i].at, addr)
		}
	}
	for i, q := range list {
		list[i].at = widest(q.at)
	}
	return list, nil
}

// widest sorts addresses, or leaves only the one that stands for all.
func widest(at []netip.Addr) []netip.Addr {
	at = slices.Clone(at)
	slices.SortFunc(at, netip.Addr.Compare)
	at = slices.Compact(at)
	if slices.Contains(at, netip.Addr{}) {
		return []netip.Addr{{}}
	}
	return at
}

// Ports returns the numbers of all ports of the policy, also of those on loopback, once each and ascending.
func (p Policy) Ports() []uint16 {
	return Numbers(slices.Concat(p.ClientPorts, p.PeerPorts, p.ElectionPorts, p.AdminPorts))
}

// Numbers returns the numbers of ports, once each and ascending.
func Numbers(list []netip.AddrPort) []uint16 {
	var numbers []uint16
	for _, l := range list {
		numbers = append(numbers, l.Port())
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// IsOwnTable reports whether a table of family inet is one of zkd's, this server's or that of another
// server on the host.
func IsOwnTable(name string) bool {
	instance, ok := strings.CutPrefix(name, DefaultTable+"_")
	return name == DefaultTable || ok && instance != "" && strings.Trim(instance, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// checkTable refuses names that could be the table of another program.
func checkTable(name string) error {
	if !IsOwnTable(name) || len(name) > 31 {
		return fmt.Errorf("firewall: table %q: must be %s or %[2]s_ with lower-case letters, digits and _ behind it, at most 31 in all", name, DefaultTable)
	}
	return nil
}
