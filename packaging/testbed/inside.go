package testbed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// workVariable names the directory of one run, in the process that runs the tests.
const workVariable = "ZKD_TESTBED_WORK"

// Main runs a package's tests inside namespaces of their own and returns the exit status for os.Exit:
//
//	func TestMain(m *testing.M) { os.Exit(testbed.Main(prepare, m.Run)) }
//
// prepare runs first, outside, where there is a network: it builds what the tests need below work, which is
// removed in the end. run runs inside; [Work] then returns the same directory.
func Main(prepare func(work string) error, run func() int) int {
	if Work() != "" {
		if err := furnish(); err != nil {
			fmt.Fprintln(os.Stderr, "testbed:", err)
			return 1
		}
		return run()
	}
	code, err := runInside(prepare)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		return 1
	}
	return code
}

// Work is the directory of this run, "" outside of it.
func Work() string { return os.Getenv(workVariable) }

// Missing says what this machine lacks to run hosts; nil if it seems to have all.
func Missing() error {
	var all []error
	if os.Geteuid() != 0 {
		all = append(all, errors.New("hosts are booted by root only"))
	}
	for _, need := range [][2]string{{"systemd-nspawn", "systemd-container"}, {"mmdebstrap", "mmdebstrap"}, {"ip", "iproute2"},
		{"nft", "nftables"}, {"nsenter", "util-linux"}} {
		if _, err := exec.LookPath(need[0]); err != nil {
			all = append(all, fmt.Errorf("%s is missing (Debian package %s)", need[0], need[1]))
		}
	}
	if len(groupRoots()) == 0 {
		all = append(all, errors.New("there is no control group hierarchy for a service manager below /sys/fs/cgroup"))
	}
	return errors.Join(all...)
}

func runInside(prepare func(work string) error) (code int, err error) {
	if err := Missing(); err != nil {
		return 1, err
	}
	work, err := os.MkdirTemp("", "zkd-hosts-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(work)
	if err := prepare(work); err != nil {
		return 1, err
	}
	defer dropGroups(filepath.Base(work))

	runtime.LockOSThread() // Pdeathsig is about the thread
	inside := exec.Command("/proc/self/exe", os.Args[1:]...)
	inside.Env = append(os.Environ(), workVariable+"="+work)
	inside.Stdin, inside.Stdout, inside.Stderr = os.Stdin, os.Stdout, os.Stderr
	inside.SysProcAttr = &syscall.SysProcAttr{
		// The first process of a process namespace takes all others of it along.
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := inside.Run(); err != nil {
		if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
			return max(ended.ExitCode(), 1), nil
		}
		return 1, fmt.Errorf("namespaces for the tests: %w", err)
	}
	return 0, nil
}

// furnish makes the new namespaces fit to live in: mounts stay inside, /proc shows the processes of the
// tests, and names of network namespaces are theirs alone.
func furnish() error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts private: %w", err)
	}
	for _, m := range [][2]string{{"proc", "/proc"}, {"tmpfs", "/run"}} {
		if err := syscall.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	return command("ip", "link", "set", "lo", "up")
}

// command runs a program of the machine; the error holds what it said.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	return nil
}
