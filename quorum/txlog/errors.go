package txlog

import (
	"errors"
	"fmt"
	"path"

	"zkd/quorum/zk"
)

// CorruptError says that a log file holds something that no crash explains. Nothing was changed.
type CorruptError struct {
	File   string  // path
	Offset int64   // of the bad record, in bytes
	After  zk.Zxid // the last good record before it, 0 for none
	Reason string
	// Advice says what to do, in sentences, for the server whose log it is; "" for what holds for any.
	Advice string
}

// Error says what is wrong, where, and what to run.
func (e *CorruptError) Error() string {
	dir := path.Dir(e.File)
	advice := e.Advice
	if advice == "" {
		advice = fmt.Sprintf("A member of an ensemble gets everything from the others again after 'zkd log repair --resync'; "+
			"for a single server restore a backup, or give up what follows zxid %v with 'zkd log repair --give-up %s'", e.After, dir)
	}
	return fmt.Sprintf("txlog: %s is damaged at byte %d, behind zxid %v: %s. See all of it with 'zkd log verify %s'. %s",
		e.File, e.Offset, e.After, e.Reason, dir, advice)
}

// ErrClosed says that the log was closed.
var ErrClosed = errors.New("txlog: log is closed")

// ErrTruncated says that Truncate came between two calls of [Reader.Next].
var ErrTruncated = errors.New("txlog: log was truncated while it was read")

// ErrNotInLog says that the log does not hold the zxid to truncate to. The log is unchanged.
var ErrNotInLog = errors.New("txlog: zxid is not in the log")
