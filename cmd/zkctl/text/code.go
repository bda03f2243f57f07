package text

import (
	"fmt"

	"zkd/quorum/zk"
)

// refusals are sentences with a path in which ZooKeeper's command line reports a refusal. Source: CliWrapperException.
var refusals = map[zk.Code]string{
	zk.ErrNoNode:                  "Node does not exist: ",
	zk.ErrNoChildrenForEphemerals: "Ephemerals cannot have children: ",
	zk.ErrNodeExists:              "Node already exists: ",
	zk.ErrNotEmpty:                "Node not empty: ",
	zk.ErrNotReadOnly:             "Not a read-only call: ",
	zk.ErrInvalidACL:              "Acl is not valid : ",
	zk.ErrNoAuth:                  "Insufficient permission : ",
	zk.ErrBadArguments:            "Arguments are not valid : ",
	zk.ErrBadVersion:              "version No is not valid : ",
	zk.ErrQuotaExceeded:           "Quota has exceeded : ",
}

// names are KeeperException's of the codes without a sentence.
var names = map[zk.Code]string{
	zk.ErrSystem: "SystemError", zk.ErrRuntimeInconsistency: "RuntimeInconsistency", zk.ErrMarshalling: "MarshallingError",
	zk.ErrUnimplemented: "Unimplemented", zk.ErrNewConfigNoQuorum: "NewConfigNoQuorum",
	zk.ErrReconfigInProgress: "ReconfigInProgress", zk.ErrSessionExpired: "Session expired",
	zk.ErrAuthFailed: "AuthFailed", zk.ErrSessionMoved: "Session moved",
	zk.ErrEphemeralOnLocalSession: "Ephemeral node on local session", zk.ErrNoWatcher: "No such watcher",
	zk.ErrReconfigDisabled: "Reconfig is disabled", zk.ErrThrottled: "Op throttled due to high load",
	zk.ErrSessionClosedRequiresAuth: "Session closed because client failed to authenticate",
}

// Refusal returns a server's refusal in the words of ZooKeeper's command line. path may be "".
func Refusal(code zk.Code, path string) string {
	if sentence, ok := refusals[code]; ok {
		return sentence + path
	}
	name, ok := names[code]
	if !ok {
		name = fmt.Sprintf("Unknown error %d", int32(code))
	}
	if path == "" {
		return "KeeperErrorCode = " + name
	}
	return "KeeperErrorCode = " + name + " for " + path
}
