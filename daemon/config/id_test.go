package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"zkd/quorum/zk"
)

// Design 1: id, or data_dir/myid; two answers that disagree are an error that names both.
func TestServerID(t *testing.T) {
	const three = "[servers]\n1 = \"a\"\n2 = \"b\"\n3 = \"c\"\n"
	tests := map[string]struct {
		text, myid string // myid "" is no such file, "!" is no permission
		want       zk.ServerID
		source     string
		err        string
	}{
		"alone, nothing given":                     {want: 1, source: "default"},
		"alone, from myid":                         {myid: "7", want: 7, source: "/var/lib/zkd/myid:1"},
		"the key":                                  {text: "id = 2\n" + three, want: 2, source: "zkd.toml:1"},
		"myid":                                     {text: three, myid: "3\n", want: 3, source: "/var/lib/zkd/myid:1"},
		"myid with blanks and more lines":          {text: three, myid: " 3 \nx\n", want: 3, source: "/var/lib/zkd/myid:1"},
		"both agree":                               {text: "id = 2\n" + three, myid: "2", want: 2, source: "zkd.toml:1"},
		"both disagree":                            {text: "id = 2\n" + three, myid: "3", err: "zkd.toml:1:1: id = 2: the configuration says 2 and /var/lib/zkd/myid says 3"},
		"the only server":                          {text: "[servers]\n9 = \"a\"\n", want: 9, source: "zkd.toml:2"},
		"nothing given in an ensemble":             {text: three, err: "nothing says which of them this one is"},
		"not a member":                             {text: three, myid: "4", err: "this server has id 4, and [servers] has only 1, 2, 3"},
		"the key is no member":                     {text: "id = 4\n" + three, err: "zkd.toml:1:1: id = 4: this server has id 4"},
		"myid is no number":                        {text: three, myid: "zk1", err: "/var/lib/zkd/myid:1: myid = zk1: must be a number from 1 to 254"},
		"myid is empty":                            {text: three, myid: "\n", err: "must be a number from 1 to 254"},
		"myid is 0":                                {myid: "0", err: "must be a number from 1 to 254"},
		"myid is 255":                              {myid: "255", err: "must be a number from 1 to 254"},
		"the key is out of range":                  {text: "id = 0\n", err: "must be from 1 to 254"},
		"myid cannot be read, the key says it":     {text: "id = 2\n" + three, myid: "!", want: 2, source: "zkd.toml:1"},
		"myid cannot be read, and nothing says it": {text: three, myid: "!", err: "/var/lib/zkd/myid: cannot be read"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			read := func(name string) ([]byte, error) {
				switch {
				case name != "/var/lib/zkd/myid" || tc.myid == "":
					return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
				case tc.myid == "!":
					return nil, fs.ErrPermission
				}
				return []byte(tc.myid), nil
			}
			c, _, err := Parse("zkd.toml", []byte(tc.text), read)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %s", err, tc.err)
				} else if strings.Contains(err.Error(), "\n") {
					t.Errorf("more than one error: %v", err)
				}
				return
			}
			if err != nil || c.ID != tc.want || c.Source("id").String() != tc.source {
				t.Errorf("id %d from %s, error %v; want %d from %s", c.ID, c.Source("id"), err, tc.want, tc.source)
			}
		})
	}
}

// Design 1: where neither is given, the one entry whose address is on this host.
func TestServerIDByAddress(t *testing.T) {
	const three = "[servers]\n1 = \"10.0.0.1\"\n2 = \"10.0.0.2|[fd00::2]\"\n3 = \"zk3\"\n"
	tests := map[string]struct {
		text, myid string
		own        string // the addresses of the host
		lookups    string // names that are looked up
		want       zk.ServerID
		err        string
	}{
		"one address is here":                   {text: three, own: "192.0.2.1 10.0.0.2", want: 2, lookups: "zk3"},
		"another address of a server":           {text: three, own: "fd00::2", want: 2, lookups: "zk3"},
		"a name":                                {text: three, own: "10.0.0.3", want: 3, lookups: "zk3"},
		"a name that leads to loopback":         {text: strings.Replace(three, "zk3", "self", 1), own: "192.0.2.1", want: 3, lookups: "self"},
		"none is here":                          {text: three, own: "192.0.2.1", lookups: "zk3", err: "there are 3 servers, and none of them has an address of this host"},
		"two are here":                          {text: three, own: "10.0.0.1 10.0.0.2", lookups: "zk3", err: "servers 1, 2 have an address of this host"},
		"nothing is known of the host":          {text: three, err: "nothing says which of them this one is"},
		"the own entry is 0.0.0.0":              {text: "[servers]\n1 = \"zk1\"\n2 = \"0.0.0.0\"\n3 = \"zk3\"\n", own: "192.0.2.1", lookups: "zk1 zk3", want: 2},
		"all on loopback":                       {text: "[servers]\n1 = \"127.0.0.1:1:2\"\n2 = \"127.0.0.1:3:4\"\n3 = \"127.0.0.1:5:6\"\n", own: "127.0.0.1", err: "servers 1, 2, 3 have"},
		"the key agrees":                        {text: "id = 2\n" + three, own: "10.0.0.2", want: 2},
		"the key disagrees":                     {text: "id = 1\n" + three, own: "10.0.0.2", err: "zkd.toml:1:1: id = 1: the configuration says 1, and 10.0.0.2 of server 2 is an address of this host"},
		"myid disagrees":                        {text: three, myid: "3", own: "10.0.0.1", err: "/var/lib/zkd/myid:1: myid = 3: /var/lib/zkd/myid says 3, and 10.0.0.1 of server 1 is"},
		"the key says one of two that are here": {text: "id = 2\n" + three, own: "10.0.0.1 10.0.0.2", want: 2},
		"the key is no member":                  {text: "id = 9\n" + three, own: "10.0.0.1", err: "this server has id 9"},
		"myid may not be read":                  {text: three, myid: "!", own: "10.0.0.2", lookups: "zk3", want: 2},
		"nor does an address say it":            {text: three, myid: "!", own: "192.0.2.1", lookups: "zk3", err: "/var/lib/zkd/myid: cannot be read"},
		"a mapped address":                      {text: "[servers]\n1 = \"a\"\n2 = \"[::ffff:10.0.0.2]\"\n", own: "10.0.0.2", lookups: "a", want: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var asked []string
			host := Host{Lookup: func(name string) []netip.Addr {
				asked = append(asked, name)
				return map[string][]netip.Addr{"zk3": {netip.MustParseAddr("10.0.0.3")}, "self": {netip.MustParseAddr("127.0.1.1")}}[name]
			}}
			for _, a := range strings.Fields(tc.own) {
				host.Addresses = append(host.Addresses, netip.MustParseAddr(a))
			}
			c, _, err := host.Parse("zkd.toml", []byte(tc.text), func(string) ([]byte, error) {
				switch tc.myid {
				case "":
					return nil, fs.ErrNotExist
				case "!":
					return nil, fs.ErrPermission
				}
				return []byte(tc.myid), nil
			})
			if got := strings.Join(asked, " "); got != tc.lookups {
				t.Errorf("looked up %q, want %q", got, tc.lookups)
			}
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil || c.ID != tc.want {
				t.Errorf("id %d, error %v; want %d", c.ID, err, tc.want)
			}
		})
	}
}

// Source: QuorumPeerConfig.setupClientPort.
func TestClientAddressFromTheServerList(t *testing.T) {
	const head, server = "dataDir=/var/lib/zookeeper\n", "server.1=a:2888:3888;"
	tests := map[string]struct {
		text, want, err string
	}{
		"from the list":               {text: head + server + "2181", want: "[:2181]"},
		"with an address":             {text: head + server + "10.0.0.1:2181", want: "[10.0.0.1:2181]"},
		"0.0.0.0 is every address":    {text: head + server + "0.0.0.0:2181", want: "[:2181]"},
		"both agree":                  {text: head + server + "10.0.0.1:2181\nclientPort=2181\nclientPortAddress=10.0.0.1", want: "[10.0.0.1:2181]"},
		"a port for all addresses":    {text: head + server + "10.0.0.1:2181\nclientPort=2181", want: "[:2181]"},
		"another port":                {text: head + server + "2182\nclientPort=2181", err: "its client address :2182 is not the :2181 of zoo.cfg:3"},
		"another address":             {text: head + server + "10.0.0.2:2181\nclientPort=2181\nclientPortAddress=10.0.0.1", err: "is not the 10.0.0.1:2181"},
		"none at all":                 {text: head + "server.1=a:2888:3888", err: "clientPort: is not set"},
		"only that of another server": {text: head + "initLimit=5\nsyncLimit=5\nserver.1=a:2888:3888\nserver.2=b:2888:3888;2181", err: "there is no address to listen on"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			read := func(name string) ([]byte, error) { return []byte("1"), nil }
			c, _, err := Parse("zoo.cfg", []byte(tc.text), read)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil || fmt.Sprint(c.Client.Listen) != tc.want {
				t.Errorf("listens on %v, error %v; want %s", c.Client.Listen, err, tc.want)
			}
		})
	}
}

// Who may not read myid learns nothing of the server from that, and must be able to tell it from a file that is wrong.
func TestAMyIDThatMayNotBeReadIsMarked(t *testing.T) {
	const three = "[servers]\n1 = \"10.0.0.1\"\n2 = \"10.0.0.2\"\n"
	host := Host{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}
	for name, test := range map[string]struct {
		text string
		host Host
		err  error
		want bool
	}{
		"the key says it":         {"id = 2\n" + three, Host{}, fs.ErrPermission, true},
		"an address says it":      {three, host, fs.ErrPermission, true},
		"nothing says it":         {three, Host{}, fs.ErrPermission, true},
		"a server for itself":     {"", Host{}, fs.ErrPermission, true},
		"the disk cannot be read": {three, Host{}, errors.New("input/output error"), false},
	} {
		read := func(name string) ([]byte, error) { return nil, fmt.Errorf("open %s: %w", name, test.err) }
		_, notices, err := test.host.Parse("zkd.toml", []byte(test.text), read)
		var all []Problem
		for _, n := range notices {
			all = append(all, n.Problem)
		}
		if wrong, ok := errors.AsType[Errors](err); ok {
			all = append(all, wrong...)
		}
		at := slices.IndexFunc(all, func(p Problem) bool { return p.File == "/var/lib/zkd/myid" })
		if at < 0 || all[at].Denied != test.want {
			t.Errorf("%s: %+v, want myid among them with Denied = %t", name, all, test.want)
		}
	}
}
