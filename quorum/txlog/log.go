package txlog

import (
	"fmt"
	"path"
	"slices"
	"sync"

	"go.uber.org/zap"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

const (
	// DefaultMaxPayload is what ZooKeeper reads back by default: jute.maxbuffer and as much again.
	DefaultMaxPayload = 2 * 0xfffff

	// batchBytes bounds one write. It is also how far behind the last synced byte a power loss can
	// leave anything, which is what recovery allows for a torn tail.
	batchBytes = 4 << 20

	// spareBytes bounds the buffer that is kept for the next batch.
	spareBytes = 1 << 20

	// allocChunk bounds how much is allocated at once. Each chunk is written twice, once as zeros,
	// and what a file has left of it is given back when the file is left.
	allocChunk = 4 << 20
)

// Options say how to keep a log. The zero value is usable.
type Options struct {
	// PreallocBytes of zeros, at most 4 MiB, are written ahead of the log at a time. 0 is none:
	// every Sync then waits for the file system's journal as well.
	PreallocBytes int64
	// MaxPayload bounds the length of a record's payload, when written and when read back; 0 is
	// DefaultMaxPayload.
	MaxPayload int
	// NoSync leaves all syncing but that of Open and Truncate to the operating system
	// (forceSync=no). What Sync returns for is then safe from a crash of the process only.
	NoSync bool
	// Inline does the background work inside the calls that cause it, in a fixed order, so that a
	// simulation can replay a run. The mark is then written every 16 syncs.
	Inline bool
	// Progress, if not nil, is called by Open with the bytes that it has read so far: after each piece of 256 KiB, or of
	// one record where that is longer. Open reads all of the last file, and a part of it may be written again.
	Progress func(bytes int64)
	// Logger, nil for none.
	Logger *zap.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxPayload == 0 {
		o.MaxPayload = DefaultMaxPayload
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o
}

// chunk returns how many bytes to allocate at a time.
func (o Options) chunk() int64 { return min(o.PreallocBytes, allocChunk) }

// maxUnsynced returns how far behind the last synced byte there may be anything after a crash.
func (o Options) maxUnsynced() int64 { return max(batchBytes, int64(o.MaxPayload)+frameSize) }

// Log is an open log. Its methods may be called from several goroutines; Append never waits for
// the disk, also not while Sync does.
type Log struct {
	fs  vfs.FS
	dir string
	o   Options

	// disk serialises what changes log files: Sync, Truncate, StartAfter, Close. It is taken
	// before the locks of bg and mu.
	disk   sync.Mutex
	active *activeFile // nil until the first Sync after Open and Truncate
	bg     background

	// mu guards what follows and is held for moments only.
	mu         sync.Mutex
	err        error // final
	pending    []*segment
	spare      *segment // one, and one list, to use again
	spareList  []*segment
	last       zk.Zxid
	durable    zk.Zxid
	newFile    bool // the next append starts a file
	sinceBytes int64
	sinceTxns  int
	files      []logFile
	generation int  // counts truncations
	synced     mark // position of the last record that is durable
	// forgotten is the zxid of the mark that Open found above the end of the log, 0 for none. New
	// marks do not fall below it before the log has passed it, so that a second start still knows.
	forgotten zk.Zxid
	givenUp   bool // see Recovery.GivenUp
}

// segment is what one write of Sync writes: records of one file.
type segment struct {
	buf         []byte
	first, last zk.Zxid
	newFile     bool
}

// fail makes err the answer to everything from now on and returns the first such error.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		l.pending = nil
	}
	return l.err
}

func (l *Log) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Append adds a txn, in memory: it is durable when a Sync that began later has returned. The
// payload is copied.
//
// An error says that the txn was not taken: its zxid does not follow the last one, is not the one in
// the payload, the payload is shorter than a txn header or longer than MaxPayload; or that the log
// has failed before.
func (l *Log) Append(zxid zk.Zxid, payload []byte) error {
	if len(payload) < minPayload || len(payload) > l.o.MaxPayload {
		return fmt.Errorf("txlog: append %v: payload of %d bytes, allowed are %d to %d", zxid, len(payload), minPayload, l.o.MaxPayload)
	}
	if got := payloadZxid(payload); got != zxid || zxid <= 0 {
		return fmt.Errorf("txlog: append %v: payload has zxid %v", zxid, got)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if l.last != 0 && !zxid.Follows(l.last) {
		return fmt.Errorf("txlog: append %v: does not follow %v", zxid, l.last)
	}
	size := len(payload) + frameSize
	var seg *segment
	if n := len(l.pending); n > 0 {
		seg = l.pending[n-1]
	}
	if seg == nil || l.newFile || len(seg.buf)+size > batchBytes {
		if seg, l.spare = l.spare, nil; seg == nil {
			seg = new(segment)
		}
		*seg = segment{buf: seg.buf[:0], first: zxid, newFile: l.newFile}
		l.newFile = false
		l.pending = append(l.pending, seg)
	}
	seg.buf = appendFrame(seg.buf, payload)
	seg.last, l.last = zxid, zxid
	l.sinceBytes += int64(size)
	l.sinceTxns++
	return nil
}

// Sync makes durable what was appended before the call. An error is final for the log: what it
// would have made durable may or may not be there after the next Open.
func (l *Log) Sync() error {
	l.disk.Lock()
	defer l.disk.Unlock()
	return l.flush()
}

// flush is Sync for callers that hold disk.
func (l *Log) flush() error {
	l.mu.Lock()
	segments, err := l.pending, l.err
	if err != nil || len(segments) == 0 {
		l.mu.Unlock()
		return err
	}
	l.pending, l.spareList = l.spareList[:0], nil
	l.mu.Unlock()
	for _, seg := range segments {
		if err := l.write(seg); err != nil {
			return l.fail(err)
		}
	}
	l.bg.afterSync(l)
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := segments[len(segments)-1]; cap(last.buf) <= spareBytes {
		l.spare = last
	}
	clear(segments)
	l.spareList = segments[:0]
	return l.err
}

// write makes one segment durable.
func (l *Log) write(seg *segment) error {
	if seg.newFile {
		if err := l.switchFile(seg.first); err != nil {
			return err
		}
	}
	a := l.active
	if err := a.write(seg.buf); err != nil {
		return err
	}
	if !l.o.NoSync {
		if err := a.f.Datasync(); err != nil {
			return fmt.Errorf("txlog: sync %s: %w", fileName(a.first), err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err // a background sync of this file failed: it may have taken our pages with it
	}
	l.durable = seg.last
	l.synced = mark{open: true, givenUp: l.givenUp, file: a.first, offset: a.end, zxid: max(seg.last, l.forgotten)}
	l.files[len(l.files)-1].end = a.end
	return nil
}

// Last returns the zxid of the last txn appended, durable or not, or what Open found; 0 for none.
func (l *Log) Last() zk.Zxid {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Durable returns the zxid up to which everything appended is durable.
func (l *Log) Durable() zk.Zxid {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Roll makes the next append start a new file. What was appended before stays where it is, and a
// log without txns since the last roll is not rolled again.
func (l *Log) Roll() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sinceTxns > 0 {
		l.newFile = true
	}
	l.sinceBytes, l.sinceTxns = 0, 0
	return l.err
}

// SinceRollBytes returns how many bytes were appended since the last Roll or Open.
func (l *Log) SinceRollBytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sinceBytes
}

// SinceRollTxns returns how many txns were appended since the last Roll or Open.
func (l *Log) SinceRollTxns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sinceTxns
}

// StartAfter says that a snapshot holds the history up to zxid, at or above Last: the next append
// must follow zxid, and starts a new file. Reading across the gap that this may leave in the log
// is a [*CorruptError], so that nobody takes the two sides for one history.
func (l *Log) StartAfter(zxid zk.Zxid) error {
	l.disk.Lock()
	defer l.disk.Unlock()
	if err := l.flush(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if zxid < l.last {
		return fmt.Errorf("txlog: start after %v: the log reaches %v", zxid, l.last)
	}
	if zxid > l.last {
		l.last, l.durable, l.newFile = zxid, zxid, true
	}
	return nil
}

// FileInfo describes one file of the log.
type FileInfo struct {
	Name      string // within the log directory
	First     zk.Zxid
	SizeBytes int64 // on disk, with what is allocated ahead
}

// Files returns the files of the log in the order of their zxids.
func (l *Log) Files() ([]FileInfo, error) {
	l.mu.Lock()
	files := slices.Clone(l.files)
	l.mu.Unlock()
	infos := make([]FileInfo, 0, len(files))
	for _, f := range files {
		info, err := l.fs.Stat(f.path(l.dir))
		if err != nil {
			return nil, fmt.Errorf("txlog: %w", err)
		}
		infos = append(infos, FileInfo{path.Base(info.Name()), f.first, info.Size()})
	}
	return infos, nil
}

// Close syncs what was appended, gives back what was allocated ahead, and notes in the mark that the
// log was closed in good order. Open readers go on. A log that has failed is only let go of; Close
// then returns why it failed.
func (l *Log) Close() error {
	l.disk.Lock()
	defer l.disk.Unlock()
	err := l.flush()
	if err == ErrClosed {
		return nil
	}
	l.bg.stop()
	if err == nil {
		err = l.finish()
	}
	if err != nil {
		err = l.fail(err)
	}
	l.release()
	l.mu.Lock()
	l.err = ErrClosed
	l.mu.Unlock()
	return err
}

// finish brings the directory into the state of a closed log.
func (l *Log) finish() error {
	l.bg.retire(l)
	if l.active != nil {
		if err := l.active.trim(); err != nil {
			return err
		}
	}
	if err := l.bg.dropNext(l); err != nil {
		return err
	}
	if l.o.NoSync {
		return nil // nothing is known to be durable, and the mark must not say so
	}
	if l.active != nil {
		if err := l.active.f.Sync(); err != nil {
			return fmt.Errorf("txlog: sync %s: %w", fileName(l.active.first), err)
		}
	}
	l.mu.Lock()
	m := l.synced
	l.mu.Unlock()
	m.open = false
	return l.bg.mark.write(m)
}

// release closes the files. Their errors are of no interest: all that matters was synced.
func (l *Log) release() {
	if l.active != nil {
		_ = l.active.f.Close()
		l.active = nil
	}
	l.bg.release()
}
