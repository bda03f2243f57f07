package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zkd/daemon"
)

// answer runs one command line in this process and answers what it asks.
func answer(t *testing.T, text string, args ...string) (code int, stdout string) {
	t.Helper()
	var out, err bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(text))
	root.SetOut(&out)
	root.SetErr(&err)
	if e := root.ExecuteContext(t.Context()); e != nil {
		return daemon.ExitCode(e), out.String() + e.Error()
	}
	return 0, out.String()
}

// logOf is the newest log file of a member, by name and contents.
func (e *trio) logOf(i int) (name string, text []byte) {
	e.t.Helper()
	all, err := filepath.Glob(filepath.Join(e.dataDir(i), "version-2", "log.*"))
	if err != nil || len(all) == 0 {
		e.t.Fatalf("%q, %v", all, err)
	}
	name = all[len(all)-1]
	if text, err = os.ReadFile(name); err != nil {
		e.t.Fatal(err)
	}
	return name, text
}

func (e *trio) dataDir(i int) string {
	e.t.Helper()
	cfg, err := hostConfig(e.configs[i])
	if err != nil {
		e.t.Fatal(err)
	}
	return cfg.DataDir
}

// A member whose log is damaged ends with the command that brings it back, and that does.
func TestADamagedMemberIsResynced(t *testing.T) {
	e := newTrio(t)
	for _, m := range []manager{e.start(0), e.start(1), e.start(2)} {
		m.await("READY=1")
	}
	for i := range 10 {
		change(t, e.clientAddr(0), create(fmt.Sprintf("/n%d", i)))
	}
	repair := func(code int, part string, args ...string) {
		t.Helper()
		got, stdout, stderr := zkd(t, append([]string{"log", "repair"}, args...)...)
		if got != code || !strings.Contains(stdout+stderr, part) {
			t.Errorf("zkd log repair %s: exit code %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, part, stdout, stderr)
		}
	}
	repair(daemon.ExitBusy, "stop it first", "--resync", "--config", e.configs[0])
	e.stop(0)
	name, text := e.logOf(0)
	text[bytes.Index(text, []byte("/n5"))] ^= 1
	if err := os.WriteFile(name, text, 0o640); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(e.program, "run", "--config", e.configs[0], "--log-level", "error").CombinedOutput()
	if end := (*exec.ExitError)(nil); !errors.As(err, &end) || end.ExitCode() != daemon.ExitData || !strings.Contains(string(said), "'zkd log repair --resync'") {
		t.Errorf("start with a damaged log: %v, %s", err, said)
	}
	repair(0, "set aside: "+filepath.Join(filepath.Dir(name), "zkd.cut."+filepath.Base(name)), "--resync", "--config", e.configs[0])
	if kept, err := os.ReadFile(filepath.Join(filepath.Dir(name), "zkd.cut."+filepath.Base(name))); err != nil || !bytes.Equal(kept, text) {
		t.Errorf("the damaged log is not kept: %v", err)
	}
	repair(daemon.ExitFailure, "holds no data that it could stand for", "--accept-loss", "--yes", "--config", e.configs[0])
	e.start(0).await("READY=1")
	for i := range 10 {
		if !has(t, e.clientAddr(0), fmt.Sprintf("/n%d", i)) {
			t.Errorf("/n%d did not come back", i)
		}
	}

	// A log that lost its tail: the loss is said, asked about, and accepted.
	for i := range 3 {
		e.stop(i)
	}
	repair(0, "nothing to accept", "--accept-loss", "--config", e.configs[1])
	name, text = e.logOf(1)
	if err := os.WriteFile(name, text[:bytes.Index(text, []byte("/n8"))], 0o640); err != nil {
		t.Fatal(err)
	}
	args := []string{"log", "repair", "--accept-loss", "--config", e.configs[1]}
	for _, no := range []string{"", "no\n", "y\n"} {
		code, out := answer(t, no, args...)
		for _, want := range []string{"server 2 holds everything up to zxid 0x1", "look first", "does not answer: server 1 (127.0.0.1:", "nothing was changed"} {
			if code != daemon.ExitFailure || !strings.Contains(out, want) {
				t.Errorf("answered %q: exit code %d, without %q\n%s", no, code, want, out)
			}
		}
	}
	if code, out := answer(t, "yes\n", args...); code != 0 || !strings.Contains(out, "accepted: this server may stand for election") {
		t.Errorf("answered yes: exit code %d\n%s", code, out)
	}
	repair(0, "nothing to accept", "--accept-loss", "--yes", "--config", e.configs[1])
}

func TestAServerThatStandsAloneIsNotResynced(t *testing.T) {
	dir := t.TempDir()
	config := write(t, "zkd.toml", fmt.Sprintf("data_dir = %q\nlog_dir = %q\nclient.listen = [%q]\n", dir, dir+"/log", free(t)))
	code, stdout, stderr := zkd(t, "log", "repair", "--resync", "--config", config)
	if code != daemon.ExitFailure || stdout != "" || !strings.Contains(stderr, "this server stands alone: nobody could give its data back") ||
		!strings.Contains(stderr, "'zkd snapshot restore'") || !strings.Contains(stderr, "'zkd log repair --snapshots "+dir+" "+dir+"/log'") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("it made %v, %v", names, err)
	}
}

func TestFlagsOfRepairThatDoNotGoTogether(t *testing.T) {
	for line, want := range map[string]string{
		"--give-up --resync dir":        "do not go together",
		"--resync --accept-loss":        "do not go together",
		"--resync --yes":                "--yes goes with --accept-loss",
		"--yes dir":                     "--yes goes with --accept-loss",
		"--resync dir":                  "name that by --config",
		"--accept-loss --snapshots dir": "name that by --config",
		"":                              "accepts 1 arg",
		"--give-up":                     "accepts 1 arg",
	} {
		code, _, stderr := zkd(t, append([]string{"log", "repair"}, strings.Fields(line)...)...)
		if code != daemon.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s", line, code, stderr)
		}
	}
}
