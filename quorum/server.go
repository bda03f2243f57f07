package quorum

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/auth"
	"zkd/quorum/election"
	"zkd/quorum/replica"
	"zkd/quorum/serve"
	"zkd/quorum/stats"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// compatibleVersion is the ZooKeeper release whose behaviour clients may expect.
const compatibleVersion = "3.9.5"

// holdClients is how long a client that comes while there is no leader is kept waiting: an election takes
// less, and a server that is cut off from the others must not keep its clients from them.
const holdClients = time.Second

// versionDir is the directory below DataDir and LogDir that holds the files, named by their format.
const versionDir = "version-2"

// Server is one running server.
type Server struct {
	cfg     Config
	log     *zap.Logger
	stats   stats.Server
	replica *replica.Replica
	clients *serve.Server
	peers   *peers // nil alone
	addrs   []string
	started time.Time

	stopping atomic.Bool
	done     chan struct{}
	once     sync.Once
	err      error
}

// Start recovers the data, listens and serves. It returns once clients are answered. progress, if not
// nil, hears how recovery goes on. After an error nothing is left open.
func Start(cfg Config, progress func(text string)) (*Server, error) {
	s := &Server{cfg: cfg, log: cfg.Logger, started: time.Now(), done: make(chan struct{})}
	if err := s.complete(); err != nil {
		closeAll(cfg.Listeners)
		return nil, err
	}
	a, err := auth.New(auth.Config{
		SkipACL: s.cfg.SkipACL, SuperDigest: s.cfg.SuperDigest, DigestAlg: s.cfg.DigestAlg, DigestEnabled: s.cfg.DigestEnabled,
	})
	if err != nil {
		closeAll(cfg.Listeners)
		return nil, err
	}
	// Ports first: a second server on them is found before the data is touched.
	listeners, err := s.listen()
	if err != nil {
		return nil, err
	}
	serving := turnAway(listeners)
	rc, err := s.replicaConfig(a, progress)
	if err == nil {
		s.replica, err = replica.Start(rc)
	}
	serving()
	if err != nil {
		if s.peers != nil {
			s.peers.close()
		}
		closeAll(listeners)
		return nil, err
	}
	s.clients = serve.New(s.serveConfig(a))
	for _, l := range listeners {
		s.addrs = append(s.addrs, l.Addr().String())
	}
	for _, l := range listeners { // from the first on, clients may ask for all that is above
		s.clients.Serve(l)
	}
	go s.watch()
	return s, nil
}

// complete fills in what the configuration leaves to the server, and checks what would do harm.
func (s *Server) complete() error {
	c := &s.cfg
	if c.Logger == nil {
		c.Logger = zap.NewNop()
		s.log = c.Logger
	}
	if c.FS == nil {
		c.FS = vfs.OS()
	}
	if c.LogDir == "" {
		c.LogDir = c.DataDir
	}
	if c.MinSessionTimeout <= 0 {
		c.MinSessionTimeout = 2 * c.TickTime
	}
	if c.MaxSessionTimeout <= 0 {
		c.MaxSessionTimeout = 20 * c.TickTime
	}
	switch {
	case c.DataDir == "":
		return errors.New("quorum: no data directory given")
	case c.ID < zk.MinServerID || c.ID > zk.MaxServerID:
		return fmt.Errorf("quorum: server id %d is not in %d..%d", c.ID, zk.MinServerID, zk.MaxServerID)
	case len(c.ClientAddrs) == 0 && len(c.Listeners) == 0:
		return errors.New("quorum: no client address given")
	case c.TickTime < time.Millisecond || c.SnapCount < 2 || c.MaxFrameBytes < 1024:
		return fmt.Errorf("quorum: tick time %v, snap count %d or frame limit %d out of range", c.TickTime, c.SnapCount, c.MaxFrameBytes)
	case c.MinSessionTimeout > c.MaxSessionTimeout:
		return fmt.Errorf("quorum: minimum session timeout %v is above the maximum %v", c.MinSessionTimeout, c.MaxSessionTimeout)
	case c.MaxSessionTimeout.Milliseconds() > math.MaxInt32: // an int on the wire
		return fmt.Errorf("quorum: maximum session timeout %v is above %v", c.MaxSessionTimeout, math.MaxInt32*time.Millisecond)
	}
	return nil
}

// member reports whether the server is one of several.
func (s *Server) member() bool { return len(s.cfg.Ensemble.Servers) > 1 }

func (s *Server) replicaConfig(a *auth.Auth, progress func(string)) (replica.Config, error) {
	c := &s.cfg
	rc := replica.Config{
		ID: c.ID, InitLimit: c.InitLimit, SyncLimit: c.SyncLimit,
		FS: c.FS, SnapDir: path.Join(c.DataDir, versionDir), LogDir: path.Join(c.LogDir, versionDir),
		Tick: c.TickTime, MaxTxnBytes: 2 * c.MaxFrameBytes, ExtendedTypes: c.ExtendedTypes, EnforceQuota: c.EnforceQuota,
		SnapCount: c.SnapCount, SnapSizeBytes: c.SnapSizeBytes, LogSizeBytes: c.LogSizeBytes, PreallocBytes: c.PreallocBytes,
		NoForceSync: c.NoForceSync, FsyncWarning: c.FsyncWarning, SnapshotCompression: c.SnapshotCompression,
		PurgeInterval: c.PurgeInterval, PurgeRetain: c.PurgeRetain, MinFreeBytes: c.MinFreeBytes,
		ReapInterval: c.ReapInterval, ReapPerMinute: c.ReapPerMinute, ContainerNeverUsed: c.ContainerNeverUsed,
		Auth: a, Stats: &s.stats, Logger: s.log, Progress: progress,
	}
	if !s.member() {
		return rc, nil
	}
	var err error
	if rc.Members, err = election.NewMembers(c.Ensemble, nil); err != nil {
		return rc, err
	}
	if s.peers, err = newPeers(c, &s.stats, s.log); err != nil {
		return rc, err
	}
	rc.Peers = s.peers
	rc.Observer = s.peers.own.Observer
	rc.ConfigVersion, rc.ConfigText = c.Ensemble.Version, c.Ensemble.String()
	return rc, nil
}

func (s *Server) serveConfig(a *auth.Auth) serve.Config {
	c := &s.cfg
	return serve.Config{
		Replica: s.replica, Auth: a, Stats: &s.stats, Logger: s.log,
		MinSessionTimeout: c.MinSessionTimeout, MaxSessionTimeout: c.MaxSessionTimeout,
		MaxConnsPerIP: c.MaxConnsPerIP, MaxConns: mostConns(c.MaxConns, maxFiles()), MaxFrameBytes: c.MaxFrameBytes,
		MaxOutstanding: c.MaxOutstanding, HandshakeTimeout: c.HandshakeTimeout, HoldClients: holdClients,
		Words: serve.Words{
			Allowed: c.FourLetterWords, Version: s.Version(), Started: s.started,
			Mode: func() string { return string(s.role()) }, Conf: s.confText, DirSizes: s.DirSizes,
			Serving: func() bool { return s.replica.Serving() != 0 }, Monitor: s.monitor,
		},
	}
}

// Version is the text behind "Zookeeper version: ". Clients parse the X.Y.Z at its beginning.
func (s *Server) Version() string {
	return compatibleVersion + "-zkd-" + s.cfg.Version + ", built on " + buildDate()
}

// confText is the conf command's answer: the keys of zoo.cfg that ZooKeeper prints.
func (s *Server) confText() string {
	c := &s.cfg
	snapshots, logs := s.DirSizes()
	_, port, _ := net.SplitHostPort(s.addrs[0])
	var b strings.Builder
	for _, kv := range []struct {
		key   string
		value any
	}{
		{"clientPort", port}, {"secureClientPort", -1}, {"dataDir", path.Join(c.DataDir, versionDir)}, {"dataDirSize", snapshots},
		{"dataLogDir", path.Join(c.LogDir, versionDir)}, {"dataLogSize", logs}, {"tickTime", c.TickTime.Milliseconds()},
		{"maxClientCnxns", c.MaxConnsPerIP}, {"minSessionTimeout", c.MinSessionTimeout.Milliseconds()},
		{"maxSessionTimeout", c.MaxSessionTimeout.Milliseconds()}, {"clientPortListenBacklog", -1}, {"serverId", int64(c.ID)},
	} {
		fmt.Fprintf(&b, "%s=%v\n", kv.key, kv.value)
	}
	if s.member() {
		fmt.Fprintf(&b, "initLimit=%d\nsyncLimit=%d\nelectionAlg=3\nelectionPort=%d\nquorumPort=%d\npeerType=%d\nmembership: \n%s\n",
			c.InitLimit, c.SyncLimit, s.peers.own.Addrs[0].ElectionPort, s.peers.own.Addrs[0].QuorumPort, peerType(s.peers.own), c.Ensemble.String())
	}
	return b.String()
}

// DirSizes returns the bytes of the snapshot and of the log directory.
func (s *Server) DirSizes() (snapshots, logs int64) {
	return s.dirSize(s.cfg.DataDir, "snapshot."), s.dirSize(s.cfg.LogDir, "log.")
}

func (s *Server) dirSize(dir, prefix string) (sum int64) {
	dir = path.Join(dir, versionDir)
	names, err := s.cfg.FS.List(dir)
	if err != nil {
		return 0
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if info, err := s.cfg.FS.Stat(path.Join(dir, name)); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// watch ends the server when the replica ends by itself.
func (s *Server) watch() {
	<-s.replica.Done()
	if !s.stopping.Load() {
		err := s.replica.Err()
		if err == nil {
			err = replica.ErrStopped
		}
		s.finish(err)
	}
}

func (s *Server) finish(err error) {
	s.once.Do(func() {
		s.err = err
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if stopErr := s.clients.Stop(ctx); stopErr != nil {
			s.log.Warn("stop", zap.Error(stopErr))
		}
		if s.peers != nil {
			s.peers.close()
		}
		close(s.done)
	})
}

// Stop closes the client port, then makes the log durable and closes the data directory. The data is
// whole whether or not ctx ends before.
func (s *Server) Stop(ctx context.Context) error {
	if !s.stopping.CompareAndSwap(false, true) {
		<-s.done
		return s.err
	}
	clientsErr := s.clients.Stop(ctx)
	err := s.replica.Stop()
	if s.peers != nil {
		s.peers.close()
	}
	s.once.Do(func() {
		s.err = err
		close(s.done)
	})
	return errors.Join(clientsErr, err)
}

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says why the server ended by itself; nil after Stop. Valid once Done is closed.
func (s *Server) Err() error { return s.err }

// Stats returns the server's counters.
func (s *Server) Stats() *stats.Server {
	if s.peers != nil {
		s.peers.countMishaps(&s.stats)
	}
	return &s.stats
}

// ClientAddrs returns the addresses on which clients are served.
func (s *Server) ClientAddrs() []string { return s.addrs }

// Status returns a picture of the server.
func (s *Server) Status() Status {
	r := s.replica.Status()
	status := Status{
		ID: s.cfg.ID, Role: s.role(), Serving: true, Since: s.started, Started: s.started, Ensemble: s.ensemble(),
		Epoch: r.Epoch, LastZxid: r.Applied, LoggedZxid: r.Logged, Digest: r.Digest, Znodes: r.Znodes, DataBytes: r.DataBytes,
		Watches: r.Watches, WatchedPaths: r.WatchedPaths, Ephemerals: r.Ephemerals, Sessions: r.Sessions,
		Connections: int(s.stats.ConnectionsAlive.Load()), Outstanding: int(s.stats.Outstanding.Load()),
		SnapshotZxid: r.SnapshotZxid, SnapshotTime: r.SnapshotTime, SnapshotBusy: r.SnapshotBusy, ReadOnlyDisk: r.DiskLow,
		ClientAddrs: s.addrs, LastProgress: r.LastProgress, InFsyncSince: r.InFsyncSince,
		ForgotWrites: r.Recovery.Forgot, RecoveryNotes: r.Recovery.Notes,
	}
	if e := status.Ensemble; e != nil {
		s.explain(&status)
	}
	select {
	case <-s.done:
		status.Serving, status.NotServing = false, "stopped"
		if s.err != nil {
			status.NotServing = "ended: " + s.err.Error()
		}
	default:
	}
	return status
}

// Connections returns all client connections.
func (s *Server) Connections() []ConnInfo { return s.clients.Connections() }

// Sessions returns all sessions.
func (s *Server) Sessions() []SessionInfo { return s.clients.Sessions() }

// CloseSession ends a session as if its client had closed it.
func (s *Server) CloseSession(id zk.SessionID) error { return s.replica.CloseSession(id) }

// ResetConnStats sets the counters of all connections to 0.
func (s *Server) ResetConnStats() { s.clients.ResetConnStats() }

// WatchesBySession returns the paths of data watches by session.
func (s *Server) WatchesBySession() map[zk.SessionID][]string { return s.clients.WatchesBySession() }

// WatchesByPath returns the sessions of data watches by path.
func (s *Server) WatchesByPath() map[string][]zk.SessionID { return s.clients.WatchesByPath() }

// WatchSummary counts data watches, as wchs does.
func (s *Server) WatchSummary() (conns, paths, watches int) { return s.replica.WatchSummary() }

// Digests returns the tree's digest every 128 txns, oldest first.
func (s *Server) Digests() []DigestAt { return s.replica.Digests() }

// FourLetter returns what a four-letter word answers; ok is false for an unknown one.
func (s *Server) FourLetter(word string) (text string, ok bool) { return s.clients.Answer(word) }

// Snapshot writes a snapshot now and returns its zxid.
func (s *Server) Snapshot(ctx context.Context) (zk.Zxid, error) { return s.replica.Snapshot(ctx) }

// ShedConnections closes a share of the client connections, in percent, and returns how many.
func (s *Server) ShedConnections(percent int) int { return s.clients.ShedConnections(percent) }
