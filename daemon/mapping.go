package daemon

import (
	"go.uber.org/zap"

	"zkd/daemon/config"
	"zkd/quorum"
	"zkd/quorum/peer"
)

// Supported returns an error if this version of zkd cannot serve a configuration that is right by
// itself.
func Supported(c config.Config) error {
	if _, err := quorumConfig(c, "", nil); err != nil {
		return err
	}
	return firewallSupported(c)
}

// quorumConfig says the configuration in the words of package quorum. Every setting that a server
// has is carried over; the rest is the daemon's own.
func quorumConfig(c config.Config, version string, log *zap.Logger) (quorum.Config, error) {
	q := quorum.DefaultConfig()
	q.ID, q.Version, q.Logger = c.ID, version, log
	q.DataDir, q.LogDir = c.DataDir, c.LogDir

	var err error
	if q.Ensemble, err = membership(c); err != nil {
		return quorum.Config{}, err
	}
	q.InitLimit, q.SyncLimit = c.Ensemble.InitLimit, c.Ensemble.SyncLimit
	q.ListenOnAllIPs, q.ElectionTimeout = c.Ensemble.ListenOnAll, c.Ensemble.ConnectTimeout
	q.Network = peer.TCP(c.Ensemble.KeepAlive)

	q.ClientAddrs = c.Client.Listen
	q.MaxConns, q.MaxConnsPerIP = c.Client.MaxConnections, c.Client.MaxConnectionsPerAddress
	q.MaxFrameBytes = int(c.Client.MaxFrame)
	q.HandshakeTimeout = c.Client.HandshakeTimeout
	q.TickTime = c.Session.TickTime
	q.MinSessionTimeout, q.MaxSessionTimeout = c.Session.MinTimeout, c.Session.MaxTimeout
	q.MaxOutstanding = c.Limits.MaxOutstanding
	q.FourLetterWords = c.Words.Allow

	q.SnapCount = c.Storage.SnapCount
	q.SnapSizeBytes, q.LogSizeBytes = int64(c.Storage.SnapSize), int64(c.Storage.LogSize)
	q.PreallocBytes = int64(c.Storage.Preallocate)
	q.NoForceSync = !c.Storage.ForceSync
	q.FsyncWarning = c.Storage.FsyncWarning
	q.SnapshotCompression = c.Storage.Compression
	q.PurgeInterval, q.PurgeRetain = c.Storage.PurgeInterval, c.Storage.PurgeRetain
	q.MinFreeBytes = int64(c.Storage.MinFree)

	q.SkipACL, q.SuperDigest = c.Auth.SkipACL, c.Auth.SuperDigest
	q.DigestAlg, q.DigestEnabled = c.Auth.DigestAlgorithm, c.Auth.Digest
	q.ExtendedTypes, q.EnforceQuota = c.Nodes.TTL, c.Limits.EnforceQuota
	q.ReapInterval, q.ReapPerMinute = c.Nodes.ReapInterval, c.Nodes.ReapPerMinute
	q.ContainerNeverUsed = c.Nodes.ContainerNeverUsed
	return q, nil
}
