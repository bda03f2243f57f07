package config

import (
	"slices"
	"testing"
)

func TestChangesAreSortedByWhatARunningServerCanFollow(t *testing.T) {
	const before = "id = 1\nlog.level = \"info\"\nauth.super_digest = \"super:xQJmxLMiHGwaqBvst5y6rkB6HQs=\"\n" +
		"[firewall.from]\n2 = [\"10.0.0.0/24\"]\n[servers]\n1 = \"a\"\n2 = \"b\"\n3 = \"c\"\n"
	for name, test := range map[string]struct {
		text          string
		live, waiting []string
	}{
		"nothing": {before, nil, nil},
		"all kinds": {"id = 1\nlog.level = \"warn\"\nclient.max_connections = 7\nfirewall.clients = []\n" +
			"[firewall.from]\n1 = [\"10.0.0.0/24\"]\n[servers]\n1 = \"a\"\n2 = \"b:2889:3889\"\n",
			[]string{"log.level", "firewall.clients", "firewall.from.1", "firewall.from.2"},
			[]string{"client.max_connections", "auth.super_digest", "servers.2", "servers.3"}},
	} {
		old, _, err := Parse("zkd.toml", []byte(before), nil)
		if err != nil {
			t.Fatal(err)
		}
		now, _, err := Parse("zkd.toml", []byte(test.text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if live, waiting := Changes(old, now); !slices.Equal(live, test.live) || !slices.Equal(waiting, test.waiting) {
			t.Errorf("%s: live %v, waiting %v", name, live, waiting)
		}
	}
}
