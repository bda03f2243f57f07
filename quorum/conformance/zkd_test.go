package conformance

import (
	"context"
	"testing"

	"zkd/quorum"
)

func TestZkdPassesTheSuite(t *testing.T) {
	Run(t, startZkd)
}

// startZkd starts zkd with the profile's settings, in this process.
func startZkd(t *testing.T, p Profile) string {
	t.Helper()
	server, err := quorum.Start(zkdConfig(p, t.TempDir()), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return server.ClientAddrs()[0]
}

func zkdConfig(p Profile, dataDir string) quorum.Config {
	c := quorum.DefaultConfig()
	c.DataDir = dataDir
	c.ClientAddrs = []string{"127.0.0.1:0"}
	c.TickTime, c.MinSessionTimeout, c.MaxSessionTimeout = p.TickTime, p.MinSessionTimeout, p.MaxSessionTimeout
	c.MaxConnsPerIP = p.MaxConnsPerIP
	c.ExtendedTypes, c.EnforceQuota = p.ExtendedTypes, p.EnforceQuota
	c.SkipACL, c.SuperDigest = p.SkipACL, p.SuperDigest
	if p.MaxFrameBytes > 0 {
		c.MaxFrameBytes = p.MaxFrameBytes
	}
	if p.HandshakeTimeout > 0 {
		c.HandshakeTimeout = p.HandshakeTimeout
	}
	if p.ReapInterval > 0 {
		c.ReapInterval = p.ReapInterval
	}
	if p.FourLetterWords != nil {
		c.FourLetterWords = p.FourLetterWords
	}
	return c
}
