package admin

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"zkd/quorum"
	"zkd/quorum/peer"
)

// sentences are the ensemble for people, behind the lines that scripts read. None of its lines holds "Mode: ". said is
// what has been said before. How votes stand is for the document: it helps nobody to bring a server back.
func (r *EnsembleReport) sentences(said string) string {
	if r == nil {
		return ""
	}
	var b strings.Builder
	for _, line := range []string{r.Summary, r.Sync} {
		if line != "" && !strings.Contains(said, line) {
			fmt.Fprintf(&b, "Ensemble: %s\n", line)
		}
	}
	return b.String()
}

// table is what is known of each member.
func (r *EnsembleReport) table() string {
	if r == nil {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "  server\trole\tepoch\tzxid\tlag\telection port\tpeer port\tclient port\n")
	for _, m := range r.Members {
		id := fmt.Sprint(m.ID)
		if m.Self {
			id += " (this)"
		}
		role := cmp.Or(m.Role, "?")
		if m.Observer && m.Role != string(quorum.Observer) {
			role += " (observer)"
		}
		own := func(p PortReport) string {
			if m.Self && !p.Known {
				return p.Address
			}
			return p.text()
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", id, role, count(m.Epoch), cmp.Or(m.Zxid, "?"), count(m.Lag),
			own(m.Election), own(m.Peer), own(m.Client))
	}
	_ = w.Flush() // into a strings.Builder, which takes everything
	return b.String()
}

func count(n int64) string {
	if n < 0 {
		return "?"
	}
	return fmt.Sprint(n)
}

func (p PortReport) text() string {
	switch {
	case p.Address == "":
		return "?"
	case !p.Known:
		return p.Address + " -"
	case p.OK:
		return p.Address + " ok"
	default:
		return p.Address + " " + cmp.Or(p.Class, "failed")
	}
}

// ensembleProblems finds what an operator of an ensemble should know, worst first. shut are addresses of the own client
// port.
func ensembleProblems(st quorum.Status, r *EnsembleReport, shut []PortReport) []Problem {
	if r == nil {
		return nil
	}
	var all []Problem
	add := func(code, severity, text, fix string) { all = append(all, Problem{code, severity, text, fix}) }
	switch {
	case !st.Serving && r.Leader == 0 && r.Summary != Verdict(st):
		add("Z106", "error", r.Summary+": "+Verdict(st), "make the election and peer ports of the leader reachable from here; the ensemble serves without this server")
	case !st.Serving && r.Leader == 0:
		add("Z107", "error", Verdict(st), "bring the missing servers back: zkd status says which, and how")
	case r.Leader != 0 && r.Losses == 0 && r.Voters > 1:
		fix := "bring the missing servers back: zkd status says which"
		if len(away(st)) == 0 {
			fix = fmt.Sprintf("none is missing: %d voters can lose none; use 3 or 5", r.Voters)
		}
		add("Z108", "warning", "the next loss of a voter ends the service", fix)
	}
	for _, m := range r.Members {
		switch {
		case m.Self && st.Serving && len(shut) > 0:
			var addrs []string
			for _, c := range shut {
				addrs = append(addrs, fmt.Sprintf("%s (%s)", c.Address, cmp.Or(c.Class, "failed")))
			}
			add("Z101", "warning", fmt.Sprintf("this host cannot reach its own client port %s; the server itself works, and so does the ensemble", strings.Join(addrs, " and ")),
				loopbackFix)
		default:
			if p, _, shut := unreached(m); shut {
				all = append(all, p)
			}
		}
	}
	return all
}

// unreached is the problem of another member's port that cannot be reached, and the port.
func unreached(m MemberReport) (p Problem, port PortReport, shut bool) {
	for _, of := range []struct {
		use  string
		port PortReport
	}{{"election", m.Election}, {"peer", m.Peer}} {
		if !m.Self && of.port.Known && !of.port.OK {
			text := fmt.Sprintf("%s port %s of server %d cannot be reached from here: %s", of.use, of.port.Address, m.ID, classOf(of.port))
			return Problem{"Z103", "warning", text, fixOf(of.port)}, of.port, true
		}
	}
	return Problem{}, PortReport{}, false
}

// loopbackFix mends what shuts a host off from itself.
const loopbackFix = "a firewall of this host drops packets to itself: let in what comes by the interface lo, before every other rule"

func classOf(p PortReport) string {
	return classText(quorum.Reach{Class: p.Class, Error: p.Error})
}

func fixOf(p PortReport) string {
	host := hostOf(p.Address)
	switch peer.Class(p.Class) {
	case peer.Refused:
		return fmt.Sprintf("start the server on %s: systemctl start zkd; journalctl -u zkd -n 50 says why it was not running", host)
	case peer.TimedOut, peer.NoRoute:
		return fmt.Sprintf("see whether %s is up: ping %[1]s; if it is, run there: zkd firewall check", host)
	case peer.NameUnknown:
		return fmt.Sprintf("correct the name, or the resolver of this host: getent ahosts %s", host)
	case peer.NoAnswer:
		return fmt.Sprintf("let %s in on the election port of this host: zkd firewall check", host)
	case peer.WrongID, peer.NotMember:
		return "compare [servers] and the id on both hosts"
	default:
		return fmt.Sprintf("on %s, run: journalctl -u zkd -n 50; zkd doctor", host)
	}
}
