package replica

import (
	"fmt"
	"net"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/vfs"
)

// BenchmarkTakeOver sends a tree of a million znodes over loopback, builds it anew and saves it: what a learner does that
// needs all of its leader's state.
func BenchmarkTakeOver(b *testing.B) {
	const znodes = 1_000_000
	original := newLoading(tree.Options{})
	data, stat := make([]byte, 100), proto.StatPersisted{}
	for i := range znodes {
		path := fmt.Appendf(nil, "/bench/c-%016d", i-2)
		switch i {
		case 0:
			path = nil
		case 1:
			path = []byte("/bench")
		}
		if err := original.Node(path, data, snap.OpenACLID, &stat); err != nil {
			b.Fatal(err)
		}
	}
	t, err := original.finish(5)
	if err != nil {
		b.Fatal(err)
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer port.Close()
	for b.Loop() {
		sent := make(chan error, 1)
		go func() {
			view := t.Freeze()
			defer view.Release()
			conn, err := net.Dial("tcp", port.Addr().String())
			if err == nil {
				err = snap.WriteStream(conn, view, nil)
				conn.Close()
			}
			sent <- err
		}()
		conn, err := port.Accept()
		if err != nil {
			b.Fatal(err)
		}
		building := newLoading(tree.Options{})
		if _, err := snap.ReadStream(conn, building, nil); err != nil {
			b.Fatal(err)
		}
		built, err := building.finish(5)
		if err != nil {
			b.Fatal(err)
		}
		if err := <-sent; err != nil {
			b.Fatal(err)
		}
		view := built.Freeze()
		if _, err := snap.Save(vfs.OS(), b.TempDir(), view, snap.Options{Overlap: true}); err != nil {
			b.Fatal(err)
		}
		view.Release()
		conn.Close()
	}
	b.ReportMetric(znodes*float64(b.N)/b.Elapsed().Seconds(), "znodes/s")
}
