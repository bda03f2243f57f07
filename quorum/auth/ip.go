package auth

import (
	"net/netip"
	"strconv"
	"strings"

	"zkd/quorum/proto"
)

const schemeIP = "ip"

// ipScheme knows clients by their address. Its ids in ACLs are address or address/bits, IPv4 or
// (since 3.9.4) IPv6.
//
// Source: IPAuthenticationProvider.
type ipScheme struct{}

func (ipScheme) Scheme() string { return schemeIP }

// Authenticate accepts any token and adds nothing: the address comes from the connection.
func (ipScheme) Authenticate([]byte) ([]proto.ID, bool) { return nil, true }

func (ipScheme) Valid(id string) bool {
	_, ok := parsePrefix(id)
	return ok
}

func (ipScheme) Matches(id, expr string) bool {
	prefix, ok := parsePrefix(expr)
	if !ok {
		return false
	}
	ip, ok := parseAddr(id)
	return ok && prefix.Contains(ip)
}

func (ipScheme) IsAuthenticated() bool { return false }

func (ipScheme) UserName(id string) string { return id }

// parsePrefix reads address or address/bits.
func parsePrefix(text string) (netip.Prefix, bool) {
	host, bitsText, hasBits := strings.Cut(text, "/")
	ip, ok := parseAddr(host)
	if !ok {
		return netip.Prefix{}, false
	}
	bits := ip.BitLen()
	if hasBits {
		n, err := strconv.Atoi(bitsText)
		if err != nil || n < 0 || n > bits {
			return netip.Prefix{}, false
		}
		bits = n
	}
	return netip.PrefixFrom(ip, bits), true
}

// parseAddr reads what ZooKeeper takes for an address: four decimal numbers, leading zeros
// allowed, or hexadecimal groups with at most one "::", no zone and no embedded IPv4 address.
func parseAddr(text string) (netip.Addr, bool) {
	if !strings.Contains(text, ":") {
		return parseV4(text)
	}
	if strings.ContainsAny(text, ".%") {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(text)
	return ip, err == nil
}

func parseV4(text string) (netip.Addr, bool) {
	var octets [4]byte
	for i := range octets {
		part, rest, more := strings.Cut(text, ".")
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || more != (i < len(octets)-1) {
			return netip.Addr{}, false
		}
		octets[i], text = byte(n), rest
	}
	return netip.AddrFrom4(octets), true
}

// hostText writes ip as Java's getHostAddress: an IPv6 address in eight groups, never shortened.
// An IPv4-mapped address is its IPv4 address. The zone is left out, so that link-local clients
// match too.
func hostText(ip netip.Addr) string {
	ip = ip.Unmap()
	if !ip.Is6() {
		return ip.String()
	}
	b := make([]byte, 0, len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
	bytes := ip.As16()
	for i := 0; i < len(bytes); i += 2 {
		if i > 0 {
			b = append(b, ':')
		}
		b = strconv.AppendUint(b, uint64(bytes[i])<<8|uint64(bytes[i+1]), 16)
	}
	return string(b)
}
