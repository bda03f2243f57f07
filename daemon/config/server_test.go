package config

import (
	"reflect"
	"testing"

	"zkd/quorum/zk"
)

// Source: QuorumPeer.QuorumServer of ZooKeeper 3.9.
func TestParseServer(t *testing.T) {
	one := func(host string, peer, election int) []PeerAddress { return []PeerAddress{{host, peer, election}} }
	tests := map[string]struct {
		text  string
		ports bool // may be left out
		want  Server
		wrong string
	}{
		"the story's first":         {text: "192.168.1.3:2888:3888", want: Server{Addresses: one("192.168.1.3", 2888, 3888)}},
		"a name":                    {text: "zk1.example.net:2888:3888", want: Server{Addresses: one("zk1.example.net", 2888, 3888)}},
		"IPv6":                      {text: "[fd00::1]:2888:3888", want: Server{Addresses: one("fd00::1", 2888, 3888)}},
		"a participant":             {text: "a:2888:3888:participant", want: Server{Addresses: one("a", 2888, 3888)}},
		"an observer, in capitals":  {text: "a:2888:3888:OBSERVER", want: Server{Addresses: one("a", 2888, 3888), Observer: true}},
		"a client port":             {text: "a:2888:3888;2181", want: Server{Addresses: one("a", 2888, 3888), Client: ":2181"}},
		"a client address":          {text: "a:2888:3888:observer;10.0.0.1:2181", want: Server{Addresses: one("a", 2888, 3888), Observer: true, Client: "10.0.0.1:2181"}},
		"an IPv6 client address":    {text: "a:2888:3888;[fd00::1]:2181", want: Server{Addresses: one("a", 2888, 3888), Client: "[fd00::1]:2181"}},
		"an empty client part":      {text: "a:2888:3888;", want: Server{Addresses: one("a", 2888, 3888)}},
		"an empty TLS part":         {text: "a:2888:3888;2181;", want: Server{Addresses: one("a", 2888, 3888), Client: ":2181"}},
		"two addresses":             {text: "a:2888:3888|b:2889:3889", want: Server{Addresses: []PeerAddress{{"a", 2888, 3888}, {"b", 2889, 3889}}}},
		"ports left out":            {text: "a", ports: true, want: Server{Addresses: one("a", 2888, 3888)}},
		"ports left out, observer":  {text: "[fd00::1]:observer", ports: true, want: Server{Addresses: one("fd00::1", 2888, 3888), Observer: true}},
		"ports left out in zoo.cfg": {text: "a", wrong: serverForm},
		"one port":                  {text: "a:2888", ports: true, wrong: serverForm},
		"four ports":                {text: "a:1:2:3:4", wrong: serverForm},
		"no host":                   {text: ":2888:3888", wrong: serverForm},
		"nothing":                   {text: "", wrong: serverForm},
		"port 0":                    {text: "a:0:3888", wrong: "ports must be numbers from 1 to 65535"},
		"a TLS client port":         {text: "a:2888:3888;2181;2281", wrong: "names a TLS client port, which this version of zkd does not have"},
		"a bad bracket":             {text: "[fd00::1:2888:3888", wrong: "has a [ without its ]"},
		"IPv4 in brackets":          {text: "[10.0.0.1]:2888:3888", wrong: `host "[10.0.0.1]": what stands in [ ] must be an IPv6 address`},
		"a bad client port":         {text: "a:2888:3888;x", wrong: `client port "x": the port must be a number from 0 to 65535`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, wrong := parseServer(3, tc.text, tc.ports)
			if wrong != tc.wrong {
				t.Fatalf("wrong is %q, want %q", wrong, tc.wrong)
			}
			if wrong != "" {
				return
			}
			tc.want.ID = 3
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
			again, wrong := parseServer(3, got.String(), false)
			if wrong != "" || !reflect.DeepEqual(again, got) {
				t.Errorf("%s reads back as %+v, %s", got, again, wrong)
			}
		})
	}
}

func TestTheStorysThreeServers(t *testing.T) {
	_, c, _, err := parseTestdata(t, "testdata/story.cfg")
	if err != nil {
		t.Fatal(err)
	}
	want := []Server{
		{ID: 1, Addresses: []PeerAddress{{"192.168.1.3", 2888, 3888}}},
		{ID: 2, Addresses: []PeerAddress{{"192.168.1.5", 2888, 3888}}},
		{ID: 3, Addresses: []PeerAddress{{"192.168.1.9", 2888, 3888}}},
	}
	if c.ID != 1 || !reflect.DeepEqual(c.Servers, want) {
		t.Errorf("server %d of %+v", c.ID, c.Servers)
	}
}

func TestTheVersionOfADynamicConfigFileIsInItsName(t *testing.T) {
	_, c, _, err := parseTestdata(t, "testdata/dynamic.cfg")
	if err != nil || c.Ensemble.Version != 0x1_0000_000f || c.ID != 2 || len(c.Servers) != 3 || !c.Servers[2].Observer {
		t.Errorf("server %d, %+v, %+v, error %v", c.ID, c.Ensemble, c.Servers, err)
	}
}

func TestHierarchicalQuorum(t *testing.T) {
	_, c, _, err := parseTestdata(t, "testdata/hierarchy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	groups := map[int64][]zk.ServerID{1: {1, 2}, 2: {3, 4}, 3: {5, 6}}
	weights := map[zk.ServerID]int64{1: 2, 6: 0}
	if !reflect.DeepEqual(c.Ensemble.Groups, groups) || !reflect.DeepEqual(c.Ensemble.Weights, weights) {
		t.Errorf("%+v", c.Ensemble)
	}
}
