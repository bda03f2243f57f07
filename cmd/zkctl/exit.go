package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"zkd/cmd/zkctl/archive"
	"zkd/cmd/zkctl/text"
	"zkd/quorum/client"
	"zkd/quorum/zk"
)

// Exit codes of the process; zkctl(1) lists them. Those from 64 on are of sysexits.h.
const (
	exitOK          = 0
	exitFailure     = 1 // also what the server refused for a reason without a code of its own
	exitNoNode      = 2
	exitNodeExists  = 3
	exitBadVersion  = 4
	exitNotEmpty    = 5
	exitUsage       = 64
	exitDamaged     = 65 // an export is damaged or incomplete
	exitUnavailable = 69 // no server, no answer, or the session is gone
	exitPermission  = 77
	exitConfig      = 78
	exitInterrupted = 130
)

// codedError is an error that knows its exit code.
type codedError struct {
	code   int
	err    error
	theirs bool // the words are ZooKeeper's, and stand without the program's name
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// failf makes an error with an exit code.
func failf(code int, format string, args ...any) error {
	return &codedError{code: code, err: fmt.Errorf(format, args...)}
}

// theirsf makes an error with an exit code in ZooKeeper's words, which scripts may look for.
func theirsf(code int, format string, args ...any) error {
	return &codedError{code: code, err: fmt.Errorf(format, args...), theirs: true}
}

// usagef makes an error about the line that was typed.
func usagef(format string, args ...any) error { return failf(exitUsage, format, args...) }

// refusals are the exit codes of the server's answers that have one.
var refusals = map[zk.Code]int{
	zk.ErrNoNode: exitNoNode, zk.ErrNodeExists: exitNodeExists, zk.ErrBadVersion: exitBadVersion, zk.ErrNotEmpty: exitNotEmpty,
	zk.ErrNoAuth: exitPermission, zk.ErrAuthFailed: exitPermission, zk.ErrSessionClosedRequiresAuth: exitPermission,
	zk.ErrSessionExpired: exitUnavailable,
}

// exitCode says what kind of error err is.
func exitCode(err error) int {
	var coded *codedError
	var code zk.Code
	var unreachable *client.UnreachableError
	var damaged *archive.DamagedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &damaged):
		return exitDamaged
	case errors.As(err, &code):
		if exit, ok := refusals[code]; ok {
			return exit
		}
		return exitFailure
	case errors.As(err, &unreachable), errors.Is(err, client.ErrConnectionLoss), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, client.ErrClosed):
		return exitUnavailable
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, fs.ErrPermission):
		return exitPermission
	}
	return exitFailure
}

// explain returns err for a reader: the server's refusals in ZooKeeper's words, all else as a sentence of zkctl's.
func explain(err error) string {
	var code zk.Code
	var coded *codedError
	var unreachable *client.UnreachableError
	var operation *client.Error
	path := ""
	if errors.As(err, &operation) {
		path = operation.Path
	}
	switch {
	case errors.As(err, &coded) && coded.theirs:
		return err.Error()
	case errors.As(err, &coded):
		return "zkctl: " + err.Error()
	case errors.As(err, &code):
		return text.Refusal(code, path)
	case errors.As(err, &unreachable):
		return "zkctl: " + unreachable.Error()
	case errors.Is(err, client.ErrConnectionLoss) && operation != nil:
		return "zkctl: connection lost before the answer: it is not known whether this was done: " + strings.TrimSpace(operation.Op.String()+" "+path)
	case errors.Is(err, context.DeadlineExceeded):
		return "zkctl: no answer in time; --timeout allows more"
	case errors.Is(err, context.Canceled):
		return "zkctl: interrupted"
	}
	return "zkctl: " + err.Error()
}

// report writes err for a reader or, as JSON, for a program.
func report(w io.Writer, err error, asJSON bool) {
	if !asJSON {
		fmt.Fprintln(w, explain(err))
		return
	}
	var out struct {
		Error struct {
			Message string `json:"message"`
			Exit    int    `json:"exit"`
			Code    int32  `json:"code,omitempty"` // the server's
			Path    string `json:"path,omitempty"`
		} `json:"error"`
	}
	out.Error.Message, out.Error.Exit = strings.TrimPrefix(explain(err), "zkctl: "), exitCode(err)
	var code zk.Code
	if errors.As(err, &code) {
		out.Error.Code = int32(code)
	}
	var operation *client.Error
	if errors.As(err, &operation) {
		out.Error.Path = operation.Path
	}
	line, _ := json.Marshal(out) // of strings and numbers: it cannot fail
	fmt.Fprintf(w, "%s\n", line)
}
