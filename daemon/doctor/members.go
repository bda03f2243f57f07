package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"zkd/quorum/zk"
)

// memberPorts finds the ports of members that cannot be reached. What the server says of its own connections is
// better than a dial, and is told by it.
func memberPorts(f *Facts) []Finding {
	var out list
	for _, p := range f.Ports {
		if p.Own || p.OK || p.Use == "client" { // which clients use, not this server
			continue
		}
		out.warn("Z103", fixOfPort(p), "%s port %s of server %d cannot be reached from here: %s", p.Use, p.Address, p.Server, meaning(p.Class))
	}
	return out
}

// meaning says a class of error with what it most often means.
func meaning(class string) string {
	hints := map[string]string{
		"refused": "nothing listens there", "timed out": "host down, or a firewall drops packets", "reset": "the connection was closed",
		"no route": "no way there, or a firewall forbids it", "name unknown": "the name has no address",
	}
	if hint, ok := hints[class]; ok {
		return class + ": " + hint
	}
	return cmp.Or(class, "failed")
}

func fixOfPort(p Port) string {
	host, _ := parted(p.Address)
	switch p.Class {
	case "refused":
		return fmt.Sprintf("start the server on %s: systemctl start zkd; journalctl -u zkd -n 50 says why it was not running", host)
	case "name unknown":
		return fmt.Sprintf("correct the name, or the resolver of this host: getent ahosts %s", host)
	default:
		return fmt.Sprintf("see whether %s is up: ping %[1]s; if it is, run there: zkd firewall check", host)
	}
}

// parityKeys are what must be the same on all members, by the key of conf, with this server's own value. Source:
// ZooKeeper's servers exchange none of it, and take each other's for granted.
func parityKeys(f *Facts) map[string]string {
	c := f.Config
	return map[string]string{
		"tickTime":          strconv.FormatInt(c.Session.TickTime.Milliseconds(), 10),
		"initLimit":         strconv.Itoa(c.Ensemble.InitLimit),
		"syncLimit":         strconv.Itoa(c.Ensemble.SyncLimit),
		"minSessionTimeout": strconv.FormatInt(c.Session.MinTimeout.Milliseconds(), 10),
		"maxSessionTimeout": strconv.FormatInt(c.Session.MaxTimeout.Milliseconds(), 10),
	}
}

// parity compares the configuration of this server with that of the others, as far as their word conf tells.
func parity(f *Facts) []Finding {
	var out list
	own := parityKeys(f)
	for _, m := range f.Members {
		own := maps.Clone(own)
		if tick, ok := m.Conf["tickTime"]; ok && tick != own["tickTime"] { // of which these are multiples
			delete(own, "minSessionTimeout")
			delete(own, "maxSessionTimeout")
		}
		for _, key := range slices.Sorted(maps.Keys(own)) {
			if theirs, ok := m.Conf[key]; ok && theirs != own[key] {
				out.warn("Z202", "make it the same on all members, one restart after the other", "%s is %s on server %d and %s here", key, theirs, m.ID, own[key])
			}
		}
		out = append(out, serverLists(f, m)...)
	}
	return out
}

// serverLists compares who is in the ensemble.
func serverLists(f *Facts, m Member) []Finding {
	if len(m.Servers) == 0 {
		return nil
	}
	var out list
	own := make(map[zk.ServerID]string)
	for _, s := range f.Config.Servers {
		own[s.ID] = s.String()
	}
	ids := slices.Collect(maps.Keys(own))
	for id := range m.Servers {
		if _, ok := own[id]; !ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	const fix = "make [servers] the same on all members, one restart after the other"
	for _, id := range ids {
		theirs, there := m.Servers[id]
		here, ok := own[id]
		switch {
		case !there:
			out.problem("Z202", fix, "server %d does not know server %d (%s)", m.ID, id, here)
		case !ok:
			out.problem("Z202", fix, "server %d has a server %d (%s), which is not known here", m.ID, id, theirs)
		case peerPart(theirs) != peerPart(here):
			out.problem("Z202", fix, "server %d has server %d at %s, and here it is %s", m.ID, id, peerPart(theirs), peerPart(here))
		}
	}
	return out
}

// peerPart is the address for members of a server's line, without its role and its client port: a name and what it
// stands for are told apart, as they are by the servers.
func peerPart(line string) string {
	line, _, _ = strings.Cut(line, ";")
	var parts []string
	for one := range strings.SplitSeq(line, "|") {
		one = strings.TrimSuffix(strings.TrimSuffix(one, ":participant"), ":observer")
		parts = append(parts, strings.NewReplacer("[", "", "]", "").Replace(one))
	}
	return strings.Join(parts, "|")
}

// versions finds members that are too old to be beside zkd, and an upgrade that has not come to its end.
func versions(f *Facts) []Finding {
	var out list
	zkds := map[string][]zk.ServerID{}
	if f.Server.Version != "" {
		zkds[f.Server.Version] = append(zkds[f.Server.Version], f.Config.ID)
	}
	for _, m := range f.Members {
		if m.Version == "" {
			continue
		}
		number, _, _ := strings.Cut(m.Version, ",")
		java, own, isZkd := strings.Cut(number, "-zkd-")
		if isZkd {
			zkds[own] = append(zkds[own], m.ID)
			continue
		}
		java, _, _ = strings.Cut(java, "-")
		if tooOld(java) {
			out.warn("Z204", "upgrade it to 3.8.5, 3.9.4 or later, or to zkd", "server %d runs ZooKeeper %s, whose known bugs lose data in an ensemble", m.ID, java)
		}
	}
	if len(zkds) > 1 {
		var parts []string
		for _, v := range slices.Sorted(maps.Keys(zkds)) {
			slices.Sort(zkds[v])
			parts = append(parts, fmt.Sprintf("%s on %s", v, idList(zkds[v])))
		}
		out.warn("Z204", "finish the upgrade, or take it back", "members run different versions of zkd: %s", strings.Join(parts, ", "))
	}
	return out
}

func idList(ids []zk.ServerID) string {
	var parts []string
	for _, id := range ids {
		parts = append(parts, fmt.Sprint(id))
	}
	if len(parts) == 1 {
		return "server " + parts[0]
	}
	return "servers " + strings.Join(parts, " and ")
}

// tooOld reports whether a release of ZooKeeper's is before 3.8.5, or one of 3.9 before 3.9.4. What is no number is not.
func tooOld(version string) bool {
	var n [3]int
	for i, part := range strings.SplitN(version, ".", 3) {
		v, err := strconv.Atoi(part)
		if err != nil {
			return false
		}
		n[i] = v
	}
	switch {
	case n[0] != 3:
		return n[0] < 3
	case n[1] == 9:
		return n[2] < 4
	case n[1] == 8:
		return n[2] < 5
	default:
		return n[1] < 8
	}
}

// timeouts compares the limits between servers with the way between them and with what there is to send.
func timeouts(f *Facts) []Finding {
	var out list
	tick := f.Config.Session.TickTime.Microseconds()
	for _, p := range f.Ports {
		if !p.Own && p.OK && p.RTTMicros > tick/4 {
			out.warn("Z602", "raise session.tick_time on all members, or look at the way: mtr "+p.Address,
				"it takes %s to reach server %d, and a tick is %s: members are given up too soon", millis(p.RTTMicros), p.Server, millis(tick))
		}
	}
	// A snapshot takes its time at a hundred Mbit/s, and a follower that is not done in initLimit begins again.
	const bytesPerSecond = 12 << 20
	if f.Snapshots != nil {
		seconds := f.Snapshots.NewestBytes / bytesPerSecond
		if limit := int64(f.Config.Ensemble.InitLimit) * tick / 1_000_000; seconds > limit {
			out.warn("Z602", fmt.Sprintf("set ensemble.init_limit to %d on all members", (seconds*2*1_000_000+tick-1)/tick),
				"a snapshot has %d MiB, which takes %d s over 100 Mbit/s, and a member has %d s to catch up", f.Snapshots.NewestBytes>>20, seconds, limit)
		}
	}
	return out
}
