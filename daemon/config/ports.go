package config

import (
	"fmt"
	"strconv"
	"strings"
)

// PortRange is where a kernel takes the ports of outgoing connections from.
type PortRange struct {
	Low, High int
	// Reserved says which ports in it are left alone; nil for none.
	Reserved func(port int) bool
}

// Gives reports whether the kernel may give a port to an outgoing connection.
func (r PortRange) Gives(port int) bool {
	return r.Low <= port && port <= r.High && (r.Reserved == nil || !r.Reserved(port))
}

// Taken warns of each port to listen on that the kernel may give to an outgoing connection first.
func (c Config) Taken(r PortRange) []Notice {
	rep := &report{}
	seen := make(map[int]bool)
	check := func(key string, port int) {
		if port == 0 || seen[port] || !r.Gives(port) {
			return
		}
		seen[port] = true
		rep.notice(Warning, c.atKey(key), fmt.Sprintf("run: sysctl -w net.ipv4.ip_local_reserved_ports=%d, and keep it in /etc/sysctl.d", port),
			"port %d is in the range %d-%d, from which the kernel takes those for outgoing connections: one day it is taken at a start", port, r.Low, r.High)
	}
	listens := []struct {
		key   string
		addrs []string
	}{{"client.listen", c.Client.Listen}, {"admin.listen", nil}}
	if c.Admin.Enabled {
		listens[1].addrs = c.Admin.Listen
	}
	for _, l := range listens {
		for _, a := range l.addrs {
			if _, port, wrong := splitHostPort(a); wrong == "" {
				check(l.key, port)
			}
		}
	}
	for _, s := range c.Servers {
		if s.ID != c.ID || len(c.Servers) < 2 {
			continue
		}
		for _, a := range s.Addresses {
			check(serverKey(s.ID), a.PeerPort)
			check(serverKey(s.ID), a.ElectionPort)
		}
	}
	return rep.notices
}

// ParsePortRange reads what the kernel says of the range and of the ports reserved in it: two numbers, and a list of
// ports and of ranges with a hyphen, separated by commas. ok is false for anything else.
// Source: ip_local_port_range and ip_local_reserved_ports in ip-sysctl of the kernel's documentation.
func ParsePortRange(limits, reserved string) (r PortRange, ok bool) {
	if n, err := fmt.Sscan(limits, &r.Low, &r.High); n != 2 || err != nil {
		return PortRange{}, false
	}
	var kept [][2]int
	for _, word := range splitWords(reserved) {
		low, high, isRange := strings.Cut(word, "-")
		first, err := strconv.Atoi(low)
		last := first
		if isRange && err == nil {
			last, err = strconv.Atoi(high)
		}
		if err != nil {
			return PortRange{}, false
		}
		kept = append(kept, [2]int{first, last})
	}
	r.Reserved = func(port int) bool {
		for _, k := range kept {
			if port >= k[0] && port <= k[1] {
				return true
			}
		}
		return false
	}
	return r, true
}
