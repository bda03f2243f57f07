package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A target is the server program under test.
type target struct {
	name string
	// command returns the program and its arguments for a zoo.cfg.
	command func(t testing.TB, cfg string) []string
	// cleanStop is the exit status after SIGTERM.
	cleanStop int
}

// The targets; a JVM reports the signal that stops it.
var (
	zkdTarget = target{"zkd", zkdCommand, 0}
	// Debian's, the oldest that ensembles may still hold.
	apache38 = target{"apache", func(t testing.TB, cfg string) []string {
		t.Helper()
		need(t, java, zookeeperJar, slf4jSimpleJar)
		return javaCommand(classPath(zookeeperJar, slf4jSimpleJar), cfg)
	}, 143}
	// The newest of the two release lines, by Maven.
	apache386 = target{"apache-3.8", func(t testing.TB, cfg string) []string {
		t.Helper()
		return javaCommand(mavenClassPath(t, "ZKD_ZK386_CLASSPATH", "zookeeper-3.8"), cfg)
	}, 143}
	apache39 = target{"apache-3.9", func(t testing.TB, cfg string) []string {
		t.Helper()
		return javaCommand(mavenClassPath(t, "ZKD_ZK39_CLASSPATH", "zookeeper-3.9"), cfg)
	}, 143}

	targets = []target{zkdTarget, apache38, apache386, apache39}
)

func selectedTarget(t testing.TB) target {
	t.Helper()
	name := os.Getenv("ZKD_E2E_TARGET")
	if name == "" {
		return zkdTarget
	}
	i := slices.IndexFunc(targets, func(target target) bool { return target.name == name })
	if i < 0 {
		t.Fatalf("ZKD_E2E_TARGET=%s: must be one of zkd, apache, apache-3.8, apache-3.9", name)
	}
	return targets[i]
}

// mavenClassPath returns what the variable says, or else where packaging/setup.sh puts that ZooKeeper.
func mavenClassPath(t testing.TB, variable, dir string) string {
	t.Helper()
	jars := os.Getenv(variable)
	if jars == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		jars = filepath.Join(cache, "zkd-tests", dir, "*")
	}
	need(t, java)
	if found, _ := filepath.Glob(strings.TrimSuffix(jars, "*") + "zookeeper-3.*.jar"); len(found) == 0 && strings.HasSuffix(jars, "*") {
		t.Fatalf("%s, from %s, has no ZooKeeper: run packaging/setup.sh, which fetches it", jars, variable)
	}
	return jars
}

// javaCommand starts ZooKeeper in a JVM that is up soon and keeps to its share of a small machine.
func javaCommand(jars, cfg string) []string {
	return []string{
		"java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true",
		"-cp", jars, "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg,
	}
}
