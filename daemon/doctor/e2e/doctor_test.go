// Package e2e_test runs zkd doctor beside a real server on hosts with real firewalls, each in a network namespace of
// its own.
package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zkd/daemon/doctor"
	"zkd/firewall/netlab"
)

func TestMain(m *testing.M) { os.Exit(netlab.Main(m.Run)) }

// host is a namespace with a server in it.
type host struct {
	t               *testing.T
	net             *netlab.Namespace
	program, config string
}

func newHost(t *testing.T) host {
	t.Helper()
	dir := t.TempDir()
	h := host{t, netlab.New(t), filepath.Join(dir, "zkd"), filepath.Join(dir, "zkd.toml")}
	if out, err := exec.Command("go", "build", "-o", h.program, "../../../cmd/zkd").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	text := fmt.Sprintf("data_dir = %q\n[firewall]\nmode = \"off\"\n", filepath.Join(dir, "data"))
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// start starts the server and waits until it is ready.
func (h host) start() {
	h.t.Helper()
	name := filepath.Join(h.t.TempDir(), "notify") // a path: the namespace does not matter
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	var log bytes.Buffer
	cmd := exec.Command(h.program, "run", "--config", h.config)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+name)
	cmd.Stderr = &log
	h.net.Do(func() { err = cmd.Start() })
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill() // ours
		_ = cmd.Wait()
	})
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		h.t.Fatal(err)
	}
	for buf := make([]byte, 4096); ; {
		n, err := conn.Read(buf)
		if err != nil {
			h.t.Fatalf("the server is not ready: %v\n%s", err, log.String())
		}
		if strings.Contains(string(buf[:n]), "READY=1") {
			return
		}
	}
}

// doctor runs zkd doctor on the host and returns its findings with a code.
func (h host) doctor(code string) (found []doctor.Finding, all doctor.Report) {
	h.t.Helper()
	out, _ := h.net.Try("", h.program, "doctor", "--json", "--config", h.config) // its exit code tells of the findings
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	for _, f := range all.Findings {
		if f.Code == code {
			found = append(found, f)
		}
	}
	return found, all
}

// The host of the story: its firewall lets the network in and forgets loopback. Clients of other hosts are served,
// and nothing on this host itself can reach the server. doctor names the rule, and its command opens the way.
func TestLoopbackThatAFirewallShutsIsFoundAndItsCommandOpensIt(t *testing.T) {
	h := newHost(t)
	h.start()
	if found, all := h.doctor("Z101"); len(found) != 0 || !slices.Contains(all.Fine, "firewall") {
		t.Fatalf("without a firewall:\n%s", all.Text())
	}
	h.net.Nft("table inet lan { chain input { type filter hook input priority 0; policy drop; ip saddr 198.51.100.0/24 tcp dport { 2181, 2888, 3888 } accept\n }\n}\n")
	found, all := h.doctor("Z101")
	if len(found) != 1 || !strings.Contains(found[0].Text, `table "inet lan", chain input`) {
		t.Fatalf("with a firewall that shuts loopback:\n%s", all.Text())
	}
	if _, ok := find(all, "Z605"); ok {
		t.Errorf("a server that cannot be reached over loopback is taken for none:\n%s", all.Text())
	}
	command, ok := strings.CutPrefix(found[0].Fix, "run: ")
	command, _, _ = strings.Cut(command, "; to keep it")
	if !ok {
		t.Fatalf("no command in %q", found[0].Fix)
	}
	h.net.Run("sh", "-c", command)
	if found, all := h.doctor("Z101"); len(found) != 0 {
		t.Errorf("after %q:\n%s", command, all.Text())
	}
}

func find(r doctor.Report, code string) (doctor.Finding, bool) {
	at := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.Code == code })
	if at < 0 {
		return doctor.Finding{}, false
	}
	return r.Findings[at], true
}
