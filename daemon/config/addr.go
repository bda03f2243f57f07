package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// splitHostPort splits "host:port", "[ipv6]:port" or ":port". wrong is "" or says what an address
// must look like. Names are not resolved; a port may be 0, which lets the system choose.
func splitHostPort(address string) (host string, port int, wrong string) {
	const form = `must be "host:port", "[IPv6 address]:port" or ":port"`
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return "", 0, form
	}
	host, wrong = parseHost(address[:i])
	if wrong != "" {
		return "", 0, wrong
	}
	port, ok := parsePort(address[i+1:])
	if !ok {
		return "", 0, "the port must be a number from 0 to 65535"
	}
	return host, port, ""
}

// parseHost checks a host as it stands before a ":port" and strips the brackets of an IPv6 address.
func parseHost(s string) (host, wrong string) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if a, err := netip.ParseAddr(inner); !ok || err != nil || !a.Is6() {
			return "", "what stands in [ ] must be an IPv6 address"
		}
		return inner, ""
	}
	switch {
	case strings.ContainsRune(s, ':'):
		return "", "an IPv6 address must stand in [ ]"
	case strings.ContainsAny(s, " \t/|;,[]\"'"):
		return "", "is not a host name"
	}
	return s, ""
}

func parsePort(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil
}

// joinHostPort is the inverse of splitHostPort.
func joinHostPort(host string, port int) string {
	if strings.ContainsRune(host, ':') {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}

// isWildcard reports whether host stands for all addresses of this host.
func isWildcard(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}

// isLoopback reports whether host is reachable from this host only.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.Unmap().IsLoopback()
}

// collide reports whether two listeners cannot both have their address: same port, and the same
// host or one that includes it. Port 0 never collides. A wildcard of one family and an address of
// the other do not.
func collide(a, b string) bool {
	hostA, portA, wrongA := splitHostPort(a)
	hostB, portB, wrongB := splitHostPort(b)
	if wrongA != "" || wrongB != "" || portA != portB || portA == 0 {
		return false
	}
	if strings.EqualFold(hostA, hostB) {
		return true
	}
	ipA, errA := netip.ParseAddr(hostA)
	ipB, errB := netip.ParseAddr(hostB)
	if errA == nil && errB == nil && ipA.Is4() != ipB.Is4() && ipA != netip.IPv6Unspecified() && ipB != netip.IPv6Unspecified() {
		return false
	}
	return isWildcard(hostA) || isWildcard(hostB) || errA == nil && ipA == ipB
}
