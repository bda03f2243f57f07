package probe

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"zkd/daemon/admin"
	"zkd/quorum"
)

const maxStatusBytes = 1 << 20

// askAdmin asks /status. The failure is nil if there is an answer.
func askAdmin(ctx context.Context, addr string, timeout time.Duration) (Answer, *failure) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/status", nil)
	if err != nil {
		return Answer{}, &failure{addr: addr, port: "admin", kind: odd, what: err.Error()}
	}
	conn, err := dial(ctx, addr)
	if err != nil {
		return Answer{}, classify("admin", addr, err)
	}
	defer conn.Close()
	// No proxy of the environment's: this is a port of this host.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
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
	a := Answer{State: Serving, Text: r.Text(), mode: r.Mode, status: body}
	if !r.Serving {
		a.State, a.Reason = NotServing, "not serving: "+cmp.Or(r.NotServing, "no reason given")
	}
	return a, nil
}

// askClient asks srvr. The failure is nil if there is an answer.
func askClient(ctx context.Context, addr string, timeout time.Duration) (Answer, *failure) {
	s, err := srvr(ctx, addr, timeout)
	switch {
	case err != nil:
		return Answer{}, classify("client", addr, err)
	case s.role == quorum.Looking:
		const reason = "the server has no quorum, or is still starting"
		return Answer{State: NotServing, Text: headline(addr) + "Not serving: " + reason + "\n", Reason: "not serving: " + reason, mode: string(s.role)}, nil
	default:
		return Answer{State: Serving, Text: headline(addr) + "Mode: " + string(s.role) + "\n", mode: string(s.role)}, nil
	}
}
