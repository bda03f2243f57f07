package gather

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zkd/daemon/doctor"
	"zkd/firewall"
	"zkd/firewall/nft"
)

// refusedLately is how far back the kernel's log is read.
const refusedLately = 10 * time.Minute

// refused finds who was refused at the ports for members: from the kernel's log, which has addresses, or else from the
// counters, which begin with the table. What the rules would let through by now is left out.
func refused(ctx context.Context, n *nft.Netfilter, want firewall.Ruleset, p firewall.Policy) []doctor.Refused {
	ports := firewall.Numbers(slices.Concat(p.PeerPorts, p.ElectionPorts))
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		if list := refusedLines(kernelLog(), time.Duration(now.Nano()), ports, want); len(list) > 0 {
			return list
		}
	}
	state, err := n.Read(ctx, want.Table)
	if err != nil {
		return nil
	}
	var tally firewall.Tally
	tally.Add(state.Counts)
	var list []doctor.Refused
	for _, r := range tally.Refused() {
		if !slices.Contains(ports, r.Port) || r.Packets == 0 {
			continue
		}
		if last := len(list) - 1; last >= 0 && list[last].Port == r.Port {
			list[last].Packets += int(r.Packets)
		} else {
			list = append(list, doctor.Refused{Port: r.Port, Packets: int(r.Packets)})
		}
	}
	if len(list) > 1 { // one line will do
		list = list[:1]
	}
	return list
}

// refusedLines reads the lines of zkd's rules in records of the kernel's log: "6,1234,5678901,-;zkd-refused: IN=eth0 …
// SRC=192.0.2.7 DST=192.0.2.1 … DPT=3888 …" with a time in microseconds since the host started. Source: Linux, ABI/testing/dev-kmsg.
func refusedLines(records []string, now time.Duration, ports []uint16, want firewall.Ruleset) (list []doctor.Refused) {
	for _, record := range records {
		head, text, ok := strings.Cut(record, ";")
		fields := strings.Split(head, ",")
		if !ok || len(fields) < 3 || !strings.HasPrefix(text, firewall.LogPrefix) {
			continue
		}
		micros, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || now-time.Duration(micros)*time.Microsecond > refusedLately {
			continue
		}
		words := make(map[string]string)
		for _, w := range strings.Fields(text) {
			name, value, _ := strings.Cut(w, "=")
			words[name] = value
		}
		from, fromErr := netip.ParseAddr(words["SRC"])
		port, portErr := strconv.ParseUint(words["DPT"], 10, 16)
		if fromErr != nil || portErr != nil || words["PROTO"] != "TCP" || !slices.Contains(ports, uint16(port)) {
			continue
		}
		to, _ := netip.ParseAddr(words["DST"]) // where another server on this host listens, it is that one's
		if through, _ := want.Judge(firewall.Packet{Source: from, Dest: to, Port: uint16(port)}); through {
			continue
		}
		at := slices.IndexFunc(list, func(r doctor.Refused) bool { return r.From == from && r.Port == uint16(port) })
		if at < 0 {
			at = len(list)
			list = append(list, doctor.Refused{Port: uint16(port), From: from})
		}
		list[at].Packets++
	}
	return list
}

// kernelLog returns what the kernel still has of its log, nothing to who may not read it. Package os would wait for
// the next line at the end.
func kernelLog() (records []string) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	const most = 1 << 16
	record := make([]byte, 8192) // no record is longer
	for range most {
		n, err := unix.Read(fd, record)
		switch {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR): // it was overwritten meanwhile; the next one follows
		case err != nil || n <= 0:
			return records
		default:
			records = append(records, string(record[:n]))
		}
	}
	return records
}
