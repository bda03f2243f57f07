package doctor

import (
	"net/netip"

	"zkd/daemon/config"
	"zkd/quorum/zk"
)

// Facts are what was found on a host. A pointer that is nil, and a Known that is false, are not known; Unseen says why.
type Facts struct {
	// ConfigFile is "" for the built-in configuration.
	ConfigFile string
	// ConfigError says why the configuration cannot be read at all; then Config is not to be relied on.
	ConfigError string
	Config      config.Config
	Wrong       config.Errors
	Notices     []config.Notice
	// NoID says that nobody could tell which of [servers] this host has; then Config.ID is not to be relied on.
	NoID bool

	Names  []Name
	Server Server
	Ports  []Port
	Listen Listeners
	// Inbound are connections from other hosts with ports of this server; known where Listen is.
	Inbound  []Inbound
	Members  []Member
	Firewall *Firewall

	Dirs      []Dir
	Fsync     *Fsync
	Snapshots *Snapshots
	// Restoring says that a restore was cut short.
	Restoring bool

	Clock     *Clock
	Process   *Process
	Unit      *Unit
	Ephemeral *config.PortRange

	Unseen []Unseen
}

// Unseen is what could not be looked at.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Name is a host in [servers] and what it resolves to.
type Name struct {
	Server    zk.ServerID
	Own       bool
	Host      string
	Addresses []netip.Addr
	Error     string
}

// Server is what the server on this host says of itself.
type Server struct {
	// Answers says that there is one; Reason, why it does not answer or does not serve.
	Answers, Serving bool
	Reason           string
	Version          string
	// Problems are its own, as /status lists them; known only if Told.
	Told     bool
	Problems []Finding
	// Leads says that it is the elected leader, for so many milliseconds, whether or not others follow it yet.
	Leads       bool
	LeadsMillis int64
	// Guarded and Unguarded are whether its firewall rules are in force, both false if it did not say.
	Guarded, Unguarded bool
	Links              []Link
}

// Link is what the server says of its connections with another member.
type Link struct {
	ID zk.ServerID
	// Election says that they are connected on one of their election ports, and Class, why they are not.
	Election bool
	Class    string
	// Follows says that the member has taken over the history of this server, which leads.
	Follows bool
}

// Port is a port that was dialed from here.
type Port struct {
	Use       string // client, admin, election
	Server    zk.ServerID
	Own       bool
	Address   string
	OK        bool
	Class     string // of the error, as peer.Class
	RTTMicros int64  // of the dial, if OK
}

// Listeners are who listens on this host.
type Listeners struct {
	Known bool
	All   []Listener
}

// Listener is one. PID is 0, and Command "", where only root may know.
type Listener struct {
	Address netip.AddrPort
	PID     int
	Command string
	Unit    string // of systemd; "" if none
}

// Inbound is a connection that another host has made, by the kernel's table: it has come all the way.
type Inbound struct {
	Port uint16 // of this server
	To   netip.Addr
	From netip.Addr
	// Open says that it is in use, and Stranger that the configured rules, whether in force or not, are to keep it out.
	Open, Stranger bool
}

// Member is another member, by what its client port says.
type Member struct {
	ID      zk.ServerID
	Address string
	OK      bool
	Class   string
	// NotServing says that it answers and has no quorum.
	NotServing bool
	// Version is its text: "3.9.5-zkd-0.1.0, built on ..."; "" if it did not say.
	Version string
	// Conf is the answer to conf; nil if it did not say.
	Conf map[string]string
	// Servers are the lines server.N=... of conf, by N.
	Servers map[zk.ServerID]string
	// Behind is by how much its clock is behind this host's, in milliseconds, within a second; known only if HasClock.
	HasClock     bool
	BehindMillis int64
}

// Firewall is how the rules are: the problems are those that /status would have, and Refused are packets to the ports for
// members.
type Firewall struct {
	Problems []Finding
	Refused  []Refused
}

// Dir is a directory of the server's.
type Dir struct {
	Use   string // data_dir, log_dir
	Path  string
	Found bool
	Error string // why it could not be looked at
	// Owner is the user's name, or number; Server that of the user whom the server runs as, "" if not known.
	Owner, Server string
	Mode          uint32 // permission bits
	FileSystem    string // "ext4", "tmpfs", ...; "" if not known
	FreeBytes     int64
	TotalBytes    int64
}

// Fsync are synced writes of 4 KiB, in microseconds.
type Fsync struct {
	Dir           string
	Count         int
	P50, P99, Max int64
}

// Snapshots are the files of the data directory.
type Snapshots struct {
	Count   int
	Damaged []string // sentences, of those newer than the newest that is whole
	// NewestAgeSeconds and NewestBytes are of the newest, if Count is not 0.
	NewestAgeSeconds, NewestBytes int64
	LogFiles                      int
	LogBytes                      int64
	// LogDamage is what a full look at the log found, "" if it was whole or not looked at.
	LogDamage string
}

// Clock is what the kernel says of its clock.
type Clock struct{ Synchronised bool }

// Process is that of the server.
type Process struct {
	PID       int
	Command   string
	UID       int
	MaxFiles  int64 // descriptors, the soft limit; 0 is not known
	OpenFiles int64 // 0 is not known
	SwapBytes int64
	Binary    string // path; "" if not known
	Replaced  bool   // the file it was started from is gone: another version is installed
}

// Unit is the service manager's view.
type Unit struct {
	Name           string
	Loaded         bool
	Active, Sub    string // "active" "running"
	Result         string // "success", "exit-code", ...
	Enabled        string // "enabled", "disabled", ...
	Restarts       int
	ExitStatus     int
	NeedsReload    bool
	User           string
	CapabilityNet  bool // it may set rules
	StatusText     string
	OtherZooKeeper string // an active unit of ZooKeeper's
}
