package probe

import (
	"net"
	"strconv"
	"strings"
)

// listens reports whether a program of this host listens on the port of addr, by the kernel's own
// tables: no firewall stands between. known is false where they cannot be read.
func listens(addr string, read func(name string) ([]byte, error)) (listening, known bool) {
	_, portText, err := net.SplitHostPort(addr)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil {
		return false, false
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := read(table)
		if err != nil {
			continue // without IPv6 there is no tcp6
		}
		known = true
		for line := range strings.Lines(string(text)) {
			if isListener(line, port) {
				return true, true
			}
		}
	}
	return false, known
}

// isListener reads a line of /proc/net/tcp: "sl local_address rem_address st ...", addresses and ports
// in hexadecimal. Source: proc_net_tcp of the kernel's documentation.
func isListener(line string, port uint64) bool {
	const listen = "0A"
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[3] != listen {
		return false
	}
	_, hex, ok := strings.Cut(fields[1], ":")
	p, err := strconv.ParseUint(hex, 16, 16)
	return ok && err == nil && p == port
}
