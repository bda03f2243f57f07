package foreign

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Packet is one that zkd needs: the first of a TCP connection, or an answer to it.
type Packet struct {
	Loopback bool
	// Interface by which it comes or goes, "" if not known; then it is not loopback.
	Interface    string
	Source, Dest netip.Addr
	Port         uint16 // destination; of an answer, source
	Answer       bool
}

// Via names what ended a packet.
type Via struct {
	Family, Table, Chain string
	// Rule counts from 1; 0 is the policy of the chain.
	Rule    int
	Rejects bool
	// Base is the base chain in which it began, with its hook.
	Base string
	Hook Hook
}

// Fate is what may become of a packet.
type Fate struct {
	Accepted, Dropped bool // both: it depends
	Via               Via  // the first that may drop it
}

// Lost reports whether the packet surely ends.
func (f Fate) Lost() bool { return f.Dropped && !f.Accepted }

// Judge sends p through all base chains of the hook in the order of the kernel.
func Judge(chains []Chain, hook Hook, p Packet) Fate {
	j := judge{chains, hook, p, 0}
	fate := Fate{Accepted: true}
	for _, c := range j.bases() {
		res := j.chain(c, 0)
		if res.back && c.PolicyDrop {
			res.drop = true
			if res.via == (Via{}) {
				res.via = Via{Family: c.Family, Table: c.Table, Chain: c.Name}
			}
		}
		if !res.drop {
			continue
		}
		if !fate.Dropped {
			res.via.Base, res.via.Hook = c.Name, hook
			fate.Dropped, fate.Via = true, res.via
		}
		if !res.accept && (!res.back || c.PolicyDrop) {
			if fate.Accepted { // what surely drops says more than what may
				res.via.Base, res.via.Hook = c.Name, hook
				fate.Via = res.via
			}
			fate.Accepted = false
		}
	}
	return fate
}

type judge struct {
	chains []Chain
	hook   Hook
	p      Packet
	steps  int
}

// bases are the base chains that see the packet, by priority. Those of type nat see only whether to
// translate, and drop nothing.
func (j *judge) bases() []Chain {
	var list []Chain
	for _, c := range j.chains {
		if c.Hook == j.hook && c.Type != "nat" && (c.Family == "inet" || (c.Family == "ip") == j.p.Source.Is4()) {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b Chain) int { return a.Priority - b.Priority })
	return list
}

// outcome is a set of what may become of a packet in a rule or a chain.
type outcome struct {
	accept, drop bool
	next         bool // of a rule: the next rule
	back         bool // it leaves the chain without a verdict
	via          Via
}

// Bounds of what is followed: rules that jump in circles do not load into a kernel, but a View is only data.
const (
	maxDepth = 16 // the kernel's
	maxSteps = 100_000
)

func (j *judge) chain(c Chain, depth int) outcome {
	var sum outcome
	for i, r := range c.Rules {
		j.steps++
		m := j.matches(r.Matches)
		if m == no {
			continue
		}
		res := j.rule(c, r, depth)
		if res.drop && res.via == (Via{}) {
			res.via = Via{Family: c.Family, Table: c.Table, Chain: c.Name, Rule: i + 1, Rejects: r.Verdict == Reject}
		}
		if sum.via == (Via{}) {
			sum.via = res.via
		}
		sum.accept, sum.drop, sum.back = sum.accept || res.accept, sum.drop || res.drop, sum.back || res.back
		if m == yes && !res.next {
			return sum
		}
	}
	sum.back = true
	return sum
}

func (j *judge) rule(c Chain, r Rule, depth int) outcome {
	if r.Map == nil {
		return j.verdict(c, r.Verdict, r.Target, depth)
	}
	sum := outcome{}
	surely := false
	for _, k := range r.Map.Cases {
		m := j.match(Match{Field: r.Map.Field, Mask: r.Map.Mask, Spans: []Span{k.Span}})
		if m == no {
			continue
		}
		res := j.verdict(c, k.Verdict, k.Target, depth)
		if sum.via == (Via{}) {
			sum.via = res.via
		}
		sum.accept, sum.drop = sum.accept || res.accept, sum.drop || res.drop
		sum.next, sum.back = sum.next || res.next, sum.back || res.back
		surely = surely || m == yes
	}
	sum.next = sum.next || !surely
	return sum
}

func (j *judge) verdict(c Chain, v Verdict, target string, depth int) outcome {
	switch v {
	case Accept:
		return outcome{accept: true}
	case Drop, Reject:
		return outcome{drop: true}
	case Return:
		return outcome{back: true}
	case Unclear:
		return outcome{accept: true, drop: true, next: true}
	case Jump, Goto:
		at := slices.IndexFunc(j.chains, func(o Chain) bool { return o.Family == c.Family && o.Table == c.Table && o.Name == target })
		if at < 0 || depth >= maxDepth || j.steps > maxSteps {
			return outcome{accept: true, drop: true, next: true}
		}
		res := j.chain(j.chains[at], depth+1)
		if v == Jump {
			res.next, res.back = res.back, false
		}
		return res
	}
	return outcome{next: true}
}

// answer of a match.
type answer int

const (
	no answer = iota
	maybe
	yes
)

func (j *judge) matches(list []Match) answer {
	all := yes
	for _, m := range list {
		all = min(all, j.match(m))
	}
	return all
}

func (j *judge) match(m Match) answer {
	if m.Field == Impossible {
		return no
	}
	if m.Field == Anything {
		return yes
	}
	value, known := j.value(m.Field)
	if value == nil {
		return no // the packet has no such field, which ends the rule whatever is asked of it
	}
	switch {
	case !known && isInterface(m.Field):
		return notLoopback(value, m)
	case !known:
		return maybe
	}
	if inSpans(value, m.Mask, m.Spans) != m.Not {
		return yes
	}
	return no
}

func isInterface(f Field) bool {
	return slices.Contains([]Field{InName, OutName, InIndex, OutIndex, InType, OutType}, f)
}

// notLoopback answers for an interface of which only this is known; loopback is its value.
func notLoopback(loopback []byte, m Match) answer {
	others := slices.ContainsFunc(m.Spans, func(s Span) bool {
		whole := len(s.From) == len(loopback) || bytes.HasSuffix(s.From, []byte{0}) // else it is the beginning of many names
		return !whole || !bytes.Equal(s.From, s.To) || !bytes.HasPrefix(loopback, s.From)
	})
	switch {
	case others:
		return maybe
	case m.Not:
		return yes
	}
	return no
}

// inSpans reports whether value lies in one of the spans.
func inSpans(value, mask []byte, spans []Span) bool {
	return slices.ContainsFunc(spans, func(s Span) bool {
		v := slices.Clone(value[:min(len(value), len(s.From))])
		for i := range v {
			if i < len(mask) {
				v[i] &= mask[i]
			}
		}
		return bytes.Compare(s.From, v) <= 0 && bytes.Compare(v, s.To) <= 0
	})
}

// Numbers of the kernel. Source: linux/netfilter/nf_conntrack_common.h, net/if_arp.h, linux/rtnetlink.h.
const (
	stateEstablished = 2
	stateNew         = 8
	typeLoopback     = 772
	routeLocal       = 2
	protocolTCP      = 6
	flagSYN          = 0x02
	flagsSYNACK      = 0x12
	indexLoopback    = 1 // in every network namespace

	ephemeral = 45_000 // stands for the port of the client: rules name all such ports or none
)

// value returns a field of the packet. A nil value: it has none. For an interface that is not known the
// value is that of loopback, with known false: the one that it does not have.
func (j *judge) value(f Field) (value []byte, known bool) {
	p := j.p
	incoming := j.hook != Output
	source, dest := p.Source.Unmap(), p.Dest.Unmap()
	switch f {
	case InName, InIndex, InType:
		if !incoming {
			return nil, false
		}
	case OutName, OutIndex, OutType:
		if incoming {
			return nil, false
		}
	}
	switch f {
	case InName, OutName:
		switch {
		case p.Loopback:
			return name("lo"), true
		case p.Interface == "":
			return name("lo"), false
		}
		return name(p.Interface), true
	case InIndex, OutIndex:
		return big32(indexLoopback), p.Loopback
	case InType, OutType:
		if p.Loopback {
			return big16(typeLoopback), true
		}
		return big16(typeLoopback), false
	case Family:
		if source.Is4() {
			return []byte{2}, true
		}
		return []byte{10}, true
	case EtherType:
		if source.Is4() {
			return []byte{0x08, 0x00}, true
		}
		return []byte{0x86, 0xdd}, true
	case Protocol:
		return []byte{protocolTCP}, true
	case PacketType:
		return []byte{0}, true
	case Source4, Dest4, Source6, Dest6:
		a := source
		if f == Dest4 || f == Dest6 {
			a = dest
		}
		if a.Is4() != (f == Source4 || f == Dest4) {
			return nil, false
		}
		return a.AsSlice(), true
	case SourcePort, DestPort:
		if p.Answer != (f == SourcePort) {
			return binary.BigEndian.AppendUint16(nil, ephemeral), true
		}
		return binary.BigEndian.AppendUint16(nil, p.Port), true
	case TCPFlags:
		if p.Answer {
			return []byte{flagsSYNACK}, true
		}
		return []byte{flagSYN}, true
	case State:
		if p.Answer {
			return big32(stateEstablished), true
		}
		return big32(stateNew), true
	case Status:
		return big32(0), true
	case Direction:
		if p.Answer {
			return []byte{1}, true
		}
		return []byte{0}, true
	case DestType:
		if !incoming {
			return big32(0), false
		}
		return big32(routeLocal), true
	case SourceRoute:
		return []byte{1, 1, 1, 1}, true // a source without a route back could not be answered anyway
	}
	return []byte{0}, false
}

// name returns an interface name as the kernel keeps it.
func name(s string) []byte { return append([]byte(s), make([]byte, 16-min(len(s), 16))...) }

func big16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
func big32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
