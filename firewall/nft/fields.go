package nft

import (
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"zkd/firewall/foreign"
)

func metaField(key expr.MetaKey) field {
	switch key {
	case expr.MetaKeyIIFNAME:
		return field{name: foreign.InName, size: unix.IFNAMSIZ}
	case expr.MetaKeyOIFNAME:
		return field{name: foreign.OutName, size: unix.IFNAMSIZ}
	case expr.MetaKeyIIF:
		return field{name: foreign.InIndex, size: 4}
	case expr.MetaKeyOIF:
		return field{name: foreign.OutIndex, size: 4}
	case expr.MetaKeyIIFTYPE:
		return field{name: foreign.InType, size: 2}
	case expr.MetaKeyOIFTYPE:
		return field{name: foreign.OutType, size: 2}
	case expr.MetaKeyNFPROTO:
		return field{name: foreign.Family, size: 1}
	case expr.MetaKeyL4PROTO:
		return field{name: foreign.Protocol, size: 1}
	case expr.MetaKeyPROTOCOL:
		return field{name: foreign.EtherType, size: 2}
	case expr.MetaKeyPKTTYPE:
		return field{name: foreign.PacketType, size: 1}
	}
	return field{name: foreign.Unknown}
}

// Where more fields are, in bytes from the beginning of the header.
const (
	protocol4Offset = 9
	dest4Offset     = 16
	next6Offset     = 6
	dest6Offset     = 24
	flagsOffset     = 13
)

// payloadField names what is loaded. Fields of IPv4 and IPv6 lie in the same bytes: what is loaded is told by
// where it begins, and rules of family inet ask for the family before.
func payloadField(family nftables.TableFamily, e *expr.Payload) field {
	size := int(e.Len)
	address := func(f foreign.Field, whole uint32) field {
		if e.Len > whole {
			return field{name: foreign.Unknown}
		}
		return field{name: f, size: size}
	}
	switch e.Base {
	case expr.PayloadBaseTransportHeader:
		switch {
		case e.Offset == 0 && e.Len == portLength:
			return field{name: foreign.SourcePort, size: portLength}
		case e.Offset == destPortOffset && e.Len == portLength:
			return field{name: foreign.DestPort, size: portLength}
		case e.Offset == flagsOffset && e.Len == 1:
			return field{name: foreign.TCPFlags, size: 1}
		}
	case expr.PayloadBaseNetworkHeader:
		switch {
		case e.Offset == source4Offset && e.Len <= address4Length && family != nftables.TableFamilyIPv6:
			return address(foreign.Source4, address4Length)
		case e.Offset == dest4Offset && e.Len <= address4Length && family != nftables.TableFamilyIPv6:
			return address(foreign.Dest4, address4Length)
		case e.Offset == source6Offset && (family == nftables.TableFamilyIPv6 || family == nftables.TableFamilyINet && e.Len > 1): // or it is a TTL
			return address(foreign.Source6, address6Length)
		case e.Offset == dest6Offset:
			return address(foreign.Dest6, address6Length)
		case e.Offset == protocol4Offset && e.Len == 1 && family == nftables.TableFamilyIPv4,
			e.Offset == next6Offset && e.Len == 1 && family == nftables.TableFamilyIPv6:
			return field{name: foreign.Protocol, size: 1}
		}
	}
	return field{name: foreign.Unknown}
}

func ctField(key expr.CtKey) field {
	switch key {
	case expr.CtKeySTATE:
		return field{name: foreign.State, size: 4}
	case expr.CtKeySTATUS:
		return field{name: foreign.Status, size: 4}
	case expr.CtKeyDIRECTION:
		return field{name: foreign.Direction, size: 1}
	}
	return field{name: foreign.Unknown}
}

func fibField(e *expr.Fib) field {
	switch {
	case e.ResultADDRTYPE && e.FlagDADDR && !e.FlagSADDR:
		return field{name: foreign.DestType, size: 4}
	case (e.ResultOIF || e.FlagPRESENT) && e.FlagSADDR && !e.FlagDADDR && !e.ResultADDRTYPE:
		return field{name: foreign.SourceRoute, size: 4}
	}
	return field{name: foreign.Unknown}
}

// Bits of the states of a connection as iptables writes them. Source: linux/netfilter/xt_conntrack.h.
const (
	xtInvalid     = 1
	xtEstablished = 2
	xtRelated     = 4
	xtNew         = 8
)

// xtMatch reads the conditions of iptables that are kept in its own form.
func xtMatch(e *expr.Match) []foreign.Match {
	switch info := e.Info.(type) {
	case *xt.Tcp:
		list := []foreign.Match{
			portRange(foreign.SourcePort, info.SrcPorts, info.InvFlags&xt.TcpInvSrcPorts != 0),
			portRange(foreign.DestPort, info.DstPorts, info.InvFlags&xt.TcpInvDestPorts != 0),
		}
		if info.FlagsMask != 0 {
			list = append(list, foreign.Match{Field: foreign.TCPFlags, Mask: []byte{info.FlagsMask}, Not: info.InvFlags&xt.TcpInvFlags != 0,
				Spans: []foreign.Span{{From: []byte{info.FlagsCmp}, To: []byte{info.FlagsCmp}}}})
		}
		if info.Option != 0 {
			list = append(list, unknown)
		}
		return list
	case *xt.ConntrackMtinfo1:
		return conntrack(info.MatchFlags, info.InvertFlags, uint16(info.StateMask))
	case *xt.ConntrackMtinfo2:
		return conntrack(info.MatchFlags, info.InvertFlags, info.StateMask)
	case *xt.ConntrackMtinfo3:
		return conntrack(info.MatchFlags, info.InvertFlags, info.StateMask)
	case *xt.AddrTypeV1:
		return destType(info.Source, info.Dest, info.Flags&1 != 0, info.Flags&2 != 0, info.Flags&^3 == 0)
	case *xt.Comment:
		return nil
	case *xt.Unknown:
		switch e.Name {
		case "multiport":
			return multiport(*info)
		case "icmp", "icmp6", "sctp", "dccp", "ah", "esp", "rt", "frag", "hbh", "dst", "mh", "ipv6header":
			return []foreign.Match{{Field: foreign.Impossible}} // another protocol, or a header that plain TCP does not have
		}
	case *xt.Udp:
		return []foreign.Match{{Field: foreign.Impossible}}
	}
	if e.Name == "comment" {
		return nil
	}
	return []foreign.Match{unknown}
}

func portBytes(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }

func portRange(f foreign.Field, ports [2]uint16, not bool) foreign.Match {
	if ports == [2]uint16{0, 0xffff} && !not {
		return foreign.Match{Field: foreign.Anything}
	}
	return foreign.Match{Field: f, Not: not, Spans: []foreign.Span{{From: portBytes(ports[0]), To: portBytes(ports[1])}}}
}

// conntrack reads `-m conntrack --ctstate`; other conditions of it are not read.
func conntrack(match, invert, states uint16) []foreign.Match {
	if xt.ConntrackFlags(match)&^(xt.ConntrackState|xt.ConntrackStateAlias) != 0 {
		return []foreign.Match{unknown}
	}
	bits := uint32(0)
	for _, b := range []uint16{xtInvalid, xtEstablished, xtRelated, xtNew} {
		if states&b != 0 {
			bits |= uint32(b) // the bits of nftables have the same values
		}
	}
	zero := make([]byte, 4)
	return []foreign.Match{{Field: foreign.State, Mask: binary.NativeEndian.AppendUint32(nil, bits),
		Not: xt.ConntrackFlags(invert)&xt.ConntrackState == 0, Spans: []foreign.Span{{From: zero, To: zero}}}}
}

// destType reads `-m addrtype --dst-type`, a mask of 1 << type.
func destType(source, dest uint16, notSource, notDest, plain bool) []foreign.Match {
	if source != 0 || notSource || !plain || dest == 0 {
		return []foreign.Match{unknown}
	}
	m := foreign.Match{Field: foreign.DestType, Not: notDest}
	for t := range uint32(16) {
		if dest&(1<<t) != 0 {
			b := binary.NativeEndian.AppendUint32(nil, t)
			m.Spans = append(m.Spans, foreign.Span{From: b, To: b})
		}
	}
	return []foreign.Match{m}
}

// multiport reads `-m multiport`: flags, count, 15 ports, 15 marks of ranges, invert; numbers of the host.
// Source: linux/netfilter/xt_multiport.h, struct xt_multiport_v1.
func multiport(info []byte) []foreign.Match {
	const size, maxPorts = 48, 15
	if len(info) < size || info[1] > maxPorts {
		return []foreign.Match{unknown}
	}
	m := foreign.Match{Not: info[size-1] != 0}
	switch info[0] {
	case 0:
		m.Field = foreign.SourcePort
	case 1:
		m.Field = foreign.DestPort
	default: // either
		return []foreign.Match{unknown}
	}
	port := func(i int) []byte { return portBytes(binary.NativeEndian.Uint16(info[2+2*i:])) }
	for i := 0; i < int(info[1]); i++ {
		span := foreign.Span{From: port(i), To: port(i)}
		if info[2+2*maxPorts+i] != 0 && i+1 < int(info[1]) { // a range: this port to the next
			i++
			span.To = port(i)
		}
		m.Spans = append(m.Spans, span)
	}
	return []foreign.Match{m}
}

// xtTarget returns the verdict of a target of iptables that is kept in its own form.
func xtTarget(name string) foreign.Verdict {
	switch name {
	case "REJECT":
		return foreign.Reject
	case "LOG", "NFLOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TRACE", "TCPMSS", "CLASSIFY", "SET", "SECMARK", "CONNSECMARK":
		return foreign.Continue
	}
	return foreign.Unclear
}
