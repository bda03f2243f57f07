package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"zkd/cmd/zkctl/archive"
	"zkd/quorum/client"
	"zkd/quorum/zk"
)

func TestServersOfAConnectionString(t *testing.T) {
	for text, want := range map[string]string{
		"a:1":                  "a:1 ",
		"a":                    "a:2181 ",
		"a:1, b:2,":            "a:1,b:2 ",
		"[::1]:2181,[fe80::1]": "[::1]:2181,[fe80::1]:2181 ",
		"a:1,b:2/app/x":        "a:1,b:2 /app/x",
		"a:1/":                 "a:1 ",
		"":                     `error no server in ""`,
		"/app":                 `error no server in "/app"`,
		"::1":                  `error server "::1": must be host:port, or [IPv6 address]:port`,
		":2181":                `error server ":2181": must be host:port, or [IPv6 address]:port`,
		"a:":                   `error server "a:": must be host:port, or [IPv6 address]:port`,
	} {
		servers, chroot, err := parseServers(text)
		got := strings.Join(servers, ",") + " " + chroot
		if err != nil {
			got = "error " + err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestServersOfAConfiguration(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"all addresses":         {"data_dir = \"/none\"\nclient.listen = [\":2182\", \"[::]:2182\", \"10.0.0.1:2182\"]\n", "127.0.0.1:2182,10.0.0.1:2182"},
		"nothing said":          {"data_dir = \"/none\"\n", "127.0.0.1:2181,[::1]:2181"},
		"the others come after": {"data_dir = \"/none\"\nid = 2\n[servers]\n1 = \"a:2888:3888;2181\"\n2 = \"b:2888:3888;0.0.0.0:2182\"\n3 = \"c:2888:3888;x:2183\"\n", "127.0.0.1:2182,a:2181,x:2183"},
	} {
		c := connection{configFile: write(t, "zkd.toml", test.text)}
		servers, chroot, err := c.targets()
		if got := strings.Join(servers, ","); got != test.want || chroot != "" || err != nil {
			t.Errorf("%s: %s, %q, %v, want %s", name, got, chroot, err, test.want)
		}
	}
	c := connection{configFile: "/no/such/file"}
	if _, _, err := c.targets(); exitCode(err) != exitConfig {
		t.Errorf("a configuration that is not there: %v", err)
	}
}

func TestOptionsOfZkCli(t *testing.T) {
	for line, want := range map[string]string{
		"-server a:1 -timeout 5000 ls /": "--server a:1 --session-timeout 5s ls /",
		"reconfig -add x -remove 3":      "reconfig --add x --remove 3",
		"reconfig -file f -members m":    "reconfig --file f --members m",
		"-timeout soon ls /":             "--session-timeout soon ls /",
		"create /x -- -server":           "create /x -- -server",
		"ls -R /":                        "ls -R /",
	} {
		if got := strings.Join(fromZkCli(strings.Fields(line)), " "); got != want {
			t.Errorf("%s became %s, want %s", line, got, want)
		}
	}
}

func TestClientsOfAMembership(t *testing.T) {
	const config = "server.1=10.0.0.1:2888:3888:participant;10.0.0.1:2181\nserver.2=b:2888:3888:participant;0.0.0.0:2181\n" +
		"server.3=[fd00::3]:2888:3888:observer;[::]:2182\nserver.4=d:2888:3888|d2:2888:3888;2183\nserver.5=e:2888:3888:participant\nversion=100000003\n"
	if got, want := clientConfig(config), "100000003 10.0.0.1:2181,b:2181,[fd00::3]:2182,d:2183"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := clientConfig(""); got != " " { // as zkCli has it
		t.Errorf("of a server that stands alone: %q", got)
	}
}

func TestMembersOfAFile(t *testing.T) {
	got, err := membersOf(write(t, "members", "# three\n server.1=a:1:2;3 \n\nserver.2=b:1:2;3\nversion=5\n"))
	if err != nil || !slices.Equal(got, []string{"server.1=a:1:2;3", "server.2=b:1:2;3"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := membersOf(write(t, "members", "nothing\n")); exitCode(err) != exitConfig {
		t.Errorf("no member: %v", err)
	}
}

func TestQuotaText(t *testing.T) {
	for text, want := range map[string]quota{
		"count=5,bytes=100=;byteHardLimit=-1;countHardLimit=7": {5, 100, -1, 7},
		"count=5,bytes=100": {5, 100, -1, -1},
		"":                  noQuota,
		"count=x,bytes":     noQuota,
	} {
		if got := parseQuota(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	if q := (quota{1, 2, 3, 4}); parseQuota(q.String()) != q {
		t.Errorf("%s does not come back", q)
	}
}

func TestExitCodesAndWords(t *testing.T) {
	refusal := func(code zk.Code) error { return &client.Error{Op: zk.OpSetData, Path: "/x", Err: code} }
	for _, test := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{refusal(zk.ErrNoNode), 2, "Node does not exist: /x"},
		{refusal(zk.ErrNodeExists), 3, "Node already exists: /x"},
		{refusal(zk.ErrBadVersion), 4, "version No is not valid : /x"},
		{refusal(zk.ErrNotEmpty), 5, "Node not empty: /x"},
		{refusal(zk.ErrNoAuth), 77, "Insufficient permission : /x"},
		{refusal(zk.ErrQuotaExceeded), 1, "Quota has exceeded : /x"},
		{refusal(zk.ErrSessionExpired), 69, "KeeperErrorCode = Session expired for /x"},
		{&client.Error{Op: zk.OpSetData, Path: "/x", Err: client.ErrConnectionLoss}, 69, "zkctl: connection lost before the answer: it is not known whether this was done: setData /x"},
		{&client.UnreachableError{Reasons: []error{errors.New("a:1: refused")}}, 69, "zkctl: no server answers: a:1: refused"},
		{&archive.DamagedError{Line: 3, Err: errors.New("cut off")}, 65, "zkctl: line 3: cut off"},
		{fmt.Errorf("open: %w", fs.ErrPermission), 77, "zkctl: open: permission denied"},
		{usagef("no"), 64, "zkctl: no"},
		{theirsf(2, "as they say"), 2, "as they say"},
		{errors.New("anything"), 1, "zkctl: anything"},
	} {
		if got := exitCode(test.err); got != test.code {
			t.Errorf("%v: exit code %d, want %d", test.err, got, test.code)
		}
		if test.err != nil && explain(test.err) != test.want {
			t.Errorf("%v: %q, want %q", test.err, explain(test.err), test.want)
		}
	}
}
