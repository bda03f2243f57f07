package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"zkd/firewall/netlab"
)

// lan is a host with three addresses, and everybody else: a neighbour and a routed stranger.
func lan(t *testing.T) (here, there *netlab.Namespace) {
	t.Helper()
	here, there = netlab.New(t), netlab.New(t)
	here.Link("lan0", there, "lan0")
	here.Addr("lan0", "10.1.0.1/24", "10.1.0.9/24", "10.1.0.10/24")
	there.Addr("lan0", "10.1.0.77/24", "10.2.0.1/24")
	here.Run("ip", "route", "add", "10.2.0.0/24", "dev", "lan0")
	return here, there
}

// reaches compares who gets where. What is open may take a while, until the server listens.
func reaches(t *testing.T, from *netlab.Namespace, source, address string, open bool) {
	t.Helper()
	if open {
		eventually(t, "from "+source+" to "+address, func() bool { return from.Dial(source, address, time.Second) == nil })
	} else if from.Dial(source, address, 700*time.Millisecond) == nil {
		t.Errorf("from %s to %s: open", source, address)
	}
}

func zooCfg(t *testing.T, address string, more string) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=%s\nclientPort=2181\nclientPortAddress=%s\n%s", filepath.Join(dir, "data"), address, more)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// Other programs of the host have the same ports at other addresses, and the port that the admin port does not get.
func TestOtherProgramsKeepTheirPorts(t *testing.T) {
	here, there := lan(t)
	here.Listen("0.0.0.0:8080")
	here.Listen("10.1.0.9:2181")
	z := run(t, here, filepath.Join(bin, "zkd"), zooCfg(t, "10.1.0.1", ""))
	z.logged("firewall rules in force")
	z.logged(`"msg":"ready"`)
	reaches(t, there, "10.1.0.77", "10.1.0.1:2181", true)
	reaches(t, there, "10.2.0.1", "10.1.0.1:2181", false)
	reaches(t, there, "10.2.0.1", "10.1.0.1:8080", true)
	reaches(t, there, "10.2.0.1", "10.1.0.9:2181", true)
	z.end(syscall.SIGTERM)
}

// A server that listens on all addresses lets in the subnet of an address that its host is given.
func TestTheRulesFollowAnAddressOfTheHost(t *testing.T) {
	here, there := lan(t)
	z := run(t, here, filepath.Join(bin, "zkd"), zooCfg(t, "0.0.0.0", ""))
	z.logged("firewall rules in force")
	z.logged(`"msg":"ready"`)
	here.Run("ip", "route", "del", "10.2.0.0/24", "dev", "lan0")
	here.Addr("lan0", "10.2.0.9/24")
	z.logged("+ set clients4: 10.2.0.0/24")
	reaches(t, there, "10.2.0.1", "10.2.0.9:2181", true)
	here.Run("ip", "link", "set", "lan0", "down")
	here.Run("ip", "link", "set", "lan0", "up")
	reaches(t, there, "10.2.0.1", "10.2.0.9:2181", true)
	z.end(syscall.SIGTERM)
}

// Two servers have the same ports at two addresses, and each its own table.
func TestTwoServersOfAHostLeaveEachOtherAlone(t *testing.T) {
	here, there := lan(t)
	program := filepath.Join(bin, "zkd")
	const others = "admin.enableServer=false\nserver.1=%s:2888:3888\nserver.2=10.1.0.77:2888:3888\nserver.3=10.1.0.78:2888:3888\n"
	configs := []string{zooCfg(t, "10.1.0.9", fmt.Sprintf(others, "10.1.0.9")), zooCfg(t, "10.1.0.10", fmt.Sprintf(others, "10.1.0.10"))}
	first := run(t, here, program, configs[0])
	first.logged("firewall rules in force")
	second := run(t, here, program, configs[1])
	second.logged("firewall rules in force")
	if got := here.Run("nft", "list", "tables"); got != "table inet zkd\ntable inet zkd_10_1_0_10\n" {
		t.Errorf("tables %q", got)
	}
	for _, address := range []string{"10.1.0.9", "10.1.0.10"} {
		for _, port := range []string{":2181", ":3888"} {
			reaches(t, there, "10.1.0.77", address+port, true)
			reaches(t, there, "10.2.0.1", address+port, false)
		}
	}
	for _, config := range configs {
		if out, err := here.Try("", program, "firewall", "diff", "--config", config); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	first.end(syscall.SIGTERM)
	if got := here.Run("nft", "list", "tables"); got != "table inet zkd_10_1_0_10\n" {
		t.Errorf("tables %q", got)
	}
	second.end(syscall.SIGTERM)
}

// A member that is known by the second address of its host calls from it: the rules of the other let in nobody else.
// Both ask each other on their client ports across subnets.
func TestAMemberCallsFromTheAddressByWhichItIsKnown(t *testing.T) {
	one, two := netlab.New(t), netlab.New(t)
	one.Link("lan0", two, "lan0")
	one.Addr("lan0", "10.1.0.1/24", "10.1.0.9/24")
	two.Addr("lan0", "10.2.0.2/24")
	one.Run("ip", "route", "add", "10.2.0.0/24", "dev", "lan0", "src", "10.1.0.1")
	two.Run("ip", "route", "add", "10.1.0.0/24", "dev", "lan0")
	program := filepath.Join(bin, "zkd")
	const servers = "server.1=10.1.0.9:2888:3888\nserver.2=10.2.0.2:2888:3888\n"
	configs := []string{zooCfg(t, "10.1.0.9", servers), zooCfg(t, "10.2.0.2", servers)}
	first, second := run(t, one, program, configs[0]), run(t, two, program, configs[1])
	for i, host := range []*netlab.Namespace{one, two} {
		if out, err := host.Try("", program, "wait", "--for", "in-sync", "--timeout", "30s", "--config", configs[i]); err != nil {
			t.Errorf("member %d: %v: %s", i+1, err, out)
		}
	}
	first.end(syscall.SIGTERM)
	second.end(syscall.SIGTERM)
}
