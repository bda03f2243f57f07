package snap

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Source is the state to be written. It must not change from the first call to the end of the
// last. Each method calls f for every item in a fixed order and stops at f's first error, which
// it returns.
type Source interface {
	// Zxid is the last txn that the state holds, and Digest the tree's digest (version 2) there.
	Zxid() zk.Zxid
	Digest() uint64
	// Sessions and ACLs are gone through twice: the format wants their number first. Every id that
	// a node refers to must be among ACLs, except OpenACLID, which must not.
	Sessions(f func(id zk.SessionID, timeoutMillis int32) error) error
	ACLs(f func(id int64, acl []proto.ACL) error) error
	// Nodes goes through the nodes, parents before children and the root, of path "", first. path
	// and data are not kept.
	Nodes(f func(path, data []byte, aclID int64, stat *proto.StatPersisted) error) error
}

// Sink receives a state that is read. Nothing may be concluded from what it received before the
// reading function has returned without error: a bad checksum shows at the very end.
type Sink interface {
	Session(id zk.SessionID, timeoutMillis int32)
	// ACL receives a list that the sink may keep.
	ACL(id int64, acl []proto.ACL) error
	// Node receives views that are valid during the call. A nil data is null. The ACL may never
	// come, for a fuzzy snapshot: its creation is then still in the log (ZOOKEEPER-4846).
	Node(path, data []byte, aclID int64, stat *proto.StatPersisted) error
}

// OpenACLID is the ACL id of world:anyone with all permissions, which section C does not list.
const OpenACLID int64 = -1

// Progress hears how many plain bytes and nodes have been written or read so far, about four times
// per MiB. It runs on the caller's goroutine and may take its time: that is how a caller sets a
// rate or gives way to others. Its error ends the work and is returned, wrapped.
type Progress func(bytes, nodes int64) error

// Compression is the last part of a snapshot's name.
type Compression string

// The compressions. The values are also those of snapshot.compression.method.
const (
	Plain  Compression = ""
	Gzip   Compression = "gz"
	Snappy Compression = "snappy"
)

// ParseCompression returns the compression that a configuration names: "", "none", "gz" or
// "snappy".
func ParseCompression(name string) (Compression, error) {
	switch name {
	case "", "none":
		return Plain, nil
	case "gz", "snappy":
		return Compression(name), nil
	}
	return Plain, fmt.Errorf("snap: unknown compression %q, want gz, snappy or none", name)
}

// Info describes a snapshot that has been read to its end.
type Info struct {
	Name        string
	Zxid        zk.Zxid // by the name; -1 if the name has none
	Compression Compression
	SizeBytes   int64 // of the file
	PlainBytes  int64 // uncompressed
	ModTime     time.Time

	Sessions, ACLs, Nodes int64

	// Digest is the tree's digest at DigestZxid, if HasDigest: compare it once the tree has reached
	// that zxid, and only then.
	HasDigest  bool
	DigestZxid zk.Zxid
	Digest     uint64
	// LastProcessed is section H, if HasLastProcessed. On recovery the name wins over it.
	HasLastProcessed bool
	LastProcessed    zk.Zxid
}

// CorruptError says that a snapshot or stream cannot be what a server wrote.
type CorruptError struct {
	Name   string // of the file; "" for a stream
	Offset int64  // of the item that is wrong, in plain bytes
	Err    error  // what is wrong with it
}

// Error names the file, the place and the fault.
func (e *CorruptError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("snap: stream is damaged at byte %d: %v", e.Offset, e.Err)
	}
	return fmt.Sprintf("snap: %s is damaged at byte %d: %v", e.Name, e.Offset, e.Err)
}

// Unwrap returns the fault.
func (e *CorruptError) Unwrap() error { return e.Err }

// Skipped is a snapshot that was passed over for an older one, or left out of account.
type Skipped struct {
	Name string
	Err  error
}

// String returns the name and the reason, for the log.
func (s Skipped) String() string {
	if strings.Contains(s.Err.Error(), s.Name) {
		return s.Err.Error()
	}
	return s.Name + ": " + s.Err.Error()
}

// ErrNone is what every [NoneError] is.
var ErrNone = errors.New("snap: no usable snapshot")

// NoneError says that a directory holds no snapshot that can be loaded. Skipped says why for each
// that is there; it is empty for a new directory.
type NoneError struct {
	Dir     string
	Skipped []Skipped
}

// Error names the directory and, for each file, the reason.
func (e *NoneError) Error() string {
	return fmt.Sprintf("snap: no usable snapshot in %s%s", e.Dir, reasons(e.Skipped))
}

// Is makes errors.Is(err, ErrNone) true.
func (e *NoneError) Is(target error) bool { return target == ErrNone }

// HistoryError refuses a start: the log does not reach back to the newest snapshot that can be
// loaded, or, where there is none, to the beginning of history. Loading what is there would lose
// writes without a word (ZOOKEEPER-3644, ZOOKEEPER-2325), so there is no switch to do it.
type HistoryError struct {
	Dir      string    // of the snapshots
	Snapshot zk.Zxid   // newest that could be loaded; -1 for none
	FirstLog zk.Zxid   // first txn of the log; 0 for none
	Skipped  []Skipped // snapshots that could not be loaded
}

// Error says what is missing and what an operator can do.
func (e *HistoryError) Error() string {
	log := fmt.Sprintf("the log begins only at %v", e.FirstLog)
	if e.FirstLog <= 0 {
		log = "the log is empty"
	}
	what := fmt.Sprintf("no snapshot in %s can be loaded and %s", e.Dir, log)
	if e.Snapshot >= 0 {
		what = fmt.Sprintf("the newest snapshot in %s that can be loaded is at %v but %s", e.Dir, e.Snapshot, log)
	}
	return fmt.Sprintf("snap: %s: the writes before are missing%s; put a snapshot or the older log files back",
		what, reasons(e.Skipped))
}

func reasons(skipped []Skipped) string {
	if len(skipped) == 0 {
		return ""
	}
	var b strings.Builder
	for i, s := range skipped {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(s.String())
	}
	return " (" + b.String() + ")"
}
