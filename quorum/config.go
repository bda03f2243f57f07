package quorum

import (
	"net"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/peer"
	"zkd/quorum/proto"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Config says what one server serves and where it keeps its data. Start from [DefaultConfig].
type Config struct {
	// ID of this server, 1..254. A standalone server may keep the default 1.
	ID zk.ServerID
	// Version of the program, as srvr and envi report it behind "3.9.5-zkd-".
	Version string

	// FS is where all files live; nil is the operating system.
	FS vfs.FS
	// DataDir holds version-2/snapshot.*, acceptedEpoch, currentEpoch; LogDir holds version-2/log.*,
	// "" for DataDir.
	DataDir, LogDir string

	// Ensemble names the members; none for a server that stands alone. ID is one of them.
	Ensemble proto.QuorumConfig
	// InitLimit and SyncLimit, in ticks, bound how long a learner may take to connect and to take over
	// the history, and how far it may then fall behind.
	InitLimit, SyncLimit int
	// ListenOnAllIPs opens the peer and the election port on all addresses, not on that of the own
	// entry in Ensemble (quorumListenOnAllIPs).
	ListenOnAllIPs bool
	// Network connects the members; the zero value is TCP.
	Network peer.Network
	// ElectionTimeout bounds a dial of an election port, 0 is 5 s (zookeeper.cnxTimeout).
	ElectionTimeout time.Duration

	// ClientAddrs are the host:port to listen on for clients; port 0 picks one. Listeners, if any,
	// are used in their place and closed by Stop.
	ClientAddrs []string
	Listeners   []net.Listener

	// TickTime is the unit of session expiry. Sessions ask for MinSessionTimeout..MaxSessionTimeout;
	// 0 means 2 and 20 ticks.
	TickTime                             time.Duration
	MinSessionTimeout, MaxSessionTimeout time.Duration

	// MaxConnsPerIP and MaxConns bound client connections, 0 is no bound.
	MaxConnsPerIP, MaxConns int
	// MaxFrameBytes is jute.maxbuffer: a longer frame closes its connection.
	MaxFrameBytes int
	// MaxOutstanding is globalOutstandingLimit: over it, connections that already wait for an answer
	// are not read.
	MaxOutstanding int
	// HandshakeTimeout closes a connection that has sent no ConnectRequest.
	HandshakeTimeout time.Duration
	// FourLetterWords are answered; "*" for all.
	FourLetterWords []string

	// SnapCount txns (and SnapSizeBytes of log, 0 for no bound) at most between snapshots; the
	// actual distance is random in the upper half. LogSizeBytes rolls the log, 0 for no bound.
	SnapCount                   int
	SnapSizeBytes, LogSizeBytes int64
	// PreallocBytes is the step in which log blocks are allocated ahead.
	PreallocBytes int64
	// NoForceSync skips fsync (forceSync=no): an acknowledged write may then be lost.
	NoForceSync bool
	// FsyncWarning is how long an fsync may take before it is logged.
	FsyncWarning time.Duration
	// SnapshotCompression is "", "gz" or "snappy".
	SnapshotCompression string
	// PurgeInterval between purges, 0 for never; PurgeRetain snapshots are kept, at least 3.
	PurgeInterval time.Duration
	PurgeRetain   int
	// MinFreeBytes of disk below which writes are refused while reads go on.
	MinFreeBytes int64

	// SkipACL lets everybody do everything. SuperDigest is "user:base64(hash)" of the superuser.
	SkipACL       bool
	SuperDigest   string
	DigestAlg     string // SHA1, SHA-256, ... for the digest scheme
	DigestEnabled bool   // the digest scheme, not the tree digest

	// ExtendedTypes allows TTL nodes. EnforceQuota makes hard limits refuse writes.
	ExtendedTypes, EnforceQuota bool
	// Containers and TTL nodes are reaped every ReapInterval, at most ReapPerMinute a minute;
	// containers that never had a child after ContainerNeverUsed, 0 for never.
	ReapInterval       time.Duration
	ReapPerMinute      int
	ContainerNeverUsed time.Duration

	// Logger, nil for none.
	Logger *zap.Logger
}

// DefaultConfig returns ZooKeeper 3.9's defaults where it has one. DataDir and ClientAddrs are
// empty: the caller must set them.
func DefaultConfig() Config {
	return Config{
		ID: 1, Version: "0",
		InitLimit: 10, SyncLimit: 5,
		TickTime: 2 * time.Second, MaxConnsPerIP: 60,
		MaxFrameBytes: 0xfffff, MaxOutstanding: 1000, HandshakeTimeout: 10 * time.Second,
		FourLetterWords: []string{"srvr", "ruok", "mntr", "conf", "isro", "envi", "dirs", "wchs", "hash"},
		SnapCount:       100000, SnapSizeBytes: 4 << 30, LogSizeBytes: 0,
		PreallocBytes: 64 << 20, FsyncWarning: time.Second,
		PurgeInterval: time.Hour, PurgeRetain: 3, MinFreeBytes: 128 << 20,
		DigestAlg: "SHA1", DigestEnabled: true,
		ReapInterval: time.Minute, ReapPerMinute: 10000,
	}
}
