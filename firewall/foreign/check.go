package foreign

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Flow is traffic that zkd needs: somebody to some of its ports, or zkd to somebody's.
type Flow struct {
	// Name is how a person calls it: "loopback", "member 2", "clients".
	Name string
	// Loopback is traffic of the host with itself. Out goes from here to Peer.
	Loopback, Out bool
	// Peer is the other side; any address of it stands for all. Own is an address of this host, of the same family.
	Peer netip.Prefix
	Own  netip.Addr
	// Interface by which it comes, "" if not known.
	Interface string
	Ports     []uint16
}

// Finding is a rule, or a chain, of another program that shuts ports of zkd.
type Finding struct {
	// Manager is the program that most likely made the rule, see the constants.
	Manager Manager `json:"manager"`
	// Table and Chain in the words of nft: "ip filter", "INPUT". Rule counts from 1, 0 is the policy.
	Table string `json:"table"`
	Chain string `json:"chain"`
	Rule  int    `json:"rule"`
	// Certain says that the packets surely end there; else it depends on what cannot be known from here.
	Certain bool `json:"certain"`
	// Loopback says that the host cannot reach itself.
	Loopback bool `json:"loopback"`
	// Blocked names the traffic: "loopback to port 2181".
	Blocked []string `json:"blocked"`
	// Text is the finding as a sentence.
	Text string `json:"text"`
	// Fix are the commands that let the traffic through, and Keep says what makes that last over a restart.
	Fix  []string `json:"fix"`
	Keep string   `json:"keep"`
}

// Check sends the packets of the flows through the chains. A finding is made for each rule that ends some
// of them, the certain ones first, and one for tables that cannot be read.
func Check(v View, flows []Flow) []Finding {
	var order []found
	for _, f := range flows {
		for _, port := range f.Ports {
			via, certain, ok := f.fate(v.Chains, port)
			if !ok {
				continue
			}
			at := slices.IndexFunc(order, func(o found) bool { return o.via == via && o.certain == certain })
			if at < 0 {
				at = len(order)
				order = append(order, found{via: via, certain: certain})
			}
			order[at].add(f, port)
		}
	}
	var list []Finding
	for _, o := range order {
		list = append(list, o.finding(v))
	}
	slices.SortStableFunc(list, func(a, b Finding) int {
		rank := func(f Finding) int {
			n := 0
			if !f.Certain {
				n += 2
			}
			if !f.Loopback {
				n++
			}
			return n
		}
		return rank(a) - rank(b)
	})
	return append(list, legacy(v)...)
}

// fate returns what ends the connections of a flow to one port: their first packet, or the answer to it.
func (f Flow) fate(chains []Chain, port uint16) (via Via, certain, found bool) {
	peer := f.Peer.Addr()
	if !f.Peer.IsSingleIP() && peer.Next().IsValid() {
		peer = peer.Next() // no host has the first address of a subnet
	}
	ask := Packet{Loopback: f.Loopback, Interface: f.Interface, Source: peer, Dest: f.Own, Port: port}
	reply := Packet{Loopback: f.Loopback, Interface: f.Interface, Source: f.Own, Dest: peer, Port: port, Answer: true}
	type step struct {
		hook Hook
		p    Packet
	}
	var steps []step
	switch {
	case f.Loopback:
		steps = []step{{Output, ask}, {Prerouting, ask}, {Input, ask}, {Output, reply}, {Prerouting, reply}, {Input, reply}}
	case f.Out:
		ask.Source, ask.Dest, reply.Source, reply.Dest = f.Own, peer, peer, f.Own
		steps = []step{{Output, ask}, {Prerouting, reply}, {Input, reply}}
	default:
		steps = []step{{Prerouting, ask}, {Input, ask}, {Output, reply}}
	}
	for _, s := range steps {
		fate := Judge(chains, s.hook, s.p)
		if fate.Lost() {
			return fate.Via, true, true
		}
		if fate.Dropped && !found {
			via, found = fate.Via, true
		}
	}
	return via, false, found
}

// found gathers the flows that end in one place.
type found struct {
	via     Via
	certain bool
	flows   []Flow // each with the ports that are shut
}

func (o *found) add(f Flow, port uint16) {
	at := slices.IndexFunc(o.flows, func(g Flow) bool {
		return g.Name == f.Name && g.Out == f.Out && g.Loopback == f.Loopback && g.Peer == f.Peer
	})
	if at < 0 {
		at = len(o.flows)
		f.Ports = nil
		o.flows = append(o.flows, f)
	}
	o.flows[at].Ports = append(o.flows[at].Ports, port)
}

func (o found) finding(v View) Finding {
	f := Finding{
		Manager: manager(v, o.via), Table: o.via.Family + " " + o.via.Table, Chain: o.via.Chain, Rule: o.via.Rule, Certain: o.certain,
	}
	for _, flow := range o.flows {
		f.Loopback = f.Loopback || flow.Loopback
		f.Blocked = append(f.Blocked, flow.String())
	}
	where := fmt.Sprintf("rule %d", o.via.Rule)
	if o.via.Rule == 0 {
		where = "policy"
	}
	does := "drops"
	switch {
	case !o.certain:
		does = "may drop"
	case o.via.Rejects:
		does = "rejects"
	}
	f.Text = fmt.Sprintf("%s, table %q, chain %s, %s: %s %s", f.Manager, f.Table, f.Chain, where, does, strings.Join(f.Blocked, "; "))
	f.Fix, f.Keep = fix(f.Manager, o)
	return f
}

// String names the flow: "member 2 (10.0.0.2) to ports 2888, 3888".
func (f Flow) String() string {
	who := f.Name
	if !f.Loopback {
		who += " (" + address(f.Peer) + ")"
	}
	ports := "port " + joinPorts(f.Ports, ", ")
	if len(f.Ports) > 1 {
		ports = "ports " + joinPorts(f.Ports, ", ")
	}
	if f.Out {
		return "this host to " + who + ", " + ports
	}
	return who + " to " + ports
}

// address writes a single address without its length.
func address(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func joinPorts(ports []uint16, sep string) string {
	var list []string
	for _, p := range ports {
		list = append(list, fmt.Sprint(p))
	}
	return strings.Join(list, sep)
}
