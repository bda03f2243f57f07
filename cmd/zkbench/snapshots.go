package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"zkd/cmd/zkbench/load"
)

const (
	pollEvery = 5 * time.Millisecond
	// quietFor is how long nothing may change for a snapshot to be over.
	quietFor = 500 * time.Millisecond
)

// span is the time in which a snapshot was written.
type span struct{ from, to time.Time }

// snapshotWatcher finds out when a server writes snapshots, from the files that come and grow.
//
// Apache ZooKeeper writes into a file with its final name, snapshot.ZXID, and zkd into
// tmp.snapshot.ZXID, which is there until the snapshot has been verified.
type snapshotWatcher struct {
	dir   string
	sizes map[string]int64 // of the snapshots at the last look
	spans []span
	open  bool // the last span is not over

	quit chan struct{}
	done chan error
}

// watchSnapshots begins to watch dir; the snapshots that are there do not count.
func watchSnapshots(dir string) *snapshotWatcher {
	w := &snapshotWatcher{dir: dir, quit: make(chan struct{}), done: make(chan error, 1)}
	go func() { w.done <- w.poll() }()
	return w
}

// stop ends the watch and returns what was seen.
func (w *snapshotWatcher) stop() ([]span, error) {
	close(w.quit)
	err := <-w.done
	return w.spans, err
}

func (w *snapshotWatcher) poll() error {
	for {
		sizes, err := snapshotSizes(w.dir)
		if err != nil {
			return err
		}
		w.look(time.Now(), sizes)
		select {
		case <-w.quit:
			return nil
		case <-time.After(pollEvery):
		}
	}
}

// look takes note of the files at time now.
func (w *snapshotWatcher) look(now time.Time, sizes map[string]int64) {
	active := false
	for name, size := range sizes {
		before, known := w.sizes[name]
		unfinished := strings.HasPrefix(name, "tmp.")
		active = active || unfinished || w.sizes != nil && (!known || before != size)
	}
	w.sizes = sizes
	switch {
	case active && w.open:
		w.spans[len(w.spans)-1].to = now
	case active:
		w.spans, w.open = append(w.spans, span{now, now}), true
	case w.open && now.Sub(w.spans[len(w.spans)-1].to) > quietFor:
		w.open = false
	}
}

// snapshotSizes returns the sizes of the snapshots in dir, finished or not.
func snapshotSizes(dir string) (map[string]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, entry := range entries {
		if !strings.Contains(entry.Name(), "snapshot.") {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // renamed or purged between the two calls
		}
		if err != nil {
			return nil, err
		}
		sizes[entry.Name()] = info.Size()
	}
	return sizes, nil
}

// split tells the latencies of requests that were waiting during one of spans from the others.
func split(trace []load.Sample, spans []span) (normal, busy *load.Histogram) {
	normal, busy = new(load.Histogram), new(load.Histogram)
	for _, sample := range trace {
		to := normal
		for _, s := range spans {
			if !sample.Due.After(s.to) && !sample.Due.Add(sample.Latency).Before(s.from) {
				to = busy
				break
			}
		}
		to.Add(sample.Latency)
	}
	return normal, busy
}
