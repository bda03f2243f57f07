package main

import (
	"strings"
	"testing"
)

// Rendering needs no capability, and says which name has no address.
func TestFirewallRender(t *testing.T) {
	file := write(t, "zkd.toml", "id = 1\ndata_dir = \"/data\"\nclient.listen = [\"198.51.100.1:2181\"]\n"+
		"[servers]\n1 = \"198.51.100.1\"\n2 = \"198.51.100.2\"\n3 = \"no.such.host.invalid\"\n")
	code, stdout, stderr := zkd(t, "firewall", "render", "--config", file)
	if code != 0 || !strings.Contains(stderr, "zkd: member 3: no.such.host.invalid: ") {
		t.Errorf("exit code %d, stderr %s", code, stderr)
	}
	for _, part := range []string{"delete table inet zkd\n", "elements = { 2181, 2888, 3888 }", "elements = { 198.51.100.1-198.51.100.2 }",
		"iiftype loopback counter accept"} {
		if !strings.Contains(stdout, part) {
			t.Errorf("no %q in\n%s", part, stdout)
		}
	}
}

func TestFirewallCommandLines(t *testing.T) {
	shared := write(t, "zkd.toml", "data_dir = \"/data\"\nclient.listen = [\"192.0.2.1:2181\"]\nadmin.listen = [\"127.0.0.1:2182\", \"192.0.2.2:2181\"]\n")
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
