package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"zkd/cmd/zkbench/load"
)

func TestSnapshotsAreSeenFromTheirFiles(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(millis int) time.Time { return begin.Add(time.Duration(millis) * time.Millisecond) }
	type look struct {
		millis int
		sizes  map[string]int64
	}
	for name, test := range map[string]struct {
		looks []look
		want  []span
	}{
		"those that are there do not count": {[]look{
			{0, map[string]int64{"snapshot.1": 100}},
			{5, map[string]int64{"snapshot.1": 100}},
		}, nil},
		"a file that grows, as Apache ZooKeeper writes it": {[]look{
			{0, map[string]int64{"snapshot.1": 100}},
			{5, map[string]int64{"snapshot.1": 100, "snapshot.2": 0}},
			{10, map[string]int64{"snapshot.1": 100, "snapshot.2": 50}},
			{15, map[string]int64{"snapshot.1": 100, "snapshot.2": 100}},
			{20, map[string]int64{"snapshot.1": 100, "snapshot.2": 100}},
		}, []span{{at(5), at(15)}}},
		"a file with another name that is renamed at the end, as zkd writes it": {[]look{
			{0, map[string]int64{}},
			{5, map[string]int64{"tmp.snapshot.2": 50}},
			{10, map[string]int64{"tmp.snapshot.2": 100}},
			{2000, map[string]int64{"tmp.snapshot.2": 100}}, // it is read back, which takes a while
			{2005, map[string]int64{"snapshot.2": 100}},
			{2010, map[string]int64{"snapshot.2": 100}},
		}, []span{{at(5), at(2005)}}},
		"a pause within one": {[]look{
			{0, map[string]int64{}},
			{5, map[string]int64{"snapshot.2": 50}},
			{400, map[string]int64{"snapshot.2": 50}},
			{405, map[string]int64{"snapshot.2": 100}},
		}, []span{{at(5), at(405)}}},
		"two": {[]look{
			{0, map[string]int64{}},
			{5, map[string]int64{"snapshot.2": 100}},
			{600, map[string]int64{"snapshot.2": 100}},
			{3000, map[string]int64{"snapshot.2": 100, "snapshot.3": 100}},
		}, []span{{at(5), at(5)}, {at(3000), at(3000)}}},
		"one that is purged": {[]look{
			{0, map[string]int64{"snapshot.1": 100, "snapshot.2": 100}},
			{5, map[string]int64{"snapshot.2": 100}},
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var w snapshotWatcher
			for _, l := range test.looks {
				w.look(at(l.millis), l.sizes)
			}
			if !slices.Equal(w.spans, test.want) {
				t.Errorf("got %v, want %v", w.spans, test.want)
			}
		})
	}
}

func TestTheWatcherLooksAtSnapshotsOnly(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"snapshot.5": "abc", "tmp.snapshot.6": "a", "log.1": "abcdef"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sizes, err := snapshotSizes(dir)
	if err != nil || len(sizes) != 2 || sizes["snapshot.5"] != 3 || sizes["tmp.snapshot.6"] != 1 {
		t.Errorf("got %v and error %v, want the two snapshots", sizes, err)
	}
	w := watchSnapshots(dir)
	if spans, err := w.stop(); err != nil || len(spans) != 1 { // the unfinished one is being written
		t.Errorf("got %v and error %v, want the unfinished one", spans, err)
	}
	if _, err := watchSnapshots(filepath.Join(dir, "missing")).stop(); err == nil {
		t.Error("a directory that is not there was watched")
	}
}

func TestRequestsThatWaitedDuringASnapshotAreTold(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(millis int) time.Time { return begin.Add(time.Duration(millis) * time.Millisecond) }
	normal, busy := split([]load.Sample{
		{Due: at(0), Latency: 5 * time.Millisecond},    // over before
		{Due: at(90), Latency: 20 * time.Millisecond},  // waits when it begins
		{Due: at(150), Latency: 10 * time.Millisecond}, // within
		{Due: at(199), Latency: 90 * time.Millisecond}, // due before its end
		{Due: at(201), Latency: time.Millisecond},      // behind
	}, []span{{at(100), at(200)}})
	if normal.Count() != 2 || busy.Count() != 3 {
		t.Errorf("%d met the snapshot and %d did not, want 3 and 2", busy.Count(), normal.Count())
	}
}
