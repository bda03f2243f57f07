package nft

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// rawRule is a rule as the kernel has it. Exprs holds expr.Any, and opaque for what the library cannot read.
//
// The library has a reader of rules too. It leaves out the expressions that it does not know, so that a
// rule looks as if it matched more than it does, and it gives up on all rules for one that it cannot read.
type rawRule struct {
	family       nftables.TableFamily
	table, chain string
	exprs        []any
	comment      string
}

// opaque is the name of an expression that could not be read.
type opaque string

// attempts is how often a dump is tried that changes of others interrupt.
const attempts = 5

var errInterrupted = errors.New("others change the rules all the time")

// rules returns all rules of a family, or of all with TableFamilyUnspecified, in the order of their chains.
func (c *conn) rules(family nftables.TableFamily, table string) ([]rawRule, error) {
	body := []byte{byte(family), unix.NFNETLINK_V0, 0, 0}
	if table != "" {
		attrs, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.NFTA_RULE_TABLE, Data: []byte(table + "\x00")}})
		if err != nil {
			return nil, err
		}
		body = append(body, attrs...)
	}
	for range attempts {
		replies, err := c.raw.Execute(netlink.Message{
			Header: netlink.Header{
				Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE),
				Flags: netlink.Request | netlink.Dump,
			},
			Data: body,
		})
		if err != nil {
			return nil, err
		}
		var list []rawRule
		interrupted := false
		for _, m := range replies {
			interrupted = interrupted || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			r, err := parseRule(m.Data)
			if err != nil {
				return nil, err
			}
			list = append(list, r)
		}
		if !interrupted {
			return list, nil
		}
	}
	return nil, errInterrupted
}

// parseRule reads the message of one rule: a header of four bytes that begins with the family, attributes.
func parseRule(data []byte) (rawRule, error) {
	if len(data) < 4 {
		return rawRule{}, fmt.Errorf("a rule of %d bytes", len(data))
	}
	r := rawRule{family: nftables.TableFamily(data[0])}
	ad, err := netlink.NewAttributeDecoder(data[4:])
	if err != nil {
		return rawRule{}, err
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_RULE_TABLE:
			r.table = ad.String()
		case unix.NFTA_RULE_CHAIN:
			r.chain = ad.String()
		case unix.NFTA_RULE_USERDATA:
			r.comment, _ = userdata.GetString(ad.Bytes(), userdata.TypeComment)
		case unix.NFTA_RULE_EXPRESSIONS:
			ad.Nested(func(list *netlink.AttributeDecoder) error {
				for list.Next() {
					r.exprs = append(r.exprs, parseExpr(byte(r.family), list.Bytes()))
				}
				return nil
			})
		}
	}
	return r, ad.Err()
}

// parseExpr reads one expression: its name, and data in a form of its own. It returns an expr.Any, or opaque.
func parseExpr(family byte, data []byte) any {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return opaque("broken expression")
	}
	var name string
	var body []byte
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_EXPR_NAME:
			name = ad.String()
		case unix.NFTA_EXPR_DATA:
			body = ad.Bytes()
		}
	}
	e := newExpr(name)
	if e == nil || ad.Err() != nil || expr.Unmarshal(family, body, e) != nil {
		return opaque(name)
	}
	// A verdict is an immediate value for the verdict register.
	if imm, ok := e.(*expr.Immediate); ok && imm.Register == unix.NFT_REG_VERDICT && len(imm.Data) == 0 {
		v := &expr.Verdict{}
		if expr.Unmarshal(family, body, v) != nil {
			return opaque(name)
		}
		return v
	}
	return e
}

// newExpr returns an empty expression of that name, nil for one that does not matter to this package, or
// of which it cannot tell what it does.
func newExpr(name string) expr.Any {
	switch name {
	case "bitwise":
		return &expr.Bitwise{}
	case "cmp":
		return &expr.Cmp{}
	case "counter":
		return &expr.Counter{}
	case "ct":
		return &expr.Ct{}
	case "fib":
		return &expr.Fib{}
	case "immediate":
		return &expr.Immediate{}
	case "limit":
		return &expr.Limit{}
	case "log":
		return &expr.Log{}
	case "lookup":
		return &expr.Lookup{}
	case "match":
		return &expr.Match{}
	case "meta":
		return &expr.Meta{}
	case "notrack":
		return &expr.Notrack{}
	case "objref":
		return &expr.Objref{}
	case "payload":
		return &expr.Payload{}
	case "range":
		return &expr.Range{}
	case "reject":
		return &expr.Reject{}
	case "target":
		return &expr.Target{}
	}
	return nil
}
