package proto

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"zkd/quorum/zk"
)

// As Apache ZooKeeper 3.8.0 sends it.
const javaConfigText = "server.1=127.0.0.1:21801:21811:participant\n" +
	"server.2=127.0.0.1:21802:21812:participant\n" +
	"server.3=127.0.0.1:21803:21813:participant\n" +
	"version=100000000"

func TestParseQuorumConfig(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want QuorumConfig
	}{
		"a static configuration of one": {
			"server.1=h1:2888:3888:participant\nversion=0",
			QuorumConfig{Servers: []QuorumServer{{ID: 1, Addrs: []PeerAddr{{"h1", 2888, 3888}}}}},
		},
		"no role means participant, no version means 0": {
			"server.1=h1:2888:3888",
			QuorumConfig{Servers: []QuorumServer{{ID: 1, Addrs: []PeerAddr{{"h1", 2888, 3888}}}}},
		},
		"observers, clients, order of ids": {
			"version=1a\nserver.10=h2:2:3:Observer;2181\nserver.2=h1:2:3:PARTICIPANT;[::1]:2181\n",
			QuorumConfig{Version: 0x1a, Servers: []QuorumServer{
				{ID: 2, Addrs: []PeerAddr{{"h1", 2, 3}}, Client: HostPort{"::1", 2181}},
				{ID: 10, Addrs: []PeerAddr{{"h2", 2, 3}}, Observer: true, Client: HostPort{"0.0.0.0", 2181}},
			}},
		},
		"several addresses, the role at the last": {
			"server.1=[fe80::1]:2888:3888|h2:2889:3889:observer\nserver.2=h3:1:2",
			QuorumConfig{Servers: []QuorumServer{
				{ID: 1, Addrs: []PeerAddr{{"fe80::1", 2888, 3888}, {"h2", 2889, 3889}}, Observer: true},
				{ID: 2, Addrs: []PeerAddr{{"h3", 1, 2}}},
			}},
		},
		"groups, of which the weights not given are 1": {
			"server.1=h1:2:3\nserver.2=h2:2:3\nserver.3=h3:2:3:observer\ngroup.2=2\ngroup.1=1:3\nweight.3=0",
			QuorumConfig{
				Servers: []QuorumServer{
					{ID: 1, Addrs: []PeerAddr{{"h1", 2, 3}}}, {ID: 2, Addrs: []PeerAddr{{"h2", 2, 3}}},
					{ID: 3, Addrs: []PeerAddr{{"h3", 2, 3}}, Observer: true},
				},
				Groups: []zk.Group{{ID: 1, Members: []zk.Weight{{ID: 1, Weight: 1}, {ID: 3}}}, {ID: 2, Members: []zk.Weight{{ID: 2, Weight: 1}}}},
			},
		},
		"properties escape": {
			`server.1 : h1\:2888\:3888\:participant`,
			QuorumConfig{Servers: []QuorumServer{{ID: 1, Addrs: []PeerAddr{{"h1", 2888, 3888}}}}},
		},
		"the secure client part of ZooKeeper 3.10 is overlooked": {
			"server.1=h1:2888:3888:participant;h1:2181;h1:2281",
			QuorumConfig{Servers: []QuorumServer{{ID: 1, Addrs: []PeerAddr{{"h1", 2888, 3888}}, Client: HostPort{"h1", 2181}}}},
		},
		"a secure client part alone is overlooked": {
			"server.1=h1:2888:3888:participant;;h1:2281",
			QuorumConfig{Servers: []QuorumServer{{ID: 1, Addrs: []PeerAddr{{"h1", 2888, 3888}}}}},
		},
	} {
		got, err := ParseQuorumConfig(test.text)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", name, got, err, test.want)
		}
	}
}

func TestParseQuorumConfigRefuses(t *testing.T) {
	const one = "server.1=h1:2888:3888\n"
	for name, test := range map[string]struct{ text, want string }{
		"an empty text":                         {"", "there are no participants"},
		"observers alone":                       {"server.1=h1:2888:3888:observer", "there are no participants"},
		"a version alone":                       {"version=0", "there are no participants"},
		"an unknown key":                        {one + "clientPort=2181", `"clientPort": unknown key`},
		"a server without id":                   {"server=h1:1:2", `"" is no server id`},
		"a server with a name":                  {"server.a=h1:1:2", `"a" is no server id`},
		"a negative id":                         {"server.-1=h1:1:2", `"-1" is no server id`},
		"the same server by another spelling":   {one + "server.01=h2:1:2", "server 1 is given twice"},
		"an address without election port":      {"server.1=h1:2888", "is not host:port:port"},
		"an address with too much":              {"server.1=h1:1:2:observer:3", "is not host:port:port"},
		"a port that is none":                   {"server.1=h1:1:two", `"two" is no port`},
		"a port out of range":                   {"server.1=h1:1:65536", `"65536" is no port`},
		"a negative port":                       {"server.1=h1:-1:2", `"-1" is no port`},
		"equal ports":                           {"server.1=h1:1:1", "port 1 is for peers and for elections"},
		"a role that is none":                   {"server.1=h1:1:2:leader", `role "leader"`},
		"two roles":                             {"server.1=h1:1:2:observer|h2:1:2:participant", "is an observer by one address"},
		"no host":                               {"server.1=:1:2", `"" is no host`},
		"an IPv6 address without brackets":      {"server.1=::1:2888:3888", "is not host:port:port"},
		"brackets that do not close":            {"server.1=[::1:2888:3888", "is not [address]:port"},
		"a host with a control character":       {`server.1=h\n1:1:2`, "is no host"},
		"a client part that is no address":      {one[:len(one)-1] + ";h1:x", `"x" is no port`},
		"a client part with too much":           {one[:len(one)-1] + ";a:b:1", "not host:port"},
		"a client part with open brackets":      {one[:len(one)-1] + ";[::1", "is not [address]:port"},
		"a version that is no hex number":       {one + "version=0x1", `"0x1" is no version`},
		"a negative version":                    {one + "version=-1", `"-1" is no version`},
		"weights without groups":                {one + "weight.1=2", "there are weights but no groups"},
		"a weight that is no number":            {one + "group.1=1\nweight.1=x", `"x" is no weight`},
		"a weight of nobody":                    {one + "group.1=1\nweight.=1", `"" is no server id`},
		"a negative weight":                     {one + "group.1=1\nweight.1=-1", "weight -1 of server 1"},
		"a participant in no group":             {one + "group.1=2", "server 1 votes but is in no group"},
		"a server in two groups":                {one + "group.1=1\ngroup.2=1", "server 1 is in group 1 and in group 2"},
		"a group given twice":                   {one + "group.1=1\ngroup.01=1", "group 1 is given twice"},
		"a group with a name":                   {one + "group.a=1", `"a" is no group`},
		"a group of nobody":                     {one + "group.1=", `"" is no server id`},
		"a malformed escape":                    {one + `server.2=\u00`, "malformed"},
		"a text in another charset (ZK-4787)":   {"\xfe\xff\x00s\x00e", "the text is not UTF-8"},
		"a key that is a word with a long tail": {one + strings.Repeat("k", 4000) + "=1", "unknown key"},
	} {
		got, err := ParseQuorumConfig(test.text)
		if !errors.Is(err, ErrQuorumConfig) || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 300 {
			t.Errorf("%s: got %+v, %v, want %q", name, got, err, test.want)
		}
	}
}

func TestQuorumConfigTextIsJavas(t *testing.T) {
	for name, text := range map[string]string{
		"three participants": javaConfigText,
		"all there is": "server.1=h1:2888:3888:participant;0.0.0.0:2181\n" +
			"server.2=[fe80::1]:2888:3888|h2:2889:3889:participant;[::]:2181\n" +
			"server.3=h3:2888:3888:observer\n" +
			"group.1=1\ngroup.2=2:3\nweight.1=1\nweight.2=5\nweight.3=0\nversion=0",
	} {
		c, err := ParseQuorumConfig(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.String() != text {
			t.Errorf("%s:\n got %s\nwant %s", name, c.String(), text)
		}
	}
}

func TestQuorumConfigView(t *testing.T) {
	c, err := ParseQuorumConfig("server.1=h1:2:3\nserver.2=h2:2:3\nserver.3=h3:2:3:observer\ngroup.1=1:2:3\nweight.1=2\nweight.3=0")
	if err != nil {
		t.Fatal(err)
	}
	view, err := c.View()
	if err != nil {
		t.Fatal(err)
	}
	only := func(id zk.ServerID) func(zk.ServerID) bool { return func(x zk.ServerID) bool { return x == id } }
	if !slices.Equal(view.Voters(), []zk.ServerID{1, 2}) || !slices.Equal(view.Observers(), []zk.ServerID{3}) ||
		!view.HasQuorum(only(1)) || view.HasQuorum(only(2)) {
		t.Errorf("voters %v, observers %v, 1 alone %v, 2 alone %v",
			view.Voters(), view.Observers(), view.HasQuorum(only(1)), view.HasQuorum(only(2)))
	}
	if s, ok := c.Server(3); !ok || s.Addrs[0].Quorum() != (HostPort{"h3", 2}) || s.Addrs[0].Election() != (HostPort{"h3", 3}) {
		t.Errorf("server 3: %+v, %v", s, ok)
	}
	if _, ok := c.Server(4); ok {
		t.Error("there is a server 4")
	}
}

// FuzzQuorumConfig takes any text as a configuration. What could be read must have a quorum, and be
// the same after another round.
func FuzzQuorumConfig(f *testing.F) {
	f.Add(javaConfigText)
	f.Add("server.1=[fe80::1]:2888:3888|h2:2889:3889:observer;2181\nserver.2 h:1:2\ngroup.1=1:2\nweight.2=0\nversion=7f")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParseQuorumConfig(text)
		if err != nil {
			return
		}
		if len(first.Servers) > len(text)/len("server.1=h:1:2") {
			t.Fatalf("%d servers from %d bytes", len(first.Servers), len(text))
		}
		again := first.String()
		second, err := ParseQuorumConfig(again)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
		if second.String() != again {
			t.Fatalf("%q became %q", again, second.String())
		}
	})
}
