package main

import (
	"reflect"
	"strings"
	"testing"

	"zkd/daemon/config"
	"zkd/firewall/keeper"
)

func TestTheFirewallIsThatOfTheConfiguration(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*config.Config)
		want   keeper.Config
	}{
		"nothing configured": {func(*config.Config) {}, keeper.Config{
			ClientListen: []string{"127.0.0.1:2181", "[::1]:2181"}, AdminListen: []string{"127.0.0.1:8080", "[::1]:8080"},
		}},
		"no admin port": {func(c *config.Config) { c.Admin.Enabled = false }, keeper.Config{
			ClientListen: []string{"127.0.0.1:2181", "[::1]:2181"},
		}},
		"a member of three, one of them with two addresses": {func(c *config.Config) {
			c.ID, c.Client.Listen, c.Admin.Enabled = 2, []string{":2181"}, false
			c.Servers = []config.Server{
				{ID: 1, Addresses: []config.PeerAddress{{Host: "a", PeerPort: 2888, ElectionPort: 3888}}},
				{ID: 2, Addresses: []config.PeerAddress{{Host: "b", PeerPort: 2889, ElectionPort: 3889}, {Host: "fd00::2", PeerPort: 2890, ElectionPort: 3890}}},
				{ID: 3, Addresses: []config.PeerAddress{{Host: "c", PeerPort: 2888, ElectionPort: 3888}}, Observer: true},
			}
		}, keeper.Config{
			ClientListen: []string{":2181"}, PeerPorts: []uint16{2889, 2890}, ElectionPorts: []uint16{3889, 3890},
			Members: []keeper.Member{{Name: "1", Hosts: []string{"a"}}, {Name: "2", Hosts: []string{"b", "fd00::2"}}, {Name: "3", Hosts: []string{"c"}}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			test.change(&cfg)
			if got := firewallConfig(cfg); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// Rendering needs no capability, and says which name has no address.
func TestFirewallRender(t *testing.T) {
	file := write(t, "zkd.toml", "id = 1\ndata_dir = \"/data\"\nclient.listen = [\"192.0.2.1:2181\"]\n"+
		"[servers]\n1 = \"192.0.2.1\"\n2 = \"192.0.2.2\"\n3 = \"no.such.host.invalid\"\n")
	code, stdout, stderr := zkd(t, "firewall", "render", "--config", file)
	if code != 0 || !strings.Contains(stderr, "zkd: member 3: no.such.host.invalid: ") {
		t.Errorf("exit code %d, stderr %s", code, stderr)
	}
	for _, part := range []string{"delete table inet zkd\n", "elements = { 2181, 2888, 3888, 8080 }", "elements = { 192.0.2.1-192.0.2.2 }",
		"iiftype loopback counter accept"} {
		if !strings.Contains(stdout, part) {
			t.Errorf("no %q in\n%s", part, stdout)
		}
	}
}

func TestFirewallCommandLines(t *testing.T) {
	shared := write(t, "zkd.toml", "data_dir = \"/data\"\nclient.listen = [\"127.0.0.1:2181\"]\nadmin.listen = [\"[::1]:2181\"]\n")
	for name, test := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"an unknown command":        {[]string{"firewall", "aply"}, 64, "unknown command \"aply\""},
		"a port of two uses":        {[]string{"firewall", "render", "--config", shared}, 78, "port 2181 has two uses, client and admin"},
		"a configuration not there": {[]string{"firewall", "remove", "--config", "/no/such/file"}, 78, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := zkd(t, test.args...)
			if code != test.code || !strings.Contains(stderr, test.stderr) {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
		})
	}
}
