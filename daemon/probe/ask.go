package probe

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"zkd/daemon/admin"
)

const (
	maxStatusBytes = 1 << 20
	maxSrvrBytes   = 64 << 10
)

// askAdmin asks /status. The failure is nil if there is an answer.
func askAdmin(ctx context.Context, addr string, timeout time.Duration) (Answer, *failure) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/status", nil)
	if err != nil {
		return Answer{}, &failure{addr: addr, port: "admin", kind: odd, what: err.Error()}
	}
	// No proxy of the environment's: this is a port of this host.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, classify("admin", addr, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStatusBytes))
	if err != nil {
		return Answer{}, classify("admin", addr, err)
	}
	var r admin.Report
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &r) != nil || r.Schema == 0 || r.Mode == "" {
		return Answer{}, &failure{addr: addr, port: "admin", kind: odd, what: resp.Status}
	}
	if !r.Serving {
		return Answer{State: NotServing, Text: r.Text(), Reason: "not serving: " + cmp.Or(r.NotServing, "no reason given")}, nil
	}
	return Answer{State: Serving, Text: r.Text()}, nil
}

// askClient asks srvr. The failure is nil if there is an answer.
func askClient(ctx context.Context, addr string, timeout time.Duration) (Answer, *failure) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return Answer{}, classify("client", addr, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return Answer{}, classify("client", addr, err)
	}
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return Answer{}, classify("client", addr, err)
	}
	body, err := io.ReadAll(io.LimitReader(conn, maxSrvrBytes))
	text := string(body)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "Mode: ") {
			return Answer{State: Serving, Text: headline(addr) + strings.TrimSpace(line) + "\n"}, nil
		}
	}
	switch {
	case strings.Contains(text, "not currently serving requests"):
		const reason = "the server has no quorum, or is still starting"
		return Answer{State: NotServing, Text: headline(addr) + "Not serving: " + reason + "\n", Reason: "not serving: " + reason}, nil
	case strings.Contains(text, "is not in the whitelist"):
		return Answer{}, &failure{addr: addr, port: "client", kind: notAsked}
	case text != "":
		return Answer{}, &failure{addr: addr, port: "client", kind: odd, what: fmt.Sprintf("%d bytes: %.40q", len(text), text)}
	case err != nil:
		return Answer{}, classify("client", addr, err)
	default:
		return Answer{}, &failure{addr: addr, port: "client", kind: mute}
	}
}
