package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zkd/daemon"
	"zkd/quorum/zk"
)

// zkd runs one command line in this process.
func zkd(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = execute(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCommandLines(t *testing.T) {
	good := write(t, "zkd.toml", "data_dir = \"/data\"\n")
	bad := write(t, "zkd.toml", "data_dir = \"/data\"\nclient.listn = []\nsession.tick_time = \"0s\"\n")
	myid := write(t, "myid", "1\n")
	ensemble := write(t, "zoo.cfg", "dataDir="+filepath.Dir(myid)+"\nclientPort=2181\ninitLimit=5\nsyncLimit=2\n"+
		"server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888\n")
	empty := t.TempDir()
	for name, test := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string // parts of them; "" is nothing at all
	}{
		"version":                     {[]string{"version"}, 0, "zkd 0.0.0-dev", ""},
		"no command shows the help":   {nil, 0, "Available Commands", ""},
		"an unknown command":          {[]string{"rnu"}, 64, "", "unknown command \"rnu\""},
		"an unknown command of log":   {[]string{"log", "dmup", "f"}, 64, "", "unknown command \"dmup\" for \"zkd log\""},
		"an unknown flag":             {[]string{"run", "--conifg", "x"}, 64, "", "unknown flag: --conifg"},
		"an argument too many":        {[]string{"status", "now"}, 64, "", "unknown command \"now\""},
		"an argument too few":         {[]string{"log", "dump"}, 64, "", "requires at least 1 arg"},
		"a zxid that is none":         {[]string{"log", "dump", "--from", "xyz", "f"}, 64, "", "is no zxid"},
		"a good configuration":        {[]string{"check-config", good}, 0, ": ok\n", ""},
		"quietly":                     {[]string{"check-config", "--quiet", "--config", good}, 0, "", ""},
		"a bad one, all its problems": {[]string{"check-config", bad}, 78, "", "tick_time"},
		"an ensemble":                 {[]string{"check-config", "--quiet", ensemble}, 0, "", ""},
		"a missing one":               {[]string{"check-config", filepath.Join(empty, "none")}, 78, "", "no such file"},
		"run with a bad one":          {[]string{"run", "--config", bad}, 78, "", "client.listn"},
		"run with a bad flag":         {[]string{"run", "--config", good, "--client", "nowhere"}, 78, "", "nowhere"},
		"a log that is not there":     {[]string{"log", "verify", filepath.Join(empty, "log.1")}, 1, "", "no such file"},
		"completion":                  {[]string{"completion", "bash"}, 0, "bash completion", ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := zkd(t, test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for what, pair := range map[string][2]string{"stdout": {stdout, test.stdout}, "stderr": {stderr, test.stderr}} {
				if got, want := pair[0], pair[1]; !strings.Contains(got, want) || want == "" && got != "" {
					t.Errorf("%s %q, want %q", what, got, want)
				}
			}
		})
	}
}

func TestStatusExitCodes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	code, stdout, stderr := zkd(t, "status", "--admin", closed, "--client", closed)
	if code != daemon.ExitNotRunning || stdout != "" || !strings.HasPrefix(stderr, "zkd: not running: ") ||
		!strings.HasSuffix(stderr, "\nzkd: systemctl start zkd starts it; zkd doctor looks for what is wrong\n") {
		t.Errorf("nothing there: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestZxidsAreReadAsTheyArePrinted(t *testing.T) {
	for text, want := range map[string]zk.Zxid{"0x100000004": 0x100000004, "100000004": 0x100000004, "0": 0} {
		var z zk.Zxid
		if err := (zxidFlag{&z}).Set(text); err != nil || z != want {
			t.Errorf("Set(%q) = %v, %v; want %v", text, z, err, want)
		}
	}
}

func TestWithoutConfigurationTheDataIsBelowTheUsersOwnDirectories(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "/given/by/systemd")
	if dir, err := standaloneDataDir(); err != nil || dir != "/given/by/systemd" {
		t.Errorf("%q, %v", dir, err)
	}
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("XDG_STATE_HOME", "/state")
	want := "/state/zkd"
	if os.Geteuid() == 0 {
		want = "/var/lib/zkd"
	}
	if dir, err := standaloneDataDir(); err != nil || dir != want {
		t.Errorf("%q, %v; want %q", dir, err, want)
	}
}
