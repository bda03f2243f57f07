package config

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"zkd/quorum/zk"
)

// The tables whose keys are numbers chosen by the operator.
const (
	serversTable = "servers"
	groupsTable  = "ensemble.groups"
	weightsTable = "ensemble.weights"
	fromTable    = "firewall.from"
)

// Keys lists every key of zkd.toml, table by table, in the order of the manual.
func Keys() []Key {
	var keys []Key
	for _, f := range fields() {
		keys = append(keys, f.Key)
		if f.Name == "firewall.table" {
			keys = append(keys, Key{fromTable + ".N", "list of strings", "none", "More addresses and subnets from which member N calls, " +
				"beside those in [servers]: where its addresses are translated on the way, for example.", true})
		}
	}
	return append(keys,
		Key{groupsTable + ".N", "list of integers", "none", "The ids of the voters in group N. With groups, a quorum is a majority of " +
			"the weight in a majority of the groups. Every voter is in one group.", false},
		Key{weightsTable + ".N", "integer", "1", "How much the vote of server N counts in its group; a server of weight 0 never leads.", false},
		Key{serversTable + ".N", "string", "none", "Member N of the ensemble as host:peer port:election port, 2888 and 3888 " +
			"if left out. An IPv6 address stands in [ ]; several addresses of one server are separated by |. :observer at the end makes it an " +
			"observer; ;port or ;host:port behind all names its client port. Without [servers] the server stands alone.", false},
	)
}

// fourLetterWords are all that can be allowed.
func fourLetterWords() []string {
	return []string{"*", "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr",
		"ruok", "srst", "srvr", "stat", "stmk", "wchc", "wchp", "wchs"}
}

// digestAlgorithms are the names that Java and quorum/auth share.
func digestAlgorithms() []string {
	return []string{"SHA1", "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512", "SHA-512/224", "SHA-512/256",
		"SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512", "MD5"}
}

const (
	year           = 365 * 24 * time.Hour
	longestTimeout = math.MaxInt32 * time.Millisecond // session timeouts are 32-bit milliseconds on the wire
	anySize        = Size(math.MaxInt64)

	minPreallocate = 64 * KiB
)

// fields is the table of all keys with a fixed name.
func fields() []field {
	list := slices.Concat(rootFields(), clientFields(), storageFields(), accessFields(), operatorFields(), firewallFields(), ensembleFields())
	for i, f := range list {
		if f.Default == "" {
			list[i] = f.defaultText()
		}
	}
	return list
}

func rootFields() []field {
	id := field{
		Key: Key{"id", "integer", "the number in data_dir/myid; else that of the entry of [servers] with an address of this host; 1 for a server that stands alone",
			"This server among [servers], 1 to 254. What data_dir/myid and the addresses of this host say must not be another number.", false},
		decode: func(c *Config, v any) string {
			n, ok := v.(int64)
			if !ok {
				return "must be a whole number, without quotes"
			}
			c.ID = zk.ServerID(n)
			return ""
		},
		text:  func(c *Config) string { return strconv.FormatInt(int64(c.ID), 10) },
		check: func(c *Config) string { return wrongID(c.ID) },
		prose: true,
	}
	logDir := textField("log_dir", "Directory of the transaction log, best on a disk of its own.",
		func(c *Config) *string { return &c.LogDir })
	logDir.Default, logDir.prose = "data_dir", true
	return []field{
		id,
		textField("data_dir", "Directory of the snapshots and, without log_dir, of the transaction log. A data directory of ZooKeeper's can be taken over as it is.",
			func(c *Config) *string { return &c.DataDir }).checked(func(c *Config) string {
			if c.DataDir == "" {
				return "must not be empty"
			}
			return ""
		}),
		logDir,
	}
}

func wrongID(id zk.ServerID) string {
	if id < zk.MinServerID || id > zk.MaxServerID {
		return fmt.Sprintf("must be from %d to %d", zk.MinServerID, zk.MaxServerID)
	}
	return ""
}

func clientFields() []field {
	minTimeout := durationField("session.min_timeout", "Shortest session timeout a client can have; shorter wishes are raised to it.",
		func(c *Config) *time.Duration { return &c.Session.MinTimeout }, time.Millisecond, longestTimeout, "")
	minTimeout.Default = fmt.Sprintf("%d ticks", minTimeoutTicks)
	maxTimeout := durationField("session.max_timeout", "Longest session timeout a client can have; longer wishes are lowered to it.",
		func(c *Config) *time.Duration { return &c.Session.MaxTimeout }, time.Millisecond, longestTimeout, "")
	maxTimeout.Default = fmt.Sprintf("%d ticks", maxTimeoutTicks)
	return []field{
		addressesField("client.listen", "Addresses of the client port. Loopback serves this host only; write the address of the network that the clients are in.",
			func(c *Config) *[]string { return &c.Client.Listen }),
		intField("client.max_connections", "Client connections in all; 0 is no bound.",
			func(c *Config) *int { return &c.Client.MaxConnections }, 1, math.MaxInt32, "no bound"),
		intField("client.max_connections_per_address", "Client connections from one IP address; 0 is no bound.",
			func(c *Config) *int { return &c.Client.MaxConnectionsPerAddress }, 1, math.MaxInt32, "no bound"),
		sizeField("client.max_frame", "Longest request, and so the largest value of a znode, as jute.maxbuffer. It must be the same on all servers.",
			func(c *Config) *Size { return &c.Client.MaxFrame }, KiB, math.MaxInt32, ""),
		durationField("client.handshake_timeout", "A connection that has not asked for a session by then is closed.",
			func(c *Config) *time.Duration { return &c.Client.HandshakeTimeout }, 100*time.Millisecond, time.Hour, ""),
		durationField("session.tick_time", "The unit of session expiry and of the limits between servers. It should be the same on all servers.",
			func(c *Config) *time.Duration { return &c.Session.TickTime }, 100*time.Millisecond, time.Hour, ""),
		minTimeout, maxTimeout,
	}
}

func storageFields() []field {
	return []field{
		intField("storage.snap_count", "Transactions between two snapshots at most; the distance is random in the upper half, so that servers do not write theirs at once.",
			func(c *Config) *int { return &c.Storage.SnapCount }, 2, math.MaxInt32, ""),
		sizeField("storage.snap_size", "Bytes of log between two snapshots at most; 0 is no bound.",
			func(c *Config) *Size { return &c.Storage.SnapSize }, MiB, anySize, "no bound"),
		sizeField("storage.log_size", "Size at which a new log file is begun without a snapshot; 0 is no bound.",
			func(c *Config) *Size { return &c.Storage.LogSize }, MiB, anySize, "no bound"),
		sizeField("storage.preallocate", "Step in which the log's disk blocks are allocated ahead, so that a sync need not write metadata.",
			func(c *Config) *Size { return &c.Storage.Preallocate }, minPreallocate, 4*GiB, ""),
		boolField("storage.force_sync", "Whether a write is on disk before it is acknowledged. With false a power failure can lose acknowledged writes.",
			func(c *Config) *bool { return &c.Storage.ForceSync }),
		durationField("storage.fsync_warning", "A sync of the log that takes longer is logged.",
			func(c *Config) *time.Duration { return &c.Storage.FsyncWarning }, time.Millisecond, time.Hour, ""),
		choiceField("storage.compression", "How snapshots are compressed; empty for not at all.",
			func(c *Config) *string { return &c.Storage.Compression }, "", "gz", "snappy"),
		durationField("storage.purge_interval", "How often old snapshots and logs are removed; 0s is never.",
			func(c *Config) *time.Duration { return &c.Storage.PurgeInterval }, time.Second, year, "never"),
		intField("storage.purge_retain", "Snapshots that a purge keeps, with the logs they need.",
			func(c *Config) *int { return &c.Storage.PurgeRetain }, 3, math.MaxInt32, ""),
		sizeField("storage.min_free", "With less free disk space than this, writes are refused and reads go on; 0 never refuses.",
			func(c *Config) *Size { return &c.Storage.MinFree }, MiB, anySize, "never refuse"),
	}
}

func accessFields() []field {
	return []field{
		textField("auth.super_digest", "The superuser of the digest scheme as user:base64(hash of user:password); nobody if empty.",
			func(c *Config) *string { return &c.Auth.SuperDigest }).secretField().checked(func(c *Config) string {
			return wrongDigest(c.Auth.SuperDigest)
		}),
		choiceField("auth.digest_algorithm", "Hash of the digest scheme. It must be the same on all servers, and ACLs hold hashes made with it.",
			func(c *Config) *string { return &c.Auth.DigestAlgorithm }, digestAlgorithms()...),
		boolField("auth.digest", "Whether clients may authenticate by the digest scheme.",
			func(c *Config) *bool { return &c.Auth.Digest }),
		boolField("auth.skip_acl", "Whether everybody may do everything, whatever the ACLs say.",
			func(c *Config) *bool { return &c.Auth.SkipACL }),
		intField("limits.max_outstanding", "Requests that may wait for their answer; over it, connections that already wait are not read.",
			func(c *Config) *int { return &c.Limits.MaxOutstanding }, 1, math.MaxInt32, ""),
		boolField("limits.enforce_quota", "Whether hard quotas refuse writes.",
			func(c *Config) *bool { return &c.Limits.EnforceQuota }),
		boolField("nodes.ttl", "Whether clients may create TTL nodes (extendedTypesEnabled). It must be the same on all servers.",
			func(c *Config) *bool { return &c.Nodes.TTL }),
		durationField("nodes.reap_interval", "How often empty containers and expired TTL nodes are looked for.",
			func(c *Config) *time.Duration { return &c.Nodes.ReapInterval }, 10*time.Millisecond, year, ""),
		intField("nodes.reap_per_minute", "How many of them are removed in a minute at most.",
			func(c *Config) *int { return &c.Nodes.ReapPerMinute }, 1, math.MaxInt32, ""),
		durationField("nodes.container_never_used", "Age at which a container that never had a child is removed; 0s keeps it.",
			func(c *Config) *time.Duration { return &c.Nodes.ContainerNeverUsed }, time.Millisecond, 100*year, "keep"),
	}
}

// wrongDigest checks the form of a superuser. Source: DigestAuthenticationProvider.
func wrongDigest(s string) string {
	if s == "" {
		return ""
	}
	user, hash, ok := strings.Cut(s, ":")
	if raw, err := base64.StdEncoding.DecodeString(hash); ok && user != "" && err == nil && len(raw) > 0 {
		return ""
	}
	return "must be user:base64(hash of user:password), not the password itself"
}

func operatorFields() []field {
	return []field{
		listField("words.allow", `Four-letter words that are answered; "*" for all. srvr always is. `+
			"cons and dump tell everybody who reaches the client port the numbers of sessions, with which sessions can be taken over, stat, wchc and wchp "+
			"who the clients are and what they watch; zkd connections and zkd session say it to operators only.",
			func(c *Config) *[]string { return &c.Words.Allow }).checked(func(c *Config) string {
			for _, w := range c.Words.Allow {
				if !slices.Contains(fourLetterWords(), w) {
					return fmt.Sprintf("%q is no four-letter word: %s are", w, strings.Join(fourLetterWords()[1:], " "))
				}
			}
			return ""
		}),
		boolField("admin.enabled", "Whether the HTTP port for operators is served: status, health, metrics.",
			func(c *Config) *bool { return &c.Admin.Enabled }),
		addressesField("admin.listen", "Addresses of the HTTP port.",
			func(c *Config) *[]string { return &c.Admin.Listen }),
		boolField("admin.required", "Whether zkd ends if it cannot have these addresses. With false it serves without, says so, and tries again.",
			func(c *Config) *bool { return &c.Admin.Required }),
		listField("admin.host_names", "Names, besides localhost and the addresses, under which the HTTP port may be asked. Requests for other hosts are refused.",
			func(c *Config) *[]string { return &c.Admin.HostNames }).checked(func(c *Config) string {
			for _, h := range c.Admin.HostNames {
				if _, wrong := parseHost(h); wrong != "" || h == "" {
					return fmt.Sprintf("%q is not a host name; write it without a port", h)
				}
			}
			return ""
		}),
		socketField(),
		choiceField("log.level", "Least severe messages that are logged.",
			func(c *Config) *string { return &c.Log.Level }, "debug", "info", "warn", "error").reloadable(),
		choiceField("log.format", "Form of the log; auto is the journal under systemd, console on a terminal, JSON otherwise.",
			func(c *Config) *string { return &c.Log.Format }, "auto", "console", "json", "journal"),
		choiceField("systemd.ready", "When systemd is told that zkd is ready: when it serves, or quorum_wait is over; only with a quorum; or once it listens. "+
			"With quorum, a start that sees none for quorum_wait, and for five minutes at least, has failed, and the unit tries again.",
			func(c *Config) *string { return &c.Systemd.Ready }, "serving", "quorum", "listening"),
		durationField("systemd.quorum_wait", "How long readiness waits for a quorum; 0s does not wait.",
			func(c *Config) *time.Duration { return &c.Systemd.QuorumWait }, time.Millisecond, time.Hour, "do not wait"),
	}
}

func ensembleFields() []field {
	return []field{
		intField("ensemble.init_limit", "Ticks that a member has to connect to the leader and catch up.",
			func(c *Config) *int { return &c.Ensemble.InitLimit }, 1, math.MaxInt32, ""),
		intField("ensemble.sync_limit", "Ticks after which a silent leader or follower is given up.",
			func(c *Config) *int { return &c.Ensemble.SyncLimit }, 1, math.MaxInt32, ""),
		boolField("ensemble.listen_on_all", "Whether the peer and the election port are opened on all addresses of this host, "+
			"not on those that [servers] gives for this server only.",
			func(c *Config) *bool { return &c.Ensemble.ListenOnAll }),
		durationField("ensemble.connect_timeout", "How long a connection to the election port of another server may take to come about.",
			func(c *Config) *time.Duration { return &c.Ensemble.ConnectTimeout }, time.Millisecond, time.Hour, ""),
		durationField("ensemble.keep_alive", "Idle time after which a connection between servers is probed, so that no firewall between them forgets it; 0s never probes.",
			func(c *Config) *time.Duration { return &c.Ensemble.KeepAlive }, time.Second, time.Hour, "do not probe"),
	}
}
