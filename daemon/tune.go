package daemon

import (
	"bytes"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"go.uber.org/zap"
)

// gcPercent is how much the heap may grow between two collections, in percent of what is live.
const gcPercent = 100

// tuneGC sets the limits of the garbage collector, where the environment (GOGC, GOMEMLIMIT) does not:
// in a control group with a memory limit, as MemoryMax= of the unit sets one, the collector works
// harder from nine tenths of it on, rather than let the kernel end the process.
func tuneGC(log *zap.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := memoryLimit(os.ReadFile); limit > 0 {
		debug.SetMemoryLimit(limit / 10 * 9)
		log.Info("memory limit of the control group found", zap.Int64("limit_bytes", limit))
	}
}

// memoryLimit returns the least memory.max, in bytes, of the process's control group (version 2) and
// the groups above it, 0 if there is none. Source: cgroups(7), memory.max.
func memoryLimit(read func(string) ([]byte, error)) int64 {
	groups, err := read("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	var least int64
	for line := range bytes.Lines(groups) {
		group, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "0::")
		if !ok {
			continue
		}
		for ; group != "/" && group != "." && group != ""; group = path.Dir(group) {
			text, err := read(path.Join("/sys/fs/cgroup", group, "memory.max"))
			if err != nil {
				continue
			}
			limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is none
			if err == nil && limit > 0 && (least == 0 || limit < least) {
				least = limit
			}
		}
	}
	return least
}
