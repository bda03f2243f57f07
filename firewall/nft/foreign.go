package nft

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"zkd/firewall"
	"zkd/firewall/foreign"
)

// Files that say what is not visible over netlink.
const (
	legacyTables4  = "/proc/net/ip_tables_names" // root only
	legacyTables6  = "/proc/net/ip6_tables_names"
	configuredFile = "/etc/nftables.conf"
)

// Foreign returns the chains of all tables but zkd's that see the packets of this host, and what else there
// is to know of other firewalls.
func (n *Netfilter) Foreign(ctx context.Context) (foreign.View, error) {
	v := foreign.View{
		Legacy4: lines(legacyTables4), Legacy6: lines(legacyTables6), Configured: configured(readFile(configuredFile)),
	}
	c, err := n.dial(ctx)
	if err != nil {
		return v, err
	}
	defer c.close()
	chains, err := c.ListChains()
	if err != nil {
		return v, explain("read the chains of others", err)
	}
	rules, err := c.rules(nftables.TableFamilyUnspecified, "")
	if err != nil {
		return v, explain("read the rules of others", err)
	}
	type place struct {
		family       nftables.TableFamily
		table, chain string
	}
	byChain := make(map[place][]rawRule)
	for _, r := range rules {
		at := place{r.family, r.table, r.chain}
		byChain[at] = append(byChain[at], r)
	}
	t := translator{conn: c, sets: make(map[setName]*setContent)}
	for _, ch := range chains {
		f := familyName(ch.Table.Family)
		if f == "" || f == "inet" && firewall.IsOwnTable(ch.Table.Name) {
			continue
		}
		out := foreign.Chain{Family: f, Table: ch.Table.Name, Name: ch.Name}
		if ch.Hooknum != nil {
			out.Type, out.Hook = string(ch.Type), hookName(*ch.Hooknum)
			if out.Hook == "" {
				continue
			}
			if ch.Priority != nil {
				out.Priority = int(*ch.Priority)
			}
			out.PolicyDrop = ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop
		}
		for _, r := range byChain[place{ch.Table.Family, ch.Table.Name, ch.Name}] {
			out.Rules = append(out.Rules, t.rule(r))
		}
		v.Chains = append(v.Chains, out)
	}
	return v, nil
}

// familyName is "" for families whose packets are none of TCP to this host.
func familyName(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	case nftables.TableFamilyINet:
		return "inet"
	}
	return ""
}

func hookName(h nftables.ChainHook) foreign.Hook {
	switch h {
	case unix.NF_INET_PRE_ROUTING:
		return foreign.Prerouting
	case unix.NF_INET_LOCAL_IN:
		return foreign.Input
	case unix.NF_INET_LOCAL_OUT:
		return foreign.Output
	}
	return ""
}

func readFile(name string) []byte {
	text, _ := os.ReadFile(name) // not there, or not for us: nothing is known
	return text
}

func lines(name string) []string { return strings.Fields(string(readFile(name))) }

// configured returns the tables that a file of nft makes, as "inet filter". It looks at lines that begin
// with the word table, which is how the files of distributions are written.
func configured(text []byte) []string {
	var list []string
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		words := strings.Fields(strings.ReplaceAll(s.Text(), "{", " { "))
		if len(words) >= 3 && words[0] == "add" {
			words = words[1:]
		}
		if len(words) < 2 || words[0] != "table" {
			continue
		}
		name := "ip " + words[1] // the family that nft takes if none is given
		if slices.Contains([]string{"ip", "ip6", "inet"}, words[1]) && len(words) > 2 {
			name = words[1] + " " + words[2]
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

type setName struct {
	family      nftables.TableFamily
	table, name string
}

// setContent is a set or map in the form that foreign wants, if it could be read.
type setContent struct {
	readable bool
	spans    []foreign.Span
	cases    []foreign.Case
	key      int // bytes
}

// translator turns the rules of others into those of foreign. What it does not understand becomes a
// condition that may hold or not.
type translator struct {
	conn *conn
	sets map[setName]*setContent
}

// field is what a register holds: a field of the packet, or of it what the mask leaves.
type field struct {
	name foreign.Field
	mask []byte
	size int // bytes
}

var unknown = foreign.Match{Field: foreign.Unknown}

func (t *translator) rule(raw rawRule) foreign.Rule {
	var r foreign.Rule
	registers := make(map[uint32]field)
	match := func(m foreign.Match) { r.Matches = append(r.Matches, m) }
	for _, e := range raw.exprs {
		switch e := e.(type) {
		case *expr.Meta:
			if !e.SourceRegister {
				registers[e.Register] = metaField(e.Key)
			}
		case *expr.Payload:
			if e.OperationType == expr.PayloadLoad {
				registers[e.DestRegister] = payloadField(raw.family, e)
			}
		case *expr.Ct:
			if !e.SourceRegister {
				registers[e.Register] = ctField(e.Key)
			}
		case *expr.Fib:
			registers[e.Register] = fibField(e)
		case *expr.Bitwise:
			f := registers[e.SourceRegister]
			if f.mask != nil || slices.ContainsFunc(e.Xor, func(b byte) bool { return b != 0 }) || len(e.Mask) == 0 {
				f = field{name: foreign.Unknown}
			}
			f.mask = e.Mask
			registers[e.DestRegister] = f
		case *expr.Cmp:
			match(compare(registers[e.Register], e))
		case *expr.Range:
			f := registers[e.Register]
			match(known(f, foreign.Match{Field: f.name, Mask: f.mask, Not: e.Op == expr.CmpOpNeq,
				Spans: []foreign.Span{{From: e.FromData, To: e.ToData}}}, len(e.FromData)))
		case *expr.Lookup:
			t.lookup(&r, raw, e, registers[e.SourceRegister])
		case *expr.Match:
			r.Matches = append(r.Matches, xtMatch(e)...)
		case *expr.Target:
			r.Verdict = xtTarget(e.Name)
		case *expr.Reject:
			r.Verdict = foreign.Reject
		case *expr.Verdict:
			r.Verdict, r.Target = verdict(e.Kind), e.Chain
		case *expr.Counter, *expr.Log, *expr.Notrack, *expr.Immediate:
		case *expr.Objref:
			if e.Type == unix.NFT_OBJECT_LIMIT || e.Type == unix.NFT_OBJECT_QUOTA {
				match(unknown)
			}
		case opaque:
			switch e {
			case "last", "dup", "secmark", "flow_offload", "nat", "masq", "redir":
			case "queue", "synproxy", "tproxy":
				r.Verdict = foreign.Unclear
			default:
				match(unknown)
			}
		default: // a limit for example
			match(unknown)
		}
	}
	for i, m := range r.Matches {
		r.Matches[i].Mask, r.Matches[i].Spans = portable(m.Field, m.Mask), slices.Clone(m.Spans)
		for j, s := range m.Spans {
			r.Matches[i].Spans[j] = foreign.Span{From: portable(m.Field, s.From), To: portable(m.Field, s.To)}
		}
	}
	if m := r.Map; m != nil {
		m.Mask, m.Cases = portable(m.Field, m.Mask), slices.Clone(m.Cases)
		for i, c := range m.Cases {
			m.Cases[i].Span = foreign.Span{From: portable(m.Field, c.From), To: portable(m.Field, c.To)}
		}
	}
	return r
}

// portable returns a number that the kernel keeps in the order of the host as big-endian.
func portable(f foreign.Field, value []byte) []byte {
	switch f {
	case foreign.InIndex, foreign.OutIndex, foreign.InType, foreign.OutType, foreign.State, foreign.Status, foreign.DestType:
		value = slices.Clone(value)
		if binary.NativeEndian.Uint16([]byte{0, 1}) != 1 {
			slices.Reverse(value)
		}
	}
	return value
}

// known returns m, or that nothing is known if the field is not, or is shorter than the value.
func known(f field, m foreign.Match, size int) foreign.Match {
	if f.name == "" || f.name == foreign.Unknown || size > f.size || f.mask != nil && len(f.mask) > f.size {
		return unknown
	}
	return m
}

func compare(f field, e *expr.Cmp) foreign.Match {
	n := len(e.Data)
	m := foreign.Match{Field: f.name, Mask: f.mask}
	low, high := make([]byte, n), bytes.Repeat([]byte{0xff}, n)
	switch e.Op {
	case expr.CmpOpEq, expr.CmpOpNeq:
		m.Spans, m.Not = []foreign.Span{{From: e.Data, To: e.Data}}, e.Op == expr.CmpOpNeq
	case expr.CmpOpLte, expr.CmpOpGt:
		m.Spans, m.Not = []foreign.Span{{From: low, To: e.Data}}, e.Op == expr.CmpOpGt
	case expr.CmpOpGte, expr.CmpOpLt:
		m.Spans, m.Not = []foreign.Span{{From: e.Data, To: high}}, e.Op == expr.CmpOpLt
	default:
		return unknown
	}
	return known(f, m, n)
}

func (t *translator) lookup(r *foreign.Rule, raw rawRule, e *expr.Lookup, f field) {
	content := t.set(setName{raw.family, raw.table, e.SetName})
	ok := content.readable && f.name != "" && f.name != foreign.Unknown && content.key <= f.size
	switch {
	case e.IsDestRegSet && e.DestRegister == unix.NFT_REG_VERDICT:
		if !ok {
			r.Matches, r.Verdict = append(r.Matches, unknown), foreign.Unclear
			return
		}
		r.Map = &foreign.Map{Field: f.name, Mask: f.mask, Cases: content.cases}
	case e.IsDestRegSet: // a value for something later
		r.Matches = append(r.Matches, unknown)
	case !ok:
		r.Matches = append(r.Matches, unknown)
	default:
		r.Matches = append(r.Matches, foreign.Match{Field: f.name, Mask: f.mask, Not: e.Invert, Spans: content.spans})
	}
}

// set reads a set once.
func (t *translator) set(name setName) *setContent {
	if c, ok := t.sets[name]; ok {
		return c
	}
	c := &setContent{}
	t.sets[name] = c
	owner := &nftables.Table{Name: name.table, Family: name.family}
	set, err := t.conn.GetSetByName(owner, name.name)
	if err != nil || set.Concatenation {
		return c
	}
	set.Table = owner
	list, err := t.conn.GetSetElements(set)
	if err != nil {
		return c
	}
	if slices.ContainsFunc(list, func(e nftables.SetElement) bool { return e.KeyEnd != nil || len(e.Key) != len(list[0].Key) }) {
		return c
	}
	c.readable = true
	if len(list) > 0 {
		c.key = len(list[0].Key)
	}
	slices.SortStableFunc(list, func(a, b nftables.SetElement) int { return bytes.Compare(a.Key, b.Key) })
	for i, e := range list {
		if e.IntervalEnd {
			continue
		}
		span := foreign.Span{From: e.Key, To: e.Key}
		if set.Interval {
			span.To = bytes.Repeat([]byte{0xff}, len(e.Key))
			if next := slices.IndexFunc(list[i+1:], func(o nftables.SetElement) bool { return !bytes.Equal(o.Key, e.Key) }); next >= 0 {
				span.To = before(list[i+1+next].Key)
			}
		}
		c.spans = append(c.spans, span)
		if set.IsMap {
			v, target := mapVerdict(e.Val)
			c.cases = append(c.cases, foreign.Case{Span: span, Verdict: v, Target: target})
		}
	}
	return c
}

// before returns the value before b, which is not zero.
func before(b []byte) []byte {
	b = slices.Clone(b)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]--
		if b[i] != 0xff {
			break
		}
	}
	return b
}

// mapVerdict reads the verdict of an element: its code, and a chain.
func mapVerdict(val []byte) (foreign.Verdict, string) {
	ad, err := netlink.NewAttributeDecoder(val)
	if err != nil {
		return foreign.Unclear, ""
	}
	v, chain := foreign.Unclear, ""
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_VERDICT_CODE:
			if b := ad.Bytes(); len(b) == 4 {
				v = verdict(expr.VerdictKind(int32(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]))))
			}
		case unix.NFTA_VERDICT_CHAIN:
			chain = ad.String()
		}
	}
	return v, chain
}

func verdict(k expr.VerdictKind) foreign.Verdict {
	switch k {
	case expr.VerdictAccept:
		return foreign.Accept
	case expr.VerdictDrop:
		return foreign.Drop
	case expr.VerdictJump:
		return foreign.Jump
	case expr.VerdictGoto:
		return foreign.Goto
	case expr.VerdictReturn:
		return foreign.Return
	case expr.VerdictContinue:
		return foreign.Continue
	}
	return foreign.Unclear
}
