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

// Policy says who may reach which ports over TCP. Loopback may reach all of them.
type Policy struct {
	// Table is DefaultTable, or begins with it and "_": lower-case letters, digits and _, at most 31 bytes.
	// A table of another name is never touched.
	Table string
	// ClientPorts are for Clients, PeerPorts and ElectionPorts for Members, AdminPorts for Admins.
	// A port of two uses is an error, but for peer and election.
	ClientPorts, PeerPorts, ElectionPorts, AdminPorts []uint16
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
}

// name says what the port is for: "client", "peer", "peer and election".
func (p port) name() string {
	var names []string
	for _, u := range p.uses {
		names = append(names, string(u))
	}
	return strings.Join(names, " and ")
}

// allowed is the class that may use the port.
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
func (p Policy) ports() ([]port, error) {
	var list []port
	for _, group := range []struct {
		use     Use
		numbers []uint16
	}{{ClientPort, p.ClientPorts}, {PeerPort, p.PeerPorts}, {ElectionPort, p.ElectionPorts}, {AdminPort, p.AdminPorts}} {
		numbers := slices.Clone(group.numbers)
		slices.Sort(numbers)
		for _, n := range slices.Compact(numbers) {
			if n == 0 {
				return nil, fmt.Errorf("firewall: %s port 0: the system chooses it, so no rule can name it", group.use)
			}
			at := slices.IndexFunc(list, func(q port) bool { return q.number == n })
			next := port{n, []Use{group.use}}
			switch {
			case at < 0:
				list = append(list, next)
			case list[at].allowed() == next.allowed():
				list[at].uses = append(list[at].uses, group.use)
			default:
				return nil, fmt.Errorf("firewall: port %d has two uses, %s and %s: rules cannot tell them apart", n, list[at].name(), group.use)
			}
		}
	}
	return list, nil
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
