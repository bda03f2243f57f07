package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// All tests run in a network namespace of their own, where an ensemble can have a host for each server and lose
// packets between them, and in a mount namespace, where a disk can be small. Both end with the tests: nothing stays
// on the machine, whatever happens. root may make them, and so may every user where the
// kernel lets users have namespaces.

// insideVariable names the directory that all tests of one run share, in the process that runs them.
const insideVariable = "ZKD_E2E_WORK"

// workDir holds what all tests of one run share: the zkd binary and the compiled client programs.
var workDir = os.Getenv(insideVariable)

func TestMain(m *testing.M) {
	if workDir == "" {
		os.Exit(runInside())
	}
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "the namespaces of the tests:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runInside runs this program once more, in new namespaces, and returns its exit status. It also builds
// zkd, while modules can still be fetched.
func runInside() int {
	dir, err := os.MkdirTemp("", "zkd-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	buildZKD(dir)

	runtime.LockOSThread() // Pdeathsig is about the thread
	inside := exec.Command("/proc/self/exe", os.Args[1:]...)
	inside.Env = append(os.Environ(), insideVariable+"="+dir)
	inside.Stdin, inside.Stdout, inside.Stderr = os.Stdin, os.Stdout, os.Stderr
	inside.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		inside.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		inside.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		inside.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	err = inside.Run()
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
		return exitStatus(inside)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "these tests need root, or a kernel that lets users have namespaces:", err)
		return 1
	}
	return 0
}

// furnish makes the new namespaces fit to live in: mounts stay inside, the names of network
// namespaces are the tests' own, and there is a loopback.
func furnish() error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts private: %w", err)
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if output, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip, of the Debian package iproute2, sets lo up: %w\n%s", err, output)
	}
	return nil
}

// buildZKD builds dir/zkd. What the compiler says against it goes to dir/zkd.error, for the tests that need it.
func buildZKD(dir string) {
	binary := filepath.Join(dir, "zkd")
	output, err := exec.Command("go", "build", "-o", binary, "zkd/cmd/zkd").CombinedOutput()
	if err != nil {
		os.WriteFile(binary+".error", fmt.Appendf(nil, "go build zkd/cmd/zkd: %v\n%s", err, output), 0o600)
	}
}

func zkdCommand(t testing.TB, cfg string) []string {
	t.Helper()
	binary := filepath.Join(workDir, "zkd")
	if said, err := os.ReadFile(binary + ".error"); err == nil {
		t.Fatal(string(said))
	}
	return []string{binary, "run", "--config", cfg}
}
