package gather

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"zkd/daemon/doctor"
)

// readFile reads a file of /proc.
type readFile func(name string) ([]byte, error)

// listeners reads who listens from the kernel's tables. Who is not root learns of his own processes only.
func listeners(read readFile) (found doctor.Listeners) {
	byInode := make(map[string]int)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := read(table)
		if err != nil {
			continue // without IPv6 there is no tcp6
		}
		found.Known = true
		for line := range strings.Lines(string(text)) {
			if l, inode, ok := parseListener(line); ok {
				byInode[inode] = len(found.All)
				found.All = append(found.All, l)
			}
		}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		inode, ok := strings.CutPrefix(target, "socket:[")
		at, listens := byInode[strings.TrimSuffix(inode, "]")]
		if err != nil || !ok || !listens {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err != nil || found.All[at].PID != 0 {
			continue
		}
		comm, _ := read(fmt.Sprintf("/proc/%d/comm", pid))
		groups, _ := read(fmt.Sprintf("/proc/%d/cgroup", pid))
		found.All[at].PID, found.All[at].Command, found.All[at].Unit = pid, strings.TrimSpace(string(comm)), unitIn(string(groups))
	}
	return found
}

// States of a socket. Source: tcp_states.h of the kernel.
const (
	established = "01"
	synSent     = "02"
	synReceived = "03" // half of a connection: its last packet may never come
	listen      = "0A"
)

// parseListener reads a line of /proc/net/tcp: "sl local_address rem_address st ... inode". Source: proc_net_tcp of the
// kernel's documentation.
func parseListener(line string) (l doctor.Listener, inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != listen {
		return l, "", false
	}
	addr, ok := parseAddress(fields[1])
	return doctor.Listener{Address: addr}, fields[9], ok
}

// parseAddress reads address:port, the address as words of the host's order, both in hexadecimal.
func parseAddress(text string) (netip.AddrPort, bool) {
	host, portText, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	port, portErr := strconv.ParseUint(portText, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), ok
}

// inbound reads who has connected from other hosts with ports of this one that something listens on. own are this host's
// addresses.
func inbound(read readFile, listening doctor.Listeners, own []netip.Addr) (found []doctor.Inbound) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := read(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 4 || slices.Contains([]string{listen, synSent, synReceived}, fields[3]) {
				continue
			}
			local, ok1 := parseAddress(fields[1])
			remote, ok2 := parseAddress(fields[2])
			if !ok1 || !ok2 || remote.Addr().IsLoopback() || remote.Addr().IsUnspecified() || slices.Contains(own, remote.Addr()) ||
				!slices.ContainsFunc(listening.All, func(l doctor.Listener) bool { return l.Address.Port() == local.Port() }) {
				continue
			}
			found = append(found, doctor.Inbound{Port: local.Port(), To: local.Addr(), From: remote.Addr(), Open: fields[3] == established})
		}
	}
	return found
}

// unitIn returns the unit that a process belongs to, by its cgroup file.
func unitIn(groups string) string {
	for line := range strings.Lines(groups) {
		for part := range strings.SplitSeq(strings.TrimSpace(line), "/") {
			if strings.HasSuffix(part, ".service") {
				return part
			}
		}
	}
	return ""
}

// process finds the server's process by its client port, or by its unit, and looks at it.
func (g *gatherer) process() {
	if !g.f.Server.Answers {
		return
	}
	pid := 0
	for _, a := range g.f.Config.Client.Listen {
		for _, l := range g.f.Listen.All {
			ours := l.Command == "zkd" || g.f.Server.Told // else another program has its port
			if strings.HasSuffix(a, fmt.Sprintf(":%d", l.Address.Port())) && l.PID != 0 && ours {
				pid = l.PID
			}
		}
	}
	if pid == 0 {
		g.unseen("the process of the server", "only root, and its own user, may know which it is")
		return
	}
	p, err := processOf(pid, os.ReadFile)
	if err != nil {
		g.unseen("the process of the server", err.Error())
		return
	}
	if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
		p.OpenFiles = int64(len(open))
	}
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil {
		p.Binary, p.Replaced = strings.CutSuffix(exe, " (deleted)")
	}
	g.f.Process = p
}

// processOf reads what /proc says of a process.
func processOf(pid int, read readFile) (*doctor.Process, error) {
	p := &doctor.Process{PID: pid}
	status, err := read(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		switch {
		case key == "Name":
			p.Command = fields[0]
		case key == "Uid" && err == nil:
			p.UID = int(n)
		case key == "VmSwap" && err == nil:
			p.SwapBytes = n << 10
		}
	}
	limits, err := read(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return p, nil // another's, on some kernels
	}
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				p.MaxFiles, _ = strconv.ParseInt(fields[0], 10, 64) // 0 for "unlimited", which is not known to be a bound
			}
		}
	}
	return p, nil
}
