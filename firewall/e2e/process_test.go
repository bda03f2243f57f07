package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zkd/firewall/netlab"
)

// zkd is a real process in a namespace.
type zkd struct {
	t   *testing.T
	cmd *exec.Cmd
	log string
}

// run starts the program with an unchanged zoo.cfg of ZooKeeper.
func run(t *testing.T, ns *netlab.Namespace, program, config string, args ...string) *zkd {
	t.Helper()
	z := &zkd{t: t, cmd: exec.Command(program, append([]string{"run", "--config", config}, args...)...), log: filepath.Join(t.TempDir(), "log")}
	out, err := os.Create(z.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	z.cmd.Stderr = out
	ns.Do(func() { err = z.cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = z.cmd.Process.Kill() // ours; gone already unless the test failed
		_ = z.cmd.Wait()
	})
	return z
}

// logged waits for a line of the log.
func (z *zkd) logged(part string) {
	z.t.Helper()
	eventually(z.t, "the log says "+part, func() bool {
		text, err := os.ReadFile(z.log)
		return err == nil && strings.Contains(string(text), part)
	})
}

func (z *zkd) end(sig os.Signal) {
	z.t.Helper()
	if err := z.cmd.Process.Signal(sig); err != nil {
		z.t.Fatal(err)
	}
	if err := z.cmd.Wait(); err != nil && sig == syscall.SIGTERM {
		z.t.Errorf("after SIGTERM: %v", err)
	}
}

// The daemon as an operator has it: a zoo.cfg of three servers and no word of a firewall in it.
func TestTheDaemonGuardsItsPortsWhileItRuns(t *testing.T) {
	program := filepath.Join(bin, "zkd")
	here, there := netlab.New(t), netlab.New(t)
	here.Link("lan0", there, "lan0")
	here.Addr("lan0", "10.1.0.1/24")
	there.Addr("lan0", "10.1.0.2/24", "10.1.0.77/24", "10.2.0.1/24")
	here.Run("ip", "route", "add", "10.2.0.0/24", "dev", "lan0")
	dir := t.TempDir()
	config := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=%s\nclientPort=2181\n"+
		"server.1=10.1.0.1:2888:3888\nserver.2=10.1.0.2:2888:3888\nserver.3=10.1.0.3:2888:3888\n", filepath.Join(dir, "data"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tables := func() string { return here.Run("nft", "list", "tables") }
	const ours = "table inet zkd\n"

	z := run(t, here, program, config)
	z.logged("firewall rules in force")
	const (
		soon   = 20 * time.Second
		silent = 700 * time.Millisecond
	)
	for _, test := range []struct {
		source, port string
		open         bool
	}{
		{"10.1.0.2", "2181", true}, {"10.1.0.2", "3888", true}, {"10.1.0.2", "8080", false},
		{"10.1.0.77", "2181", true}, {"10.1.0.77", "3888", false},
		{"10.2.0.1", "2181", false}, {"10.2.0.1", "3888", false},
	} {
		if test.open { // as soon as it listens
			eventually(t, "from "+test.source+" to port "+test.port, func() bool { return there.Dial(test.source, "10.1.0.1:"+test.port, soon) == nil })
		} else if there.Dial(test.source, "10.1.0.1:"+test.port, silent) == nil {
			t.Errorf("from %s to port %s: open", test.source, test.port)
		}
	}

	here.Nft("flush ruleset")
	eventually(t, "the rules are back", func() bool { return tables() == ours })
	z.end(syscall.SIGTERM)
	if got := tables(); got != "" {
		t.Errorf("after a stop: %s", got)
	}

	z = run(t, here, program, config)
	z.logged("firewall rules in force")
	z.end(syscall.SIGKILL)
	if got := tables(); got != ours {
		t.Errorf("after a crash: %q", got)
	}

	z = run(t, here, program, config, "--firewall", "off")
	z.logged("firewall rules removed")
	if got := tables(); got != "" {
		t.Errorf("with the firewall off: %s", got)
	}
	z.end(syscall.SIGTERM)

	// A server on loopback, as the tests of the tree and make run start them, leaves a host as it is.
	here.Nft("table inet zkd { }")
	text = fmt.Sprintf("tickTime=2000\ndataDir=%s\nclientPort=2181\nclientPortAddress=127.0.0.1\n", filepath.Join(dir, "alone"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	z = run(t, here, program, config)
	z.logged("no firewall rules are needed")
	z.logged(`"msg":"ready"`)
	z.end(syscall.SIGTERM)
	if got := tables(); got != ours {
		t.Errorf("a server on loopback touched the host: %q", got)
	}
}
