package daemon

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zkd/daemon/config"
	"zkd/quorum"
	"zkd/quorum/zk"
)

func TestReadyWaitsForServingInQuorumMode(t *testing.T) {
	h := newHost(t)
	h.cfg.Systemd.Ready = "quorum"
	h.member.st.Serving, h.member.st.Role, h.member.st.NotServing = false, quorum.Looking, "1 of 3 servers"
	h.run()
	if got := h.await("STATUS=looking"); !strings.Contains(got, "EXTEND_TIMEOUT_USEC=90000000") || !strings.Contains(got, "1 of 3 servers") {
		t.Errorf("while looking: %q", got)
	}
	h.set(func(st *quorum.Status) { st.Serving, st.Role = true, quorum.Follower })
	if got := h.await("READY=1"); !strings.Contains(got, "STATUS=follower") {
		t.Errorf("ready with %q", got)
	}
	h.signals <- syscall.SIGINT
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// READY=1 ends a reload, and a start: a reload during the start must not end that.
func TestAReloadBeforeTheQuorumIsThereDoesNotMakeTheServerReady(t *testing.T) {
	h := newHost(t)
	h.cfg.Systemd.Ready = "quorum"
	h.member.st.Serving, h.member.st.Role, h.member.st.NotServing = false, quorum.Looking, "1 of 3 servers"
	h.deps.Reload = func() (config.Config, []config.Notice, error) {
		return config.Config{}, nil, config.Errors{{What: "wrong"}}
	}
	h.run()
	h.await("STATUS=looking")
	h.signals <- syscall.SIGHUP
	h.await("the last reload was refused")
	h.set(func(st *quorum.Status) { st.Serving, st.Role = true, quorum.Follower })
	if got := h.await("READY=1"); !strings.Contains(got, "STATUS=follower") {
		t.Errorf("ready with %q", got)
	}
	for _, said := range h.seen[:len(h.seen)-1] {
		if strings.Contains(said, "RELOADING=1") || strings.Contains(said, "READY=1") {
			t.Errorf("before there was a quorum: %q", said)
		}
	}
	h.signals <- syscall.SIGHUP
	h.await("RELOADING=1")
	h.await("READY=1")
	h.signals <- syscall.SIGTERM
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAMemberIsReadyWithoutAQuorumAfterTheWaitAndSaysWhoIsMissing(t *testing.T) {
	h := newHost(t)
	h.cfg.Systemd.QuorumWait = time.Millisecond
	h.member.st.Serving, h.member.st.Role, h.member.st.Ensemble = false, quorum.Looking, three(0, -1, 2, 3)
	h.run()
	if got := h.await("READY=1"); !strings.Contains(got, "STATUS=looking for ") || !strings.Contains(got, "missing: server 2 (h2:3888 refused: nothing listens there), server 3") {
		t.Errorf("ready with %q", got)
	}
	h.set(func(st *quorum.Status) { st.Serving, st.Role, st.Ensemble = true, quorum.Leader, three(1, 0, 3) })
	h.await("STATUS=leader, epoch 2, serving on 127.0.0.1:2181; this server leads; 2 of 3 voters in touch, 2 needed: the next loss ends the service; missing: server 3")
	h.set(func(st *quorum.Status) { st.Serving, st.Role, st.Ensemble = false, quorum.Looking, three(0, -1, 2, 3) })
	h.await("STATUS=looking for ")
	h.signals <- syscall.SIGTERM
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	lost := h.logs.FilterMessage("not serving").All()
	if !h.logged("serving") || len(lost) != 1 || !strings.HasPrefix(lost[0].ContextMap()["reason"].(string), "no quorum; 1 of 3") {
		t.Errorf("log: %v", h.logs.All())
	}
}

// A recovery that hangs must end some time; one that is slow must not.
func TestARecoveryThatSaysNothingForLongGetsNoMoreTime(t *testing.T) {
	begin := time.Now()
	seen := moving{"recovering /d", begin}
	for i, step := range []struct {
		text  string
		after time.Duration
		want  bool
	}{
		{"recovering /d", silentRecovery - time.Second, true}, {"replaying the log: 1 txns", silentRecovery, true},
		{"replaying the log: 1 txns", 2*silentRecovery - time.Second, true}, {"replaying the log: 2 txns", 3 * silentRecovery, true},
		{"replaying the log: 2 txns", 4 * silentRecovery, false}, {"replaying the log: 2 txns", 5 * silentRecovery, false},
	} {
		if got := seen.alive(step.text, begin.Add(step.after)); got != step.want {
			t.Errorf("step %d, %q: %t", i, step.text, got)
		}
	}
}

// A start that cannot succeed must end: a package manager waits for it with its lock held.
func TestAStartWaitsForAQuorumForABoundedTime(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		c      config.Systemd
		waited time.Duration
		want   bool
	}{
		"five minutes at least":              {config.Systemd{Ready: "quorum", QuorumWait: 10 * time.Second}, 5*time.Minute - 1, false},
		"and no more":                        {config.Systemd{Ready: "quorum", QuorumWait: 10 * time.Second}, 5 * time.Minute, true},
		"unless quorum_wait is longer":       {config.Systemd{Ready: "quorum", QuorumWait: time.Hour}, 59 * time.Minute, false},
		"which is a bound, too":              {config.Systemd{Ready: "quorum", QuorumWait: time.Hour}, time.Hour, true},
		"serving is ready without a quorum":  {config.Systemd{Ready: "serving", QuorumWait: 10 * time.Second}, time.Hour, false},
		"listening does not wait for quorum": {config.Systemd{Ready: "listening"}, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReadiness(test.c, now)
			if got := r.late(now.Add(test.waited)); got != test.want {
				t.Errorf("late = %t, want %t", got, test.want)
			}
			if r.told = true; r.late(now.Add(24 * time.Hour)) {
				t.Error("late although it was ready once")
			}
		})
	}
}

func TestReadinessByMode(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		mode    string
		serving bool
		waited  time.Duration
		want    bool
	}{
		"serving: when it serves":              {"serving", true, 0, true},
		"serving: not before":                  {"serving", false, 9 * time.Second, false},
		"serving: all the same after the wait": {"serving", false, 10 * time.Second, true},
		"quorum: when it serves":               {"quorum", true, 0, true},
		"quorum: never without":                {"quorum", false, time.Hour, false},
		"listening: at once":                   {"listening", false, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := readiness{mode: test.mode, until: now.Add(10 * time.Second)}
			if got := r.due(quorum.Status{Serving: test.serving}, now.Add(test.waited)); got != test.want {
				t.Errorf("due = %t, want %t", got, test.want)
			}
		})
	}
}

// three is an ensemble of servers 1, 2 and 3 as server 1 sees it.
func three(leader zk.ServerID, losses int, unreachable ...zk.ServerID) *quorum.EnsembleStatus {
	e := &quorum.EnsembleStatus{Leader: leader, Quorum: leader != 0, Voters: 3, NeededVoters: 2, Losses: losses}
	for id := zk.ServerID(1); id <= 3; id++ {
		m := quorum.MemberStatus{ID: id, Self: id == 1, ElectionAddr: fmt.Sprintf("h%d:3888", id), PeerAddr: fmt.Sprintf("h%d:2888", id),
			Zxid: -1, Lag: -1, Synced: true, Election: quorum.Reach{Known: true, OK: true}}
		if slices.Contains(unreachable, id) {
			m.Synced, m.Election = false, quorum.Reach{Known: true, Class: "refused", Error: "connection refused"}
		}
		e.Members = append(e.Members, m)
	}
	return e
}

func TestStatusLine(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		st   quorum.Status
		want string
	}{
		"serving": {quorum.Status{Role: quorum.Standalone, Serving: true, Epoch: 3, ClientAddrs: []string{"127.0.0.1:2181", "[::1]:2181"}},
			"standalone, epoch 3, serving on 127.0.0.1:2181 and [::1]:2181"},
		"not serving": {quorum.Status{Role: quorum.Looking, Since: now.Add(-12 * time.Second), NotServing: "h2:3888 timed out"},
			"looking for 12s: h2:3888 timed out"},
		"a follower": {quorum.Status{ID: 1, Role: quorum.Follower, Serving: true, Epoch: 7, ClientAddrs: []string{":2181"}, Ensemble: three(2, 1)},
			"follower, epoch 7, serving on :2181; server 2 leads; 3 of 3 voters in touch, 2 needed: 1 more may be lost"},
		"without a quorum": {quorum.Status{ID: 1, Role: quorum.Looking, Since: now.Add(-12 * time.Second), NotServing: "x", Ensemble: three(0, -1, 2, 3)},
			"looking for 12s: no quorum; 1 of 3 voters in touch, 2 needed; missing: server 2 (h2:3888 refused: nothing listens there), server 3 (h3:3888 refused: nothing listens there)"},
		"disk full": {quorum.Status{Role: quorum.Leader, Serving: true, ReadOnlyDisk: true},
			"leader, epoch 0, serving on ; writes are refused: the disk is nearly full"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := statusLine(test.st, now); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
