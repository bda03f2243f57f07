package testbed

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// hostPackages are on every host. Of the firewalls of others, tests start the one that they need.
var hostPackages = []string{"systemd", "systemd-sysv", "dbus", "nftables", "iproute2", "procps", "curl", "iptables", "ufw", "firewalld", "rpm"}

// imageHooks make the image fit for tests. $1 is its root.
var imageHooks = []string{
	// Nothing starts by itself later than at boot, or takes the clock.
	`chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer systemd-timesyncd.service`,
	`chroot "$1" systemctl disable ufw firewalld nftables`,
	// A host that boots takes a number of its own, and keeps its journal over a reboot.
	`: > "$1/etc/machine-id"; mkdir -p "$1/var/log/journal"`,
	`mkdir -p "$1/etc/systemd/journald.conf.d"; printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n' > "$1/etc/systemd/journald.conf.d/testbed.conf"`,
}

// Image returns the root of the hosts' file system, which it builds below cache unless it is there: a minute and
// 300 MB. Packages come from where the machine's own apt has those of Debian from.
func Image(cache string, log io.Writer) (root string, err error) {
	sources, err := debianSources()
	if err != nil {
		return "", err
	}
	key := sha256.New()
	for _, text := range slices.Concat(hostPackages, imageHooks) {
		fmt.Fprintln(key, text)
	}
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		key.Write(text)
	}
	root = filepath.Join(cache, fmt.Sprintf("hosts-%s-%x", runtime.GOARCH, key.Sum(nil)[:6]))
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	// One builds, the others wait for it.
	lock, err := os.OpenFile(filepath.Join(cache, "hosts.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	return root, buildImage(root, sources, log)
}

func buildImage(root string, sources []string, log io.Writer) error {
	fmt.Fprintf(log, "testbed: building the image of the hosts in %s, about a minute\n", root)
	old, err := filepath.Glob(filepath.Join(filepath.Dir(root), "hosts-*"))
	if err != nil {
		return err
	}
	for _, dir := range old { // images of other packages, and what an interrupted build left
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	half := root + ".part"
	args := []string{"--quiet", "--mode=root", "--format=directory", "--variant=minbase", "--include=" + strings.Join(hostPackages, ",")}
	for _, hook := range imageHooks {
		args = append(args, "--customize-hook="+hook)
	}
	// The sources say which release.
	if err := command("mmdebstrap", append(append(args, "", half), sources...)...); err != nil {
		return err
	}
	return os.Rename(half, root)
}

// debianSources returns the files in which apt of this machine names sources of Debian's.
func debianSources() ([]string, error) {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(SOURCESENTRY)", "Created-By: Packages", "Origin: Debian").Output()
	if err != nil {
		return nil, fmt.Errorf("ask apt for its sources: %w", err)
	}
	var files []string
	for entry := range strings.FieldsSeq(string(out)) { // file:number of the entry
		files = append(files, entry[:strings.LastIndexByte(entry, ':')])
	}
	slices.Sort(files)
	if files = slices.Compact(files); len(files) == 0 {
		return nil, errors.New("apt of this machine has no lists of Debian's packages: run apt-get update")
	}
	return files, nil
}
