package replica

import (
	"errors"
	"slices"
	"syscall"

	"go.uber.org/zap"

	"zkd/quorum/txlog"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// history knows what the log can prove: which records there are above its floor. Above the floor the
// log has no gap (R13): it is the end of the snapshot from which this process started, or of one that took
// the place of the log since; or what the log was found not to give any more. It is a [zab.History].
type history struct {
	r     *Replica
	floor zk.Zxid
	runs  []run // ascending
}

// run is the records of one epoch: all zxids from first to last.
type run struct{ first, last zk.Zxid }

// reset begins anew behind a snapshot.
func (h *history) reset(floor zk.Zxid) { h.floor, h.runs = floor, nil }

// append notes that z is the newest record.
func (h *history) append(z zk.Zxid) {
	if n := len(h.runs); n > 0 && h.runs[n-1].last+1 == z {
		h.runs[n-1].last = z
		return
	}
	h.runs = append(h.runs, run{z, z})
}

// truncate notes that the records above z are gone.
func (h *history) truncate(z zk.Zxid) {
	h.runs = slices.DeleteFunc(h.runs, func(u run) bool { return u.first > z })
	if n := len(h.runs); n > 0 {
		h.runs[n-1].last = min(h.runs[n-1].last, z)
	}
}

// trim notes that the log begins with first now.
func (h *history) trim(first zk.Zxid) {
	at, _, ok := h.newest(first - 1)
	if !ok {
		return
	}
	h.floor = at
	h.runs = slices.DeleteFunc(h.runs, func(u run) bool { return u.last <= at })
	if len(h.runs) > 0 {
		h.runs[0].first = max(h.runs[0].first, first)
	}
}

// newest returns the newest record at or below z, or the floor.
func (h *history) newest(z zk.Zxid) (at zk.Zxid, record, ok bool) {
	if z < h.floor {
		return 0, false, false
	}
	for _, u := range slices.Backward(h.runs) {
		if u.first <= z {
			return min(z, u.last), true, true
		}
	}
	return h.floor, false, true
}

// between returns the records above low, up to and with high.
func (h *history) between(low, high zk.Zxid) (runs []run) {
	for _, u := range h.runs {
		if u = (run{max(u.first, low+1), min(u.last, high)}); u.first <= u.last {
			runs = append(runs, u)
		}
	}
	return runs
}

// passOver raises the floor above a record that the log does not give, and above what shares its file: a reader
// goes through that from the beginning. So a learner that needs any of it is sent the state, and not, each time
// it comes back, the same part of the log as far as it goes.
func (r *Replica) passOver(bad *unreadable) {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(bad.err, passing) {
			return
		}
	}
	files, _ := r.txlog.Files() // with an error there are none: then all of the log is passed over
	next := slices.IndexFunc(files, func(f txlog.FileInfo) bool { return f.First > bad.zxid })
	if next == 0 { // purged meanwhile
		r.history.trim(files[0].First)
		return
	}
	if next > 0 {
		r.history.trim(files[next].First)
	} else { // what is logged from now on goes to another file
		if r.roll(); r.err != nil {
			return
		}
		r.history.trim(r.txlog.Last() + 1)
	}
	r.stats.LogReadErrors.Add(1)
	r.log.Error("own log is damaged: learners that need that part of it are sent a snapshot instead, and one is written, so that this server can start again",
		zap.Stringer("zxid", bad.zxid), zap.Stringer("floor", r.history.floor), zap.Error(bad.err))
	r.snapAt, r.rolledBytes = snapTrigger{}, r.stats.SnapshotBytes.Load() // due at once
}

// Last implements zab.History: the log ends there, or the snapshot that reaches further.
func (h *history) Last() zk.Zxid { return h.r.txlog.Last() }

// Locate implements zab.History. Sending the log costs about what sending as many bytes of a snapshot
// does; below a few MiB nobody asks.
func (h *history) Locate(z zk.Zxid) (at zk.Zxid, record, ok bool) {
	if at, record, ok = h.newest(z); !ok {
		return 0, false, false
	}
	const always = 16 << 20
	return at, record, h.logBytesAbove(at) <= max(always, h.r.stats.SnapshotBytes.Load())
}

// logBytesAbove returns about how many bytes of log stand above z.
func (h *history) logBytesAbove(z zk.Zxid) (sum int64) {
	files, err := h.r.txlog.Files()
	if err != nil {
		return 0
	}
	for i, f := range slices.Backward(files) {
		size := f.SizeBytes
		if i == len(files)-1 {
			size = h.r.txlog.SinceRollBytes()
		}
		sum += size
		if f.First <= z {
			break
		}
	}
	return sum
}

var _ zab.History = (*history)(nil)
