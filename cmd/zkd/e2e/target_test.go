package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
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

var targets = map[string]target{
	"zkd":    {"zkd", zkdCommand, 0},
	"apache": {"apache", apacheCommand, 143}, // a JVM reports the signal
}

func selectedTarget(t testing.TB) target {
	name := os.Getenv("ZKD_E2E_TARGET")
	if name == "" {
		name = "zkd"
	}
	selected, ok := targets[name]
	if !ok {
		t.Fatalf("ZKD_E2E_TARGET=%s: must be zkd or apache", name)
	}
	return selected
}

// workDir holds what all tests of one run share: the zkd binary and the compiled client programs.
var workDir string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if workDir, err = os.MkdirTemp("", "zkd-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(workDir)
	return m.Run()
}

var buildZKD = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(workDir, "zkd")
	output, err := exec.Command("go", "build", "-o", binary, "zkd/cmd/zkd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build zkd/cmd/zkd: %w\n%s", err, output)
	}
	return binary, nil
})

func zkdCommand(t testing.TB, cfg string) []string {
	t.Helper()
	binary, err := buildZKD()
	if err != nil {
		t.Fatal(err)
	}
	return []string{binary, "run", "--config", cfg}
}

func apacheCommand(t testing.TB, cfg string) []string {
	t.Helper()
	need(t, java, zookeeperJar, slf4jSimpleJar)
	return []string{
		"java", "-Xmx512m", "-Djava.net.preferIPv4Stack=true",
		"-cp", classPath(zookeeperJar, slf4jSimpleJar),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg,
	}
}
