package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"zkd/daemon/config"
	"zkd/firewall/keeper"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
)

// Exit codes of the process. The unit's RestartPreventExitStatus= names those that a restart does
// not mend; zkd(8) lists all. Source: sysexits.h, and the LSB for those of status.
const (
	ExitOK         = 0
	ExitFailure    = 1
	ExitProblems   = 2  // zkd doctor: something is wrong, not only worth a warning
	ExitNotRunning = 3  // zkd status: no server there
	ExitNoQuorum   = 4  // zkd status: a server that does not serve
	ExitUsage      = 64 // wrong arguments
	ExitData       = 74 // data damaged, or the disk failed
	ExitBusy       = 75 // a port or the data directory is in use, or the host lacks an address or a name: it may pass
	ExitPermission = 77
	ExitConfig     = 78
)

// Error is an error that knows its exit code.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error].
func Errorf(code int, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// ExitCode returns the exit code that tells a script, and systemd, what kind of error err is.
func ExitCode(err error) int {
	var typed *Error
	var wrong config.Errors
	var badLog *txlog.CorruptError
	var badSnapshot *snap.CorruptError
	var noSnapshot *snap.NoneError
	var noHistory *snap.HistoryError
	var unusable *replica.DamageError
	var noRules *keeper.ConfigError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &typed):
		return typed.Code
	case errors.As(err, &wrong), errors.As(err, &noRules):
		return ExitConfig
	case errors.As(err, &badLog), errors.As(err, &badSnapshot), errors.As(err, &noSnapshot), errors.As(err, &noHistory),
		errors.As(err, &unusable), errors.Is(err, syscall.EIO), errors.Is(err, replica.ErrRestoreUnfinished):
		return ExitData
	case errors.Is(err, vfs.ErrLocked), errors.Is(err, syscall.EADDRINUSE), passes(err):
		return ExitBusy
	case errors.Is(err, fs.ErrPermission):
		return ExitPermission
	default:
		return ExitFailure
	}
}
