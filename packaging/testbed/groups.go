package testbed

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A host's systemd wants control groups for itself: each host has one of its own in every hierarchy that a
// service manager may use. Two hosts in one group would write over each other's.

// groupRoots returns the directories below which groups of hosts are made: the version 2 hierarchy, and
// beside it systemd's own of version 1 where the machine still has that.
func groupRoots() []string {
	const top = "/sys/fs/cgroup"
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	if exists(top + "/cgroup.procs") { // version 2 alone: below the group that the tests are in
		own, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			return nil
		}
		for line := range strings.Lines(string(own)) {
			if group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
				return []string{filepath.Join(top, group)}
			}
		}
		return nil
	}
	return slices.DeleteFunc([]string{top + "/unified", top + "/systemd"}, func(root string) bool { return !exists(root) })
}

// makeGroups makes the control groups of a host and returns the files that take a process in.
func makeGroups(name string) ([]string, error) {
	var files []string
	for _, root := range groupRoots() {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return nil, err
		}
		files = append(files, filepath.Join(root, name, "cgroup.procs"))
	}
	return files, nil
}

// dropGroups removes the control groups whose names begin with prefix, as far as they are empty.
func dropGroups(prefix string) {
	for _, root := range groupRoots() {
		tops, err := filepath.Glob(filepath.Join(root, prefix+"*"))
		if err != nil {
			continue
		}
		for _, top := range tops {
			var dirs []string
			_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					dirs = append(dirs, path)
				}
				return nil // what vanishes meanwhile need not be removed
			})
			for _, dir := range slices.Backward(dirs) {
				_ = os.Remove(dir) // the files in it are the kernel's, and go with it
			}
		}
	}
}
