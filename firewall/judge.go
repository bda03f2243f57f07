package firewall

import (
	"net/netip"
	"slices"
)

// Packet is what a ruleset can see of a packet that comes in.
type Packet struct {
	Loopback bool // over a loopback interface: from this host itself
	Source   netip.Addr
	// Dest is the address of this host that it is for; the zero one, of the family of Source, is each at which the
	// server listens.
	Dest netip.Addr
	Port uint16 // destination; 0 if it is not TCP
}

// Judge returns whether rs lets p through, and the rule that decided, the zero Rule where none did and
// the policy let it through. A jump to a chain that is not there lets through, as does a rule with
// something in it that this package does not know.
func (rs Ruleset) Judge(p Packet) (through bool, by Rule) {
	for _, c := range rs.Chains {
		if c.Base {
			if verdict, rule := rs.walk(c, p, 0); verdict != Continue {
				return verdict == Accept, rule
			}
		}
	}
	return true, Rule{}
}

// walk returns the verdict of a chain, Continue where it has none, and the rule that named p's fate
// best: the one with the comment.
func (rs Ruleset) walk(c Chain, p Packet, depth int) (Verdict, Rule) {
	for _, r := range c.Rules {
		if depth > len(rs.Chains) || r.Other != "" || !rs.matches(r, p) {
			continue
		}
		switch r.Verdict {
		case Continue:
		case Jump:
			at := slices.IndexFunc(rs.Chains, func(c Chain) bool { return c.Name == r.Target })
			if at < 0 {
				continue
			}
			if verdict, by := rs.walk(rs.Chains[at], p, depth+1); verdict != Continue {
				if by.Comment == "" {
					by = r
				}
				return verdict, by
			}
		default:
			return r.Verdict, r
		}
	}
	return Continue, Rule{}
}

func (rs Ruleset) matches(r Rule, p Packet) bool {
	if r.Loopback && !p.Loopback || r.Port != 0 && r.Port != p.Port {
		return false
	}
	if r.PortSet != "" && (p.Port == 0 || !slices.Contains(rs.set(r.PortSet).Ports, p.Port)) {
		return false
	}
	if r.Family != "" && r.Family != familyOf(p.Source) || r.To.IsValid() && p.Dest.IsValid() && r.To != p.Dest {
		return false
	}
	return r.From == "" || slices.ContainsFunc(rs.set(r.From).Ranges, func(x Range) bool { return x.Contains(p.Source) })
}

// Listens reports whether packets for that port at that address are judged.
func (rs Ruleset) Listens(at netip.AddrPort) bool {
	for _, c := range rs.Chains {
		if c.Name == listenChain {
			return slices.ContainsFunc(c.Rules, func(r Rule) bool {
				return r.Verdict == Jump && r.Port == at.Port() && (r.Family == "" || r.Family == familyOf(at.Addr())) && (!r.To.IsValid() || r.To == at.Addr())
			})
		}
	}
	return false
}

// set returns the set of that name, empty if there is none.
func (rs Ruleset) set(name string) Set {
	for _, s := range rs.Sets {
		if s.Name == name {
			return s
		}
	}
	return Set{}
}
