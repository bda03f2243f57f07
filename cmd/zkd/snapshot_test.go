package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"zkd/daemon"
	"zkd/daemon/admin"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

// change opens a session at addr for do.
func change(t *testing.T, addr string, do func(c *rawclient.Client) error) {
	t.Helper()
	c, err := rawclient.Open(addr, 30000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := do(c); err != nil {
		t.Fatal(err)
	}
}

func create(path string) func(c *rawclient.Client) error {
	return func(c *rawclient.Client) error {
		_, err := c.Create(path, []byte("data of "+path), proto.OpenACL, zk.ModePersistent)
		return err
	}
}

func has(t *testing.T, addr, path string) (there bool) {
	t.Helper()
	change(t, addr, func(c *rawclient.Client) error {
		_, _, err := c.GetData(path, false)
		there = err == nil
		return nil
	})
	return there
}

// epochOf is the epoch that a server with this configuration is in.
func epochOf(t *testing.T, adminAddr string) int64 {
	t.Helper()
	var r admin.Report
	if err := json.Unmarshal([]byte(get(t, "http://"+adminAddr+"/status")), &r); err != nil {
		t.Fatal(err)
	}
	return r.Epoch
}

func TestSnapshotsAreSavedRestoredAndCompared(t *testing.T) {
	program, m, dir := build(t), newManager(t), t.TempDir()
	client, adminAddr, data := free(t), free(t), filepath.Join(t.TempDir(), "data")
	config := write(t, "zkd.toml", fmt.Sprintf("data_dir = %q\nlog_dir = %q\nclient.listen = [%q]\nadmin.listen = [%q]\n", data, filepath.Join(dir, "log"), client, adminAddr))
	var server *exec.Cmd
	start := func() {
		server = runProcess(t, program, m, "run", "--config", config, "--log-level", "warn")
		m.await("READY=1")
	}
	stop := func() {
		if err := server.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := server.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	// run wants an exit code and a part of what is printed.
	run := func(code int, part string, args ...string) string {
		t.Helper()
		got, stdout, stderr := zkd(t, args...)
		if got != code || !strings.Contains(stdout+stderr, part) {
			t.Errorf("zkd %s: exit code %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, part, stdout, stderr)
		}
		return stdout
	}
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")

	start()
	change(t, client, create("/kept"))
	run(0, "read back and whole", "snapshot", "save", first, "--config", config)
	run(1, "is there already", "snapshot", "save", first, "--config", config)
	if info, err := os.Stat(first); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the copy: %v, %v", info.Mode(), err)
	}
	change(t, client, create("/later"))
	run(0, second+"/snapshot.", "snapshot", "save", mkdir(t, second), "--config", config, "--json")
	run(1, `added path="/later"`, "snapshot", "diff", first, second)
	run(0, "same=true", "snapshot", "diff", first, first)
	run(daemon.ExitBusy, "stop it first", "snapshot", "restore", first, "--config", config)
	run(daemon.ExitBusy, "stop the server first", "snapshot", "restore", first, "--data-dir", data)
	stop()
	run(daemon.ExitNotRunning, "no server answers", "snapshot", "save", filepath.Join(dir, "third"), "--config", config)

	promised := func() int64 {
		text, err := os.ReadFile(filepath.Join(data, "version-2/acceptedEpoch"))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	accepted := promised()
	out := run(0, "to go back: ", "snapshot", "restore", first, "--config", config)
	if strings.Count(out, "what was there before is kept: ") != 2 || promised() != accepted {
		t.Errorf("accepted epoch %d, before %d; %s", promised(), accepted, out)
	}
	start()
	if !has(t, client, "/kept") || has(t, client, "/later") {
		t.Error("the server does not hold what the snapshot does")
	}
	if got := epochOf(t, adminAddr); got <= accepted {
		t.Errorf("it leads epoch %d, and had led %d before", got, accepted)
	}
	change(t, client, create("/after"))
	third := filepath.Join(dir, "third")
	run(0, "whole", "snapshot", "save", third, "--config", config)
	run(1, "added=1 removed=0", "snapshot", "diff", "--contents", first, third)
	stop()

	accepted = promised()
	run(0, "is back", "snapshot", "restore", "--undo", "--config", config)
	start()
	if !has(t, client, "/kept") || !has(t, client, "/later") || has(t, client, "/after") {
		t.Error("the undo has not brought back what was there")
	}
	if got := epochOf(t, adminAddr); got <= accepted {
		t.Errorf("after the undo it leads epoch %d, and had led %d before", got, accepted)
	}
	stop()

	// A restore that is cut short keeps the server from starting, and can be undone.
	if err := os.WriteFile(filepath.Join(data, "zkd.restoring"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(daemon.ExitData, "", "run", "--config", config, "--log-level", "error")
}

func mkdir(t *testing.T, name string) string {
	t.Helper()
	if err := os.Mkdir(name, 0o750); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestOneMemberIsNotRestoredBesideOthers(t *testing.T) {
	e := newTrio(t)
	managers := []manager{e.start(0), e.start(1), e.start(2)}
	for _, m := range managers {
		m.await("READY=1")
	}
	file := filepath.Join(t.TempDir(), "backup")
	change(t, e.clientAddr(0), create("/kept"))
	if code, _, stderr := zkd(t, "snapshot", "save", file, "--config", e.configs[0]); code != 0 {
		t.Fatal(stderr)
	}
	change(t, e.clientAddr(0), create("/later"))
	e.stop(0)
	restore := func(i int, args ...string) (int, string) {
		code, stdout, stderr := zkd(t, append([]string{"snapshot", "restore", file, "--config", e.configs[i]}, args...)...)
		return code, stdout + stderr
	}
	if code, text := restore(0); code != 1 || !strings.Contains(text, "--whole-ensemble") {
		t.Errorf("one of three: exit code %d, %s", code, text)
	}
	if code, text := restore(0, "--whole-ensemble"); code != daemon.ExitBusy || !strings.Contains(text, "stop all members first: server 2 (") {
		t.Errorf("beside the others: exit code %d, %s", code, text)
	}
	e.stop(1)
	e.stop(2)
	for i := range 3 {
		if code, text := restore(i, "--whole-ensemble"); code != 0 {
			t.Fatalf("server %d: exit code %d, %s", i+1, code, text)
		}
	}
	managers = []manager{e.start(0), e.start(1), e.start(2)}
	for i, m := range managers {
		m.await("READY=1")
		if !has(t, e.clientAddr(i), "/kept") || has(t, e.clientAddr(i), "/later") {
			t.Errorf("server %d does not hold what the snapshot does", i+1)
		}
	}
	for i := range 3 {
		e.stop(i)
	}
}
