package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"zkd/daemon/config"
)

// A reload and the level of the log are also to be had over the operators' socket, with an answer.
func TestTheSocketReloadsAndChangesTheLevel(t *testing.T) {
	h := newHost(t)
	fresh := h.cfg
	var failure error
	h.deps.Reload = func() (config.Config, []config.Notice, error) { return fresh, nil, failure }
	h.member.word = func(string) string { return "Environment:\nuser.name=x\n" }
	h.run()
	h.await("READY=1")
	ask := func(method, target, body string) (code int, text string) {
		t.Helper()
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.cfg.SocketPath())
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
		return resp.StatusCode, string(all)
	}
	for _, step := range []struct {
		target, body string
		code         int
		want         string
	}{
		{"/log/level", `{"level": "debug"}`, 200, `"was": "info"`},
		{"/log/level", `{"level": "warn"}`, 200, `"was": "debug"`},
		{"/log/level", `{"level": "loud"}`, 400, "must be debug, info, warn or error"},
		{"/config/reload", "", 200, `"client.max_connections"`},
		{"/log/level", `{"level": "debug"}`, 200, `"was": "info"`}, // by the reload, as the file says
		{"/config/reload", "", 409, "wrong"},
	} {
		if step.target == "/config/reload" {
			fresh.Client.MaxConnections = 7
			failure = nil
			if step.code != 200 {
				failure = config.Errors{{What: "wrong"}}
			}
		}
		if code, text := ask("POST", step.target, step.body); code != step.code || !strings.Contains(text, step.want) {
			t.Errorf("%s %s: %d %s, want %d %s", step.target, step.body, code, text, step.code, step.want)
		}
	}
	if code, text := ask("GET", "/commands/envi", ""); code != 200 || !strings.Contains(text, `"user.name": "x"`) {
		t.Errorf("what the admin port keeps to itself: %d %s", code, text)
	}
	h.signals <- syscall.SIGTERM
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}
