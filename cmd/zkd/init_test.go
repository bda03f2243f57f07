package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/quorum/zk"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestThePackageShipsWhatInitWrites(t *testing.T) {
	if data(t, "packaging/zkd.toml") != (config.Init{}).Text() {
		t.Errorf("packaging/zkd.toml is not what zkd init writes, which is\n%s", config.Init{}.Text())
	}
}

func TestInitWritesAServerThatCanBeRun(t *testing.T) {
	dir := t.TempDir()
	file, state := filepath.Join(dir, "etc", "zkd.toml"), filepath.Join(dir, "data")
	members := []string{"--server", "1=198.51.100.10", "--server", "2=198.51.100.11", "--server", "3=198.51.100.12"}
	code, stdout, stderr := zkd(t, append([]string{"init", "--config", file, "--data-dir", state, "--id", "2"}, members...)...)
	want := "made " + state + "\nwrote " + state + "/myid: 2\nwrote " + file + "\n" +
		"next, on this host:\n  zkd run --config " + file + "\n  zkd status --config " + file + "\n" +
		"then on each of the other 2 hosts: zkd init with the same --server options and the --id of that host, and these two commands; clients are served as soon as 2 of 3 run\n"
	if code != 0 || stdout != want || stderr != "" {
		t.Fatalf("exit code %d, %q, %q", code, stdout, stderr)
	}
	if got := read(t, filepath.Join(state, "myid")); got != "2\n" {
		t.Errorf("myid %q", got)
	}
	cfg, _, err := config.Load(file, os.ReadFile)
	if err != nil || cfg.ID != 2 || len(cfg.Servers) != 3 || cfg.DataDir != state || cfg.Client.Listen[0] != "198.51.100.11:2181" {
		t.Errorf("%+v, %v", cfg, err)
	}
	for _, name := range []string{filepath.Dir(file), state} {
		entries, err := os.ReadDir(name)
		if err != nil || len(entries) != 1 {
			t.Errorf("%s holds %v, %v", name, entries, err)
		}
	}
}

func TestInitSaysWhatComesNext(t *testing.T) {
	members := func(n, observers int) (all []config.Server) {
		for id := range n {
			all = append(all, config.Server{ID: zk.ServerID(id + 1), Observer: id >= n-observers})
		}
		return all
	}
	const unit = "  systemctl enable zkd && systemctl restart zkd\n  zkd status"
	for name, test := range map[string]struct {
		i       initiation
		servers []config.Server
		want    string
	}{
		"a server alone":     {initiation{file: defaultConfigFile}, nil, "next:\n" + unit},
		"the only one named": {initiation{file: defaultConfigFile}, members(1, 0), "next:\n" + unit},
		"three, by their addresses": {initiation{file: defaultConfigFile}, members(3, 0), "next, on this host:\n" + unit +
			"\nthen on each of the other 2 hosts: zkd init with the same --server options, and these two commands; clients are served as soon as 2 of 3 run"},
		"five, and observers": {initiation{file: defaultConfigFile, id: 1}, members(7, 2), "next, on this host:\n" + unit +
			"\nthen on each of the other 6 hosts: zkd init with the same --server options and the --id of that host, and these two commands; clients are served as soon as 3 of 5 run"},
		"two": {initiation{file: defaultConfigFile}, members(2, 0), "next, on this host:\n" + unit +
			"\nthen on the other host: zkd init with the same --server options, and these two commands; clients are served as soon as both run"},
		"an instance": {initiation{file: "/etc/zkd/blue.toml"}, nil,
			"next:\n  systemctl enable zkd@blue && systemctl restart zkd@blue\n  zkd status --config /etc/zkd/blue.toml"},
		"a file without a unit": {initiation{file: "/srv/my zkd/x.toml"}, nil, "next:\n  zkd run --config '/srv/my zkd/x.toml'\n  zkd status --config '/srv/my zkd/x.toml'"},
	} {
		if got := strings.Join(test.i.next(test.servers), "\n"); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, test.want)
		}
	}
}

func TestInitTouchesNothingThatIsThere(t *testing.T) {
	dir := t.TempDir()
	mine := write(t, "zkd.toml", "# mine\n")
	shipped := write(t, "zkd.toml", data(t, "packaging/zkd.toml"))
	with := func(myid string) string {
		name := t.TempDir()
		if err := os.WriteFile(filepath.Join(name, "myid"), []byte(myid), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	three := []string{"--server", "1=198.51.100.10", "--server", "2=198.51.100.11", "--server", "3=198.51.100.12"}
	for name, test := range map[string]struct {
		args         []string
		code         int
		said, stderr string
	}{
		"a configuration of somebody's": {[]string{"--config", mine, "--data-dir", filepath.Join(dir, "a")}, daemon.ExitFailure, "", "is there already"},
		"the one of the package":        {[]string{"--config", shipped, "--data-dir", filepath.Join(dir, "shipped")}, 0, "wrote " + shipped, ""},
		"the number that myid has":      {append([]string{"--config", filepath.Join(dir, "b"), "--data-dir", with("2\n"), "--id", "2"}, three...), 0, "kept ", ""},
		"the number of myid alone":      {append([]string{"--config", filepath.Join(dir, "c"), "--data-dir", with("3\n")}, three...), 0, "myid: 3", ""},
		"another number":                {append([]string{"--config", filepath.Join(dir, "d"), "--data-dir", with("3\n"), "--id", "2"}, three...), daemon.ExitConfig, "", `myid says "3", and --id says 2`},
		"a number of no server":         {append([]string{"--config", filepath.Join(dir, "d"), "--data-dir", filepath.Join(dir, "x"), "--id", "4"}, three...), daemon.ExitConfig, "", "has only 1, 2, 3"},
		"a number out of range":         {[]string{"--config", filepath.Join(dir, "d"), "--data-dir", filepath.Join(dir, "x"), "--id", "255"}, daemon.ExitConfig, "", "must be from 1 to 254"},
		"no number":                     {append([]string{"--config", filepath.Join(dir, "d"), "--data-dir", filepath.Join(dir, "x")}, three...), daemon.ExitConfig, "", "none of them has an address of this host; give --id"},
		"a member without a host":       {[]string{"--config", filepath.Join(dir, "d"), "--data-dir", filepath.Join(dir, "x"), "--server", "1"}, daemon.ExitConfig, "", "must be N=host"},
		"a wrong address for clients":   {[]string{"--config", filepath.Join(dir, "d"), "--data-dir", filepath.Join(dir, "x"), "--client", "here"}, daemon.ExitConfig, "", `client.listen = ["here"]`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := zkd(t, append([]string{"init"}, test.args...)...)
			if code != test.code || !strings.Contains(stdout, test.said) || test.said == "" && stdout != "" || !strings.Contains(stderr, test.stderr) {
				t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
			}
		})
	}
	if read(t, mine) != "# mine\n" || read(t, shipped) == data(t, "packaging/zkd.toml") {
		t.Error("the wrong file was replaced")
	}
	for _, name := range []string{"a", "d", "x"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was made before everything had been looked at", name)
		}
	}
}

func TestWithoutANumberTheServerIsTheOneWithAnAddressOfThisHost(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := zkd(t, "init", "--config", filepath.Join(dir, "zkd.toml"), "--data-dir", dir,
		"--server", "1=198.51.100.10", "--server", "2=127.0.0.1", "--server", "3=198.51.100.12")
	if code != 0 || read(t, filepath.Join(dir, "myid")) != "2\n" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}

func TestImport(t *testing.T) {
	state := t.TempDir()
	good := write(t, "zoo.cfg", "tickTime=2000\ndataDir="+state+"\nclientPort=2181\nclientPortAddress=127.0.0.1\nflushDelay=5\nsnapCout=7\n")
	code, stdout, stderr := zkd(t, "import", good)
	for _, want := range []string{"#   line 1, tickTime: session.tick_time\n", "#   line 5, flushDelay: has no effect: ", `listen = ["127.0.0.1:2181"] # `, "data_dir = \"" + state} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if code != 0 || !strings.Contains(stderr, "zoo.cfg:6: warning: snapCout = 7: is not known") || strings.Contains(stderr, "flushDelay") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	imported := write(t, "zkd.toml", stdout)
	if code, stdout, stderr := zkd(t, "check-config", "--quiet", imported); code != 0 || stdout+stderr != "" {
		t.Errorf("check of the imported one: exit code %d, %q, %q", code, stdout, stderr)
	}
	for name, test := range map[string]struct {
		file   string
		code   int
		stderr string
	}{
		"a wrong one":    {write(t, "zoo.cfg", "clientPort=x\n"), daemon.ExitConfig, "clientPort = x: must be a number"},
		"none":           {filepath.Join(state, "zoo.cfg"), daemon.ExitConfig, "no such file"},
		"not a zoo.cfg":  {imported, daemon.ExitConfig, "is no zoo.cfg"},
		"one of clients": {write(t, "x", "a = 1\n"), daemon.ExitConfig, "is no zoo.cfg"},
	} {
		if code, stdout, stderr := zkd(t, "import", test.file); code != test.code || stdout != "" || !strings.Contains(stderr, test.stderr) {
			t.Errorf("%s: exit code %d, %q, %q", name, code, stdout, stderr)
		}
	}
}

func TestImportTakesTheFlagsBesideTheZooCfg(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"zoo.cfg":     "dataDir=" + dir + "/old\nclientPort=2181\nclientPortAddress=127.0.0.1\ninitLimit=5\nsyncLimit=5\nserver.1=203.0.113.1:2888:3888\nserver.2=203.0.113.2:2888:3888\n",
		"java.env":    "export SERVER_JVMFLAGS=\"-Xmx2g -Djute.maxbuffer=4194304 $SERVER_JVMFLAGS\"\n",
		"environment": "JAVA_OPTS=\"\"\n. /etc/more\n",
		"id":          "2\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"import", "--myid", filepath.Join(dir, "id"), "--data", dir + "/new", filepath.Join(dir, "zoo.cfg")}
	code, stdout, stderr := zkd(t, args...)
	for _, want := range []string{"id = 2 # ", `data_dir = "` + dir + `/new" # --data`, `max_frame = "4MiB" # ` + dir + "/java.env:1 -Djute.maxbuffer",
		"#   line 1, -Xmx2g: has no effect", "#   line 1, JAVA_OPTS: "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if code != 0 || !strings.Contains(stderr, "environment:2: warning: .: is a command of the shell") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	code, stdout, _ = zkd(t, append(args, "--check")...)
	if code != 0 || strings.Contains(stdout, "max_frame =") || !strings.Contains(stdout, "\n  line 1, -Djute.maxbuffer: client.max_frame\n") {
		t.Errorf("the account alone: exit code %d\n%s", code, stdout)
	}
	wrong := write(t, "zoo.cfg", "dataDir=/var/lib/zookeeper\nclientPort=2181\ntickTime=fast\n")
	if code, stdout, _ := zkd(t, "import", "--check", wrong); code != daemon.ExitConfig || !strings.Contains(stdout, "\n  line 3, tickTime: must be a whole number of milliseconds\n") {
		t.Errorf("the account of a wrong one: exit code %d\n%s", code, stdout)
	}
	if code, _, stderr := zkd(t, "import", "--myid", dir+"/none", filepath.Join(dir, "zoo.cfg")); code != daemon.ExitConfig || !strings.Contains(stderr, "no such file") {
		t.Errorf("a myid that is not there: exit code %d, %q", code, stderr)
	}
}

func TestCheckConfigPrintsEffectiveValues(t *testing.T) {
	file := write(t, "zkd.toml", "data_dir = \"/tmp/x\"\nsession.tick_time = \"1s\"\nauth.super_digest = \"super:xQJmxLMiHGwaqBvst5y6rkB6HQs=\"\n")
	code, stdout, stderr := zkd(t, "check-config", "--print", file)
	for _, want := range []string{"session.tick_time = \"1s\" # " + file + ":2\n", "session.min_timeout = \"2s\" # default\n", "auth.super_digest = (secret) # "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if code != 0 || !strings.Contains(stderr, "warning: data_dir") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
