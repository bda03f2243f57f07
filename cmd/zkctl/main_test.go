package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"zkd/quorum"
)

// serve starts a server in this process and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	return startServer(t).ClientAddrs()[0]
}

// startServer is serve for who wants more of the server than its address.
func startServer(t *testing.T) *quorum.Server {
	t.Helper()
	cfg := quorum.DefaultConfig()
	cfg.DataDir, cfg.ClientAddrs, cfg.PreallocBytes = t.TempDir(), []string{"127.0.0.1:0"}, 1<<20
	cfg.ExtendedTypes, cfg.EnforceQuota, cfg.MaxConnsPerIP = true, true, 0
	s, err := quorum.Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// user runs command lines against a server.
type user struct {
	t      *testing.T
	server string
	stdin  string
}

func (u user) run(args ...string) (code int, stdout, stderr string) {
	u.t.Helper()
	var out, errs bytes.Buffer
	code = execute(u.t.Context(), append([]string{"--server", u.server}, args...), strings.NewReader(u.stdin), &out, &errs)
	return code, out.String(), errs.String()
}

// ok runs a command that must succeed and returns what it printed.
func (u user) ok(args ...string) string {
	u.t.Helper()
	code, stdout, stderr := u.run(args...)
	if code != exitOK {
		u.t.Fatalf("zkctl %q: exit code %d, %s", args, code, stderr)
	}
	return stdout
}

// step is a command line, and what is wanted of it. stdout and stderr are regular expressions for the whole; "" is
// nothing at all.
type step struct {
	args           string // words divided by blanks; _ stands for a blank
	code           int
	stdout, stderr string
}

func (u user) steps(steps []step) {
	u.t.Helper()
	for _, s := range steps {
		var args []string
		for word := range strings.FieldsSeq(s.args) {
			args = append(args, strings.ReplaceAll(word, "_", " "))
		}
		code, stdout, stderr := u.run(args...)
		for what, pair := range map[string][2]string{"stdout": {stdout, s.stdout}, "stderr": {stderr, s.stderr}} {
			if !regexp.MustCompile(`^(?:` + pair[1] + `)\n?$`).MatchString(pair[0]) {
				u.t.Errorf("zkctl %s: %s is %q, want %s", s.args, what, pair[0], pair[1])
			}
		}
		if code != s.code {
			u.t.Errorf("zkctl %s: exit code %d, want %d", s.args, code, s.code)
		}
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLinesThatAreWrong(t *testing.T) {
	user{t, "127.0.0.1:1", ""}.steps([]step{ // nobody is asked
		{"nonsense", 64, ``, `zkctl: unknown command "nonsense"\nzkctl: see help, or zkctl\(1\)`},
		{"get", 64, ``, `zkctl: accepts between 1 and 2 arg\(s\), received 0\nusage: get \[-s\] \[-w\] \[-b\] \[-x\] path`},
		{"get -q /x", 64, ``, `zkctl: unknown shorthand flag: 'q' in -q\nusage: get .*`},
		{"get x", 64, ``, `Path must start with / character\nusage: .*`},
		{"--json ls /a/", 64, ``, `\{"error":\{"message":"Path must not end with / character","exit":64\}\}`},
		{"--server a:b:c ls /", 64, ``, `zkctl: server "a:b:c": must be host:port.*\nusage: .*`},
		{"4lw ruokay", 64, ``, `zkctl: "ruokay" has not four letters\nusage: .*`},
		{"version", 0, `zkctl 0\.0\.0-dev.*, go.*`, ``},
		{"--json version", 0, `\{"version":"0\.0\.0-dev",.*\}`, ``},
	})
}

func TestServersThatAreNotThere(t *testing.T) {
	user{t, "127.0.0.1:1", ""}.steps([]step{
		{"--timeout 200ms ls /", 69, ``, `zkctl: no server answers: 127\.0\.0\.1:1: .*refused`},
		{"--timeout 200ms --json ls /", 69, ``, `\{"error":\{"message":"no server answers: .*","exit":69\}\}`},
		{"--timeout 200ms 4lw ruok", 69, ``, `zkctl: .*refused`},
	})
}

func TestZnodes(t *testing.T) {
	const stat = `cZxid = 0x[0-9a-f]+\n(?:.*\n){9}numChildren = \d+`
	u := user{t, serve(t), "from standard input\n"}
	u.steps([]step{
		{"create /a text", 0, `Created /a`, ``},
		{"create /a again", 3, ``, `Node already exists: /a`},
		{"create -s /a/s- x", 0, `Created /a/s-0000000000`, ``},
		{"create -e /e x", 0, `Created /e`, ``},
		{"get /e", 2, ``, `Node does not exist: /e`}, // it went with its session
		{"create -e -s /es- x", 0, `Created /es-0000000002`, ``},
		{"create -c /c", 0, `Created /c`, ``},
		{"create -t 60000 /t x", 0, `Created /t`, ``},
		{"create -s -t 60000 /t/ x", 0, `Created /t/0000000000`, ``},
		{"create -t 60000 /t/ x", 64, ``, `Path must not end.*\nusage: .*`},
		{"create -t x /t2", 64, ``, `-t argument must be a long value\nusage: .*`},
		{"create -t 0 /t2", 64, ``, `ttl must be positive and cannot be larger than: 1099511627775\nusage: .*`},
		{"create -e -t 5 /t2", 64, ``, `TTLs cannot be used with Ephemeral znodes\nusage: .*`},
		{"create -c -e /t2", 64, ``, `-c cannot be combined.*\nusage: .*`},
		{"create /none/x y", 2, ``, `Node does not exist: /none/x`},
		{"create /acl x nonsense", 64, ``, `zkctl: nonsense does not have the form scheme:id:perm\nusage: .*`},
		{"create /acl x no:body:r", 1, ``, `Acl is not valid : /acl`},
		{"create --from - /in", 0, `Created /in`, ``},
		{"get --raw /in", 0, `from standard input\n`, ``},
		{"create --from - /in2 x world:anyone:r", 64, ``, `zkctl: data is given twice.*\nusage: .*`},
		{"create --from - /in2 world:anyone:r", 0, `Created /in2`, ``},
		{"set /in2 x", 77, ``, `Insufficient permission : /in2`},
		{"create -b /b64 dHdvIHdvcmRz", 0, `Created /b64`, ``},
		{"get /b64", 0, `two words`, ``},
		{"get -b /b64", 0, `dHdvIHdvcmRz`, ``},
		{"get -x /b64", 0, `(?s).*\|00000000\| 74 77 6f .*`, ``},
		{"set -b /b64 !", 64, ``, `zkctl: data is no base64.*\nusage: .*`},
		{"get /c", 0, `null`, ``},
		{"get -s /a", 0, `text\n` + stat, ``},
		{"set /a new", 0, ``, ``},
		{"set -s -v 1 /a newer", 0, stat, ``},
		{"set -v 1 /a no", 4, ``, `version No is not valid : /a`},
		{"set -v x /a no", 64, ``, `zkctl: version "x" is no number of 32 bits\nusage: .*`},
		{"set /a", 64, ``, `zkctl: no data: give it as an argument or by --from\nusage: .*`},
		{"set /a old-form 2", 0, ``, `'set path data \[version\]' has been deprecated\. Please use 'set \[-s\] \[-v version\] path data' instead\.`},
		{"stat /a", 0, stat, ``},
		{"stat /a watch", 0, stat, `'stat path \[watch\]' has been deprecated\. Please use 'stat \[-w\] path' instead\.`},
		{"ls /", 0, `\[a, b64, c, in, in2, t, zookeeper\]`, ``},
		{"ls -s /a", 0, `\[s-0000000000\]\n` + stat, ``},
		{"ls /c", 0, `\[\]`, ``},
		{"ls -R /", 0, `/\n/a\n/b64\n/c\n/in\n/in2\n/t\n/zookeeper\n/a/s-0000000000\n/t/0000000000\n/zookeeper/config\n/zookeeper/quota`, ``},
		{"tree /a", 0, `/a\n└── s-0000000000\n\n2 znodes`, ``},
		{"getAllChildrenNumber /a", 0, `1`, ``},
		{"getEphemerals", 0, `\[\]`, ``},
		{"sync /", 0, `Sync is OK`, ``},
		{"delete /a", 5, ``, `Node not empty: /a`},
		{"delete -v 9 /c", 4, ``, `version No is not valid : /c`},
		{"delete /c", 0, ``, ``},
		{"deleteall /", 64, ``, `zkctl: the root cannot be removed.*\nusage: .*`},
		{"deleteall -b 0 /a", 64, ``, `zkctl: the batch size must be at least 1\nusage: .*`},
		{"deleteall -b 1 /a", 0, ``, ``},
		{"deleteall /a", 2, ``, `Node does not exist: /a`},
		{"config", 0, `\n?`, ``},
		{"reconfig -remove 1", 1, ``, `KeeperErrorCode = Reconfig is disabled`},
		{"reconfig", 64, ``, `zkctl: no change is given\nusage: .*`},
		{"reconfig -remove 1 -members server.1=a:1:2", 64, ``, `Can't use -file or -members together.*\nusage: .*`},
		{"reconfig -v xyz -remove 1", 64, ``, `zkctl: version "xyz" is no hexadecimal number\nusage: .*`},
		{"4lw ruok", 0, `imok`, ``},
		{"-timeout 9000 ls /zookeeper", 0, `\[config, quota\]`, ``},
	})
}

func TestIdentities(t *testing.T) {
	u := user{t, serve(t), ""}
	u.steps([]step{
		{"whoami", 0, `Auth scheme: User\nip: 127\.0\.0\.1`, ``},
		{"--auth digest:bob:secret whoami", 0, `Auth scheme: User\nip: 127\.0\.0\.1\ndigest: bob`, ``},
		{"--auth digest:bob:secret create /mine x auth::cdrwa", 0, `Created /mine`, ``},
		{"get /mine", 77, ``, `Insufficient permission : /mine`},
		{"--auth digest:bob:secret getAcl /mine", 0, `'digest,'bob:fyVmFCwVbTJYrznoSu1koqYEYF0=\n: cdrwa`, ``},
		{"--auth foo:bar ls /", 77, ``, `KeeperErrorCode = AuthFailed`},
		{"addauth digest bob:secret", 0, ``, ``},
		{"create /tree", 0, `Created /tree`, ``},
		{"create /tree/a", 0, `Created /tree/a`, ``},
		{"setAcl -R /tree world:anyone:ra", 0, ``, ``},
		{"getAcl -s /tree/a", 0, `(?s)'world,'anyone\n: ra\ncZxid = .*aclVersion = 1.*`, ``},
		{"setAcl -v 0 /tree world:anyone:r", 4, ``, `version No is not valid : /tree`},
		{"set /tree x", 77, ``, `Insufficient permission : /tree`},
	})
	t.Setenv("ZKCTL_AUTH", "digest:bob:secret")
	u.steps([]step{{"get /mine", 0, `x`, ``}})
	if _, help, _ := u.run("help"); strings.Contains(help, "secret") {
		t.Errorf("help shows the secret:\n%s", help)
	}
}

func TestQuotas(t *testing.T) {
	u := user{t, serve(t), ""}
	u.ok("create", "/q", "data")
	u.ok("create", "/q/a", "more")
	u.steps([]step{
		{"listquota /q", 2, `absolute path is /zookeeper/quota/q/zookeeper_limits`, `quota for /q does not exist\.`},
		{"setquota -n 5 /none", 2, ``, `/none does not exist\.`},
		{"setquota /q", 64, ``, `zkctl: one of -n, -b, -N and -B is needed\nusage: .*`},
		{"setquota -n x /q", 64, ``, `NumberFormatException happens when parsing the option value\nusage: .*`},
		{"setquota -n 0 /q", 64, ``, `the quota must be greater than zero\nusage: .*`},
		{"setquota -n 5 /", 64, ``, `zkctl: the root has no quota\nusage: .*`},
		{"setquota -N 3 -b 4 /q", 0, ``, `\[Warning\]: the bytes quota you create is less than the existing bytes:8`},
		{"listquota /q", 0, `absolute path is /zookeeper/quota/q/zookeeper_limits\nOutput quota for /q count=-1,bytes=4=;byteHardLimit=-1;countHardLimit=3\nOutput stat for /q count=2,bytes=8`, ``},
		{"--json listquota /q", 0, `\{"path":"/q","quota":\{"bytes":4,"hard_count":3\},"counts":\{"count":2,"bytes":8\}\}`, ``},
		{"create /q/b", 0, `Created /q/b`, ``},
		{"create /q/c", 1, ``, `Quota has exceeded : /q/c`},
		{"setquota -n 5 /q/a", 1, ``, `/q/a has a parent /q which has a quota`},
		{"setquota -n 9 /q", 0, ``, `\[Warning\]: the bytes .*`},
		{"delquota -N -b /q", 0, ``, ``},
		{"create /q/c", 0, `Created /q/c`, ``},
		{"listquota /q", 0, `(?s).*count=9,bytes=-1=;byteHardLimit=-1;countHardLimit=-1.*`, ``},
		{"delquota /q", 0, ``, ``},
		{"delquota /q", 2, ``, `Quota does not exist for /q`},
		{"setquota -n 5 /q/a", 0, ``, ``},
		{"setquota -n 5 /q", 1, ``, `/q has a child /q/a which has a quota`},
		{"delquota /q/a", 0, ``, ``},
		{"ls /zookeeper/quota", 0, `\[\]`, ``},
	})
	chrooted := user{t, u.server + "/q", ""}
	chrooted.steps([]step{
		{"ls /", 0, `\[a, b, c\]`, ``},
		{"setquota -n 5 /a", 64, ``, `zkctl: quotas are outside of the chroot /q: connect without it\nusage: .*`},
	})
}

func TestJSON(t *testing.T) {
	const stat = `"stat":\{"czxid":"0x[0-9a-f]+",.*"ctime":"(?:20|19)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",.*"num_children":\d+\}`
	u := user{t, serve(t), "\xff\xfe"}
	u.ok("create", "/a", `"quoted"`)
	u.ok("create", "--from", "-", "/a/bin")
	u.ok("create", "/a/none")
	u.steps([]step{
		{"--json create /x y", 0, `\{"path":"/x",` + stat + `\}`, ``},
		{"--json get /a", 0, `\{"path":"/a","data":"\\"quoted\\"",` + stat + `\}`, ``},
		{"get /a/bin --json", 0, `\{"path":"/a/bin","data":null,"data_base64":"//4=",` + stat + `\}`, ``},
		{"--json get /a/none", 0, `\{"path":"/a/none","data":null,` + stat + `\}`, ``},
		{"--json ls /a", 0, `\{"path":"/a","children":\["bin","none"\],` + stat + `\}`, ``},
		{"--json ls /x", 0, `\{"path":"/x","children":\[\],` + stat + `\}`, ``},
		{"--json ls -R /a", 0, `(\{"path":"/a[a-z/]*",` + stat + `\}\n?){3}`, ``},
		{"--json tree /a", 0, `\{"path":"/a","depth":0,"data_length":8,"ephemeral":false,"num_children":2\}\n(?:.*\n?){2}`, ``},
		{"--json getAcl /a", 0, `\{"path":"/a","acl":\[\{"scheme":"world","id":"anyone","perms":"cdrwa"\}\],` + stat + `\}`, ``},
		{"--json whoami", 0, `\{"identities":\[\{"scheme":"ip","user":"127\.0\.0\.1"\}\]\}`, ``},
		{"--json getEphemerals", 0, `\{"ephemerals":\[\]\}`, ``},
		{"--json getAllChildrenNumber /a", 0, `\{"path":"/a","count":2\}`, ``},
		{"--json deleteall /a", 0, `\{"path":"/a","deleted":3\}`, ``},
		{"--json config", 0, `\{"config":"",` + stat + `\}`, ``},
		{"--json get /a", 2, ``, `\{"error":\{"message":"Node does not exist: /a","exit":2,"code":-101,"path":"/a"\}\}`},
		{"--json 4lw ruok", 0, `\{"word":"ruok","answer":"imok"\}`, ``},
	})
}
