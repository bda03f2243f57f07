package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zkd/daemon"
	"zkd/daemon/probe"
)

const (
	servingDocument    = `{"schema":1,"mode":"standalone","serving":true,"clients":{"addresses":["127.0.0.1:2181"]},"new_field":"kept"}`
	notServingDocument = `{"schema":1,"mode":"looking","serving":false,"not_serving":"1 of 3 servers","clients":{"addresses":["127.0.0.1:2181"]}}`
)

// fakeAdmin is an admin port that answers /status with what it says, in turn; the last for ever.
func fakeAdmin(t *testing.T, documents ...string) string {
	t.Helper()
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			t.Errorf("asked for %s, want /status", r.URL)
		}
		io.WriteString(w, documents[min(int(asked.Add(1)), len(documents))-1])
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// fakeClient is a client port that answers every word with text.
func fakeClient(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(c, make([]byte, 4))
			_, _ = io.WriteString(c, text)
			c.Close()
		}
	}()
	return l.Addr().String()
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestStatusAsJSONSaysWhatTheTextSays(t *testing.T) {
	const refused = "is closed (connection refused)"
	for name, test := range map[string]struct {
		admin, client func(*testing.T) string
		code          int
		verdict, mode string
		reason        string // %A and %C stand for the two addresses
		ports         string
		status        string // the whole document, or null
	}{
		"a server that serves": {
			func(t *testing.T) string { return fakeAdmin(t, servingDocument) }, closedPort, daemon.ExitOK, "serving", "standalone", "",
			"[{admin %A answered }]", servingDocument,
		},
		"a server without quorum": {
			func(t *testing.T) string { return fakeAdmin(t, notServingDocument) }, closedPort, daemon.ExitNoQuorum, "not serving", "looking",
			"not serving: 1 of 3 servers", "[{admin %A answered }]", notServingDocument,
		},
		"the client port alone": {
			closedPort, func(t *testing.T) string { return fakeClient(t, "Mode: follower\n") }, daemon.ExitOK, "serving", "follower", "",
			"[{admin %A refused " + refused + "} {client %C answered }]", "null",
		},
		"a client port without quorum": {
			closedPort, func(t *testing.T) string {
				return fakeClient(t, "This ZooKeeper instance is not currently serving requests\n")
			}, daemon.ExitNoQuorum, "not serving", "looking", "not serving: the server has no quorum, or is still starting",
			"[{admin %A refused " + refused + "} {client %C answered }]", "null",
		},
		"nothing there": {
			closedPort, closedPort, daemon.ExitNotRunning, "not running", "",
			"not running: admin port %A " + refused + "; client port %C " + refused,
			"[{admin %A refused " + refused + "} {client %C refused " + refused + "}]", "null",
		},
		"a port that tells nothing": {
			closedPort, func(t *testing.T) string {
				return fakeClient(t, "srvr is not executed because it is not in the whitelist.\n")
			},
			daemon.ExitFailure, "unknown", "", "cannot tell: admin port %A " + refused +
				"; client port %C is a server that may not answer srvr: add it to words.allow (4lw.commands.whitelist)",
			"[{admin %A refused " + refused + "} {client %C not allowed is a server that may not answer srvr: add it to words.allow (4lw.commands.whitelist)}]", "null",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, c := test.admin(t), test.client(t)
			fill := strings.NewReplacer("%A", a, "%C", c)
			code, stdout, stderr := zkd(t, "status", "--json", "--admin", a, "--client", c)
			var d struct {
				Schema   int
				Verdict  string
				ExitCode int `json:"exit_code"`
				Reason   string
				Mode     string
				Ports    []struct{ Port, Address, Result, Detail string }
				Others   any
				Status   json.RawMessage
			}
			if err := json.Unmarshal([]byte(stdout), &d); err != nil {
				t.Fatalf("%v: %q", err, stdout)
			}
			if code != test.code || stderr != "" {
				t.Errorf("exit code %d, stderr %q; want %d and nothing", code, stderr, test.code)
			}
			if d.Schema != 1 || d.Verdict != test.verdict || d.ExitCode != code || d.Mode != test.mode || d.Reason != fill.Replace(test.reason) || d.Others != nil {
				t.Errorf("got %s", stdout)
			}
			if got, want := fmt.Sprint(d.Ports), fill.Replace(test.ports); got != want {
				t.Errorf("ports %s, want %s", got, want)
			}
			var status bytes.Buffer
			if err := json.Compact(&status, d.Status); err != nil || status.String() != test.status {
				t.Errorf("status %s, %v; want %s", status.String(), err, test.status)
			}
			textCode, _, _ := zkd(t, "status", "--admin", a, "--client", c)
			if textCode != code {
				t.Errorf("exit code %d with --json, %d without", code, textCode)
			}
		})
	}
}

// frames ends a watch after so many writes, as an interrupt would.
type frames struct {
	want   int
	cancel context.CancelFunc
	got    []string
}

func (f *frames) Write(p []byte) (int, error) {
	f.got = append(f.got, string(p))
	if len(f.got) == f.want {
		f.cancel()
	}
	return len(p), nil
}

func TestWatchGoesOnUntilItIsInterrupted(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		code int
		want [2]string
	}{
		"text": {nil, daemon.ExitNoQuorum, [2]string{"Mode: standalone\n\n", "Not serving: 1 of 3 servers\n\n"}},
		"lines of JSON": {[]string{"--json"}, daemon.ExitNoQuorum,
			[2]string{`"new_field":"kept"}}` + "\n", `"addresses":["127.0.0.1:2181"]}}}` + "\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out, stderr := &frames{want: 2, cancel: cancel}, new(strings.Builder)
			code := execute(ctx, append([]string{"status", "--watch", "--interval", "100ms", "--client", closedPort(t),
				"--admin", fakeAdmin(t, servingDocument, notServingDocument)}, test.args...), out, stderr)
			if code != test.code || stderr.String() != "" || len(out.got) != 2 {
				t.Fatalf("exit code %d, stderr %q, frames %q; want %d and two frames", code, stderr, out.got, test.code)
			}
			for i, frame := range out.got {
				if !strings.HasSuffix(frame, test.want[i]) || strings.Contains(frame, "\x1b") || test.args != nil && strings.Count(frame, "\n") != 1 {
					t.Errorf("frame %d: %q, want %q at its end and no clearing of a screen", i, frame, test.want[i])
				}
			}
		})
	}
}

// nobody is an output that is gone.
type nobody struct{}

var errGone = errors.New("broken pipe")

func (nobody) Write([]byte) (int, error) { return 0, errGone }

func TestWatchEndsWhenNobodyReads(t *testing.T) {
	l := statusLook{target: probe.Target{Admin: []string{fakeAdmin(t, servingDocument)}}}
	if err := l.watch(t.Context(), nobody{}, time.Hour); !errors.Is(err, errGone) {
		t.Errorf("got %v, want %v", err, errGone)
	}
}

func TestATerminalIsCleared(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, test := range map[string]struct {
		answer   probe.Answer
		clearing bool
		want     string
	}{
		"a terminal":      {probe.Answer{Text: "Mode: leader\n"}, true, "\x1b[H\x1b[J2026-01-02 03:04:05\nMode: leader\n\n"},
		"a file":          {probe.Answer{Text: "Mode: leader\n"}, false, "2026-01-02 03:04:05\nMode: leader\n\n"},
		"nothing to show": {probe.Answer{State: probe.NotRunning, Reason: "not running: x"}, false, "2026-01-02 03:04:05\nnot running: x\n\n"},
	} {
		if got, err := new(statusLook).frame(test.answer, test.clearing, now); string(got) != test.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
		}
	}
}

func TestTheIntervalIsForWatching(t *testing.T) {
	for want, args := range map[string][]string{
		"--interval is for --watch":              {"--interval", "1s"},
		"--interval 1ms: must be at least 100ms": {"--watch", "--interval", "1ms"},
	} {
		if code, _, stderr := zkd(t, append([]string{"status"}, args...)...); code != daemon.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, stderr %q; want %q", args, code, stderr, want)
		}
	}
}
