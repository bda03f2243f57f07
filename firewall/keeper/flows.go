package keeper

import (
	"net/netip"
	"slices"

	"zkd/firewall"
	"zkd/firewall/foreign"
)

// maxClientFlows bounds how many ranges of clients are tried on the rules of others.
const maxClientFlows = 16

// Flows returns the traffic that the plan needs, to be tried on the rules of other programs.
func (p Plan) Flows() []foreign.Flow {
	var flows []foreign.Flow
	own := addresses(p.Interfaces)
	clients := firewall.Numbers(p.Policy.ClientPorts)
	serving := firewall.Numbers(slices.Concat(p.Policy.ClientPorts, p.Policy.AdminPorts))
	for _, a := range own {
		if len(serving) == 0 {
			break
		}
		name := "loopback"
		if !a.Addr().IsLoopback() {
			name = "this host's own address"
			if a.Addr().IsLinkLocalUnicast() {
				continue
			}
		}
		host := netip.PrefixFrom(a.Addr(), a.Addr().BitLen())
		flows = append(flows, foreign.Flow{Name: name, Loopback: true, Peer: host, Own: a.Addr(), Ports: serving})
	}
	quorum := firewall.Numbers(slices.Concat(p.Policy.PeerPorts, p.Policy.ElectionPorts))
	for _, m := range p.Members {
		for _, s := range m.Addresses {
			peer, err := netip.ParsePrefix(s)
			if a, err2 := netip.ParseAddr(s); err2 == nil {
				peer, err = netip.PrefixFrom(a, a.BitLen()), nil
			}
			if err != nil || len(quorum) == 0 || slices.ContainsFunc(own, func(o netip.Prefix) bool { return o.Addr() == peer.Addr() }) {
				continue
			}
			in := p.flow("member "+m.Name, peer, quorum)
			if !in.Own.IsValid() {
				continue
			}
			out := in
			out.Out = true
			flows = append(flows, in, out)
		}
	}
	v4, v6, err := firewall.Merge(p.Policy.Clients)
	if err != nil || len(clients) == 0 {
		return flows
	}
	for i, r := range slices.Concat(v4, v6) {
		if i == maxClientFlows {
			break
		}
		if f := p.flow("clients", r.Prefix(), clients); f.Own.IsValid() {
			flows = append(flows, f)
		}
	}
	return flows
}

// flow fills in by which interface and to which address of this host the peer comes, as far as that can
// be told without the routes. Own is not valid if this host has no address of the family.
func (p Plan) flow(name string, peer netip.Prefix, ports []uint16) foreign.Flow {
	f := foreign.Flow{Name: name, Peer: peer, Ports: ports}
	var others []string
	for _, i := range p.Interfaces {
		for _, a := range i.Prefixes {
			if a.Addr().IsLoopback() || a.Addr().Is4() != peer.Addr().Is4() {
				continue
			}
			if a.Masked().Contains(peer.Addr()) {
				f.Interface, f.Own = i.Name, a.Addr()
				return f
			}
			if !f.Own.IsValid() || f.Own.IsLinkLocalUnicast() {
				f.Own = a.Addr()
			}
			if !slices.Contains(others, i.Name) {
				others = append(others, i.Name)
			}
		}
	}
	if len(others) == 1 { // everybody else comes by the only other way
		f.Interface = others[0]
	}
	return f
}
