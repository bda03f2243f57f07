package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zkd/quorum/freeport"
	"zkd/quorum/rawclient"
)

// javaClassPath is Apache ZooKeeper 3.8.0 as Debian packages it. ZKD_ORACLE_CLASSPATH names another
// release.
const javaClassPath = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"

// javaServer is one running Apache ZooKeeper.
type javaServer struct {
	addr    string
	dataDir string
}

// oracleClassPath returns the class path, or "" if the environment says to do without the oracle.
func oracleClassPath(t *testing.T) string {
	if os.Getenv("ZKD_NO_ORACLE") == "1" {
		t.Log("ZKD_NO_ORACLE=1: not run against Apache ZooKeeper")
		return ""
	}
	if path := os.Getenv("ZKD_ORACLE_CLASSPATH"); path != "" {
		return path
	}
	jar, _, _ := strings.Cut(javaClassPath, ":")
	if _, err := os.Stat(jar); err != nil {
		t.Fatalf("%v: install Debian's packages libzookeeper-java and default-jre-headless, or set ZKD_NO_ORACLE=1", err)
	}
	return javaClassPath
}

// startJava starts Apache ZooKeeper with the profile's settings.
func startJava(t *testing.T, p Profile) *javaServer {
	t.Helper()
	dir := t.TempDir()
	port := freeport.Take(t, 1)[0]
	s := &javaServer{addr: fmt.Sprintf("127.0.0.1:%d", port), dataDir: filepath.Join(dir, "data")}
	if err := os.WriteFile(filepath.Join(dir, "zoo.cfg"), []byte(zooCfg(p, s.dataDir, port)), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	args := append(javaFlags(p), "-cp", oracleClassPath(t),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(dir, "zoo.cfg"))
	cmd := exec.Command("java", args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("end of the server's log:\n%s", text[max(0, len(text)-4000):])
		}
		cmd.Process.Kill()
		<-exited
	})
	for deadline := time.Now().Add(30 * time.Second); ; {
		if answer, err := rawclient.FourLetter(s.addr, "srvr"); err == nil && strings.Contains(answer, "Mode: ") {
			return s
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("java ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("java does not serve")
		}
	}
}

func zooCfg(p Profile, dataDir string, port int) string {
	var b strings.Builder
	set := func(key string, value any) { fmt.Fprintf(&b, "%s=%v\n", key, value) }
	set("dataDir", dataDir)
	set("clientPort", port)
	set("clientPortAddress", "127.0.0.1")
	set("tickTime", p.TickTime.Milliseconds())
	if p.MinSessionTimeout > 0 {
		set("minSessionTimeout", p.MinSessionTimeout.Milliseconds())
	}
	if p.MaxSessionTimeout > 0 {
		set("maxSessionTimeout", p.MaxSessionTimeout.Milliseconds())
	}
	set("maxClientCnxns", p.MaxConnsPerIP)
	set("admin.enableServer", false)
	set("extendedTypesEnabled", p.ExtendedTypes)
	set("enforceQuota", p.EnforceQuota)
	if p.FourLetterWords != nil {
		set("4lw.commands.whitelist", strings.Join(p.FourLetterWords, ","))
	}
	return b.String()
}

func javaFlags(p Profile) []string {
	flags := []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.net.preferIPv4Stack=true"}
	set := func(key string, value any) { flags = append(flags, fmt.Sprintf("-D%s=%v", key, value)) }
	if p.SuperDigest != "" {
		set("zookeeper.DigestAuthenticationProvider.superDigest", p.SuperDigest)
	}
	if p.SkipACL {
		set("zookeeper.skipACL", "yes")
	}
	if p.MaxFrameBytes > 0 {
		set("jute.maxbuffer", p.MaxFrameBytes)
	}
	if p.HandshakeTimeout > 0 {
		set("zookeeper.nio.sessionlessCnxnTimeout", p.HandshakeTimeout.Milliseconds())
	}
	if p.ReapInterval > 0 {
		set("znode.container.checkIntervalMs", p.ReapInterval.Milliseconds())
	}
	return flags
}
