package config

import (
	"fmt"
	"io/fs"
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
