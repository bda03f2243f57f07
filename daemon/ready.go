package daemon

import (
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"zkd/daemon/admin"
	"zkd/daemon/config"
	"zkd/quorum"
)

// readiness decides when systemd is told READY=1.
//
//	serving    when clients get answers, or when until has come: a serial upgrade waits for each
//	           member, and the first server of a cold ensemble must not hang the start
//	quorum     only when clients get answers; when until has come, the start has failed: who waits for it, as a package
//	           manager with its lock, must not wait for ever
//	listening  at once: the ports are open
type readiness struct {
	mode  string // systemd.ready
	began time.Time
	until time.Time
	told  bool
	// served is what was last logged of serving; nothing is before the server was ready.
	served bool
}

// strictWait is the least time that a start waits for a quorum it cannot do without: the others may be starting too.
const strictWait = 5 * time.Minute

func newReadiness(c config.Systemd, now time.Time) *readiness {
	wait := c.QuorumWait
	if c.Ready == "quorum" {
		wait = max(wait, strictWait)
	}
	return &readiness{mode: c.Ready, began: now, until: now.Add(wait)}
}

// late reports whether the quorum that a start cannot do without has not come in time.
func (r *readiness) late(now time.Time) bool {
	return r.mode == "quorum" && !r.told && !now.Before(r.until)
}

// due reports whether the server counts as ready.
func (r *readiness) due(st quorum.Status, now time.Time) bool {
	switch r.mode {
	case "listening":
		return true
	case "quorum":
		return st.Serving
	default:
		return st.Serving || !now.Before(r.until)
	}
}

// tell says to systemd, and once to the log, how the server is.
func (d *process) tell(r *readiness, st quorum.Status, now time.Time) {
	line := d.statusLine(st, now)
	switch {
	case r.told:
		d.logServing(r, st)
		d.deps.Notifier.Status(line)
	case r.due(st, now):
		r.told, r.served = true, st.Serving
		d.log.Info("ready", zap.Bool("serving", st.Serving), zap.String("status", line))
		d.deps.Notifier.Ready(line)
	default:
		d.deps.Notifier.ExtendTimeout(startExtension, line)
	}
}

// logServing says once when clients begin or cease to get answers, and who is missing.
func (d *process) logServing(r *readiness, st quorum.Status) {
	switch {
	case st.Serving == r.served:
		return
	case st.Serving:
		d.log.Info("serving", zap.String("role", string(st.Role)), zap.Int64("epoch", int64(st.Epoch)), zap.String("ensemble", admin.Verdict(st)))
	default:
		d.log.Warn("not serving", zap.String("role", string(st.Role)), zap.String("reason", admin.WhyNotServing(st)))
	}
	r.served = st.Serving
}

// statusLine is server, firewall and configuration in one line. A refused reload stays in it until another succeeds:
// the file is not what the server runs with, and the next start will not take it either.
func (d *process) statusLine(st quorum.Status, now time.Time) string {
	line := statusLine(st, now)
	if fw, ok := d.guard.status(); ok {
		if problems := admin.FirewallProblems(fw); len(problems) > 0 {
			line += "; firewall: " + problems[0].Text
		}
	}
	if codes := d.problems.codes(); len(codes) > 0 {
		line += "; zkd doctor explains " + strings.Join(codes, ", ")
	}
	if !d.refused.IsZero() {
		line += d.refused.Format("; the last reload was refused at 15:04:05, see the log")
	}
	return line
}

// statusLine is the server in one line, for systemctl status. It does not hold what changes with
// every write, so that it is sent when something happened.
func statusLine(st quorum.Status, now time.Time) string {
	var b strings.Builder
	b.WriteString(string(st.Role))
	if st.Serving {
		fmt.Fprintf(&b, ", epoch %d, serving on %s", st.Epoch, strings.Join(st.ClientAddrs, " and "))
		if verdict := admin.Verdict(st); verdict != "" {
			b.WriteString("; " + verdict)
		}
	} else {
		fmt.Fprintf(&b, " for %s: %s", now.Sub(st.Since).Round(time.Second), admin.WhyNotServing(st))
	}
	if st.ReadOnlyDisk {
		b.WriteString("; writes are refused: the disk is nearly full")
	}
	if st.ForgotWrites != "" {
		b.WriteString("; " + st.ForgotWrites)
	}
	return b.String()
}
