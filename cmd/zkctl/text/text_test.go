package text

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

func TestStatIsThatOfZkCli(t *testing.T) {
	s := proto.Stat{
		Czxid: 0x100000008, Mzxid: 0x10000000b, Pzxid: 0x100000009, CtimeMillis: 1795530643000, MtimeMillis: 1767225600999,
		Version: 2, Cversion: 4, Aversion: 1, EphemeralOwner: -0x0ffffffffffffff0, DataLength: 3, NumChildren: 6,
	}
	const want = `cZxid = 0x100000008
ctime = Tue Nov 24 14:30:43 UTC 2026
mZxid = 0x10000000b
mtime = Thu Jan 01 00:00:00 UTC 2026
pZxid = 0x100000009
cversion = 4
dataVersion = 2
aclVersion = 1
ephemeralOwner = 0xf000000000000010
dataLength = 3
numChildren = 6
`
	if got := Stat(s, time.UTC); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEventIsThatOfZkCli(t *testing.T) {
	for want, e := range map[string]client.Event{
		"\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeCreated path:/w zxid: 4294967355\n":    {Type: zk.EventNodeCreated, State: client.SyncConnected, Path: "/w", Zxid: 4294967355},
		"\nWATCHER::\n\nWatchedEvent state:Disconnected type:None path:null zxid: -1\n":                  {Type: zk.EventNone, State: client.Disconnected, Zxid: -1},
		"\nWATCHER::\n\nWatchedEvent state:SyncConnected type:PersistentWatchRemoved path:/w zxid: -1\n": {Type: client.EventPersistentWatchRemoved, State: client.SyncConnected, Path: "/w", Zxid: -1},
	} {
		if got := Event(e); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestACLs(t *testing.T) {
	for text, want := range map[string][]proto.ACL{
		"world:anyone:cdrwa": proto.OpenACL,
		"auth::r":            {{Perms: zk.PermRead, ID: proto.ID{Scheme: "auth"}}},
		"ip:10.0.0.0/8:rw,digest:bob:x=:da": {
			{Perms: zk.PermRead | zk.PermWrite, ID: proto.ID{Scheme: "ip", ID: "10.0.0.0/8"}},
			{Perms: zk.PermDelete | zk.PermAdmin, ID: proto.ID{Scheme: "digest", ID: "bob:x="}},
		},
	} {
		if got, err := ParseACL(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"foo": "foo does not have the form scheme:id:perm", "a:b": "a:b does not have the form scheme:id:perm",
		"world:anyone:rz": `world:anyone:rz: unknown permission "z": must be of cdrwa`,
	} {
		if _, err := ParseACL(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	const want = "'world,'anyone\n: cdrwa\n"
	if got := ACL(proto.OpenACL); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCheckPath(t *testing.T) {
	for path, want := range map[string]string{
		"/": "", "/a": "", "/a/b.c": "", "/...": "", "/ä": "",
		"": "length must be > 0", "a": "must start with /", "/a/": "must not end with /", "//a": "empty name", "/a//b": "empty name",
		"/a/..": "relative", "/./a": "relative", "/a\x00": "U+0000", "/\u007f": "U+007F", "/\ue000": "U+E000", "/😀": "U+1F600",
	} {
		err := CheckPath(path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
}

func TestHexdump(t *testing.T) {
	const want = `         +-------------------------------------------------+
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
+--------+-------------------------------------------------+----------------+
|00000000| 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 |0123456789abcdef|
|00000010| 00 7f ff                                        |...             |
+--------+-------------------------------------------------+----------------+
`
	if got := Hexdump([]byte("0123456789abcdef\x00\x7f\xff")); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestRefusals(t *testing.T) {
	for want, got := range map[string]string{
		"Node does not exist: /x":                 Refusal(zk.ErrNoNode, "/x"),
		"version No is not valid : /x":            Refusal(zk.ErrBadVersion, "/x"),
		"KeeperErrorCode = Reconfig is disabled":  Refusal(zk.ErrReconfigDisabled, ""),
		"KeeperErrorCode = No such watcher for /": Refusal(zk.ErrNoWatcher, "/"),
		"KeeperErrorCode = Unknown error -99":     Refusal(-99, ""),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
