package config

import (
	"net/netip"
	"slices"
	"testing"
)

func TestAListOfClientsCanBeUnsetOrEmpty(t *testing.T) {
	for text, want := range map[string]struct {
		sources []netip.Prefix
		shown   string
	}{
		"":                              {nil, connected},
		"firewall.clients = []":         {[]netip.Prefix{}, "[]"},
		`firewall.clients = ["::/0"]`:   {[]netip.Prefix{netip.MustParsePrefix("::/0")}, `["::/0"]`},
		`firewall.clients = ["fd00::"]`: {[]netip.Prefix{netip.MustParsePrefix("fd00::/128")}, `["fd00::"]`},
		`firewall.clients = ["::ffff:192.0.2.7", "10.0.0.0/8"]`: {
			[]netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("10.0.0.0/8")}, `["::ffff:192.0.2.7", "10.0.0.0/8"]`},
	} {
		c, _, err := Parse("zkd.toml", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := Sources(c.Firewall.Clients)
		if !slices.Equal(got, want.sources) || (got == nil) != (want.sources == nil) {
			t.Errorf("%q gives %v", text, got)
		}
		if !slices.ContainsFunc(c.Explain(), func(s Setting) bool { return s.Key == "firewall.clients" && s.Value == want.shown }) {
			t.Errorf("%q is not shown as %s", text, want.shown)
		}
	}
}

func TestOnLoopback(t *testing.T) {
	const members = "id = 1\n[servers]\n2 = \"10.0.0.2\"\n"
	for name, test := range map[string]struct {
		text string
		want bool
	}{
		"nothing configured":                     {"", true},
		"localhost":                              {`client.listen = ["localhost:2181"]`, true},
		"a client port of a network":             {`client.listen = ["127.0.0.1:2181", "10.0.0.1:2181"]`, false},
		"one of all addresses":                   {`client.listen = [":2181"]`, false},
		"an admin port of a network":             {`admin.listen = ["10.0.0.1:8080"]`, false},
		"one that is off":                        {"admin.listen = [\"10.0.0.1:8080\"]\nadmin.enabled = false", true},
		"a member on loopback":                   {members + `1 = "127.0.0.1"`, true},
		"a member of a network":                  {members + `1 = "10.0.0.1"`, false},
		"a member by name":                       {members + `1 = "zk1"`, false},
		"a member that listens on all addresses": {"ensemble.listen_on_all = true\n" + members + `1 = "127.0.0.1"`, false},
		"the only member of its list":            {"[servers]\n1 = \"10.0.0.1\"", true},
	} {
		c, _, err := Parse("zkd.toml", []byte(test.text), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := c.OnLoopback(); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
