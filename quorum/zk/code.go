package zk

import "fmt"

// Code is the err field of a reply header. 0 is success; negative numbers name the failure.
type Code int32

// The codes that a server sends. Source: KeeperException.Code.
const (
	OK                           Code = 0
	ErrSystem                    Code = -1
	ErrRuntimeInconsistency      Code = -2
	ErrMarshalling               Code = -5
	ErrUnimplemented             Code = -6
	ErrBadArguments              Code = -8
	ErrUnknownSession            Code = -12
	ErrNewConfigNoQuorum         Code = -13
	ErrReconfigInProgress        Code = -14
	ErrNoNode                    Code = -101
	ErrNoAuth                    Code = -102
	ErrBadVersion                Code = -103
	ErrNoChildrenForEphemerals   Code = -108
	ErrNodeExists                Code = -110
	ErrNotEmpty                  Code = -111
	ErrSessionExpired            Code = -112
	ErrInvalidACL                Code = -114
	ErrAuthFailed                Code = -115
	ErrSessionMoved              Code = -118
	ErrNotReadOnly               Code = -119
	ErrEphemeralOnLocalSession   Code = -120
	ErrNoWatcher                 Code = -121
	ErrReconfigDisabled          Code = -123
	ErrSessionClosedRequiresAuth Code = -124
	ErrQuotaExceeded             Code = -125
	ErrThrottled                 Code = -127
)

var codeNames = map[Code]string{
	OK: "ok", ErrSystem: "system error", ErrRuntimeInconsistency: "runtime inconsistency",
	ErrMarshalling: "marshalling error", ErrUnimplemented: "unimplemented",
	ErrBadArguments: "bad arguments", ErrUnknownSession: "unknown session",
	ErrNewConfigNoQuorum: "new configuration has no quorum", ErrReconfigInProgress: "reconfig in progress",
	ErrNoNode: "no node", ErrNoAuth: "no auth", ErrBadVersion: "bad version",
	ErrNoChildrenForEphemerals: "no children for ephemerals", ErrNodeExists: "node exists",
	ErrNotEmpty: "not empty", ErrSessionExpired: "session expired", ErrInvalidACL: "invalid acl",
	ErrAuthFailed: "auth failed", ErrSessionMoved: "session moved", ErrNotReadOnly: "not read-only",
	ErrEphemeralOnLocalSession: "ephemeral on local session", ErrNoWatcher: "no watcher",
	ErrReconfigDisabled: "reconfig disabled", ErrSessionClosedRequiresAuth: "session closed, auth required",
	ErrQuotaExceeded: "quota exceeded", ErrThrottled: "throttled",
}

// Error returns the name of the code and its number. A Code of value OK must not be used as an
// error: compare with OK first.
func (c Code) Error() string {
	if name, ok := codeNames[c]; ok {
		return fmt.Sprintf("%s (%d)", name, int32(c))
	}
	return fmt.Sprintf("error code %d", int32(c))
}
