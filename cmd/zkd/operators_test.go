package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zkd/daemon"
	"zkd/daemon/admin"
	"zkd/daemon/socket"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

// clientAddr is the address of the client port of server i+1.
func (e *trio) clientAddr(i int) string {
	e.t.Helper()
	text, err := os.ReadFile(e.configs[i])
	if err != nil {
		e.t.Fatal(err)
	}
	return regexp.MustCompile(`client\.listen = \["(.*?)"`).FindStringSubmatch(string(text))[1]
}

// connect opens a session with server i+1 that holds an ephemeral znode.
func (e *trio) connect(i int, znode string) *rawclient.Client {
	e.t.Helper()
	c, err := rawclient.Open(e.clientAddr(i), 30000)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { c.Close() })
	if _, err := c.Create(znode, nil, proto.OpenACL, zk.ModeEphemeral); err != nil {
		e.t.Fatal(err)
	}
	return c
}

// sessions asks server i+1 over its socket.
func (e *trio) sessions(i int) (all socket.Sessions) {
	e.t.Helper()
	code, stdout, stderr := zkd(e.t, "session", "list", "--json", "--config", e.configs[i])
	if code != 0 {
		e.t.Fatalf("session list: exit code %d, %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &all); err != nil {
		e.t.Fatal(err)
	}
	return all
}

// until waits for a condition.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", what)
		}
	}
}

func TestOperatorsOfRealProcesses(t *testing.T) {
	e := newTrio(t)
	var managers [3]manager
	for i := range 3 {
		managers[i] = e.start(i)
	}
	leader := -1
	for i := range 3 {
		managers[i].await("READY=1")
		if e.report(i, "serving", func(r admin.Report) bool { return r.Serving }).Mode == "leader" {
			leader = i
		}
	}
	follower := (leader + 1) % 3
	e.connect(follower, "/held")
	e.connect(follower, "/held-too")

	t.Run("sessions are listed and killed", func(t *testing.T) {
		var id string
		for _, s := range e.sessions(follower).Sessions {
			if len(s.Ephemerals) == 1 && s.Ephemerals[0] == "/held" && s.Client != "" {
				id = s.ID
			}
		}
		if id == "" {
			t.Fatalf("the session with /held is not listed: %+v", e.sessions(follower))
		}
		if _, stdout, _ := zkd(t, "session", "list", "--config", e.configs[leader]); !strings.Contains(stdout, id) || !strings.HasPrefix(stdout, "SESSION ") {
			t.Errorf("session list of the leader:\n%s", stdout)
		}
		// Over the leader: the end of a session is the ensemble's, whoever holds its connection.
		if code, stdout, stderr := zkd(t, "session", "kill", id, "0x77", "--config", e.configs[leader]); code != 1 ||
			stdout != "ended "+id+"\n" || stderr != "zkd: there is no session 0x77\n" {
			t.Errorf("session kill: exit code %d, %q, %q", code, stdout, stderr)
		}
		until(t, "the session has ended everywhere", func() bool { return len(e.sessions(follower).Sessions) == 1 })
		if code, _, stderr := zkd(t, "session", "kill", "nonsense", "--config", e.configs[leader]); code != 1 || !strings.Contains(stderr, "hexadecimal") {
			t.Errorf("kill of nonsense: exit code %d, %s", code, stderr)
		}
	})
	t.Run("connections are listed and shed", func(t *testing.T) {
		if code, stdout, _ := zkd(t, "connections", "list", "--config", e.configs[follower]); code != 0 || strings.Count(stdout, "127.0.0.1:") != 1 {
			t.Errorf("connections list: exit code %d\n%s", code, stdout)
		}
		if code, stdout, _ := zkd(t, "connections", "shed", "100", "--config", e.configs[follower]); code != 0 || stdout != "1 connections closed\n" {
			t.Errorf("connections shed: exit code %d, %q", code, stdout)
		}
		if code, _, _ := zkd(t, "connections", "shed", "101"); code != daemon.ExitUsage {
			t.Errorf("shed of too many: exit code %d", code)
		}
		if n := len(e.sessions(follower).Sessions); n != 1 {
			t.Errorf("%d sessions are left, want the 1 whose connection was closed", n)
		}
	})
	t.Run("leadership is handed over", func(t *testing.T) {
		if code, _, stderr := zkd(t, "leader", "hand-over", "--config", e.configs[follower]); code != 1 || !strings.Contains(stderr, "this server does not lead: server ") {
			t.Errorf("hand-over by a follower: exit code %d, %s", code, stderr)
		}
		code, stdout, stderr := zkd(t, "leader", "hand-over", "--config", e.configs[leader])
		if code != 0 || !regexp.MustCompile(`^server [123] leads\n$`).MatchString(stdout) {
			t.Fatalf("hand-over: exit code %d, %s%s", code, stdout, stderr)
		}
		e.report(leader, "a follower", func(r admin.Report) bool { return r.Mode == "follower" })
	})
	for i := range 3 {
		e.stop(i)
	}
	code, _, stderr := zkd(t, "session", "list", "--config", e.configs[0])
	if code != daemon.ExitNotRunning || !strings.Contains(stderr, "no server answers") {
		t.Errorf("session list of a server that has stopped: exit code %d, %s", code, stderr)
	}
}

func TestASecondServerOnTheSocketIsRefused(t *testing.T) {
	program, m, dir := build(t), newManager(t), t.TempDir()
	sock := filepath.Join(dir, "s")
	config := func(name string) string {
		return write(t, name, "data_dir = \""+filepath.Join(dir, name)+"\"\nclient.listen = [\""+free(t)+"\"]\n[admin]\nenabled = false\nsocket = \""+sock+"\"\n")
	}
	one := runProcess(t, program, m, "run", "--config", config("one.toml"))
	m.await("READY=1")
	code, _, stderr := zkd(t, "run", "--log-level", "error", "--config", config("two.toml"))
	if code != daemon.ExitBusy {
		t.Errorf("a second server with the same socket: exit code %d, %s", code, stderr)
	}
	if code, _, stderr := zkd(t, "session", "list", "--socket", sock); code != 0 {
		t.Errorf("the first one's socket: exit code %d, %s", code, stderr)
	}
	if err := one.Process.Kill(); err != nil { // ours; its socket's file stays
		t.Fatal(err)
	}
	_ = one.Wait()
	if _, err := os.Lstat(sock); err != nil {
		t.Fatalf("a killed server has taken its socket's file along: %v", err)
	}
	if code, _, _ := zkd(t, "session", "list", "--socket", sock); code != daemon.ExitNotRunning {
		t.Errorf("a stale socket: exit code %d", code)
	}
	runProcess(t, program, m, "run", "--config", config("one.toml"))
	m.await("READY=1")
	if code, _, stderr := zkd(t, "session", "list", "--socket", sock); code != 0 {
		t.Errorf("after the restart: exit code %d, %s", code, stderr)
	}
}

// runProcess starts the program, to be killed at the end of the test.
func runProcess(t *testing.T, program string, m manager, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.name)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // ours
		_ = cmd.Wait()
	})
	return cmd
}
