package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// ask sends one request to the socket at path.
func ask(t *testing.T, path, method, target, body string) (code int, text string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.NewReplacer("\n", "", "  ", "", ": ", ":").Replace(string(all))
}

func TestTheProcessIsAskedOnTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	core, logs := observer.New(zap.InfoLevel)
	o := Options{Path: path, Source: standing(), Logger: zap.New(core),
		SetLevel: func(level string) (string, error) {
			if level != "debug" {
				return "", errors.New("must be debug")
			}
			return "info", nil
		},
		Reload: func(context.Context) (Reloaded, error) { return Reloaded{Changed: []string{"log.level"}}, nil },
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	tests := map[string]struct {
		method, target, body string
		code                 int
		want                 string
	}{
		"another level":           {"POST", "/log/level", `{"level":"debug"}`, 200, `{"level":"debug","was":"info"}`},
		"no level":                {"POST", "/log/level", `{"level":"loud"}`, 400, "must be debug"},
		"a GET changes nothing":   {"GET", "/log/level", "", 405, ""},
		"a reload":                {"POST", "/config/reload", "", 200, `{"changed":["log.level"],"waiting":[]}`},
		"the list of profiles":    {"GET", "/debug/pprof/", "", 200, "goroutine"},
		"a profile":               {"GET", "/debug/pprof/goroutine?debug=1", "", 200, "TestTheProcessIsAskedOnTheSocket"},
		"the line of the process": {"GET", "/debug/pprof/cmdline", "", 200, "socket.test"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if code, text := ask(t, path, tc.method, tc.target, tc.body); code != tc.code || !strings.Contains(text, tc.want) {
				t.Errorf("%d %s; want %d %s", code, text, tc.code, tc.want)
			}
		})
	}
	if changed := logs.FilterMessage("log level changed by an operator").All(); len(changed) != 1 || changed[0].ContextMap()["pid"] == nil {
		t.Errorf("who changed the level is not in the log: %v", logs.All())
	}
}
