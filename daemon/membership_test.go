package daemon

import (
	"maps"
	"testing"

	"zkd/daemon/config"
	"zkd/quorum/zk"
)

// member is a server of an ensemble with the usual ports.
func member(id zk.ServerID, host string) config.Server {
	return config.Server{ID: id, Addresses: []config.PeerAddress{{Host: host, PeerPort: 2888, ElectionPort: 3888}}}
}

// The text is what servers tell each other: ZooKeeper's own.
func TestTheMembershipIsThatOfTheConfiguration(t *testing.T) {
	observer := member(3, "c")
	observer.Observer = true
	client := member(2, "b")
	client.Client = ":2181"
	twoHosts := member(1, "fd00::1")
	twoHosts.Addresses = append(twoHosts.Addresses, config.PeerAddress{Host: "a", PeerPort: 2889, ElectionPort: 3889})
	for name, test := range map[string]struct {
		servers  []config.Server
		ensemble config.Ensemble
		want     string
	}{
		"no servers: alone":                    {nil, config.Ensemble{Version: 5}, "version=0"},
		"the only one stands alone":            {[]config.Server{member(1, "a")}, config.Ensemble{}, "version=0"},
		"one voter with an observer does not":  {[]config.Server{member(1, "a"), observer}, config.Ensemble{}, "server.1=a:2888:3888:participant\nserver.3=c:2888:3888:observer\nversion=0"},
		"in ascending order":                   {[]config.Server{client, member(1, "a")}, config.Ensemble{}, "server.1=a:2888:3888:participant\nserver.2=b:2888:3888:participant;0.0.0.0:2181\nversion=0"},
		"with the version of the dynamic file": {[]config.Server{member(1, "a"), member(2, "b")}, config.Ensemble{Version: 0x10000000f}, "server.1=a:2888:3888:participant\nserver.2=b:2888:3888:participant\nversion=10000000f"},
		"several addresses, in order of hosts": {[]config.Server{twoHosts, member(2, "b")}, config.Ensemble{}, "server.1=a:2889:3889|[fd00::1]:2888:3888:participant\nserver.2=b:2888:3888:participant\nversion=0"},
		"groups and weights": {
			[]config.Server{member(1, "a"), member(2, "b")},
			config.Ensemble{Groups: map[int64][]zk.ServerID{2: {2}, 1: {1}}, Weights: map[zk.ServerID]int64{2: 0}},
			"server.1=a:2888:3888:participant\nserver.2=b:2888:3888:participant\ngroup.1=1\ngroup.2=2\nweight.1=1\nweight.2=0\nversion=0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := membership(config.Config{Servers: test.servers, Ensemble: test.ensemble})
			if err != nil {
				t.Fatal(err)
			}
			if got := m.String(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestAMembershipThatCannotWorkIsAWrongConfiguration(t *testing.T) {
	heavy := config.Ensemble{Groups: map[int64][]zk.ServerID{1: {1, 2}}, Weights: map[zk.ServerID]int64{2: 1 << 40}}
	for name, c := range map[string]config.Config{
		"a weight out of bounds": {Servers: []config.Server{member(1, "a"), member(2, "b")}, Ensemble: heavy},
		"a client address":       {Servers: []config.Server{member(1, "a"), {ID: 2, Client: "2181"}}},
	} {
		if err := Supported(c); ExitCode(err) != ExitConfig {
			t.Errorf("%s: %v, want exit code %d", name, err, ExitConfig)
		}
	}
}

func TestOtherMembersAreAskedAtTheirClientPorts(t *testing.T) {
	given, same := member(2, "b"), member(4, "A")
	given.Client = ":2182"
	c := config.Config{ID: 1, Client: config.Client{Listen: []string{":2181"}}, Servers: []config.Server{member(1, "a"), given, member(3, "fd00::3"), same}}
	want := map[zk.ServerID]string{2: "b:2182", 3: "[fd00::3]:2181"}
	if got := OtherClients(c); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
