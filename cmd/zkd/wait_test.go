package main

import (
	"strings"
	"testing"

	"zkd/daemon"
	"zkd/daemon/admin"
)

func TestInSyncMeansThatEveryMemberServes(t *testing.T) {
	member := func(id int64, role string, synced bool) admin.MemberReport {
		return admin.MemberReport{ID: id, Self: id == 1, Role: role, Synced: synced}
	}
	of := func(mode string, members ...admin.MemberReport) admin.Report {
		return admin.Report{Mode: mode, Ensemble: &admin.EnsembleReport{Members: members}}
	}
	for name, test := range map[string]struct {
		report admin.Report
		want   string // what is missing
	}{
		"a server alone": {admin.Report{Mode: "standalone"}, ""},
		"a leader with all its followers": {
			of("leader", member(1, "leader", true), member(2, "follower", true), member(3, "observer", true)), ""},
		"a leader knows who has its history": {
			of("leader", member(1, "leader", true), member(2, "follower", false)), "server 2 does not have this leader's history yet"},
		"a follower asks the others for their roles": {
			of("follower", member(1, "follower", true), member(2, "leader", false), member(3, "follower", false)), ""},
		"one that looks for a leader": {
			of("follower", member(1, "follower", true), member(2, "leader", false), member(3, "looking", false)), "server 3 does not serve"},
		"two that do not answer": {
			of("follower", member(1, "follower", true), member(2, "", false), member(3, "", false)),
			"server 2 is not known to serve, server 3 is not known to serve"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := notInSync(test.report); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWaitForAnEnsembleOfRealProcesses(t *testing.T) {
	e := newTrio(t)
	wait := func(i int, goal, timeout string) (int, string) {
		code, out, errs := zkd(t, "wait", "--config", e.configs[i], "--for", goal, "--timeout", timeout)
		return code, out + errs
	}
	for name, test := range map[string]struct {
		goal string
		code int
		said string
	}{
		"a server that does not run": {"quorum", daemon.ExitNotRunning, "not running"},
		"a goal that is none":        {"peace", daemon.ExitUsage, "must be one of quorum, in-sync"},
	} {
		if code, said := wait(0, test.goal, "0s"); code != test.code || !strings.Contains(said, test.said) {
			t.Errorf("%s: exit status %d, %q", name, code, said)
		}
	}

	e.start(0).await("no quorum")
	if code, said := wait(0, "quorum", "0s"); code != daemon.ExitNoQuorum || !strings.Contains(said, "not serving") {
		t.Errorf("without a quorum: exit status %d, %q", code, said)
	}
	e.start(1)
	for _, i := range []int{0, 1} {
		if code, said := wait(i, "quorum", "1m"); code != 0 || !strings.Contains(said, "Mode: ") {
			t.Errorf("two of three, server %d: exit status %d, %q", i+1, code, said)
		}
	}
	if code, said := wait(1, "in-sync", "0s"); code != daemon.ExitNoQuorum || !strings.Contains(said, "not in sync: server 3") {
		t.Errorf("two of three are not in sync: exit status %d, %q", code, said)
	}
	e.start(2)
	if code, said := wait(2, "in-sync", "1m"); code != 0 {
		t.Errorf("all three: exit status %d, %q", code, said)
	}
	if code, said := wait(1, "leader", "1m"); code != 0 || !strings.Contains(said, "Mode: leader") {
		t.Errorf("server 2 led two of three and goes on to: exit status %d, %q", code, said)
	}
	if code, said := wait(2, "standalone", "0s"); code != daemon.ExitNoQuorum || !strings.Contains(said, "not standalone: ") {
		t.Errorf("a member never stands alone: exit status %d, %q", code, said)
	}
}
