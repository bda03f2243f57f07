package nft

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"zkd/firewall"
)

// Read returns what the kernel has in the table. It is read in several steps: who changes the table
// meanwhile may be seen half.
func (n *Netfilter) Read(ctx context.Context, tableName string) (firewall.State, error) {
	c, err := n.dial(ctx)
	if err != nil {
		return firewall.State{}, err
	}
	defer c.close()
	state, err := c.read(tableName)
	return state, explain("read table "+tableName, err)
}

func (c *conn) read(tableName string) (s firewall.State, err error) {
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return s, err
	}
	for _, t := range tables {
		s.Exists = s.Exists || t.Name == tableName
	}
	s.Ruleset.Table = tableName
	if !s.Exists {
		return s, nil
	}
	sets, err := c.GetSets(table(tableName))
	if err != nil {
		return s, err
	}
	for _, set := range sets {
		list, err := c.GetSetElements(set)
		if err != nil {
			return s, err
		}
		s.Ruleset.Sets = append(s.Ruleset.Sets, readSet(set, list))
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return s, err
	}
	index := make(map[string]int)
	for _, ch := range chains {
		if ch.Table.Name == tableName {
			index[ch.Name] = len(s.Ruleset.Chains)
			s.Ruleset.Chains = append(s.Ruleset.Chains, readChain(ch))
		}
	}
	rules, err := c.rules(nftables.TableFamilyINet, tableName)
	if err != nil {
		return s, err
	}
	for _, raw := range rules {
		at, ok := index[raw.chain]
		if !ok {
			continue // the chain came after the list of chains
		}
		rule, counter := decode(raw)
		s.Ruleset.Chains[at].Rules = append(s.Ruleset.Chains[at].Rules, rule)
		if counter != nil {
			s.Counts = append(s.Counts, firewall.Count{Chain: raw.chain, Rule: rule, Packets: counter.Packets, Bytes: counter.Bytes})
		}
	}
	return s, nil
}

func readChain(ch *nftables.Chain) firewall.Chain {
	c := firewall.Chain{Name: ch.Name}
	if ch.Hooknum == nil {
		return c
	}
	c.Base = true
	hook, priority := *ch.Hooknum, nftables.ChainPriority(0)
	if ch.Priority != nil {
		priority = *ch.Priority
	}
	drops := ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop
	if ch.Type != nftables.ChainTypeFilter || hook != *nftables.ChainHookInput || priority != firewall.Priority || drops {
		c.Other = fmt.Sprintf("type %s, hook %d, priority %d", ch.Type, hook, priority)
		if drops {
			c.Other += ", policy drop"
		}
	}
	return c
}

// decode is the inverse of encode. What it does not know, or does not know in this place, goes to Other.
func decode(raw rawRule) (r firewall.Rule, counter *expr.Counter) {
	r.Comment = raw.comment
	d := decoder{rule: &r}
	for _, e := range raw.exprs {
		if c, ok := e.(*expr.Counter); ok {
			counter, r.Count = c, true
		} else if !d.take(e) {
			d.other(e)
		}
	}
	d.finish()
	return r, counter
}

// loaded is what a decoder has found in the register.
type loaded int

const (
	nothing loaded = iota
	inType
	family
	protocol
	source4
	source6
	dest4
	dest6
	destPort
)

type decoder struct {
	rule     *firewall.Rule
	register loaded
	tcp      bool // TCP is a condition
	usedTCP  bool // and something needs it
	family   byte
}

func (d *decoder) other(what any) {
	if d.rule.Other != "" {
		d.rule.Other += ", "
	}
	if name, ok := what.(opaque); ok {
		d.rule.Other += string(name)
	} else {
		d.rule.Other += fmt.Sprintf("%T", what)
	}
}

// take reports whether it knows e in this place.
func (d *decoder) take(e any) bool {
	r := d.rule
	switch e := e.(type) {
	case *expr.Meta:
		d.register = map[expr.MetaKey]loaded{expr.MetaKeyIIFTYPE: inType, expr.MetaKeyNFPROTO: family, expr.MetaKeyL4PROTO: protocol}[e.Key]
		return d.register != nothing && !e.SourceRegister && e.Register == register
	case *expr.Payload:
		d.register = nothing
		switch {
		case e.OperationType != expr.PayloadLoad || e.DestRegister != register:
		case e.Base == expr.PayloadBaseTransportHeader && e.Offset == destPortOffset && e.Len == portLength:
			d.register = destPort
		case e.Base == expr.PayloadBaseNetworkHeader && e.Offset == source4Offset && e.Len == address4Length:
			d.register = source4
		case e.Base == expr.PayloadBaseNetworkHeader && e.Offset == source6Offset && e.Len == address6Length:
			d.register = source6
		case e.Base == expr.PayloadBaseNetworkHeader && e.Offset == dest4Offset && e.Len == address4Length:
			d.register = dest4
		case e.Base == expr.PayloadBaseNetworkHeader && e.Offset == dest6Offset && e.Len == address6Length:
			d.register = dest6
		}
		return d.register != nothing
	case *expr.Cmp:
		return e.Op == expr.CmpOpEq && e.Register == register && d.compare(e.Data)
	case *expr.Lookup:
		return e.SourceRegister == register && !e.Invert && !e.IsDestRegSet && d.lookup(e.SetName)
	case *expr.Limit:
		ok := r.PerMinute == 0 && e.Type == expr.LimitTypePkts && !e.Over && e.Unit == expr.LimitTimeMinute
		r.PerMinute, r.Burst = e.Rate, e.Burst
		return ok
	case *expr.Log:
		r.Log = string(e.Data)
		return e.Level == expr.LogLevelInfo && e.Key&^(1<<unix.NFTA_LOG_PREFIX|1<<unix.NFTA_LOG_LEVEL) == 0
	case *expr.Verdict:
		ok := r.Verdict == firewall.Continue
		r.Verdict = map[expr.VerdictKind]firewall.Verdict{
			expr.VerdictAccept: firewall.Accept, expr.VerdictDrop: firewall.DropPacket, expr.VerdictJump: firewall.Jump,
		}[e.Kind]
		r.Target = e.Chain
		return ok && r.Verdict != firewall.Continue
	case *expr.Reject:
		ok := r.Verdict == firewall.Continue && d.tcp && e.Type == rejectReset
		r.Verdict, d.usedTCP = firewall.RejectReset, true
		return ok
	}
	return false
}

func (d *decoder) compare(data []byte) bool {
	r := d.rule
	switch d.register {
	case inType:
		ok := !r.Loopback && bytes.Equal(data, binary.NativeEndian.AppendUint16(nil, typeLoopback))
		r.Loopback = true
		return ok
	case family:
		ok := d.family == 0 && len(data) == 1
		if ok {
			d.family = data[0]
			r.Family = map[byte]firewall.Kind{unix.NFPROTO_IPV4: firewall.IPv4, unix.NFPROTO_IPV6: firewall.IPv6}[d.family]
		}
		return ok && r.Family != ""
	case protocol:
		d.tcp = true
		return bytes.Equal(data, []byte{unix.IPPROTO_TCP})
	case destPort:
		ok := d.tcp && r.Port == 0 && len(data) == portLength
		if ok {
			r.Port, d.usedTCP = binary.BigEndian.Uint16(data), true
		}
		return ok
	case dest4, dest6:
		to, ok := netip.AddrFromSlice(data)
		ok = ok && to.Is4() == (d.register == dest4) && d.fits(to.Is4()) && !r.To.IsValid()
		if ok {
			r.To = to
		}
		return ok
	}
	return false
}

func (d *decoder) lookup(set string) bool {
	r := d.rule
	switch {
	case d.register == destPort && d.tcp && r.PortSet == "":
		r.PortSet, d.usedTCP = set, true
		return true
	case d.register == source4 && d.family == unix.NFPROTO_IPV4 && r.From == "":
		r.From = set
		return true
	case d.register == source6 && d.family == unix.NFPROTO_IPV6 && r.From == "":
		r.From = set
		return true
	}
	return false
}

// fits reports whether the rule has asked for the family of an address before it.
func (d *decoder) fits(ipv4 bool) bool {
	return d.family == unix.NFPROTO_IPV4 && ipv4 || d.family == unix.NFPROTO_IPV6 && !ipv4
}

// finish marks a condition that nothing needed: alone it is one of somebody else.
func (d *decoder) finish() {
	if d.tcp && !d.usedTCP {
		d.other(opaque("l4proto"))
	}
}
