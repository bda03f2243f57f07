package config

import (
	"time"

	"zkd/quorum/zk"
)

// Config is everything that an operator can set, with effective values. Start from [Default], or
// use [Load].
//
// The documentation of each field is that of its key: see [Keys].
type Config struct {
	ID      zk.ServerID
	DataDir string
	LogDir  string // "" is DataDir

	Client   Client
	Session  Session
	Storage  Storage
	Auth     Auth
	Limits   Limits
	Nodes    Nodes
	Words    Words
	Admin    Admin
	Log      Log
	Systemd  Systemd
	Firewall Firewall
	Ensemble Ensemble
	// Servers are the members of the ensemble by ascending ID; none for a server that stands alone.
	Servers []Server

	// sources says where the value of a key came from, by its name in zkd.toml. It is not changed
	// once the Config has left this package.
	sources map[string]Source
}

// Client is the client port: table [client].
type Client struct {
	Listen                   []string // "host:port"
	MaxConnections           int      // 0 is no bound
	MaxConnectionsPerAddress int      // 0 is no bound
	MaxFrame                 Size
	HandshakeTimeout         time.Duration
}

// Session says how long sessions live: table [session].
type Session struct {
	TickTime               time.Duration
	MinTimeout, MaxTimeout time.Duration // effective: 2 and 20 ticks unless set
}

// Storage is the log and the snapshots: table [storage].
type Storage struct {
	SnapCount     int  // transactions
	SnapSize      Size // 0 is no bound
	LogSize       Size // 0 is no bound
	Preallocate   Size
	ForceSync     bool
	FsyncWarning  time.Duration
	Compression   string        // "", "gz" or "snappy"
	PurgeInterval time.Duration // 0 is never
	PurgeRetain   int           // snapshots, at least 3
	MinFree       Size          // 0 never refuses
}

// Auth is who may do what: table [auth].
type Auth struct {
	SuperDigest     string // "user:base64 of the hash", "" is no superuser
	DigestAlgorithm string
	Digest          bool // the digest scheme
	SkipACL         bool
}

// Limits protect the server: table [limits].
type Limits struct {
	MaxOutstanding int
	EnforceQuota   bool
}

// Nodes concerns container and TTL nodes: table [nodes].
type Nodes struct {
	TTL                bool
	ReapInterval       time.Duration
	ReapPerMinute      int
	ContainerNeverUsed time.Duration // 0 keeps them
}

// Words are the four-letter words: table [words].
type Words struct {
	Allow []string // "*" alone is all
}

// Admin is the HTTP port for operators: table [admin].
type Admin struct {
	Enabled   bool
	Listen    []string // "host:port"
	Required  bool
	HostNames []string
	Socket    string // "" is chosen by the data directory, "off" is none: see Config.SocketPath
}

// Log is what the daemon says and how: table [log].
type Log struct {
	Level  string // debug, info, warn, error
	Format string // auto, console, json, journal
}

// Systemd is the readiness protocol: table [systemd].
type Systemd struct {
	Ready      string // serving, quorum, listening
	QuorumWait time.Duration
}

// Firewall says who may reach the ports: table [firewall].
type Firewall struct {
	Mode string // auto, required, off
	// Clients and Admins are addresses and subnets. Nil Clients: the subnets of the addresses that the client
	// port listens on; empty: nobody.
	Clients, Admins []string
	Refuse          string // drop, reject
	OnStop          string // remove, keep
	Table           string // "": by the client port
	// From are more addresses and subnets from which a member calls.
	From map[zk.ServerID][]string
}

// Ensemble says how the members of [servers] work together: table [ensemble].
type Ensemble struct {
	InitLimit, SyncLimit int // ticks
	// ListenOnAll opens the peer and the election port on all addresses of this host.
	ListenOnAll bool
	// ConnectTimeout bounds a dial of an election port.
	ConnectTimeout time.Duration
	// KeepAlive is how long a connection between servers may be idle before it is probed; 0 never probes.
	KeepAlive time.Duration
	// Groups and Weights make hierarchical quorums; empty for plain majorities.
	Groups  map[int64][]zk.ServerID
	Weights map[zk.ServerID]int64
	// Version of the membership: the hexadecimal end of the name of ZooKeeper's dynamicConfigFile,
	// 0 without one. No key sets it.
	Version int64
}

// Default returns a working standalone server on loopback that keeps its data in /var/lib/zkd.
func Default() Config {
	return Config{
		ID:      1,
		DataDir: "/var/lib/zkd",
		Client: Client{
			Listen:                   []string{"127.0.0.1:2181", "[::1]:2181"},
			MaxConnectionsPerAddress: 60,
			MaxFrame:                 0xfffff, // jute.maxbuffer: a byte less than 1 MiB, on clients too
			HandshakeTimeout:         10 * time.Second,
		},
		Session: Session{
			TickTime:   2 * time.Second,
			MinTimeout: minTimeoutTicks * 2 * time.Second,
			MaxTimeout: maxTimeoutTicks * 2 * time.Second,
		},
		Storage: Storage{
			SnapCount:     100_000,
			SnapSize:      4 * GiB,
			Preallocate:   64 * MiB,
			ForceSync:     true,
			FsyncWarning:  time.Second,
			PurgeInterval: time.Hour,
			PurgeRetain:   3,
			MinFree:       128 * MiB,
		},
		Auth:   Auth{DigestAlgorithm: "SHA1", Digest: true},
		Limits: Limits{MaxOutstanding: 1000},
		Nodes:  Nodes{ReapInterval: time.Minute, ReapPerMinute: 10_000},
		// What everybody on the client's network may hear: nothing about clients. A session's number is half of what
		// it takes to take the session over, since ZooKeeper makes the password of it by a function that is public.
		Words: Words{Allow: []string{
			"srvr", "ruok", "mntr", "conf", "isro", "envi", "dirs", "wchs", "hash",
		}},
		Admin:    Admin{Enabled: true, Listen: []string{"127.0.0.1:8080", "[::1]:8080"}},
		Log:      Log{Level: "info", Format: "auto"},
		Systemd:  Systemd{Ready: "serving", QuorumWait: 10 * time.Second},
		Firewall: Firewall{Mode: "auto", Refuse: "drop", OnStop: "remove"},
		Ensemble: Ensemble{InitLimit: 10, SyncLimit: 5, ConnectTimeout: 5 * time.Second, KeepAlive: time.Minute},
	}
}

// StandaloneDefault returns [Default] with its data in dataDir: what `zkd run` serves when nobody
// has configured anything.
func StandaloneDefault(dataDir string) Config {
	c := Default()
	c.DataDir = dataDir
	return c
}

// Session timeouts that nobody has set, in ticks. Source: ZooKeeperServer.
const (
	minTimeoutTicks = 2
	maxTimeoutTicks = 20
)

// Source returns where the value of key, a name of [Keys], came from.
func (c Config) Source(key string) Source { return c.sources[key] }

// given reports whether the file, or myid, set key.
func (c *Config) given(key string) bool {
	_, ok := c.sources[key]
	return ok
}

func (c *Config) setSource(key string, s Source) {
	if c.sources == nil {
		c.sources = make(map[string]Source)
	}
	c.sources[key] = s
}
