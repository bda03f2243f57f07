// Package e2e runs the firewall commands of the real program in network namespaces. Tests only.
package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zkd/firewall/foreign"
	"zkd/firewall/netlab"
)

// bin is the directory of the program, built once for all tests.
var bin string

func TestMain(m *testing.M) {
	os.Exit(netlab.Main(func() int {
		var err error
		if bin, err = os.MkdirTemp("", "zkd-firewall"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(bin)
		if out, err := exec.Command("go", "build", "-o", bin, "zkd/cmd/zkd").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}))
}

// host is a namespace with the program and a configuration: member 1 of three, on 10.1.0.1 and fd00:1::1.
type host struct {
	*netlab.Namespace
	t               *testing.T
	program, config string
}

func newHost(t *testing.T) host {
	t.Helper()
	h := host{netlab.New(t), t, filepath.Join(bin, "zkd"), filepath.Join(t.TempDir(), "zkd.toml")}
	text := "id = 1\ndata_dir = \"/data\"\nclient.listen = [\"10.1.0.1:2181\", \"127.0.0.1:2181\"]\n" +
		"[servers]\n1 = \"10.1.0.1|[fd00:1::1]\"\n2 = \"10.1.0.2|[fd00:1::2]\"\n3 = \"172.16.0.3\"\n"
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Link("lan0", netlab.New(t), "far")
	h.Addr("lan0", "10.1.0.1/24", "fd00:1::1/64")
	return h
}

// zkd runs `zkd firewall` and returns its exit code and all it printed.
func (h host) zkd(args ...string) (code int, out string) {
	h.t.Helper()
	args = append([]string{"firewall"}, append(args, "--config", h.config)...)
	out, err := h.Try("", h.program, args...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), out
	} else if err != nil {
		h.t.Fatal(err)
	}
	return 0, out
}

// expect runs a command and compares its exit code and parts of what it printed.
func (h host) expect(code int, command string, parts ...string) {
	h.t.Helper()
	got, out := h.zkd(strings.Fields(command)...)
	if got != code {
		h.t.Errorf("zkd firewall %s: exit code %d, want %d\n%s", command, got, code, out)
	}
	// Columns are as wide as they need to be.
	flat := strings.Join(strings.Fields(out), " ")
	for _, p := range parts {
		if !strings.Contains(flat, p) {
			h.t.Errorf("zkd firewall %s: no %q in\n%s", command, p, out)
		}
	}
}

func TestTheCommandsWorkOnTheKernel(t *testing.T) {
	h := newHost(t)
	h.expect(1, "show", "there is no table inet zkd")
	h.expect(1, "diff", "+ table inet zkd", "+ set members4: 10.1.0.1-10.1.0.2", "+ set clients4: 10.1.0.0/24")
	h.expect(0, "apply", "table inet zkd is in force")
	h.expect(0, "diff")
	h.expect(0, "show", "table inet zkd is in force SOURCE",
		"loopback 2181 2888 3888 8080 -",
		"member 1, 10.1.0.1 2181 2888 3888 8080",
		"member 3, 172.16.0.3 2181 2888 3888 8080",
		"clients, 10.1.0.0/24 2181 2888 3888 8080",
		"strangers, IPv6 - 2181 2888 3888 8080",
		"stranger 3888 election 0 0")
	h.expect(0, "show --nft", "iiftype loopback counter accept")
	h.Nft("add element inet zkd members4 { 10.7.7.7 }")
	h.expect(1, "diff", "- set members4: 10.7.7.7")
	h.expect(0, "show", "is not what the configuration asks for")
	_, script := h.zkd("render")
	h.Nft(script)
	h.expect(0, "diff")
	h.expect(0, "remove", "table inet zkd is removed")
	h.expect(0, "remove")
	if out := h.Run("nft", "list", "ruleset"); out != "" {
		t.Errorf("left behind:\n%s", out)
	}

	// All tables of zkd, and nothing else, whatever the configuration says.
	h.Nft("table inet zkd { }\ntable inet zkd_2182 { }\ntable inet zkd_blue { }\ntable inet zkdx { }\ntable ip zkd { }")
	h.expect(0, "apply")
	if err := os.WriteFile(h.config, []byte("nonsense = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.expect(0, "remove --all", "table inet zkd is removed", "table inet zkd_2182 is removed", "table inet zkd_blue is removed")
	h.expect(0, "remove --all")
	if out := h.Run("nft", "list", "tables"); out != "table inet zkdx\ntable ip zkd\n" {
		t.Errorf("left behind:\n%s", out)
	}
}

func TestWithoutTheCapabilityTheCommandsSaySo(t *testing.T) {
	h := newHost(t)
	for _, command := range []string{"show", "diff", "apply", "remove", "check"} {
		out, err := h.Try("", "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", h.program, "firewall", command, "--config", h.config)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 77 || !strings.Contains(out, "CAP_NET_ADMIN is needed") {
			t.Errorf("%s: %v, %s", command, err, out)
		}
	}
	out, err := h.Try("", "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", h.program, "firewall", "render", "--config", h.config)
	if err != nil {
		t.Errorf("render: %v, %s", err, out)
	}
}

// check finds the rule, names who made it, and its commands really open the port.
func TestCheckFindsForeignRulesAndItsCommandsMendThem(t *testing.T) {
	for name, test := range map[string]struct {
		rules string
		says  string
	}{
		"a host's own filter": {`table inet filter {
			chain input { type filter hook input priority 0; policy drop; ct state established,related accept; tcp dport 22 accept; }
			chain output { type filter hook output priority 0; policy accept; }
			}`,
			`table "inet filter", chain input, policy: drops loopback to ports 2181, 8080`},
		"a filter that knows loopback": {`table inet filter {
			chain input { type filter hook input priority 0; policy accept; ct state vmap { established : accept, related : accept, invalid : drop };
				iifname "lo" accept; tcp dport 22 accept; reject with icmpx admin-prohibited; }
			}`,
			`table "inet filter", chain input, rule 4: rejects member 2 (10.1.0.2) to ports 2888, 3888`},
		"nothing goes out": {`table ip filter {
			chain output { type filter hook output priority 0; policy drop; ct state established accept; oifname "lo" accept; }
			}`,
			`table "ip filter", chain output, policy: drops this host to member 2 (10.1.0.2), ports 2888, 3888`},
		"answers do not get out": {`table inet odd {
			chain output { type filter hook output priority 0; policy drop; oif "lo" accept; tcp dport { 2888, 3888 } accept; }
			}`,
			`table "inet odd", chain output, policy: drops member 2 (10.1.0.2) to ports 2888, 3888`},
		"before routing": {`table ip raw {
			set bad { type ipv4_addr; flags interval; elements = { 172.16.0.0/12 }; }
			chain prerouting { type filter hook prerouting priority -300; ip saddr @bad drop; }
			}`,
			`table "ip raw", chain prerouting, rule 1: drops member 3 (172.16.0.3) to ports 2888, 3888`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.Nft(test.rules)
			h.expect(1, "check", test.says)
			for range 10 { // each run shows what the first rule in the way was hiding
				code, out := h.zkd("check", "--json")
				var found []foreign.Finding
				if err := json.Unmarshal([]byte(out), &found); err != nil {
					t.Fatalf("%v in %s", err, out)
				}
				if code == 0 {
					return
				}
				for _, command := range found[0].Fix {
					if out, err := h.Try("", "sh", "-c", "PATH=$PATH:/usr/sbin; "+command); err != nil {
						t.Fatalf("%s: %v\n%s", command, err, out)
					}
				}
			}
			t.Error("the commands do not help")
		})
	}
}

func TestCheckFindsNothingWhereNothingIsInTheWay(t *testing.T) {
	h := newHost(t)
	h.expect(0, "apply")
	h.Nft(`table inet filter {
		chain input { type filter hook input priority 0; policy drop; iif lo accept; ct state { established, related } accept;
			tcp dport { 2181, 2888-3888 } accept; }
		chain forward { type filter hook forward priority 0; policy drop; }
		chain nat { type nat hook prerouting priority -100; tcp dport 80 redirect to :8080; }
	}
	table netdev x { }`)
	h.expect(0, "check", "no rule of another program shuts a port of zkd")
}
