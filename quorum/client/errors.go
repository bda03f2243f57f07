package client

import (
	"errors"
	"fmt"
	"strings"

	"zkd/quorum/zk"
)

// ErrConnectionLoss says that the connection broke before the answer to a write: it may have been done
// or not.
var ErrConnectionLoss = errors.New("connection lost before the answer")

// ErrClosed says that the client was closed.
var ErrClosed = errors.New("client is closed")

// Error is the failure of an operation. Err is a [zk.Code] where the server refused.
type Error struct {
	Op   zk.Op
	Path string // below the chroot; "" where the operation has none
	Err  error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%v: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%v %s: %v", e.Op, e.Path, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// IsCode reports whether err is the server's refusal with code.
func IsCode(err error, code zk.Code) bool {
	var c zk.Code
	return errors.As(err, &c) && c == code
}

// UnreachableError says that no server let the client in.
type UnreachableError struct {
	Reasons []error // of the last attempt at each server, in the order of the servers
}

func (e *UnreachableError) Error() string {
	texts := make([]string, len(e.Reasons))
	for i, reason := range e.Reasons {
		texts[i] = reason.Error()
	}
	return "no server answers: " + strings.Join(texts, "; ")
}

// Unwrap returns the reasons.
func (e *UnreachableError) Unwrap() []error { return e.Reasons }
