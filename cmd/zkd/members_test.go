package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zkd/daemon"
	"zkd/daemon/admin"
)

// trio is three real processes that make an ensemble on loopback.
type trio struct {
	t       *testing.T
	program string
	configs [3]string
	admins  [3]string
	cmds    [3]*exec.Cmd // nil while stopped
}

func newTrio(t *testing.T) *trio {
	t.Helper()
	e := &trio{t: t, program: build(t)}
	var clients [3]string
	servers := "[servers]\n"
	for i := range 3 {
		clients[i], e.admins[i] = free(t), free(t)
		_, peer, _ := strings.Cut(free(t), ":")
		_, election, _ := strings.Cut(free(t), ":")
		servers += fmt.Sprintf("%d = \"127.0.0.1:%s:%s;%s\"\n", i+1, peer, election, clients[i])
	}
	for i := range 3 {
		e.configs[i] = write(t, "zkd.toml", fmt.Sprintf("id = %d\ndata_dir = %q\nsession.tick_time = \"200ms\"\nsystemd.quorum_wait = \"1m\"\n"+
			"client.listen = [%q]\nadmin.listen = [%q]\n%s", i+1, filepath.Join(t.TempDir(), "data"), clients[i], e.admins[i], servers))
	}
	return e
}

// start starts server i+1; the result hears what it tells systemd.
func (e *trio) start(i int) manager {
	e.t.Helper()
	m := newManager(e.t)
	cmd := exec.Command(e.program, "run", "--config", e.configs[i])
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.name)
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.cmds[i] = cmd
	e.t.Cleanup(func() {
		if e.cmds[i] == cmd {
			_ = cmd.Process.Kill() // ours
			_ = cmd.Wait()
		}
	})
	return m
}

func (e *trio) stop(i int) {
	e.t.Helper()
	if err := e.cmds[i].Process.Signal(syscall.SIGTERM); err != nil {
		e.t.Fatal(err)
	}
	if err := e.cmds[i].Wait(); err != nil {
		e.t.Errorf("server %d after SIGTERM: %v", i+1, err)
	}
	e.cmds[i] = nil
}

// report asks server i+1 for /status until it is as wanted.
func (e *trio) report(i int, what string, want func(admin.Report) bool) admin.Report {
	e.t.Helper()
	var r admin.Report
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		r = admin.Report{}
		if err := json.Unmarshal([]byte(get(e.t, "http://"+e.admins[i]+"/status")), &r); err != nil {
			e.t.Fatal(err)
		}
		if r.Ensemble != nil && want(r) {
			return r
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("server %d: not %s: %+v", i+1, what, r.Ensemble)
		}
	}
}

func TestThreeRealProcessesSayHowTheirEnsembleIs(t *testing.T) {
	e := newTrio(t)
	first := e.start(0)
	if got := first.await("STATUS=looking"); !strings.Contains(got, "no quorum; 1 of 3 voters in touch, 2 needed; missing: server 2 (") {
		t.Errorf("alone: %q", got)
	}
	second := e.start(1)
	first.await("READY=1")
	second.await("READY=1")
	e.start(2).await("READY=1")

	leader := -1
	for i := range 3 {
		r := e.report(i, "complete", func(r admin.Report) bool {
			roles := map[string]int{}
			for _, m := range r.Ensemble.Members {
				roles[m.Role]++
			}
			return r.Serving && roles["leader"] == 1 && roles["follower"] == 2 && r.Ensemble.Losses == 1
		})
		if r.Mode == "leader" {
			leader = i
		}
		code, stdout, stderr := zkd(t, "status", "--config", e.configs[i])
		if code != 0 || !strings.Contains(stdout, "\nMode: "+r.Mode+"\n") || strings.Count(stdout, "Mode: ") != 1 || stderr != "" ||
			!strings.Contains(stdout, "3 of 3 voters in touch, 2 needed: 1 more may be lost") {
			t.Errorf("status of server %d: exit code %d\n%s%s", i+1, code, stdout, stderr)
		}
	}
	if leader < 0 {
		t.Fatal("nobody leads")
	}

	e.stop(leader)
	left := [2]int{(leader + 1) % 3, (leader + 2) % 3}
	for _, i := range left {
		e.report(i, "serving without the old leader", func(r admin.Report) bool {
			return r.Serving && r.Ensemble.Leader != 0 && r.Ensemble.Leader != int64(leader+1) && r.Ensemble.Losses == 0
		})
	}
	code, _, stderr := zkd(t, "status", "--config", e.configs[leader])
	if code != daemon.ExitNotRunning || !strings.Contains(stderr, "The others: the ensemble works: ") {
		t.Errorf("status of the server that was stopped: exit code %d, %s", code, stderr)
	}

	e.stop(left[0])
	e.report(left[1], "without a quorum", func(r admin.Report) bool { return !r.Serving && r.Ensemble.Leader == 0 })
	code, stdout, _ := zkd(t, "status", "--config", e.configs[left[1]])
	if want := "Not serving: no quorum; 1 of 3 voters in touch, 2 needed; missing: "; code != daemon.ExitNoQuorum || !strings.Contains(stdout, want) {
		t.Errorf("status without a quorum: exit code %d\n%s", code, stdout)
	}
	for path, want := range map[string]string{"leader": "not currently serving requests", "zabstate": `"zabstate": "election"`} {
		if code, body := getAny(t, "http://"+e.admins[left[1]]+"/commands/"+path); !strings.Contains(body, want) {
			t.Errorf("/commands/%s without a quorum: %d\n%s", path, code, body)
		}
	}
	if code, body := getAny(t, "http://"+e.admins[left[1]]+"/readyz"); code != 503 || !strings.Contains(body, "missing: ") {
		t.Errorf("/readyz without a quorum: %d, %s", code, body)
	}

	e.start(left[0]).await("READY=1")
	e.report(left[1], "serving again", func(r admin.Report) bool { return r.Serving })
	e.stop(left[0])
	e.stop(left[1])
}
