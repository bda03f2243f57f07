package daemon

import (
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"zkd/daemon/admin"
	"zkd/quorum"
)

// problemAfter is how long a problem is there before it is told: an election, and a member that is started anew, are
// none.
const problemAfter = 15 * time.Second

// problemLog tells the log when a problem of /status has come to stay, and when it is over, once each. It is for one
// goroutine.
type problemLog struct {
	log   *zap.Logger
	since map[string]time.Time // by code
	told  map[string]bool
}

// look takes in the problems of now.
func (l *problemLog) look(all []admin.Problem, now time.Time) {
	if l.since == nil {
		l.since, l.told = make(map[string]time.Time), make(map[string]bool)
	}
	present := make(map[string]bool)
	for _, p := range all {
		present[p.Code] = true
		if _, ok := l.since[p.Code]; !ok {
			l.since[p.Code] = now
		}
	}
	for _, p := range all {
		if !l.told[p.Code] && now.Sub(l.since[p.Code]) >= problemAfter {
			l.log.Warn("problem found", zap.String("code", p.Code), zap.String("severity", p.Severity), zap.String("text", p.Text), zap.String("fix", p.Fix))
		}
	}
	for code, since := range l.since {
		switch {
		case present[code]:
			l.told[code] = l.told[code] || now.Sub(since) >= problemAfter
		case l.told[code]:
			l.log.Info("problem is over", zap.String("code", code))
			fallthrough
		default:
			delete(l.since, code)
			delete(l.told, code)
		}
	}
}

// codes are those of the problems that have been told and are there, in order.
func (l *problemLog) codes() (codes []string) {
	for _, code := range slices.Sorted(maps.Keys(l.told)) {
		if l.told[code] {
			codes = append(codes, code)
		}
	}
	return codes
}

// lookForProblems looks for what /status lists, without asking other members.
func (d *process) lookForProblems(member Member, st quorum.Status, now time.Time) {
	logDir := d.cfg.LogDir
	if logDir == "" {
		logDir = d.cfg.DataDir
	}
	fw, guarded := d.guard.status()
	d.problems.look(admin.LocalProblems(st, member.Stats(), logDir, fw, guarded, now, stuckAfter()), now)
}
