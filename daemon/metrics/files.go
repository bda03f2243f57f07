package metrics

import (
	"os"
	"syscall"
)

// openFiles is how many files the process has open, and may have.
type openFiles struct {
	open, limit uint64
}

// countFiles leaves at 0 what cannot be read.
func countFiles() (f openFiles) {
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		defer dir.Close()
		if names, err := dir.Readdirnames(-1); err == nil {
			f.open = uint64(len(names) - 1) // without the one that reads the directory
		}
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		f.limit = limit.Cur
	}
	return f
}
