package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"zkd/quorum/zk"
)

// Refused is what the rules of zkd refused lately at a port that is for members.
type Refused struct {
	Port uint16
	From netip.Addr // not valid where it is only known that there was somebody
	// Packets that the kernel has logged, which is six a minute at most, or counted where From is not valid.
	Packets int
}

// refused finds who may be a member by an address that nobody has written down: the other members know it by its
// address in [servers], and refuse what comes from another. Where no member is missing it is somebody who tries ports.
func refused(f *Facts) []Finding {
	var out list
	missing := missingMembers(f)
	if len(missing) == 0 {
		return nil
	}
	var told []netip.Addr
	for _, r := range f.Firewall.Refused {
		switch {
		case !r.From.IsValid():
			out.warn("Z105", "run: journalctl -k -g zkd-refused, which names them (SRC=); "+ifMember(missing, "ADDRESS"),
				"packets from addresses of no member were refused at port %d (%d), and %s not in touch", r.Port, r.Packets, serversAre(missing))
		case r.From.IsValid() && !slices.Contains(told, r.From):
			told = append(told, r.From)
			out.warn("Z105", ifMember(missing, r.From.String()), "%s was refused at port %d, which is for members, in the last minutes: no member has that address, and %s not in touch",
				r.From, r.Port, serversAre(missing))
		}
	}
	return out
}

// missingMembers are those that are not in touch with this server.
func missingMembers(f *Facts) (ids []zk.ServerID) {
	for _, l := range f.Server.Links {
		if !l.Election || f.Server.Leads && !l.Follows {
			ids = append(ids, l.ID)
		}
	}
	return ids
}

func ifMember(missing []zk.ServerID, from string) string {
	who, key := "a member", "N"
	if len(missing) == 1 {
		key = fmt.Sprint(missing[0])
		who = "server " + key
	}
	return fmt.Sprintf("if it is %s, whose calls come from there, write %s = [%q] below [firewall.from] of zkd.toml and reload the server", who, key, from)
}

func serversAre(ids []zk.ServerID) string {
	if len(ids) == 1 {
		return fmt.Sprintf("server %d is", ids[0])
	}
	var names []string
	for _, id := range ids {
		names = append(names, fmt.Sprint(id))
	}
	return "servers " + strings.Join(names, ", ") + " are"
}
