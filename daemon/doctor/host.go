package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is fine on a host.
const (
	// fsyncWarnMicros is where the latency of a write begins to be that of the disk alone, and fsyncErrorMicros where
	// followers are given up for a slow disk.
	fsyncWarnMicros  = 20_000
	fsyncErrorMicros = 1_000_000
	// maxSkewMillis is how far clocks of members may be apart: the times that clients see jump with the leader.
	maxSkewMillis = 1000
	// filesBeside is what a server opens beside its client connections.
	filesBeside = 256
	// fewestFiles is too few for a server without a bound of connections.
	fewestFiles = 4096
	// swapped is how much of a process in swap is too much: a pause for each page.
	swapped = 16 << 20
	// staleSnapshot is how old the newest may be while the log has grown to staleLog.
	staleSnapshot, staleLog = 7 * 86400, 1 << 30
	// manySnapshots is when nobody seems to remove any.
	manySnapshots = 30
)

// want is a port that the configuration gives this server.
type want struct{ use, address string }

func wanted(f *Facts) []want {
	var all []want
	for _, a := range f.Config.Client.Listen {
		all = append(all, want{"client", a})
	}
	if f.Config.Admin.Enabled {
		for _, a := range f.Config.Admin.Listen {
			all = append(all, want{"admin", a})
		}
	}
	if len(f.Config.Servers) < 2 {
		return all
	}
	for _, s := range f.Config.Servers {
		if s.ID != f.Config.ID {
			continue
		}
		for _, a := range s.Addresses {
			all = append(all, want{"peer", joined(a.Host, a.PeerPort)}, want{"election", joined(a.Host, a.ElectionPort)})
		}
	}
	return all
}

// joined is host:port, with brackets around an address of IPv6.
func joined(host string, port int) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}

// parted is the reverse; the port is "" where there is none.
func parted(address string) (host, port string) {
	at := strings.LastIndexByte(address, ':')
	if at < 0 {
		return address, ""
	}
	return strings.Trim(address[:at], "[]"), address[at+1:]
}

// ownPorts finds ports that another program has, and those that a firewall shuts off from this host itself.
func ownPorts(f *Facts) []Finding {
	var out list
	for _, w := range wanted(f) {
		l, ok := holder(f.Listen, w.address)
		if !ok || l.Command == "" || l.Command == "zkd" || f.Process != nil && l.PID == f.Process.PID {
			continue
		}
		who := fmt.Sprintf("%s (process %d", l.Command, l.PID)
		if l.Unit != "" {
			who += ", " + l.Unit
		}
		fix := fmt.Sprintf("end it, or give zkd another port: ss -ltnp 'sport = :%d'", l.Address.Port())
		if l.Unit != "" {
			fix = fmt.Sprintf("run: systemctl disable --now %s; or give zkd another port", l.Unit)
		}
		if w.use == "admin" {
			out.warn("Z601", fix, "the admin port %s is held by %s): zkd serves without", w.address, who)
		} else {
			out.problem("Z601", fix, "the %s port %s is held by %s)", w.use, w.address, who)
		}
	}
	for _, p := range f.Ports {
		_, listening := holder(f.Listen, p.Address)
		listening = listening || !f.Listen.Known && f.Server.Answers
		if p.Own && !p.OK && p.Class != "refused" && listening {
			out.warn("Z101", "let in what comes by the interface lo, before every other rule: zkd firewall check names the rule (iptables -I INPUT -i lo -j ACCEPT)",
				"this host cannot reach its own %s port %s (%s), though a program listens on it: a firewall of this host drops packets to itself", p.Use, p.Address, p.Class)
		}
	}
	return out
}

// holder returns who listens on an address, or on all of them at its port. A host by name is any.
func holder(all Listeners, address string) (Listener, bool) {
	host, portText := parted(address)
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return Listener{}, false
	}
	ip, err := netip.ParseAddr(host)
	at := slices.IndexFunc(all.All, func(l Listener) bool {
		if uint64(l.Address.Port()) != port {
			return false
		}
		own := l.Address.Addr().Unmap()
		return err != nil || ip.IsUnspecified() || own.IsUnspecified() || own == ip.Unmap()
	})
	if at < 0 {
		return Listener{}, false
	}
	return all.All[at], true
}

func dirs(f *Facts) []Finding {
	var out list
	if f.Restoring {
		out.problem("Z409", "run: zkd snapshot restore again, or zkd snapshot restore --undo", "a restore of the data directory was cut short: no server starts from it")
	}
	for _, d := range f.Dirs {
		switch {
		case d.Error != "":
			out.problem("Z407", "see who may read "+d.Path+" and what is above it: namei -l "+d.Path, "%s %s cannot be looked at: %s", d.Use, d.Path, d.Error)
			continue
		case !d.Found && f.Server.Answers:
			out.problem("Z407", "do not stop the server, which has the data in memory: put the directory back; findmnt -T "+d.Path+" shows what is mounted there", "%s %s is gone, under the running server", d.Use, d.Path)
			continue
		case !d.Found:
			continue // made at the first start
		}
		if d.Server != "" && d.Owner != d.Server {
			out.problem("Z407", fmt.Sprintf("run: chown -R %s: %s", d.Server, d.Path), "%s %s belongs to %s, and the server runs as %s", d.Use, d.Path, d.Owner, d.Server)
		}
		if d.Mode&0o007 != 0 {
			out.warn("Z407", "run: chmod o= "+d.Path, "%s %s is open to every user of the host (mode %o): it holds the data of all clients", d.Use, d.Path, d.Mode)
		}
		switch d.FileSystem {
		case "tmpfs", "ramfs":
			out.problem("Z407", "move the data to a disk", "%s %s is in memory (%s): a restart of the host loses what clients were told is kept", d.Use, d.Path, d.FileSystem)
		case "nfs", "nfs4", "cifs", "smb2", "fuse":
			out.warn("Z407", "move the data to a disk of this host", "%s %s is on a file system of the network (%s): its locks, syncs and delays are another host's", d.Use, d.Path, d.FileSystem)
		}
	}
	return out
}

func space(f *Facts) []Finding {
	var out list
	floor := int64(f.Config.Storage.MinFree)
	for _, d := range f.Dirs {
		if d.TotalBytes == 0 {
			continue
		}
		left := fmt.Sprintf("%d MiB of %d MiB are left below %s %s", d.FreeBytes>>20, d.TotalBytes>>20, d.Use, d.Path)
		fix := fmt.Sprintf("free space there: du -xh --max-depth=2 %s | sort -h | tail", d.Path)
		switch {
		case d.FreeBytes < floor:
			out.problem("Z401", fix, "%s: writes are refused below %d MiB", left, floor>>20)
		case d.FreeBytes < 2*floor || d.FreeBytes < d.TotalBytes/20:
			out.warn("Z401", fix, "%s: below %d MiB writes are refused", left, floor>>20)
		}
	}
	return out
}

func fsync(f *Facts) []Finding {
	var out list
	s := f.Fsync
	text := fmt.Sprintf("synced writes of 4 KiB in %s take %s, and 1 of 100 takes %s or more", s.Dir, millis(s.P50), millis(s.P99))
	const fix = "give the log a disk of its own (log_dir), or find who else writes to this one: iotop -oP"
	switch {
	case s.P99 >= fsyncErrorMicros:
		out.problem("Z402", fix, "%s: the others give up a server that takes so long", text)
	case s.P99 >= fsyncWarnMicros:
		out.warn("Z402", fix, "%s: every write of a client waits for one", text)
	}
	return out
}

// millis writes microseconds for people.
func millis(micros int64) string { return fmt.Sprintf("%d.%d ms", micros/1000, micros%1000/100) }

func snapshots(f *Facts) []Finding {
	var out list
	s := f.Snapshots
	for _, text := range s.Damaged {
		out.warn("Z405", "run: zkd snapshot verify "+f.Config.DataDir, "a snapshot is damaged, and a start would take an older one: %s", text)
	}
	if s.LogDamage != "" {
		out.problem("Z403", "run: zkd log verify "+logDir(f)+", which says where; "+recovery(f), "the transaction log is damaged: %s", s.LogDamage)
	}
	switch {
	case s.Count == 0 && s.LogFiles > 0:
		out.problem("Z403", recovery(f), "there is a log of %d files and no snapshot", s.LogFiles)
	case s.Count > 0 && s.NewestAgeSeconds > staleSnapshot && s.LogBytes > staleLog:
		out.warn("Z408", "run: journalctl -u zkd -g snapshot, which says why none is written", "the newest snapshot is %d days old, and the log has grown to %d MiB: a start replays it all",
			s.NewestAgeSeconds/86400, s.LogBytes>>20)
	}
	switch {
	case f.Config.Storage.PurgeInterval == 0 && f.ConfigError == "":
		out.warn("Z408", `write purge_interval = "1h" into [storage] (autopurge.purgeInterval)`, "old snapshots and logs are never removed: there are %d and %d", s.Count, s.LogFiles)
	case s.Count > max(manySnapshots, 3*f.Config.Storage.PurgeRetain):
		out.warn("Z408", "run: journalctl -u zkd -g purge, which says why none is removed", "there are %d snapshots, and %d are to be kept", s.Count, f.Config.Storage.PurgeRetain)
	}
	return out
}

// recovery is what brings back a server whose data is damaged.
func recovery(f *Facts) string {
	if len(f.Config.Servers) > 1 {
		return "stop the server and run: zkd log repair --resync, which has it take everything from the others; see DAMAGED OR LOST DATA in zkd(8)"
	}
	return "stop the server and restore a backup: zkd snapshot restore; see DAMAGED OR LOST DATA in zkd(8)"
}

func logDir(f *Facts) string {
	if f.Config.LogDir != "" {
		return f.Config.LogDir
	}
	return f.Config.DataDir
}

func clock(f *Facts) []Finding {
	var out list
	if f.Clock != nil && !f.Clock.Synchronised {
		out.warn("Z501", "run: timedatectl set-ntp true; timedatectl timesync-status shows whether it works", "the clock of this host is not synchronised: times of znodes, TTLs and logs drift")
	}
	for _, m := range f.Members {
		if m.HasClock && max(m.BehindMillis, -m.BehindMillis) > maxSkewMillis {
			way, by := "behind", m.BehindMillis
			if by < 0 {
				way, by = "ahead of", -by
			}
			out.warn("Z501", "run on both hosts: timedatectl set-ntp true", "the clock of server %d is %d s %s this host's", m.ID, by/1000, way)
		}
	}
	return out
}

func limits(f *Facts) []Finding {
	var out list
	p := f.Process
	need := int64(fewestFiles)
	if n := int64(f.Config.Client.MaxConnections); n > 0 {
		need = n + filesBeside
	}
	if p.MaxFiles > 0 && p.MaxFiles < need {
		out.warn("Z502", "write LimitNOFILE=65536 into a drop-in of the unit: systemctl edit zkd", "the server may open %d files, and needs %d for its connections", p.MaxFiles, need)
	}
	if p.MaxFiles > 0 && p.OpenFiles > p.MaxFiles/10*9 {
		out.problem("Z502", "raise LimitNOFILE= of the unit, or lower client.max_connections", "the server has %d of %d files open: it will refuse clients", p.OpenFiles, p.MaxFiles)
	}
	if p.SwapBytes > swapped {
		out.warn("Z503", "run: swapoff -a && swapon -a when there is memory for it, and set vm.swappiness=1 or MemorySwapMax=0 in the unit", "%d MiB of the server are in swap: it stands still while they are read back", p.SwapBytes>>20)
	}
	if p.Replaced {
		out.warn("Z606", "run: zkd wait --for in-sync && systemctl restart zkd", "zkd has been installed anew, and the server still runs from the program before")
	}
	return out
}

func user(f *Facts) []Finding {
	var out list
	if f.Process.UID == 0 && f.Process.Command == "zkd" {
		out.warn("Z603", fmt.Sprintf("stop it, run: chown -R zkd: %s, and start it by its unit, which has a user of its own: systemctl start zkd", f.Config.DataDir), "the server runs as root")
	}
	return out
}

func ephemeral(f *Facts) []Finding {
	var out list
	var named, numbers []string
	for _, w := range wanted(f) {
		_, text := parted(w.address)
		port, err := strconv.Atoi(text)
		if err != nil || slices.Contains(numbers, text) || !f.Ephemeral.Gives(port) {
			continue
		}
		named, numbers = append(named, fmt.Sprintf("%s (%s)", text, w.use)), append(numbers, text)
	}
	if len(numbers) > 0 {
		out.warn("Z607", fmt.Sprintf("run: sysctl -w net.ipv4.ip_local_reserved_ports=%s, and keep it in /etc/sysctl.d", strings.Join(numbers, ",")),
			"ports of the server are in the range %d-%d, from which the kernel takes those for outgoing connections, so that one day they are taken at a start: %s",
			f.Ephemeral.Low, f.Ephemeral.High, strings.Join(named, ", "))
	}
	return out
}

func unit(f *Facts) []Finding {
	var out list
	u := f.Unit
	switch u.Active {
	case "failed":
		out.problem("Z604", fmt.Sprintf("run: journalctl -u %s -n 50; then systemctl reset-failed %[1]s && systemctl start %[1]s", u.Name),
			"%s has failed (%s, exit status %d)", u.Name, u.Result, u.ExitStatus)
	case "activating":
		text := u.StatusText
		if text == "" {
			text = "no status"
		}
		out.warn("Z604", "run: journalctl -u "+u.Name+" -f", "%s is still starting: %s", u.Name, text)
	}
	if u.Active == "active" && (u.Enabled == "disabled" || u.Enabled == "masked") {
		out.warn("Z604", "run: systemctl enable "+u.Name, "%s is %s: it will not start when the host does", u.Name, u.Enabled)
	}
	if u.Restarts > 0 && u.Active == "active" {
		out.warn("Z604", fmt.Sprintf("run: journalctl -u %s -g 'zkd ends'", u.Name), "%s has ended by itself, and systemd has started it again %s", u.Name, times(u.Restarts))
	}
	if u.NeedsReload {
		out.warn("Z604", "run: systemctl daemon-reload", "the file of %s has changed since systemd read it", u.Name)
	}
	if u.User == "" || u.User == "root" {
		out.warn("Z603", "take the drop-in away that says so: systemctl cat "+u.Name, "%s runs as root", u.Name)
	}
	if !u.CapabilityNet && u.User != "" && u.User != "root" && f.ConfigError == "" && f.Config.Firewall.Mode != "off" && !f.Config.OnLoopback() && !f.Server.Guarded {
		out.warn("Z104", fmt.Sprintf("run: systemctl edit %s, and write AmbientCapabilities=CAP_NET_ADMIN below [Service]; or, where something else keeps strangers out, write mode = \"off\" into [firewall]", u.Name), "%s may not set firewall rules, and the configuration wants some", u.Name)
	}
	if u.OtherZooKeeper != "" {
		out.warn("Z601", "run: systemctl disable --now "+u.OtherZooKeeper, "%s is active beside %s", u.OtherZooKeeper, u.Name)
	}
	return out
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
