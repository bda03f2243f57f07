package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Lab is the hosts and the places around them.
type Lab struct {
	Hosts            []*Host
	Client, Stranger Node
}

// New wires up n hosts, named h1 and so on, and does not boot them. Their disks lie below dir; image is their
// shared file system. There is one Lab in a run: its names are in [Main]'s namespaces.
func New(dir, image string, n int) (*Lab, error) {
	if err := makeSwitch(); err != nil {
		return nil, err
	}
	lab := &Lab{}
	names := "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
	for i := range n {
		node, err := newNode("h"+strconv.Itoa(i+1), byte(11+i), false)
		if err != nil {
			return nil, err
		}
		names += fmt.Sprintf("%s %s\n", node.IP4, node.Name)
		lab.Hosts = append(lab.Hosts, &Host{Node: node, dir: filepath.Join(dir, node.Name), group: filepath.Base(dir) + "-" + node.Name})
	}
	for _, h := range lab.Hosts {
		if err := h.makeDisk(image, names); err != nil {
			return nil, err
		}
	}
	var err error
	if lab.Client, err = newNode("client", 50, false); err != nil {
		return nil, err
	}
	lab.Stranger, err = newNode("stranger", 10, true)
	return lab, err
}

// Host is one booted, or not booted, system. Its methods are for one goroutine at a time.
type Host struct {
	Node
	dir, group string

	container *exec.Cmd     // systemd-nspawn; nil while the host is off
	ended     chan struct{} // closed when it has ended
	init      int           // PID 1 of the host, as it is called here
}

func (h *Host) root() string { return filepath.Join(h.dir, "root") }

func (h *Host) makeDisk(image, names string) error {
	for _, sub := range []string{"upper/etc", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(h.dir, sub), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"hostname": h.Name + "\n", "hosts": names, "resolv.conf": ""} {
		if err := os.WriteFile(filepath.Join(h.dir, "upper/etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", image, h.dir, h.dir)
	if err := syscall.Mount("overlay", h.root(), "overlay", 0, options); err != nil {
		return fmt.Errorf("lay the disk of %s over the image, in %s: %w", h.Name, h.dir, err)
	}
	return nil
}

// Boot starts the host and waits until its system is up.
func (h *Host) Boot(ctx context.Context) error {
	if h.container != nil {
		return fmt.Errorf("%s is on already", h.Name)
	}
	// The namespace outlives the host; the rules of a machine do not.
	if out, err := h.Command(ctx, "nft", "flush", "ruleset").CombinedOutput(); err != nil {
		return fmt.Errorf("flush the rules of %s: %w\n%s", h.Name, err, out)
	}
	groups, err := makeGroups(h.group)
	if err != nil {
		return err
	}
	console, err := os.OpenFile(h.consoleFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	// The container is a child of its control groups from its first instruction on.
	const enter = `for file in $GROUPS_OF_HOST; do echo 0 > "$file"; done; unset GROUPS_OF_HOST; exec systemd-nspawn "$@"`
	c := exec.Command("sh", "-c", enter, "sh", "--directory="+h.root(), "--hostname="+h.Name, "--boot", "--quiet",
		"--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe",
		"--network-namespace-path="+h.namespace(),
		"--capability=CAP_NET_ADMIN") // which it keeps by itself in a network of its own making only
	c.Env = append(os.Environ(), "GROUPS_OF_HOST="+strings.Join(groups, " "), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
	c.Stdout, c.Stderr = console, console
	if err := c.Start(); err != nil {
		return err
	}
	h.container, h.ended, h.init = c, make(chan struct{}), 0
	go func(ended chan struct{}) {
		_ = c.Wait() // how it ended is seen by whoever waits for something
		close(ended)
	}(h.ended)
	err = Until(ctx, h.Name+" has booted", func() error {
		select {
		case <-h.ended:
			return Final(errors.New("the container has ended"))
		default:
		}
		if h.init == 0 {
			h.init = initOf(c.Process.Pid)
		}
		out, err := h.Exec(ctx, "systemctl", "is-system-running")
		switch state := strings.TrimSpace(out); state {
		case "running", "degraded":
			return nil
		default:
			return fmt.Errorf("%s: %w", state, err)
		}
	})
	if err != nil {
		text, _ := os.ReadFile(h.consoleFile())
		err = fmt.Errorf("%w\n%s", err, text[max(0, len(text)-2000):])
	}
	return err
}

func (h *Host) consoleFile() string { return filepath.Join(h.dir, "console.log") }

// initOf returns the process that is number 1 for a container: the child of it that has that number
// inside. 0 if there is none yet.
func initOf(container int) int {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", container, container))
	for child := range strings.FieldsSeq(string(children)) {
		status, _ := os.ReadFile("/proc/" + child + "/status")
		for line := range bytes.Lines(status) {
			numbers := strings.Fields(string(line))
			if numbers[0] == "NSpid:" && len(numbers) > 2 && numbers[len(numbers)-1] == "1" {
				pid, _ := strconv.Atoi(child)
				return pid
			}
		}
	}
	return 0
}

// Exec runs a program on the host, as root, and returns what it printed to both its outputs. The error of
// a program that ended otherwise than with 0 is an *exec.ExitError.
func (h *Host) Exec(ctx context.Context, args ...string) (string, error) {
	return h.ExecWith(ctx, "", args...)
}

// ExecWith is Exec with a standard input.
func (h *Host) ExecWith(ctx context.Context, input string, args ...string) (string, error) {
	if h.container == nil || h.init == 0 {
		return "", fmt.Errorf("%s is off", h.Name)
	}
	c := exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(h.init), "--all", "--", "/usr/bin/env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8", "TERM=dumb",
		"DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER=cat"}, args...)...)
	c.Stdin = strings.NewReader(input)
	c.WaitDelay = 5 * time.Second // for what it left running with its outputs open
	out, err := c.CombinedOutput()
	return string(out), err
}

// Put writes a file of the host, with its directory.
func (h *Host) Put(ctx context.Context, name, text string) error {
	out, err := h.ExecWith(ctx, text, "sh", "-c", `mkdir -p "$(dirname "$1")" && cat > "$1"`, "sh", name)
	if err != nil {
		return fmt.Errorf("write %s of %s: %w\n%s", name, h.Name, err, out)
	}
	return nil
}

// PowerOff shuts the host down as its power button does, and waits until it is off.
func (h *Host) PowerOff(ctx context.Context) error {
	if h.container == nil {
		return nil
	}
	if err := h.container.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-h.ended:
		h.off()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("power off %s: %w", h.Name, context.Cause(ctx))
	}
}

// Crash ends every process of the host at once.
func (h *Host) Crash() error {
	if h.container == nil {
		return nil
	}
	if err := syscall.Kill(h.init, syscall.SIGKILL); err != nil {
		return fmt.Errorf("crash %s: %w", h.Name, err)
	}
	<-h.ended
	h.off()
	return nil
}

func (h *Host) off() {
	dropGroups(h.group)
	h.container, h.init = nil, 0
}
