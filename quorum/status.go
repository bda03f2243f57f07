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

	// Ensemble is nil for a server that stands alone.
	Ensemble *EnsembleStatus
}

// EnsembleStatus is what a server knows of its ensemble.
type EnsembleStatus struct {
	// Leader is who leads, 0 if nobody is known to. A server that looks for a leader knows none.
	Leader zk.ServerID
	// Quorum says that a quorum is at work, as far as this server can see: a leader counts its
	// learners, a learner trusts its leader.
	Quorum bool
	// Voters is how many members vote, NeededVoters how many of them make a quorum (without groups).
	Voters, NeededVoters int
	// Losses is how many more voters may be lost before there is no service, counting those that are
	// away now; 0 where the next loss ends it, -1 where there is no quorum. Only a leader, and who asks
	// it, knows exactly; a learner counts the members whose election port it is connected with.
	Losses int
	// Election says in a line how the election stands, "" while there is a leader.
	Election string
	// Ended says why the last role of this server ended, "" before the first has.
	Ended string
	// Sync says in a line how far the taking over of the leader's history is, "" while there is none.
	Sync    string
	Members []MemberStatus // in ascending order of ID
}

// MemberStatus is one member as it is seen from here.
type MemberStatus struct {
	ID       zk.ServerID
	Self     bool
	Observer bool
	// PeerAddr, ElectionAddr and ClientAddr are host:port by the configuration, the last "" if that
	// does not say.
	PeerAddr, ElectionAddr, ClientAddr string
	// Role is what the member does, as far as is known here; "" if it is not.
	Role Role
	// Synced says that the member has the leader's history: known to the leader, and of itself.
	Synced bool
	// Zxid is the newest txn that is known to be durable there, 0 where that is not known, and Lag by how
	// many txns it is behind the leader, -1 where that is not known.
	Zxid zk.Zxid
	Lag  int64
	// Election and Peer say whether the two ports of the member can be reached. Only a leader listens
	// on its peer port: of others nothing is known.
	Election, Peer Reach
}

// Reach says whether a port can be reached from here.
type Reach struct {
	// Known says that it was tried, or is in use.
	Known, OK bool
	// Class sorts the last error as [peer.Class] does: refused, timed out, reset, no route, name
	// unknown, wrong id, not in configuration, ...
	Class string
	Error string
	Since time.Time // of OK, or of the class
}

// ConnInfo is one client connection, as the cons command shows it.
type ConnInfo = serve.ConnInfo

// SessionInfo is one session.
type SessionInfo = serve.SessionInfo

// DigestAt is the tree's digest at a zxid, as the hash command shows it.
type DigestAt = replica.DigestAt
