package nft

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"zkd/firewall"
)

// Where the fields of a packet are: offset and length in bytes from the beginning of the header.
// Source: RFC 791, RFC 8200, RFC 9293.
const (
	source4Offset, address4Length = 12, 4
	source6Offset, address6Length = 8, 16
	destPortOffset, portLength    = 2, 2
)

const (
	typeLoopback = 772 // ARPHRD_LOOPBACK of net/if_arp.h
	rejectReset  = unix.NFT_REJECT_TCP_RST
	register     = 1
)

func newChain(t *nftables.Table, c firewall.Chain) *nftables.Chain {
	chain := &nftables.Chain{Table: t, Name: c.Name}
	if c.Base {
		policy := nftables.ChainPolicyAccept
		chain.Type, chain.Policy = nftables.ChainTypeFilter, &policy
		chain.Hooknum, chain.Priority = nftables.ChainHookInput, nftables.ChainPriorityRef(firewall.Priority)
	}
	return chain
}

// commentData is a comment as nft keeps it with a rule.
func commentData(text string) []byte {
	if text == "" {
		return nil
	}
	return userdata.AppendString(nil, userdata.TypeComment, text)
}

// encode returns the expressions of a rule, those that nft makes of its text.
func encode(r firewall.Rule, sets map[string]*nftables.Set) ([]expr.Any, error) {
	var list []expr.Any
	add := func(e ...expr.Any) { list = append(list, e...) }
	lookup := func(name string) error {
		set := sets[name]
		if set == nil {
			return fmt.Errorf("rule %q: no set %s", r, name)
		}
		add(&expr.Lookup{SourceRegister: register, SetName: set.Name, SetID: set.ID})
		return nil
	}
	if r.Loopback {
		add(load(expr.MetaKeyIIFTYPE), equal(binary.NativeEndian.AppendUint16(nil, typeLoopback)))
	}
	if r.Port != 0 || r.PortSet != "" {
		add(tcp()...)
		add(&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: destPortOffset, Len: portLength})
		if r.Port != 0 {
			add(equal(binaryutil.BigEndian.PutUint16(r.Port)))
		} else if err := lookup(r.PortSet); err != nil {
			return nil, err
		}
	}
	if r.Family != "" {
		family, source, dest, length := byte(unix.NFPROTO_IPV4), uint32(source4Offset), uint32(dest4Offset), uint32(address4Length)
		if r.Family == firewall.IPv6 {
			family, source, dest, length = unix.NFPROTO_IPV6, source6Offset, dest6Offset, address6Length
		}
		address := func(offset uint32) expr.Any {
			return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}
		}
		add(load(expr.MetaKeyNFPROTO), equal([]byte{family}))
		if r.To.IsValid() {
			add(address(dest), equal(r.To.AsSlice()))
		}
		if r.From != "" {
			add(address(source))
			if err := lookup(r.From); err != nil {
				return nil, err
			}
		}
	}
	if r.PerMinute != 0 {
		add(&expr.Limit{Type: expr.LimitTypePkts, Rate: r.PerMinute, Unit: expr.LimitTimeMinute, Burst: r.Burst})
	}
	if r.Log != "" {
		add(&expr.Log{Key: 1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_LEVEL, Data: []byte(r.Log), Level: expr.LogLevelInfo})
	}
	if r.Count {
		add(&expr.Counter{})
	}
	switch r.Verdict {
	case firewall.Continue:
	case firewall.Accept:
		add(&expr.Verdict{Kind: expr.VerdictAccept})
	case firewall.DropPacket:
		add(&expr.Verdict{Kind: expr.VerdictDrop})
	case firewall.Jump:
		add(&expr.Verdict{Kind: expr.VerdictJump, Chain: r.Target})
	case firewall.RejectReset:
		add(tcp()...)
		add(&expr.Reject{Type: rejectReset})
	default:
		return nil, fmt.Errorf("rule %q: unknown verdict", r)
	}
	return list, nil
}

func load(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: register} }

func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data}
}

// tcp is the condition that comes before everything that looks into TCP.
func tcp() []expr.Any { return []expr.Any{load(expr.MetaKeyL4PROTO), equal([]byte{unix.IPPROTO_TCP})} }
