//go:build java

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// zkCLI is the command of Apache ZooKeeper's own client, 3.9, as zkCli.sh starts it.
func zkCLI(t *testing.T, server string, command ...string) *exec.Cmd {
	t.Helper()
	jars := os.Getenv("ZKD_ZK39_CLASSPATH")
	if jars == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		jars = filepath.Join(cache, "zkd-tests", "zookeeper-3.9", "*")
	}
	const cli = "/usr/share/java/commons-cli.jar"
	if _, err := os.Stat(cli); err != nil {
		t.Fatalf("%v: the Debian package libcommons-cli-java has it; packaging/setup.sh installs it", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, "java", append([]string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
		"-cp", jars + ":" + cli, "org.apache.zookeeper.ZooKeeperMain", "-server", server,
	}, command...)...)
}

// compared is a line for both clients.
type compared struct {
	line string
	// ours is what zkctl prints where it means to differ, "" where not; why says the reason.
	ours, why string
}

const usageWords = "the usage is told in another form"

// conversation is typed into both clients, from the first to the last line.
var conversation = []compared{
	{line: "create /b"}, {line: "create /b x"}, {line: `create /c ""`}, {line: `create /c2 "a b"`},
	{line: "create /c3 'a b' world:anyone:r"}, {line: `create /json {"key":"value"}`}, {line: "get /json"},
	{line: "get /b"}, {line: "get /c"}, {line: "get /c2"}, {line: "get -s /c2"}, {line: "get -b /c2"}, {line: "get -x /c2"},
	{line: "get -w /b"}, {line: "set /b new"}, {line: "set -s /b new2"}, {line: "set -v 0 /b x"}, {line: "set /none x"},
	{line: "set -b /b YSBi"}, {line: "get /b"}, {line: "set -v -1 /b x"}, {line: "set /b old 4", why: "zkCli overlooks the version",
		ours: "'set path data [version]' has been deprecated. Please use 'set [-s] [-v version] path data' instead.\n"},
	{line: "stat /b"}, {line: "stat /none"}, {line: "ls /"}, {line: "ls -s /"}, {line: "ls -R /"}, {line: "ls /none"},
	{line: "ls x", ours: "Path must start with / character\nusage: ls [-s] [-w] [-R] path\n", why: usageWords},
	{line: "get /b watch"}, {line: "ls / true"},
	{line: "create -s /s- x"}, {line: "create -s /b/ x"}, {line: "create -e /e x"}, {line: "create -e /e/y x"}, {line: "getEphemerals"}, {line: "getEphemerals /e"}, {line: "getEphemerals /none"},
	{line: "create -c /cont"}, {line: "create -t 500000 /ttl x"}, {line: "create -s -t 500000 /ttl- x"}, {line: "create /none/x y"},
	{line: "create -t 0 /ttl2 x", ours: "ttl must be positive and cannot be larger than: 1099511627775\nusage: create [-s] [-e] [-c] [-t ttl] path [data] [acl]\n", why: usageWords},
	{line: "create /acl x digest:bob:xx=:cdrwa"}, {line: "create /acl3 x foo:bar:cd", ours: "Acl is not valid : /acl3\n", why: "said once"},
	{line: "getAcl /b"}, {line: "getAcl -s /c3"}, {line: "getAcl /none"}, {line: "set /c3 x"},
	{line: "setAcl /c3 world:anyone:rw"}, {line: "setAcl -s /cont world:anyone:cdrwa"}, {line: "setAcl -v 9 /cont world:anyone:cdrwa"}, {line: "setAcl -R /cont ip:127.0.0.1:cdrwa,world:anyone:cdrwa"}, {line: "getAcl /cont"},
	{line: "whoami"}, {line: "addauth digest bob:secret"}, {line: "whoami"}, {line: "create /mine x auth::cdrwa"}, {line: "getAcl /mine"},
	{line: "getAllChildrenNumber /"}, {line: "getAllChildrenNumber /none"}, {line: "sync /"}, {line: "sync /none"},
	{line: "config"}, {line: "config -s"}, {line: "config -c"}, {line: "reconfig -remove 1"}, {line: "reconfig -add server.9=localhost:1:2;3"},
	{line: "listquota /cont"}, {line: "setquota -n 5 /cont"}, {line: "setquota -b 100 /cont"}, {line: "listquota /cont"},
	{line: "setquota -N 5 /none"}, {line: "create /cont/x 0123456789"}, {line: "create /cont/x/y 0123456789"}, {line: "setquota -N 5 /cont/x"},
	{line: "setquota -B 25 /cont"}, {line: "set /cont/x 01234567890123456789"}, {line: "setquota -N 1 /cont"}, {line: "create /cont/z"}, {line: "listquota /cont"},
	{line: "get /zookeeper/quota/cont/zookeeper_limits"}, {line: "delquota -N /cont"}, {line: "listquota /cont"}, {line: "delquota /cont"}, {line: "delquota /cont"},
	{line: "ls -R /zookeeper/quota"}, {line: "setquota -n 5 /cont/x"}, {line: "setquota -n 5 /cont"}, {line: "delquota /cont/x"},
	{line: "printwatches"}, {line: "addWatch /w"}, {line: "create /w x"}, {line: "set /w y"}, {line: "create /w/k"}, {line: "delete /w/k"}, {line: "removewatches /w -a"}, {line: "removewatches /w"},
	{line: "ls -w /w"}, {line: "get -w /w"}, {line: "removewatches /w -c"}, {line: "removewatches /w -d"}, {line: "stat -w /w"}, {line: "removewatches /w -l"}, {line: "removewatches /w -d"},
	{line: "addWatch -m PERSISTENT /w"}, {line: "create /w/k"}, {line: "removewatches /w -c"}, {line: "removewatches /w"},
	{line: "stat -w /later"}, {line: "create /later"}, {line: "ls -w /w"}, {line: "get -w /w/k"}, {line: "deleteall /w"},
	{line: "printwatches off"}, {line: "get -w /b"}, {line: "set /b unheard"}, {line: "printwatches"}, {line: "printwatches on"},
	{line: "delete /none"}, {line: "delete -v 7 /cont"}, {line: "delete /cont"}, {line: "deleteall /none"}, {line: "deleteall /cont -b 1"}, {line: "delete /later 0"},
	{line: "delete /zookeeper"}, {line: "delete /"}, {line: "redo 1"},
	{line: "redo 9999", ours: "Command index out of range\nusage: redo cmdno\n", why: usageWords},
	{line: "close"}, {line: "ls /"},
}

// marked is what both clients answer to the line that stands before each of the others.
func marked(i int) (line, answer string) {
	return fmt.Sprintf("ls /mark-%d", i), fmt.Sprintf("Node does not exist: /mark-%d\n", i)
}

var (
	events  = regexp.MustCompile(`(?m)^(WatchedEvent .*)\n`)
	around  = regexp.MustCompile(`(?m)^(?:WATCHER::)?\n`) // zkCli prints events and answers at the same time
	varying = regexp.MustCompile(`(?m)^(ctime|mtime|ephemeralOwner) = .*[^0x]$`)
)

// takeApart divides what a client printed into the answers to the lines, without events and empty lines, and the
// events.
func takeApart(t *testing.T, output string, lines int) (answers []string, seen []string) {
	t.Helper()
	for _, m := range events.FindAllStringSubmatch(output, -1) {
		seen = append(seen, m[1])
	}
	rest := varying.ReplaceAllString(around.ReplaceAllString(events.ReplaceAllString(output, ""), ""), "$1 = ...")
	for i := range lines {
		_, answer := marked(i)
		_, after, ok := strings.Cut(rest, answer)
		if !ok {
			t.Fatalf("no answer to line %d in\n%s", i, output)
		}
		rest = after
		if i+1 < lines {
			_, answer = marked(i + 1)
			after, _, _ = strings.Cut(rest, answer)
		}
		answers = append(answers, after)
	}
	return answers, seen
}

// Each client talks to a server of its own, so that zxids are the same, too.
func TestTheSameLinesPrintTheSameAsInZkCli(t *testing.T) {
	t.Setenv("TZ", "UTC")
	var typed strings.Builder
	last := 0
	for i, c := range conversation {
		if mark, _ := marked(i); c.line != "ls /" || i != len(conversation)-1 { // after close there are no marks
			last = i
			typed.WriteString(mark + "\n")
		}
		typed.WriteString(c.line + "\n")
	}
	java := zkCLI(t, serve(t))
	java.Stdin = strings.NewReader(typed.String())
	javaOutput, err := java.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	ours := transcript{more: make(chan struct{}, 1)}
	execute(t.Context(), []string{"--server", serve(t)}, strings.NewReader(typed.String()), &ours, &ours)

	want, wantEvents := takeApart(t, string(javaOutput), last+1)
	got, gotEvents := takeApart(t, ours.String(), last+1)
	for i := range want {
		switch c := conversation[i]; {
		case c.why == "" && got[i] != want[i]:
			t.Errorf("%s\nprinted %q\nzkCli   %q", c.line, got[i], want[i])
		case c.why != "" && got[i] != c.ours:
			t.Errorf("%s\nprinted %q\nwant    %q: %s", c.line, got[i], c.ours, c.why)
		case c.why != "" && got[i] == want[i]:
			t.Errorf("%s: zkCli prints the same, and not otherwise: %s", c.line, c.why)
		}
	}
	if g, w := strings.Join(gotEvents, "\n"), strings.Join(wantEvents, "\n"); g != w {
		t.Errorf("events\n%s\nzkCli's\n%s", g, w)
	}
}

// Scripts run one command and look at standard output and whether it failed.
func TestOneCommandIsAsWithZkCli(t *testing.T) {
	javaServer, ourServer := serve(t), serve(t)
	for _, test := range []struct {
		args  []string
		toErr bool // zkCli prints its answer to standard error
	}{
		{args: []string{"create", "/one", "first"}, toErr: true},
		{args: []string{"create", "/one", "again"}},
		{args: []string{"get", "/one"}},
		{args: []string{"get", "/none"}},
		{args: []string{"ls", "/"}},
		{args: []string{"ls", "-R", "/zookeeper"}},
		{args: []string{"set", "-v", "7", "/one", "x"}},
		{args: []string{"set", "/one", "--", "x"}},
		{args: []string{"getAcl", "/one"}},
		{args: []string{"whoami"}},
		{args: []string{"delete", "/zookeeper"}},
		{args: []string{"deleteall", "/one"}},
		{args: []string{"get", "/one"}},
	} {
		var javaOut, javaErr, out, errs bytes.Buffer
		java := zkCLI(t, javaServer, test.args...)
		java.Stdout, java.Stderr = &javaOut, &javaErr
		err := java.Run()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Fatal(err)
		}
		code := execute(t.Context(), append([]string{"-server", ourServer}, test.args...), nil, &out, &errs)
		if (code == 0) != (err == nil) {
			t.Errorf("%q: exit code %d, zkCli %v", test.args, code, err)
		}
		chatter := regexp.MustCompile(`^Connecting to .*\n(?:\nWATCHER::\n\nWatchedEvent .*\n)?`)
		wantOut, wantErr := chatter.ReplaceAllString(javaOut.String(), ""), javaErr.String()
		if test.toErr {
			wantOut, wantErr = wantErr, wantOut
		}
		if out.String() != wantOut || errs.String() != wantErr {
			t.Errorf("%q\nprinted %q and %q\nzkCli   %q and %q", test.args, out.String(), errs.String(), wantOut, wantErr)
		}
	}
}
