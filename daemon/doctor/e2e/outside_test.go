package e2e_test

import (
	"bytes"
	"fmt"
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

// pair are two hosts on a cable, with a member of an ensemble of two on each.
func pair(t *testing.T) [2]host {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "zkd")
	if out, err := exec.Command("go", "build", "-o", program, "../../../cmd/zkd").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	var hosts [2]host
	for i := range hosts {
		h := host{t, netlab.New(t), program, filepath.Join(dir, fmt.Sprintf("%d.toml", i+1))}
		text := fmt.Sprintf("id = %d\ndata_dir = %q\nsession.tick_time = \"500ms\"\nensemble.connect_timeout = \"1s\"\n[client]\nlisten = [\"198.51.100.%[1]d:2181\"]\n"+
			"[firewall]\nmode = \"off\"\n[servers]\n1 = \"198.51.100.1\"\n2 = \"198.51.100.2\"\n", i+1, filepath.Join(dir, fmt.Sprint(i+1)))
		if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	hosts[0].net.Link("wire", hosts[1].net, "wire")
	hosts[0].net.Addr("wire", "198.51.100.1/24")
	hosts[1].net.Addr("wire", "198.51.100.2/24")
	return hosts
}

// launch starts the server and does not wait.
func (h host) launch() {
	h.t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(h.program, "run", "--config", h.config)
	cmd.Stderr = &log
	var err error
	h.net.Do(func() { err = cmd.Start() })
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill() // ours
		_ = cmd.Wait()
		if h.t.Failed() {
			h.t.Logf("%s\n%s", h.config, log.String())
		}
	})
}

// until asks zkd doctor until its report is as wanted.
func (h host) until(what string, wanted func(found []doctor.Finding, all doctor.Report) bool) {
	h.t.Helper()
	var all doctor.Report
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		var found []doctor.Finding
		if found, all = h.doctor("Z105"); wanted(found, all) {
			return
		}
	}
	h.t.Fatalf("never %s:\n%s", what, all.Text())
}

// unseen is what doctor says of the ports that it could not tell of.
func unseen(r doctor.Report) string {
	for _, u := range r.Unseen {
		if strings.HasPrefix(u.What, "whether other hosts reach") {
			return u.Why
		}
	}
	return ""
}

func TestPortsThatOthersReachAreTold(t *testing.T) {
	hosts := pair(t)
	hosts[0].launch()
	hosts[1].launch()
	// Server 2 has connected with the election port of server 1, and follows or is followed.
	hosts[0].until("does server 1 hear from server 2", func(found []doctor.Finding, all doctor.Report) bool {
		why := unseen(all)
		return len(found) == 0 && !strings.Contains(why, "election port") && strings.Contains(why, "peer port 2888: it is open only while this server leads; client port 2181: nobody")
	})
	// Server 2 leads, by its larger number: server 1 has come to its peer port, and that host's doctor to its client port.
	// Whether others reach its election port is known if server 1 tried before the rule of the larger number was applied.
	hosts[1].until("is server 1 seen at the ports of server 2", func(found []doctor.Finding, all doctor.Report) bool {
		why := unseen(all)
		return len(found) == 0 && (slices.Contains(all.Fine, "ports of this host from outside") ||
			strings.HasPrefix(why, "election port 3888: this server has the largest number") && !strings.Contains(why, "peer port") && !strings.Contains(why, "client port"))
	})
}

func TestAnElectionPortThatAnotherHostDoesNotReachIsFound(t *testing.T) {
	hosts := pair(t)
	hosts[0].net.Nft("table inet wall { chain input { type filter hook input priority 0; iif lo accept; tcp dport 3888 drop\n }\n}\n")
	hosts[0].launch()
	hosts[1].launch()
	hosts[0].until("is the election port of server 1 found to be shut", func(found []doctor.Finding, _ doctor.Report) bool {
		return len(found) == 1 && strings.Contains(found[0].Text, "server 2 is up and takes connections of this server, but makes none to the election port of this server (3888)")
	})
}

func TestAPeerPortThatAFollowerDoesNotReachIsFound(t *testing.T) {
	hosts := pair(t)
	hosts[1].net.Nft("table inet wall { chain input { type filter hook input priority 0; iif lo accept; tcp dport 2888 drop\n }\n}\n")
	hosts[0].launch()
	hosts[1].launch()
	hosts[1].until("is the peer port of server 2 found to be shut", func(found []doctor.Finding, _ doctor.Report) bool {
		return len(found) == 1 && strings.Contains(found[0].Text, "this server is elected, and server 1, which is up and in touch, does not come to its peer port (2888)")
	})
}
