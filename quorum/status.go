package quorum

import (
	"time"

	"zkd/quorum/replica"
	"zkd/quorum/serve"
	"zkd/quorum/zk"
)

// Role is what the server does in its ensemble.
type Role string

// The roles, in the words of srvr's Mode line and of zkServer.sh status.
const (
	Standalone Role = "standalone"
	Leader     Role = "leader"
	Follower   Role = "follower"
	Observer   Role = "observer"
	Looking    Role = "looking"
)

// Status is a picture of the server at one moment.
type Status struct {
	ID      zk.ServerID
	Role    Role
	Serving bool // clients get answers
	// NotServing says why, in a sentence for an operator; "" while serving.
	NotServing string
	Since      time.Time // of the role
	Started    time.Time

	Epoch         zk.Epoch
	LastZxid      zk.Zxid // applied
	LoggedZxid    zk.Zxid // durable
	Digest        uint64  // of the tree at LastZxid
	Znodes        int     // as znode_count: the root counts twice
	DataBytes     int64   // as approximate_data_size
	Watches       int
	WatchedPaths  int
	Ephemerals    int
	Sessions      int
	Connections   int
	Outstanding   int
	SnapshotZxid  zk.Zxid // newest snapshot on disk
	SnapshotTime  time.Time
	SnapshotBusy  bool
	ReadOnlyDisk  bool // writes are refused: disk nearly full
	ClientAddrs   []string
	LastProgress  time.Time // of the replica loop, for the watchdog
	InFsyncSince  time.Time // zero when no fsync runs
	ForgotWrites  string    // non-empty: a cut log tail lay below what was durable; says which
	RecoveryNotes []string  // what recovery repaired, a sentence each
}

// ConnInfo is one client connection, as the cons command shows it.
type ConnInfo = serve.ConnInfo

// SessionInfo is one session.
type SessionInfo = serve.SessionInfo

// DigestAt is the tree's digest at a zxid, as the hash command shows it.
type DigestAt = replica.DigestAt
