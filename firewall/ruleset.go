package firewall

import (
	"fmt"
	"net/netip"
	"slices"
)

// Ruleset is one table of family inet with everything in it.
type Ruleset struct {
	Table  string
	Sets   []Set
	Chains []Chain
}

// Kind is the type of a set's elements.
type Kind string

const (
	Ports Kind = "inet_service"
	IPv4  Kind = "ipv4_addr"
	IPv6  Kind = "ipv6_addr"
)

// Set is a named set of ports, or of addresses of one family. Elements ascend and do not overlap.
type Set struct {
	Name   string
	Kind   Kind
	Ports  []uint16 `json:",omitempty"`
	Ranges []Range  `json:",omitempty"`
}

// Chain is a list of rules. A base chain sits at the input hook with policy accept; others are jumped to.
type Chain struct {
	Name  string
	Base  bool
	Rules []Rule
	// Other is what a reader found about the chain that Build never makes, "" for nothing.
	Other string `json:",omitempty"`
}

// Priority of the base chain: just before that of other programs' filters, 0, so that what zkd refuses
// is counted here. It does not matter for the outcome.
const Priority = -5

// Verdict is what a rule does with a packet.
type Verdict string

const (
	Continue    Verdict = "" // with the next rule
	Accept      Verdict = "accept"
	DropPacket  Verdict = "drop"
	RejectReset Verdict = "reject with tcp reset"
	Jump        Verdict = "jump"
)

// Rule applies its verdict to the packets that all its conditions match.
type Rule struct {
	// Conditions. The zero value matches every packet.
	Loopback bool       `json:",omitempty"` // it came in over a loopback interface
	PortSet  string     `json:",omitempty"` // TCP, to a port in this set
	Port     uint16     `json:",omitempty"` // TCP, to this port
	Family   Kind       `json:",omitempty"` // it is of IPv4 or IPv6
	To       netip.Addr `json:",omitzero"`  // it is for this address; set with Family
	From     string     `json:",omitempty"` // its source is in this set of addresses; set with Family

	// Log, unless "", is written to the kernel log before the packet, at most PerMinute times a minute
	// after Burst times in a row.
	Log       string `json:",omitempty"`
	PerMinute uint64 `json:",omitempty"`
	Burst     uint32 `json:",omitempty"`

	Count   bool    `json:",omitempty"` // it has a counter
	Verdict Verdict `json:",omitempty"`
	Target  string  `json:",omitempty"` // the chain of Jump
	Comment string  `json:",omitempty"`

	// Other is what a reader found in the rule that Build never makes, "" for nothing.
	Other string `json:",omitempty"`
}

// Names of the chains and of the set of all ports.
const (
	inputChain  = "input"
	listenChain = "listen"
	judgeChain  = "judge"
	refuseChain = "refuse"
	portSet     = "ports"
)

// LogPrefix begins the lines of the kernel log about refused packets.
const LogPrefix = "zkd-refused: "

// sources is a class with its sets.
type sources struct {
	class  Class
	v4, v6 Set
}

// Build returns the rules of p, or says what is wrong with it.
func Build(p Policy) (Ruleset, error) {
	if p.Table == "" {
		p.Table = DefaultTable
	}
	if err := checkTable(p.Table); err != nil {
		return Ruleset{}, err
	}
	ports, err := p.ports()
	if err != nil {
		return Ruleset{}, err
	}
	refuse, err := refuseRules(p.Refusal)
	if err != nil {
		return Ruleset{}, err
	}
	rs := Ruleset{Table: p.Table}
	all := Set{Name: portSet, Kind: Ports}
	for _, port := range ports {
		all.Ports = append(all.Ports, port.number)
	}
	slices.Sort(all.Ports)
	rs.Sets = append(rs.Sets, all)
	var classes []sources
	for _, c := range []struct {
		class    Class
		prefixes []netip.Prefix
	}{{Member, p.Members}, {Client, p.Clients}, {Admin, p.Admins}} {
		if c.class == Admin && len(c.prefixes) == 0 {
			continue // the usual case: the admin port is for loopback
		}
		s, err := newSources(c.class, c.prefixes)
		if err != nil {
			return Ruleset{}, err
		}
		classes = append(classes, s)
		rs.Sets = append(rs.Sets, s.v4, s.v6)
	}
	rs.Chains = []Chain{
		{Name: inputChain, Base: true, Rules: []Rule{
			{Loopback: true, Count: true, Verdict: Accept, Comment: "loopback"},
			{PortSet: portSet, Verdict: Jump, Target: listenChain, Comment: "ports of zkd"},
		}},
		{Name: listenChain, Rules: listenRules(ports)},
		{Name: judgeChain, Rules: judgeRules(ports, classes)},
		{Name: refuseChain, Rules: refuse},
	}
	return rs, nil
}

// listenRules send on what is for an address at which the server listens. The rest is for other programs with
// the same ports, another zkd among them.
func listenRules(ports []port) (rules []Rule) {
	for _, port := range ports {
		for _, addr := range port.at {
			r := Rule{Port: port.number, Verdict: Jump, Target: judgeChain}
			if addr.IsValid() {
				r.Family, r.To = familyOf(addr), addr
			}
			rules = append(rules, r)
		}
	}
	return rules
}

func familyOf(a netip.Addr) Kind {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// judgeRules accepts first, for the sake of the packets that are many, then refuses by class. Every
// port ends in a rule without source.
func judgeRules(ports []port, classes []sources) []Rule {
	var accepts, refusals []Rule
	for _, port := range ports {
		for _, c := range classes {
			for _, set := range []Set{c.v4, c.v6} {
				r := Rule{Port: port.number, From: set.Name, Family: set.Kind, Count: true}
				if port.admits(c.class) {
					r.Verdict, r.Comment = Accept, comment(port, c.class)
					accepts = append(accepts, r)
				} else {
					r.Verdict, r.Target, r.Comment = Jump, refuseChain, "refused: "+comment(port, c.class)
					refusals = append(refusals, r)
				}
			}
		}
		refusals = append(refusals, Rule{Port: port.number, Count: true, Verdict: Jump, Target: refuseChain,
			Comment: "refused: " + comment(port, Stranger)})
	}
	return append(accepts, refusals...)
}

func comment(p port, c Class) string { return p.name() + " port, " + string(c) }

func refuseRules(r Refusal) ([]Rule, error) {
	rules := []Rule{{Log: LogPrefix, PerMinute: 6, Burst: 5}}
	switch r {
	case Drop, "":
		return append(rules, Rule{Verdict: DropPacket}), nil
	case Reject:
		return append(rules, Rule{Verdict: RejectReset}), nil
	}
	return nil, fmt.Errorf("firewall: refusal %q: must be drop or reject", r)
}

func newSources(c Class, prefixes []netip.Prefix) (s sources, err error) {
	s = sources{c, Set{Name: string(c) + "s4", Kind: IPv4}, Set{Name: string(c) + "s6", Kind: IPv6}}
	if s.v4.Ranges, s.v6.Ranges, err = Merge(prefixes); err != nil {
		return s, err
	}
	for _, set := range []Set{s.v4, s.v6} {
		if n := len(set.Ranges); n > maxRanges {
			return s, fmt.Errorf("firewall: %d separate %s ranges of %ss: more than %d do not fit", n, set.Kind, c, maxRanges)
		}
	}
	return s, nil
}
