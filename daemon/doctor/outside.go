package doctor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"zkd/quorum/zk"
)

// How other hosts reach the ports of this server cannot be tried from here, and no member tells another host of its
// connections: they stand in its /status, which is for its own host. What can be known is who has come in, by the kernel's
// table, and who is up and should have come:
//
//	election  the member with the larger number of two connects to the other, and this server sees whether it does
//	peer      who takes part in the election of this server then comes to this port, which is open only in its reign
//	client    anybody, or nobody
//
// The rest is said to be unknown. Source of the first: QuorumCnxManager of ZooKeeper.

// comeWithinTicks is how long a member may take to come to a leader that is elected.
const comeWithinTicks = 2

// fromOutside reports whether there is another host to come, and who has come is known.
func fromOutside(f *Facts) bool {
	return f.Listen.Known && f.Server.Answers && slices.ContainsFunc(f.Names, func(n Name) bool { return !n.Own && awayFrom(f, n) })
}

// awayFrom reports whether a name is one of another host.
func awayFrom(f *Facts, n Name) bool {
	return slices.ContainsFunc(n.Addresses, func(a netip.Addr) bool {
		return !a.IsLoopback() && !slices.ContainsFunc(f.Names, func(own Name) bool { return own.Own && slices.Contains(own.Addresses, a) })
	})
}

// outside finds members that do not come to a port of this server, and who comes that should not.
func outside(f *Facts) []Finding {
	var out list
	for _, m := range f.Members {
		at := slices.IndexFunc(f.Server.Links, func(l Link) bool { return l.ID == m.ID })
		if at < 0 || !m.OK { // down, for all that is known: no port of this host is to blame
			continue
		}
		link := f.Server.Links[at]
		switch {
		case !link.Election && link.Class == "no answer" && m.ID > f.Config.ID:
			out.warn("Z105", fixOfOutside(f, m, "election"), "server %d is up and takes connections of this server, but makes none to the election port of this server (%s)", m.ID, ports(f, "election"))
		case f.Server.Leads && f.Server.LeadsMillis > comeWithinTicks*f.Config.Session.TickTime.Milliseconds() &&
			link.Election && !link.Follows && m.NotServing && !cameTo(f, "peer", m.ID):
			out.warn("Z105", fixOfOutside(f, m, "peer"), "this server is elected, and server %d, which is up and in touch, does not come to its peer port (%s)", m.ID, ports(f, "peer"))
		}
	}
	return append(out, strangers(f)...)
}

// strangers finds who is connected and should not be, a finding for each port. While no rules are in force anybody is:
// that is said once, as Z104.
func strangers(f *Facts) []Finding {
	if f.Server.Unguarded {
		return nil
	}
	var ports []uint16
	from := make(map[uint16][]netip.Addr)
	for _, in := range f.Inbound {
		if !in.Open || !in.Stranger || slices.Contains(from[in.Port], in.From) {
			continue
		}
		if from[in.Port] == nil {
			ports = append(ports, in.Port)
		}
		from[in.Port] = append(from[in.Port], in.From)
	}
	var out list
	for _, port := range ports {
		const fix = "if it may come, name it in [firewall] of zkd.toml; else run: zkd firewall show, which says whether the rules are in force"
		if list := from[port]; len(list) == 1 {
			out.warn("Z105", fix, "%s is connected with port %d, and the configuration does not let it in", list[0], port)
		} else {
			out.warn("Z105", strings.Replace(fix, "if it may come, name it", "name those of them that may come", 1),
				"%d addresses are connected with port %d, and the configuration does not let them in: %s", len(list), port, examples(list))
		}
	}
	return out
}

// examples names three addresses at most, and says how many more there are.
func examples(list []netip.Addr) string {
	const most = 3
	var names []string
	for _, a := range list[:min(len(list), most)] {
		names = append(names, a.String())
	}
	text := strings.Join(names, ", ")
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func fixOfOutside(f *Facts, m Member, use string) string {
	host, _ := parted(m.Address)
	return fmt.Sprintf("let %s in on this host: zkd firewall check names a rule that does not; there, nc -vz %s tries the way", host, cmp.Or(first(f, use), "HOST PORT"))
}

// cameTo reports whether a member has come to a port of that use, or somebody whom nobody knows: he may be the member
// by another address.
func cameTo(f *Facts, use string, id zk.ServerID) bool {
	return slices.ContainsFunc(f.Inbound, func(in Inbound) bool {
		if !slices.Contains(numbers(f, use), in.Port) {
			return false
		}
		at := slices.IndexFunc(f.Names, func(n Name) bool { return !n.Own && slices.Contains(n.Addresses, in.From) })
		return at < 0 || f.Names[at].Server == id
	})
}

// outsideUnseen says which ports it is not known of whether other hosts reach them, nil if it is known of all.
func outsideUnseen(f *Facts) []Unseen {
	var parts []string
	var try string
	for _, use := range []string{"election", "peer", "client"} {
		all := numbers(f, use)
		if len(all) == 0 || slices.ContainsFunc(f.Inbound, func(in Inbound) bool { return slices.Contains(all, in.Port) }) {
			continue // it is for this host only, or others have come
		}
		why := "nobody is connected from another host now"
		switch larger := func(l Link) bool { return l.ID > f.Config.ID }; {
		case use == "election" && f.Server.Told && !slices.ContainsFunc(f.Server.Links, larger):
			why = "this server has the largest number, so that it connects to the others"
		case use == "election" && f.Server.Told:
			why = "the members that connect to it, those with larger numbers, are not connected"
		case use == "peer" && !f.Server.Leads:
			why = "it is open only while this server leads"
		}
		if use != "peer" || f.Server.Leads {
			try = cmp.Or(try, first(f, use))
		}
		parts = append(parts, fmt.Sprintf("%s port %s: %s", use, ports(f, use), why))
	}
	if parts == nil {
		return nil
	}
	if try != "" {
		parts = append(parts, "run on another host: nc -vz "+try)
	}
	return []Unseen{{"whether other hosts reach the ports of this one", strings.Join(parts, "; ")}}
}

// numbers are the ports of this server with a use that other hosts may reach, once each.
func numbers(f *Facts, use string) (all []uint16) {
	for _, w := range wanted(f) {
		host, text := parted(w.address)
		ip, err := netip.ParseAddr(host)
		port, portErr := strconv.ParseUint(text, 10, 16)
		if w.use != use || portErr != nil || host == "localhost" || err == nil && ip.IsLoopback() || slices.Contains(all, uint16(port)) {
			continue
		}
		all = append(all, uint16(port))
	}
	return all
}

// ports names them.
func ports(f *Facts, use string) string {
	var all []string
	for _, n := range numbers(f, use) {
		all = append(all, strconv.Itoa(int(n)))
	}
	return strings.Join(all, ", ")
}

// first is "host port" of the first port of a use, for a command that is run on another host; "" if none is known.
func first(f *Facts, use string) string {
	for _, w := range wanted(f) {
		host, port := parted(w.address)
		if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() || host == "" { // all addresses: that of the member
			at := slices.IndexFunc(f.Names, func(n Name) bool { return n.Own })
			if at < 0 {
				continue
			}
			host = f.Names[at].Host
		} else if err == nil && ip.IsLoopback() {
			continue
		}
		if w.use == use {
			return host + " " + port
		}
	}
	return ""
}
