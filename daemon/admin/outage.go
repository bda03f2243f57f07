package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"zkd/quorum"
)

// outage tells somebody who was woken up by it since when a member has had no leader, how many of the missing servers
// must come back, and what to do on which host. said are the problems that it holds. It is "" while there is a leader, and
// for a server that a full disk keeps out of the ensemble: the others are not to blame.
func (r *Report) outage() (text string, said []Problem) {
	e := r.Ensemble
	if r.Serving || e == nil || e.Leader != 0 || r.Storage.Full {
		return "", nil
	}
	// The server that leads the others, or the voters that are not here.
	missing := slices.DeleteFunc(slices.Clone(e.Members), func(m MemberReport) bool { return m.Self || m.Role != string(quorum.Leader) })
	cutOff := len(missing) > 0
	if !cutOff {
		missing = slices.DeleteFunc(slices.Clone(e.Members), func(m MemberReport) bool { return m.Self || m.Observer || m.Election.Known && m.Election.OK })
	}
	var b strings.Builder
	fmt.Fprintf(&b, "This server has been looking for a leader %s. ", r.since(r.Since))
	switch {
	case cutOff:
		b.WriteString("Clients are served by the others; to bring this server back:\n")
	case len(missing) == 0:
		b.WriteString("All voters can be reached, and an election takes seconds: where it does not end, run zkd doctor on each host\n")
	default:
		n := e.NeededVoters - (e.Voters - len(missing))
		fmt.Fprintf(&b, "%s must come back:\n", atLeast(n, len(missing)))
	}
	for _, m := range missing {
		p, port, shut := unreached(m)
		switch {
		case shut:
			said = append(said, p)
			fmt.Fprintf(&b, "  Z103 server %d, %s", m.ID, cmp.Or(port.Class, "failed"))
			if port.Since != nil {
				b.WriteString(" " + r.since(*port.Since))
			}
			fmt.Fprintf(&b, "\n       -> %s\n", p.Fix)
		case !m.Election.Known:
			fmt.Fprintf(&b, "  server %d, which was not tried yet: look again in a few seconds\n", m.ID)
		default:
			fmt.Fprintf(&b, "  server %d, whose ports can be reached: run zkd doctor there and here\n", m.ID)
		}
	}
	return b.String(), said
}

// atLeast says how many of the missing servers it takes.
func atLeast(n, missing int) string {
	switch {
	case n < 1: // groups and weights decide
		return "Of the missing servers, enough for a quorum"
	case n == missing && n == 1:
		return "The missing server"
	case n == missing:
		return fmt.Sprintf("All %d missing servers", n)
	default:
		return fmt.Sprintf("%d of the %d missing servers", n, missing)
	}
}

// since says when something began, and how long ago that was where the report says when it was made.
func (r *Report) since(t time.Time) string {
	text := "since " + t.UTC().Format("2006-01-02 15:04:05 UTC")
	if !r.Time.IsZero() {
		text = fmt.Sprintf("for %v, %s", r.Time.Sub(t).Round(time.Second), text)
	}
	return text
}
