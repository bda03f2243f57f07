package serve

import (
	"net"
	"testing"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/auth"
	"zkd/quorum/replica"
	"zkd/quorum/stats"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

func newServer(t *testing.T) *Server {
	t.Helper()
	a, err := auth.New(auth.Config{DigestEnabled: true, DigestAlg: "SHA1"})
	if err != nil {
		t.Fatal(err)
	}
	counts := new(stats.Server)
	r, err := replica.Start(replica.Config{
		ID: 1, FS: vfs.NewMem(), SnapDir: "/data/version-2", LogDir: "/data/version-2",
		Tick: time.Second, MaxTxnBytes: 1 << 20, SnapCount: 1000, FsyncWarning: time.Minute, Auth: a, Stats: counts, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Stop() })
	return New(Config{Replica: r, Auth: a, Stats: counts, Logger: zap.NewNop(), MaxFrameBytes: 1 << 20})
}

// Two connections that resume one session at the same time: the replica has an order for them, and
// whoever comes later in it keeps the session, whichever of the two goes on first.
func TestTheConnectionThatResumesLastHoldsTheSession(t *testing.T) {
	s := newServer(t)
	var conns [2]*conn
	for i := range conns {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { theirs.Close() })
		conns[i] = newConn(s, ours)
	}
	const id = zk.SessionID(1<<56 | 7)
	s.cfg.Replica.Read(func(v *replica.View) {
		for _, c := range conns {
			c.Applied(v, &replica.Outcome{Kind: replica.Attach, Session: id})
		}
	})
	if s.holder(id) != conns[1] || conns[1].ended {
		t.Error("the later connection does not hold the session")
	}
	if !conns[0].ended {
		t.Error("the earlier connection was not cut")
	}
}
