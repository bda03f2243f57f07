package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines runs a prompt over lines and returns what it printed, standard output and errors in one.
func (u user) lines(lines ...string) (code int, output string) {
	u.t.Helper()
	var both transcript
	both.more = make(chan struct{}, 1)
	code = execute(u.t.Context(), []string{"--server", u.server}, strings.NewReader(strings.Join(lines, "\n")+"\n"), &both, &both)
	return code, both.String()
}

// transcript collects what several goroutines print, and lets a test wait for it.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (tr *transcript) Write(b []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	select {
	case tr.more <- struct{}{}:
	default:
	}
	return tr.text.Write(b)
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.String()
}

func (tr *transcript) await(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	limit := time.After(30 * time.Second)
	for !re.MatchString(tr.String()) {
		select {
		case <-tr.more:
		case <-limit:
			t.Fatalf("no %s in\n%s", pattern, tr.String())
		}
	}
}

func TestPrompt(t *testing.T) {
	u := user{t, serve(t), ""}
	const connected = `\nWATCHER::\n\nWatchedEvent state:SyncConnected type:None path:null zxid: -1\n`
	const closed = `\nWATCHER::\n\nWatchedEvent state:Closed type:None path:null zxid: -1\n`
	for _, test := range []struct {
		name  string
		lines []string
		code  int
		want  string
	}{
		{"the end of the input", []string{"create /a 'two words'", "", "get /a"}, 0, connected + `Created /a\ntwo words\n` + closed},
		{"quit", []string{"quit", "get /a"}, 0, connected + closed},
		{"the status is that of the last line", []string{"get /none", "get /a"}, 0, `(?s).*two words.*`},
		{"also at the end", []string{"get /a", "get /none", "exit"}, 2, `(?s).*two words\nNode does not exist: /none\n` + closed},
		{"a wrong line", []string{"nonsense", "get", `get "/a`}, 64,
			connected + `zkctl: unknown command "nonsense"\nzkctl: see help, or zkctl\(1\)\nzkctl: accepts .*\nusage: get .*\nzkctl: a quote has no end\n` + closed},
		{"history and redo", []string{"get /a", "redo 0", "redo 1", "redo 7", "redo x", "history"}, 0,
			connected + `two words\ntwo words\nNo redoing redos\nusage: .*\nCommand index out of range\nusage: .*\nzkctl: "x" is no number of a line\nusage: .*\n` +
				`0 - get /a\n1 - redo 0\n2 - redo 1\n3 - redo 7\n4 - redo x\n5 - history\n` + closed},
		{"redo fails as the line does", []string{"get /none", "redo 0"}, 2, `(?s).*Node does not exist: /none\nNode does not exist: /none\n` + closed},
		{"an ephemeral lives as long as the session", []string{"create -e /held", "getEphemerals", "stat /held", "close", "get /a", "connect " + u.server, "get /held"}, 2,
			connected + `Created /held\n\[/held\]\n(?:.*\n){11}` + closed + `Not connected\n` + connected + `Node does not exist: /held\n` + closed},
		{"one-shot watches", []string{"get -w /a", "set /a x", "set /a 'two words'", "ls -w /", "create /b", "stat -w /b", "delete /b", "getEphemerals"}, 0,
			`(?s)` + connected + `two words\n.*type:NodeDataChanged path:/a zxid: \d+\n.*type:NodeChildrenChanged path:/ zxid: \d+\n.*type:NodeDeleted path:/b zxid: \d+\n.*`},
		{"lasting watches", []string{"addWatch /w", "create /w", "create /w/x", "removewatches /w", "create /w/y", "addWatch -m PERSISTENT /w",
			"create /w/z", "removewatches -l /w", "removewatches /w", "deleteall /w", "addWatch -m WRONG /w"}, 64,
			`(?s)` + connected + `.*type:NodeCreated path:/w zxid: .*type:NodeCreated path:/w/x zxid: .*type:PersistentWatchRemoved path:/w zxid: -1\n.*` +
				`type:NodeChildrenChanged path:/w zxid.*type:PersistentWatchRemoved.*KeeperErrorCode = No such watcher for /w\n.*mode "WRONG": must be.*`},
		{"printwatches", []string{"printwatches", "printwatches off", "printwatches", "get -w /a", "set /a y", "set /a 'two words'", "printwatches foo"}, 64,
			connected + `printwatches is on\nprintwatches is off\ntwo words\nzkctl: printwatches takes on or off\nusage: .*\n`},
		{"JSON for one line", []string{"--json whoami", "whoami"}, 0, connected + `\{"identities":.*\}\nAuth scheme: User\nip: 127\.0\.0\.1\n` + closed},
		{"identities stay", []string{"addauth digest bob:secret", "whoami", "addauth foo bar", "whoami"}, 0,
			`(?s)` + connected + `.*digest: bob\n.*KeeperErrorCode = AuthFailed\n.*digest: bob\n.*`},
		{"zkCli's options", []string{"reconfig -remove 1"}, 1, connected + `KeeperErrorCode = Reconfig is disabled\n` + closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := user{t, u.server, ""}
			code, output := u.lines(test.lines...)
			if !regexp.MustCompile(`^(?:` + test.want + `)$`).MatchString(output) {
				t.Errorf("printed\n%s\nwant\n%s", output, test.want)
			}
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
		})
	}
}

func TestAPromptWithoutAServer(t *testing.T) {
	var out, errs bytes.Buffer
	code := execute(t.Context(), []string{"--server", "127.0.0.1:1", "--timeout", "100ms"}, strings.NewReader("ls /\n"), &out, &errs)
	if code != exitUnavailable || out.Len() > 0 || !strings.Contains(errs.String(), "no server answers") {
		t.Errorf("exit code %d, %q, %q", code, out.String(), errs.String())
	}
}

// begin runs a command line until the returned stop is called.
func (u user) begin(stdin io.Reader, args ...string) (out, errs *transcript, stop func() int) {
	u.t.Helper()
	ctx, cancel := context.WithCancel(u.t.Context())
	out, errs = &transcript{more: make(chan struct{}, 1)}, &transcript{more: make(chan struct{}, 1)}
	ended := make(chan int, 1)
	go func() { ended <- execute(ctx, append([]string{"--server", u.server}, args...), stdin, out, errs) }()
	return out, errs, func() int {
		cancel()
		return <-ended
	}
}

func TestWatchStreams(t *testing.T) {
	u := user{t, serve(t), ""}
	out, errs, stop := u.begin(nil, "watch", "/w")
	errs.await(t, `^zkctl: watching /w$`)
	u.ok("create", "/w")
	u.ok("create", "/w/deep")
	u.ok("set", "/w/deep", "x")
	u.ok("delete", "/w/deep")
	out.await(t, `^NodeCreated /w 0x[0-9a-f]+\nNodeCreated /w/deep 0x[0-9a-f]+\nNodeDataChanged /w/deep 0x[0-9a-f]+\nNodeDeleted /w/deep 0x[0-9a-f]+\n`)
	if code := stop(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}

	out, _, stop = u.begin(nil, "watch", "--json", "-m", "PERSISTENT", "-n", "2", "/w")
	out.await(t, `^\{"event":"None","state":"SyncConnected","path":"/w"\}$`)
	u.ok("set", "/w", "x")
	u.ok("create", "/w/x")
	out.await(t, `\{"event":"NodeDataChanged","state":"SyncConnected","path":"/w","zxid":"0x[0-9a-f]+"\}\n\{"event":"NodeChildrenChanged".*\}\n`)
	if code := stop(); code != exitOK { // it has ended by itself
		t.Errorf("exit code %d, want 0", code)
	}
	u.steps([]step{{"watch -m x /w", 64, ``, `zkctl: mode "x": must be PERSISTENT or PERSISTENT_RECURSIVE\nusage: .*`}})
}

func TestWatchAtThePromptLeavesNoWatch(t *testing.T) {
	u := user{t, serve(t), ""}
	u.ok("create", "/w")
	stdin, keyboard := io.Pipe()
	out, errs, stop := u.begin(stdin)
	io.WriteString(keyboard, "watch -n 1 /w\n")
	errs.await(t, `watching /w`)
	u.ok("set", "/w", "x")
	out.await(t, `^NodeDataChanged /w 0x`)
	io.WriteString(keyboard, "removewatches /w\n")
	errs.await(t, `No such watcher for /w`)
	keyboard.Close()
	if code := stop(); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
}

func TestPathsAreCompleted(t *testing.T) {
	u := user{t, serve(t), ""}
	u.ok("create", "/app")
	u.ok("create", "/app/a")
	u.ok("create", "/app/b")
	for prefix, want := range map[string]string{"": "/", "/": "/app\n/zookeeper", "/a": "/app", "/app": "/app", "/app/": "/app/a\n/app/b", "/none/": "", "/x": ""} {
		if want != "" {
			want += "\n"
		}
		code, stdout, _ := u.run("__complete", "ls", prefix)
		if got, _, _ := strings.Cut(stdout, ":"); code != 0 || got != want {
			t.Errorf("%q: exit code %d, %q, want %q", prefix, code, got, want)
		}
	}
	if _, stdout, _ := (user{t, "127.0.0.1:1", ""}).run("--timeout", "50ms", "__complete", "ls", "/"); !strings.HasPrefix(stdout, ":") {
		t.Errorf("without a server: %q", stdout)
	}
}

func TestEventsOfOneCommandAreNotPrinted(t *testing.T) {
	u := user{t, serve(t), ""}
	if got := u.ok("get", "-w", "/zookeeper"); got != "\n" && got != "null\n" {
		t.Errorf("printed %q", got)
	}
}
