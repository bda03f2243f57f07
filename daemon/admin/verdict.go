package admin

import (
	"cmp"
	"fmt"
	"strings"

	"zkd/quorum"
	"zkd/quorum/peer"
)

// WhyNotServing says in one sentence why clients get no answers: of a member without a quorum, who is
// missing and why. It is "" while they do get answers.
func WhyNotServing(st quorum.Status) string {
	switch e := st.Ensemble; {
	case st.Serving:
		return ""
	case e == nil || e.Leader != 0 || len(away(st)) == 0 || st.ReadOnlyDisk: // a full disk keeps out of the ensemble
		text := cmp.Or(st.NotServing, "no reason given")
		if e != nil && e.Sync != "" && !strings.Contains(text, e.Sync) {
			text += ": " + e.Sync
		}
		return text
	default:
		return Verdict(st)
	}
}

// Verdict is the ensemble in a sentence, as this server sees it; "" for a server that stands alone.
func Verdict(st quorum.Status) string {
	e := st.Ensemble
	if e == nil {
		return ""
	}
	voters := 0
	missing := away(st)
	for _, m := range missing {
		if !m.Observer {
			voters++
		}
	}
	var b strings.Builder
	switch {
	case e.Leader != 0 && !e.Quorum:
		fmt.Fprintf(&b, "server %d is elected and does not lead yet", e.Leader)
	case e.Leader == st.ID:
		b.WriteString("this server leads")
	case e.Leader != 0:
		fmt.Fprintf(&b, "server %d leads", e.Leader)
	case e.Quorum:
		b.WriteString("no leader yet")
	default:
		b.WriteString("no quorum")
	}
	fmt.Fprintf(&b, "; %d of %d voters in touch, %d needed", e.Voters-voters, e.Voters, e.NeededVoters)
	switch {
	case e.Leader == 0 || e.Losses < 0:
	case e.Losses == 0:
		b.WriteString(": the next loss ends the service")
	case e.Losses == 1:
		b.WriteString(": 1 more may be lost")
	default:
		fmt.Fprintf(&b, ": %d more may be lost", e.Losses)
	}
	for i, m := range missing {
		b.WriteString([]string{"; missing: ", ", "}[min(i, 1)])
		fmt.Fprintf(&b, "%s %d (%s)", kindOf(m), m.ID, whyAway(m))
	}
	return b.String()
}

func kindOf(m quorum.MemberStatus) string {
	if m.Observer {
		return "observer"
	}
	return "server"
}

// away returns the members that this server misses: a leader those that do not follow, others those
// whose election port they cannot reach.
func away(st quorum.Status) []quorum.MemberStatus {
	var all []quorum.MemberStatus
	for _, m := range st.Ensemble.Members {
		switch {
		case m.Self, m.ID == st.Ensemble.Leader: // who follows is in touch with its leader
		case st.Role == quorum.Leader && !m.Synced, st.Role != quorum.Leader && !m.Election.OK:
			all = append(all, m)
		}
	}
	return all
}

// whyAway says why a member is missing, for somebody who was woken up by it.
func whyAway(m quorum.MemberStatus) string {
	for _, port := range []struct {
		addr  string
		reach quorum.Reach
	}{{m.ElectionAddr, m.Election}, {m.PeerAddr, m.Peer}} {
		if port.reach.Known && !port.reach.OK {
			return port.addr + " " + classText(port.reach)
		}
	}
	if !m.Election.Known {
		return m.ElectionAddr + " not tried yet"
	}
	return "can be reached, does not follow yet"
}

// hints say what a class of error most often means.
var hints = map[peer.Class]string{
	peer.Refused:     "nothing listens there",
	peer.TimedOut:    "host down, or a firewall drops packets",
	peer.Broken:      "the connection was closed",
	peer.NoRoute:     "no way there, or a firewall forbids it",
	peer.NameUnknown: "the name has no address",
	peer.NoAnswer:    "a firewall may let only one direction through",
	peer.WrongID:     "another server lives at this address",
	peer.NotMember:   "it is in another configuration",
}

// classText is the class of the last error with its meaning, or with the error itself where that says
// more.
func classText(r quorum.Reach) string {
	if hint, ok := hints[peer.Class(r.Class)]; ok {
		return r.Class + ": " + hint
	}
	return cmp.Or(r.Error, r.Class, "failed")
}
