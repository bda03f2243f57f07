package admin

import (
	"time"

	"zkd/firewall/keeper"
	"zkd/quorum"
	"zkd/quorum/stats"
)

// LocalProblems are those of /status that the server knows by itself, without asking the other members. guarded says
// that there is a firewall of which fw tells.
func LocalProblems(st quorum.Status, n *stats.Server, logDir string, fw keeper.Status, guarded bool, now time.Time, stuckAfter time.Duration) []Problem {
	all := append(problems(st, n, Info{LogDir: logDir}, now, stuckAfter), ensembleProblems(st, ensembleReport(st, heard{}), nil)...)
	if guarded {
		all = append(all, FirewallProblems(fw)...)
	}
	return all
}
