package doctor

import (
	"fmt"
	"slices"
	"strings"

	"zkd/daemon/config"
)

// checks are all questions, in the order in which they are asked.
func checks() []check {
	configured := func(f *Facts) bool { return f.ConfigError == "" }
	many := func(f *Facts) bool { return configured(f) && !f.NoID && len(f.Config.Servers) > 1 }
	return []check{
		// First what names the rule that shuts a port: the next would only say that it is shut.
		{name: "firewall", seen: func(f *Facts) bool { return f.Firewall != nil }, find: func(f *Facts) []Finding { return slices.Concat(f.Firewall.Problems, refused(f)) }},
		{name: "configuration", find: configuration},
		{name: "server", find: server},
		{name: "server id", seen: func(f *Facts) bool { return configured(f) && !f.NoID }, find: serverID},
		{name: "number of voters", seen: func(f *Facts) bool { return configured(f) && len(f.Config.Servers) > 1 }, find: voters},
		{name: "names of members", seen: many, find: names},
		{name: "ports of this host", seen: configured, find: ownPorts},
		{name: "ports of members", seen: many, find: memberPorts},
		{name: "ports of this host from outside", seen: func(f *Facts) bool { return many(f) && fromOutside(f) }, find: outside, part: outsideUnseen},
		{name: "configuration of members", seen: func(f *Facts) bool { return many(f) && slices.ContainsFunc(f.Members, heard) }, find: parity},
		{name: "versions of members", seen: func(f *Facts) bool { return many(f) && slices.ContainsFunc(f.Members, heard) }, find: versions},
		{name: "data directory", seen: func(f *Facts) bool { return len(f.Dirs) > 0 }, find: dirs},
		{name: "disk space", seen: func(f *Facts) bool { return len(f.Dirs) > 0 }, find: space},
		{name: "disk latency", seen: func(f *Facts) bool { return f.Fsync != nil }, find: fsync},
		{name: "snapshots and log", seen: func(f *Facts) bool { return f.Snapshots != nil }, find: snapshots},
		{name: "clock", seen: func(f *Facts) bool {
			return f.Clock != nil || slices.ContainsFunc(f.Members, func(m Member) bool { return m.HasClock })
		}, find: clock},
		{name: "limits of the process", seen: func(f *Facts) bool { return f.Process != nil }, find: limits},
		{name: "user of the process", seen: func(f *Facts) bool { return f.Process != nil }, find: user},
		{name: "timeouts", seen: many, find: timeouts},
		{name: "ports for outgoing connections", seen: func(f *Facts) bool { return configured(f) && f.Ephemeral != nil }, find: ephemeral},
		{name: "systemd unit", seen: func(f *Facts) bool { return f.Unit != nil && f.Unit.Loaded }, find: unit},
	}
}

func heard(m Member) bool { return m.Conf != nil || m.Version != "" }

// list gathers findings.
type list []Finding

func (l *list) problem(code, fix, format string, args ...any) {
	*l = append(*l, Finding{code, Error, fmt.Sprintf(format, args...), fix})
}

func (l *list) warn(code, fix, format string, args ...any) {
	*l = append(*l, Finding{code, Warning, fmt.Sprintf(format, args...), fix})
}

// isID reports whether a problem of the configuration is one of the server's number.
func isID(p config.Problem) bool { return p.Key == "id" || p.Key == "myid" }

func configuration(f *Facts) []Finding {
	var out list
	check := "run: zkd check-config " + f.ConfigFile
	if f.ConfigError != "" {
		out.problem("Z200", "see whether the file is there, and run this as root", "the configuration cannot be read: %s", f.ConfigError)
	}
	for _, p := range f.Wrong {
		if !isID(p) {
			out.problem("Z200", check, "the configuration is wrong: %s", p)
		}
	}
	for _, n := range f.Notices {
		if n.Severity == config.Warning && n.Key != "servers" && !isID(n.Problem) {
			out.warn("Z200", check, "a setting that is seldom meant so: %s", n.Problem)
		}
	}
	return out
}

func serverID(f *Facts) []Finding {
	var out list
	for _, p := range f.Wrong {
		if isID(p) {
			out.problem("Z201", orCheck(p.Fix, f), "%s", withoutFix(p))
		}
	}
	for _, n := range f.Notices {
		if isID(n.Problem) && n.Severity == config.Warning {
			out.warn("Z201", orCheck(n.Fix, f), "%s", withoutFix(n.Problem))
		}
	}
	for _, m := range f.Members {
		says, ok := m.Conf["serverId"]
		switch {
		case !ok || says == fmt.Sprint(m.ID):
		case says == fmt.Sprint(f.Config.ID):
			out.problem("Z201", "give each server a number of its own: id in zkd.toml, or myid in its data directory",
				"server %d at %s says that it is number %s, as this server does", m.ID, m.Address, says)
		default:
			out.problem("Z201", "compare [servers] and the ids on both hosts", "server %d at %s says that it is number %s", m.ID, m.Address, says)
		}
	}
	return out
}

// orCheck is what to do about a problem of the configuration that says it all by itself.
func orCheck(fix string, f *Facts) string {
	if fix == "" {
		return "run: zkd check-config " + f.ConfigFile
	}
	return fix
}

func withoutFix(p config.Problem) config.Problem {
	p.Fix = ""
	return p
}

func voters(f *Facts) []Finding {
	var out list
	for _, n := range f.Notices {
		if n.Key == "servers" && n.Severity == config.Warning {
			out.warn("Z203", n.Fix, "%s", n.What)
		}
	}
	return out
}

// configFlag names the configuration to a command, "" for the built-in one.
func configFlag(f *Facts) string {
	if f.ConfigFile == "" {
		return ""
	}
	return "--config " + f.ConfigFile
}

// server is what the server says of itself, or that there is none.
func server(f *Facts) []Finding {
	var out list
	s := f.Server
	switch {
	case !s.Answers:
		fix := strings.TrimSpace("start it: zkd run " + configFlag(f))
		if f.Unit != nil && f.Unit.Loaded {
			start := "start"
			if f.Unit.Enabled == "disabled" {
				start = "enable --now" // or it is gone again with the next boot
			}
			fix = fmt.Sprintf("run: systemctl %s %s; journalctl -u %[2]s says why it ended", start, f.Unit.Name)
		}
		out.problem("Z605", fix, "no server answers on this host: %s", strings.TrimPrefix(strings.TrimPrefix(s.Reason, "not running: "), "cannot tell: "))
	case !s.Serving && !slices.ContainsFunc(s.Problems, func(p Finding) bool { return p.Severity == Error }):
		out.problem("Z107", "run: zkd status, which says who is missing and what to do there", "the server does not serve: %s", strings.TrimPrefix(s.Reason, "not serving: "))
	}
	return append(out, s.Problems...)
}

func names(f *Facts) []Finding {
	var out list
	away := false // some member is on another host
	var v4, v6 bool
	for _, n := range f.Names {
		for _, a := range n.Addresses {
			away = away || !a.IsLoopback()
			v4, v6 = v4 || a.Unmap().Is4(), v6 || a.Unmap().Is6()
		}
	}
	for _, n := range f.Names {
		if n.Error != "" {
			out.problem("Z302", fmt.Sprintf("correct the name, or the resolver of this host; getent ahosts %s shows what it finds", n.Host),
				"the name %s of server %d has no address: %s", n.Host, n.Server, n.Error)
			continue
		}
		loopback := len(n.Addresses) > 0
		var has4, has6 bool
		for _, a := range n.Addresses {
			loopback = loopback && a.IsLoopback()
			has4, has6 = has4 || a.Unmap().Is4(), has6 || a.Unmap().Is6()
		}
		switch {
		case loopback && away && n.Own:
			out.warn("Z301", fmt.Sprintf("write the address of this host's network before %s in /etc/hosts, in the place of %s", n.Host, n.Addresses[0]),
				"this host's own name %s leads to loopback (%s): others cannot reach a server that listens there", n.Host, n.Addresses[0])
		case loopback && away:
			out.problem("Z302", "correct /etc/hosts or the resolver of this host", "the name %s of server %d leads to this host itself (%s)", n.Host, n.Server, n.Addresses[0])
		case v4 && v6 && has4 != has6:
			families := map[bool]string{true: "IPv4", false: "IPv6"}
			out.warn("Z302", "give all members addresses of the same family", "server %d (%s) has only %s, and other members have %s: they may not reach each other",
				n.Server, n.Host, families[has4], families[!has4])
		}
	}
	return out
}
