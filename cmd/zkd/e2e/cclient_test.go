package e2e

import (
	"path/filepath"
	"regexp"
	"testing"
)

// The C library: the multi-threaded one, which the clients of many other languages wrap.
func TestCLibrary(t *testing.T) {
	need(t, gcc, zookeeperCDev)
	binary := filepath.Join(workDir, "cclient")
	if output, status := runOnce(t, programLimit, "gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-DTHREADED", "-I", filepath.Dir(zookeeperCDev.path),
		"-o", binary, filepath.Join("testdata", "c", "client.c"), "-lzookeeper_mt", "-pthread"); status != 0 {
		t.Fatalf("gcc: %s", output)
	}
	s := startServer(t)
	runSteps(t, s, []string{
		"connect",
		"nodes",
		"watches",
		"multi",
		"identities",
		"reconnected",
		"session kept over kill -9",
		"watches kept over kill -9",
		"close ends the session",
	}, binary, s.addr())
}

// cli_mt, the shell of the C client: one row is one line and what its answer must match. Its exit status is 0
// whatever happened, so only its output counts.
func TestCLIMT(t *testing.T) {
	need(t, cliMT)
	s := startServer(t)
	p := startProgram(t, cliMT.path, "-h", s.addr())
	p.expect(t, `^Watcher SESSION_EVENT state = CONNECTED_STATE$`, `^Got a new session id: 0x[0-9a-f]+$`)
	session := regexp.MustCompile(`session id: 0x([0-9a-f]+)`).FindStringSubmatch(p.output.String())[1]

	lines := []line{
		{"create /c", want{`^\[/c\]: rc = 0$`, `^\tname = /c$`}},
		{"create /c", want{`^\[/c\]: rc = -110$`}},
		{"create +e /c/e", want{`^\[/c/e\]: rc = 0$`}},
		{"create +s /c/s-", want{`^\tname = /c/s-0000000001$`}},
		{"create2 +es /c/es-", want{`^\tname = /c/es-0000000002$`, `ephemeralOwner = ` + session}},
		{"set /c hello", want{`^/c: rc = 0 Stat:$`, `^\tversion=1\taversion=0$`}},
		{"get /c", want{`^ value_len = 5\nhello$`, `^\tversion=1\taversion=0$`}},
		{"get /none", want{`^/none: rc = -101$`}},
		{"ls /c", want{`^/c: rc = 0$`, `^\te$`, `^\ts-0000000001$`, `^\tes-0000000002$`}},
		{"exists /none", want{`^Error -101 for /none$`}},
		{"wexists /c/new", want{`^Error -101 for /c/new$`}},
		{"create /c/new", want{`^Watcher CREATED_EVENT state = CONNECTED_STATE for path /c/new$`, `^\[/c/new\]: rc = 0$`}},
		{"wexists /c/new", nil}, // says nothing of what exists
		{"set /c/new x", want{`^Watcher CHANGED_EVENT state = CONNECTED_STATE for path /c/new$`}},
		{"sync /c", want{`^\[/c\]: rc = 0$`}},
		{"delete /c", want{`^/c: rc = -111$`}},
		{"delete /c/new", want{`^/c/new: rc = 0$`}},
		{"wexists /c/e", nil},
		{"sync /c", want{`^\[/c\]: rc = 0$`}}, // so the watch is set
	}
	for _, line := range lines {
		p.send(t, line.text)
		p.expect(t, line.want...)
	}

	p.asked = p.output.len()
	s.kill(t)
	p.expect(t, `^Watcher SESSION_EVENT state = CONNECTING_STATE$`)
	s.start(t)
	p.expect(t, `^Watcher SESSION_EVENT state = CONNECTED_STATE$`)
	p.send(t, "set /c/e x")
	p.expect(t, `^/c/e: rc = 0 Stat:$`, `ephemeralOwner = `+session, `^Watcher CHANGED_EVENT state = CONNECTED_STATE for path /c/e$`)

	p.send(t, "quit")
	if status := p.finish(t); status != 0 {
		t.Errorf("exit status %d after quit\n%s", status, p.output.String())
	}

	output, status := runOnce(t, programLimit, cliMT.path, "-h", s.addr(), "-c", "ls /c")
	if status != 0 || !regexp.MustCompile(`(?m)^/c: rc = 0\n\ts-0000000001$`).MatchString(output) {
		t.Errorf("the ephemerals did not end with their session: exit status %d\n%s", status, output)
	}
}
