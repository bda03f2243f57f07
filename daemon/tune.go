package daemon

import (
	"bytes"
	"context"
	"os"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	// gcHeadroom is how much garbage may gather between two collections beside a small tree: enough that a server
	// under load collects a few times a second. Beside a larger tree it is less by a gcShrink-th of the tree, since
	// memory is what a large tree needs, and each collection there costs little: a tree holds next to no pointers.
	gcHeadroom = 32 << 20
	gcShrink   = 16
	// Bounds of the same as a share of the heap.
	gcLeastPercent, gcMostPercent = 10, 800
	// gcEvery is how often the share is fitted to the heap, which can grow by 100 MiB a second.
	gcEvery = 500 * time.Millisecond
)

// tuneGC sets the limits of the garbage collector, where the environment (GOGC, GOMEMLIMIT) does not:
// garbage is bounded in bytes rather than as a share of the tree, and in a control group with a memory
// limit, as MemoryMax= of the unit sets one, the collector works harder from nine tenths of it on,
// rather than let the kernel end the process. It returns when ctx ends.
func tuneGC(ctx context.Context, log *zap.Logger) {
	if os.Getenv("GOMEMLIMIT") == "" {
		if limit := memoryLimit(os.ReadFile); limit > 0 {
			debug.SetMemoryLimit(limit / 10 * 9)
			log.Info("memory limit of the control group found", zap.Int64("limit_bytes", limit))
		}
	}
	if os.Getenv("GOGC") != "" {
		return
	}
	ticker := time.NewTicker(gcEvery)
	defer ticker.Stop()
	for set := 0; ; {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		// Setting it stops the world for a moment: only for a change that matters.
		if want := gcPercent(live[0].Value.Uint64()); want < set*9/10 || want > set*11/10 {
			debug.SetGCPercent(want)
			set = want
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// gcPercent is how much the heap may grow between two collections, in percent of what is live.
func gcPercent(liveBytes uint64) int {
	headroom := gcHeadroom - min(liveBytes/gcShrink, gcHeadroom)
	return int(min(max(headroom*100/max(liveBytes, 1<<20), gcLeastPercent), gcMostPercent))
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
