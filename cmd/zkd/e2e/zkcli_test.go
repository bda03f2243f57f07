package e2e

import (
	"regexp"
	"strings"
	"testing"
)

// zkCLI is the command of Java's zkCli, as zkCli.sh starts it.
func zkCLI(t testing.TB, s *server, command ...string) []string {
	t.Helper()
	need(t, java, zookeeperJar)
	return append([]string{
		"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classPath(zookeeperJar),
		"org.apache.zookeeper.ZooKeeperMain", "-server", s.addr(),
	}, command...)
}

// One command on zkCli's command line: scripts live by the output and the exit status.
func TestZkCliOneShot(t *testing.T) {
	s := startServer(t)
	tests := []struct {
		name    string
		command []string
		status  int
		want    string
	}{
		{"create", []string{"create", "/one", "first"}, 0, `^Created /one$`},
		{"create what exists", []string{"create", "/one", "again"}, 1, `^Node already exists: /one$`},
		{"get", []string{"get", "/one"}, 0, `^first$`},
		{"get what does not exist", []string{"get", "/none"}, 1, `^Node does not exist: /none$`},
		{"ls", []string{"ls", "/"}, 0, `^\[one, zookeeper\]$`},
		{"create an ephemeral", []string{"create", "-e", "/gone"}, 0, `^Created /gone$`},
		{"set with a wrong version", []string{"set", "-v", "7", "/one", "x"}, 1, `version No is not valid : /one`},
		{"deleteall", []string{"deleteall", "/one"}, 0, ``},
		// zkCli ends without a word to the server: its session, with its ephemeral, ends by its timeout.
		{"ls shows the ephemeral and not the deleted", []string{"ls", "/"}, 0, `^\[gone, zookeeper\]$`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			output, status := runOnce(t, programLimit, zkCLI(t, s, test.command...)...)
			if status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			if !regexp.MustCompile("(?m)" + test.want).MatchString(output) {
				t.Errorf("output does not match %q", test.want)
			}
			if t.Failed() {
				t.Log(output)
			}
		})
	}
}

// What zkServer.sh status asks and looks for.
func TestZkServerStatus(t *testing.T) {
	s := startServer(t)
	need(t, java, zookeeperJar)
	output, status := runOnce(t, programLimit, "java", "-cp", classPath(zookeeperJar),
		"org.apache.zookeeper.client.FourLetterWordMain", "127.0.0.1", strings.TrimPrefix(s.addr(), "127.0.0.1:"), "srvr", "false")
	if status != 0 || !regexp.MustCompile(`(?m)^Mode: standalone$`).MatchString(output) {
		t.Errorf("exit status %d, output:\n%s", status, output)
	}
	if !regexp.MustCompile(`(?m)^Zookeeper version: 3\.\d+\.\d+-.*, built on .+$`).MatchString(output) {
		t.Errorf("no version that monitoring tools can read in:\n%s", output)
	}
}

// A whole session typed into zkCli: one row is one line and what its answer must match.
func TestZkCliSession(t *testing.T) {
	s := startServer(t, "extendedTypesEnabled=true", "enforceQuota=true")
	p := startProgram(t, zkCLI(t, s)...)
	p.expect(t, `^WatchedEvent state:SyncConnected type:None path:null$`)

	groups := []struct {
		name  string
		lines []line
	}{
		{"create, get, set, stat", []line{
			{"create /cli top", want{`^Created /cli$`}},
			{"create /cli x", want{`^Node already exists: /cli$`}},
			{"create /none/x y", want{`^Node does not exist: /none/x$`}},
			{"create /bad/ x", want{`^Path must not end with / character$`}},
			{"get /cli", want{`^top$`}},
			{"get -s /cli", want{`^top$`, `^dataVersion = 0$`, `^dataLength = 3$`, `^ephemeralOwner = 0x0$`}},
			{"set -s /cli changed", want{`^dataVersion = 1$`, `^dataLength = 7$`}},
			{"set -v 0 /cli y", want{`^version No is not valid : /cli$`}},
			{"stat /cli", want{`^cZxid = 0x`, `^cversion = 0$`, `^dataVersion = 1$`, `^numChildren = 0$`}},
			{"sync /cli", want{`^Sync is OK$`}},
		}},
		{"kinds of node and their lists", []line{
			{"create -e /cli/e data", want{`^Created /cli/e$`}},
			{"create /cli/e/child", want{`^Ephemerals cannot have children: /cli/e/child$`}},
			{"create -s /cli/s- data", want{`^Created /cli/s-0000000001$`}},
			{"create -e -s /cli/es- data", want{`^Created /cli/es-0000000002$`}},
			{"create -c /cli/container", want{`^Created /cli/container$`}},
			{"create -t 600000 /cli/ttl data", want{`^Created /cli/ttl$`}},
			{"ls /cli", want{`^\[container, e, es-0000000002, s-0000000001, ttl\]$`}},
			{"ls -s /cli", want{`^cversion = 5$`, `^numChildren = 5$`}},
			{"ls -R /cli", want{`^/cli\n/cli/container\n/cli/e\n/cli/es-0000000002\n/cli/s-0000000001\n/cli/ttl$`}},
			{"get -s /cli/e", want{`^ephemeralOwner = 0x[0-9a-f]{8,}$`}},
			{"get -s /cli/ttl", want{`^ephemeralOwner = 0x0$`}},
			{"getAllChildrenNumber /cli", want{`^5$`}},
			{"getEphemerals /cli", want{`^\[/cli/es?(-0000000002)?, /cli/es?(-0000000002)?\]$`}},
			{"getEphemerals /other", want{`^\[\]$`}},
		}},
		{"identities and ACLs", []line{
			{"whoami", want{`^ip: 127\.0\.0\.1$`}},
			{"create /cli/early data auth::cdrwa", want{`^Acl is not valid : /cli/early$`}},
			{"addauth digest bob:secret", nil},
			{"whoami", want{`^digest: bob$`, `^ip: 127\.0\.0\.1$`}},
			{"create /cli/private data auth::cdrwa", want{`^Created /cli/private$`}},
			{"getAcl /cli/private", want{`^'digest,'bob:fyVmFCwVbTJYrznoSu1koqYEYF0=\n: cdrwa$`}},
			{"setAcl /cli/container world:anyone:r", nil},
			{"getAcl -s /cli/container", want{`^'world,'anyone\n: r$`, `^aclVersion = 1$`}},
			{"create /cli/container/x", want{`^Insufficient permission : /cli/container/x$`}},
			{"setAcl /cli/container world:anyone:cdrwa", want{`^Insufficient permission : /cli/container$`}},
		}},
		{"watches", []line{
			{"get -w /cli/e", want{`^data$`}},
			{"set /cli/e x", want{`^WatchedEvent state:SyncConnected type:NodeDataChanged path:/cli/e$`}},
			{"ls -w /cli", want{`^\[.*\]$`}},
			{"create /cli/deep", want{`^Created /cli/deep$`, `type:NodeChildrenChanged path:/cli$`}},
			{"stat -w /cli/deep", want{`^numChildren = 0$`}},
			{"delete /cli/deep", want{`type:NodeDeleted path:/cli/deep$`}},
			{"addWatch /cli", nil},
			{"create /cli/deep", want{`^Created /cli/deep$`, `type:NodeCreated path:/cli/deep$`}},
			{"create /cli/deep/er", want{`^Created /cli/deep/er$`, `type:NodeCreated path:/cli/deep/er$`}},
			{"set /cli/deep/er x", want{`type:NodeDataChanged path:/cli/deep/er$`}},
			{"delete /cli/deep/er", want{`type:NodeDeleted path:/cli/deep/er$`}},
			{"removewatches /cli -a", want{`type:PersistentWatchRemoved path:/cli$`}},
			{"addWatch -m PERSISTENT /cli/deep", nil},
			{"set /cli/deep 1", want{`type:NodeDataChanged path:/cli/deep$`}},
			{"set /cli/deep 2", want{`type:NodeDataChanged path:/cli/deep$`}},
		}},
		{"quotas", []line{
			{"create /q", want{`^Created /q$`}},
			{"setquota -N 3 /q", nil},
			{"create /q/1 data", want{`^Created /q/1$`}},
			{"create /q/2 data", want{`^Created /q/2$`}},
			{"create /q/3 data", want{`^Quota has exceeded : /q/3$`}},
			{"listquota /q", want{`^Output quota for /q count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3$`, `^Output stat for /q count=3,bytes=8$`}},
			{"delquota -N /q", nil},
			{"create /q/3 data", want{`^Created /q/3$`}},
			{"setquota -n 1 /q", nil},
			{"create /q/4 data", want{`^Created /q/4$`}}, // soft limits only warn
			{"delquota /q", nil},
			{"listquota /q", want{`^quota for /q does not exist\.$`}},
		}},
		{"reconfig", []line{
			{"reconfig -remove 1", want{`^KeeperErrorCode = Reconfig is disabled$`}},
		}},
		{"delete", []line{
			{"delete /cli", want{`^Node not empty: /cli$`}},
			{"delete /none", want{`^Node does not exist: /none$`}},
			{"delete -v 9 /q/1", want{`^version No is not valid : /q/1$`}},
			{"deleteall /cli", nil}, // many deletes in one multi
			{"deleteall /q -b 2", nil},
			{"ls /", want{`^\[zookeeper\]$`}},
		}},
	}
	for _, group := range groups {
		ok := t.Run(group.name, func(t *testing.T) {
			for _, line := range group.lines {
				p.send(t, line.text)
				p.expect(t, line.want...)
			}
		})
		if !ok {
			t.FailNow()
		}
	}
	p.send(t, "quit")
	if status := p.finish(t); status != 0 {
		t.Errorf("exit status %d after quit\n%s", status, p.output.String())
	}
}

type want []string

type line struct {
	text string
	want want
}

// zkCli at its prompt keeps its session and its watch over a kill -9 of the server.
func TestZkCliReconnects(t *testing.T) {
	s := startServer(t)
	p := startProgram(t, zkCLI(t, s)...)
	p.expect(t, `^WatchedEvent state:SyncConnected type:None path:null$`)
	p.send(t, "create -e /kept data")
	p.expect(t, `^Created /kept$`)
	p.send(t, "get -w -s /kept")
	p.expect(t, `^ephemeralOwner = 0x[0-9a-f]{8,}$`)
	owner := regexp.MustCompile(`ephemeralOwner = 0x[0-9a-f]+`).FindString(p.output.since(p.asked))

	p.asked = p.output.len()
	s.kill(t)
	p.expect(t, `^WatchedEvent state:Disconnected type:None path:null$`)
	s.start(t)
	p.expect(t, `^WatchedEvent state:SyncConnected type:None path:null$`)

	p.send(t, "get -s /kept")
	p.expect(t, `^data$`, `^`+owner+`$`)
	p.send(t, "getEphemerals")
	p.expect(t, `^\[/kept\]$`)
	p.send(t, "set /kept new")
	p.expect(t, `type:NodeDataChanged path:/kept$`)
	p.send(t, "quit")
	if status := p.finish(t); status != 0 {
		t.Errorf("exit status %d after quit\n%s", status, p.output.String())
	}
	if strings.Contains(p.output.String(), "Expired") {
		t.Errorf("the session expired:\n%s", p.output.String())
	}
}
