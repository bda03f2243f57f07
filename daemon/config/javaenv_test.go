package config

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

const zooOfFlags = "dataDir=/var/lib/zk\nclientPort=2181\nsnapCount=1000\njute.maxbuffer=1048576\n"

// Every item of java.env and zookeeper-env.sh sets a key, or a notice says why it does not.
func TestTheFlagsBesideAZooCfg(t *testing.T) {
	tests := map[string]struct {
		env  string
		line string // of the account, behind "  line "
		toml string // that the result has
	}{
		"a property of ZooKeeper's":           {`JVMFLAGS="-Dzookeeper.preAllocSize=1024"`, "1, -Dzookeeper.preAllocSize: storage.preallocate", `preallocate = "1MiB" # java.env:1 -Dzookeeper.preAllocSize`},
		"one without the prefix":              {"# x\nexport JVMFLAGS='-Xmx1g -Djute.maxbuffer=4194304'", "2, -Djute.maxbuffer: client.max_frame", `max_frame = "4MiB" # java.env:2 -Djute.maxbuffer`},
		"which zoo.cfg does not overrule":     {"JVMFLAGS=-Djute.maxbuffer=4194304", "4, jute.maxbuffer: is overruled by -Djute.maxbuffer at java.env:1: ZooKeeper reads it there only", `"4MiB"`},
		"one that zoo.cfg overrules":          {"JVMFLAGS=-Dzookeeper.snapCount=7", "1, -Dzookeeper.snapCount: is overruled by zoo.cfg:3", "snap_count = 1000 # zoo.cfg:3"},
		"one that needs the prefix":           {"JVMFLAGS=-DpreAllocSize=1024", "1, -DpreAllocSize: is read by ZooKeeper as -Dzookeeper.preAllocSize only, and ignored", ""},
		"one that is read in zoo.cfg only":    {"JVMFLAGS=-Dzookeeper.tickTime=5000", "1, -Dzookeeper.tickTime: is read by ZooKeeper in zoo.cfg only, and ignored", "tick_time = \"3s\""},
		"one that must not have the prefix":   {"JVMFLAGS=-Dzookeeper.jute.maxbuffer=5", "1, -Dzookeeper.jute.maxbuffer: is read by ZooKeeper without the prefix", ""},
		"an unknown one":                      {"JVMFLAGS=-Dzookeeper.preAlocSize=5", "1, -Dzookeeper.preAlocSize: is not known, and ignored; did you mean -Dzookeeper.preAllocSize?", ""},
		"one without effect":                  {"JVMFLAGS=-Dzookeeper.flushDelay=5", "1, -Dzookeeper.flushDelay: has no effect: zkd writes", ""},
		"Java's own":                          {"JVMFLAGS=-Djava.net.preferIPv4Stack=true", "1, -Djava.net.preferIPv4Stack: has no effect: it is a property of Java's", ""},
		"of the log":                          {"JVMFLAGS=-Dzookeeper.root.logger=INFO", "1, -Dzookeeper.root.logger: has no effect: what zkd logs", ""},
		"the last one counts":                 {"JVMFLAGS='-Dzookeeper.preAllocSize=1024 -Dzookeeper.preAllocSize=2048'", "1, -Dzookeeper.preAllocSize: storage.preallocate", `"2MiB"`},
		"memory":                              {"SERVER_JVMFLAGS=\"-Xms1g $SERVER_JVMFLAGS\"", "1, -Xms1g: has no effect: it bounds Java's memory", ""},
		"what is set elsewhere":               {"SERVER_JVMFLAGS=\"-Xms1g $SERVER_JVMFLAGS\"", "1, $SERVER_JVMFLAGS: stands for what is set elsewhere", ""},
		"a collector":                         {"JAVA_OPTS=-XX:+UseG1GC", "1, -XX:+UseG1GC: has no effect: it tells Java how to run", ""},
		"an agent":                            {"JVMFLAGS=-javaagent:/opt/jmx.jar=7000", "1, -javaagent:/opt/jmx.jar: is an agent of Java's", ""},
		"a value that the shell makes":        {"JVMFLAGS=-Dzookeeper.preAllocSize=$SIZE", "1, -Dzookeeper.preAllocSize: depends on a variable", ""},
		"over several lines":                  {"JVMFLAGS=\"-Xmx1g \\\n -Xms1g\n -Dzookeeper.preAllocSize=1024\"", "1, -Dzookeeper.preAllocSize: storage.preallocate", ""},
		"assigned anew":                       {"JVMFLAGS=-Dzookeeper.preAllocSize=1024\nJVMFLAGS=-Xmx1g", "1, -Dzookeeper.preAllocSize: is overruled: JVMFLAGS is assigned anew", ""},
		"added to":                            {"JVMFLAGS=-Dzookeeper.preAllocSize=1024\nJVMFLAGS=\"$JVMFLAGS -Xmx1g\"", "1, -Dzookeeper.preAllocSize: storage.preallocate", ""},
		"a heap":                              {"ZK_SERVER_HEAP=2000", "1, ZK_SERVER_HEAP: has no effect: it bounds Java's memory", ""},
		"a setting of clients":                {"CLIENT_JVMFLAGS=-Djute.maxbuffer=5", "1, CLIENT_JVMFLAGS: has no effect: it is a setting of clients", ""},
		"a setting of the scripts":            {"NAME=zookeeper; ZOOCFGDIR=/etc/$NAME/conf", "1, ZOOCFGDIR: has no effect: it is a setting of ZooKeeper's scripts", ""},
		"an unknown variable":                 {"FOO=1", "1, FOO: is not known, and ignored", ""},
		"a command":                           {"if [ -z \"$X\" ]; then JVMFLAGS=-Dzookeeper.preAllocSize=1024; fi", "1, then: is a command of the shell", ""},
		"a secret is not shown":               {"JVMFLAGS=-Dzookeeper.DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=", "1, -Dzookeeper.DigestAuthenticationProvider.superDigest: auth.super_digest", ""},
		"what is not available, as elsewhere": {"JVMFLAGS=-Dzookeeper.ssl.keyStore.password=hush", "1, -Dzookeeper.ssl.keyStore.password: is not available in this version of zkd", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			host := Host{Env: []JavaEnv{{"java.env", []byte(tc.env)}}}
			c, notices, err := host.Parse("zoo.cfg", []byte(zooOfFlags), nil)
			if err != nil {
				t.Fatal(err)
			}
			report := ImportReport("zoo.cfg", []byte(zooOfFlags), c, notices, host.Env...)
			if !strings.Contains(report, "\n  line "+tc.line) {
				t.Errorf("no %q in\n%s", tc.line, report)
			}
			if strings.Contains(report, "hush") || strings.Contains(report, "xQJmx") {
				t.Errorf("a secret is shown:\n%s", report)
			}
			toml := Imported("zoo.cfg", []byte(zooOfFlags), c, notices, host.Env...)
			if !strings.Contains(toml, tc.toml) {
				t.Errorf("no %q in\n%s", tc.toml, toml)
			}
			if _, _, err := Parse("zkd.toml", []byte(toml), nil); err != nil {
				t.Errorf("what was made is refused: %v\n%s", err, toml)
			}
		})
	}
}

func TestTheNumberAndTheDirectoryOfAnImport(t *testing.T) {
	const text = "dataDir=/var/lib/zk\nclientPort=2181\ninitLimit=5\nsyncLimit=5\nserver.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888\n"
	host := Host{MyID: "/etc/zookeeper/conf/myid", DataDir: "/var/lib/zkd"}
	c, notices, err := host.Parse("zoo.cfg", []byte(text), func(name string) ([]byte, error) {
		if name == host.MyID {
			return []byte("2\n"), nil
		}
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	})
	if err != nil || c.ID != 2 || c.DataDir != "/var/lib/zkd" {
		t.Fatalf("server %d in %s: %v", c.ID, c.DataDir, err)
	}
	toml := Imported("zoo.cfg", []byte(text), c, notices)
	for _, want := range []string{"id = 2 # /etc/zookeeper/conf/myid:1 myid\n", "data_dir = \"/var/lib/zkd\" # --data\n", "line 1, dataDir: is overruled by --data\n"} {
		if !strings.Contains(toml, want) {
			t.Errorf("no %q in\n%s", want, toml)
		}
	}
}

func FuzzShell(f *testing.F) {
	f.Add("JVMFLAGS=\"-Xmx1g \\\n$X\" # c\nexport A='b;c'; \\")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Count(text, "\n") + 1
		for _, item := range parseJavaEnv([]byte(text)) {
			if item.line < 1 || item.line > lines || item.property == "" && item.fate == "" {
				t.Errorf("%+v", item)
			}
		}
	})
}

// zkEnv.sh reads one file after the other.
func TestAVariableOfAFileBefore(t *testing.T) {
	const before, again = "JVMFLAGS=-Dzookeeper.preAllocSize=1024", "is overruled: JVMFLAGS is assigned anew in java.env"
	for name, tc := range map[string]struct {
		second, text string
		overruled    bool
	}{
		"assigned anew":       {"java.env", "JVMFLAGS=-Xmx1g", true},
		"emptied":             {"java.env", "JVMFLAGS=", true},
		"added to":            {"java.env", "JVMFLAGS=\"$JVMFLAGS -Xmx1g\"", false},
		"another variable":    {"java.env", "SERVER_JVMFLAGS=-Xmx1g", false},
		"of Debian's service": {"environment", "JVMFLAGS=-Xmx1g", false},
	} {
		host := Host{Env: []JavaEnv{{"zookeeper-env.sh", []byte(before)}, {tc.second, []byte(tc.text)}}}
		c, notices, err := host.Parse("zoo.cfg", []byte(zooOfFlags), nil)
		if err != nil {
			t.Fatal(err)
		}
		report := ImportReport("zoo.cfg", []byte(zooOfFlags), c, notices, host.Env...)
		if strings.Contains(report, again) != tc.overruled || (c.Storage.Preallocate == MiB) == tc.overruled {
			t.Errorf("%s: preallocate %v\n%s", name, c.Storage.Preallocate, report)
		}
	}
}
