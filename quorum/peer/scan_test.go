package peer

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// realSnapshot is the stream that zkd sends of a tree with sessions, ACLs and znodes.
func realSnapshot(t testing.TB) []byte {
	t.Helper()
	load := tree.NewLoader(tree.Options{})
	load.Session(7, 30_000)
	if err := load.ACL(1, []proto.ACL{{Perms: 31, ID: proto.ID{Scheme: "digest", ID: "ben:" + signature}}}); err != nil {
		t.Fatal(err)
	}
	stat := proto.StatPersisted{}
	for _, path := range []string{"", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/" + signature, "/x"} {
		if err := load.Node([]byte(path), []byte(signature), 1, &stat); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := load.Finish(5)
	if err != nil {
		t.Fatal(err)
	}
	view := tr.Freeze()
	defer view.Release()
	var b bytes.Buffer
	if err := snap.WriteStream(&b, view, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheScanEndsWhereASnapshotDoes(t *testing.T) {
	tests := map[string][]byte{
		"a tree of zkd":           realSnapshot(t),
		"the signature in data":   snapshotOf([]byte("\x00\x00\x00\x01/\x00\x00\x00\x0a" + signature)),
		"nothing but a signature": []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01/\x00\x00\x00\x0a" + signature),
	}
	for name, stream := range tests {
		t.Run(name, func(t *testing.T) {
			for size := range 100 {
				checkScan(t, stream, size+1)
			}
		})
	}
}

// checkScan feeds stream, and packets behind it, in pieces of that size.
func checkScan(t *testing.T, stream []byte, size int) {
	t.Helper()
	var scan snapshotScan
	taken := 0
	for piece := range slices.Chunk(append(slices.Clone(stream), "\x00\x00\x00\x0apackets"...), size) {
		n, err := scan.feed(piece)
		if taken += n; err != nil {
			t.Fatalf("pieces of %d: %v after %d of %d bytes", size, err, taken, len(stream))
		}
	}
	if taken != len(stream) || !scan.done() {
		t.Fatalf("pieces of %d: took %d of %d bytes", size, taken, len(stream))
	}
}

func FuzzSnapshotScan(f *testing.F) {
	f.Add(realSnapshot(f), uint8(1))
	f.Add(snapshotOf([]byte("data")), uint8(7))
	f.Add([]byte("\xff\xff\xff\xff"), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var whole, pieces snapshotScan
		n, err := whole.feed(stream)
		taken := 0
		var piecesErr error
		for piece := range slices.Chunk(stream, int(size)+1) {
			var k int
			k, piecesErr = pieces.feed(piece)
			taken += k
		}
		if n != taken || !errors.Is(piecesErr, err) || whole.done() != pieces.done() {
			t.Fatalf("whole: %d, %v, %t; in pieces: %d, %v, %t", n, err, whole.done(), taken, piecesErr, pieces.done())
		}
		if whole.done() && !bytes.HasSuffix(stream[:n], []byte(signature)) {
			t.Fatalf("it ends at %d, without a signature", n)
		}
	})
}

func FuzzPacketBuffer(f *testing.F) {
	packets := []proto.QuorumPacket{
		infoOf(3),
		{Type: proto.PacketProposal, Zxid: 7, Data: []byte("txn")},
		{Type: proto.PacketRequest, Zxid: -1, Data: []byte{}, AuthInfo: []proto.ID{{Scheme: "ip", ID: "::1"}}},
		{Type: proto.PacketSnap, Zxid: 9},
		{Type: proto.PacketUpToDate, Zxid: -1},
	}
	var stream []byte
	for i := range packets {
		stream = packets[i].Append(stream)
	}
	f.Add(stream, uint8(3))
	f.Add([]byte("\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff"), uint8(0))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		const most = 512
		in := packetBuffer{max: most}
		r := bytes.NewReader(stream)
		var got []proto.QuorumPacket
		for {
			batch, err := in.take(false)
			if got = append(got, batch...); err != nil {
				break
			}
			room := in.room()
			if len(in.buf) > readBytes {
				t.Fatalf("it holds %d bytes", len(in.buf))
			}
			n, err := r.Read(room[:min(len(room), int(size)+1)])
			if in.end += n; err == io.EOF {
				break
			}
		}
		whole := packetBuffer{max: most, buf: slices.Clone(stream), end: len(stream)}
		if want, _ := whole.take(false); !reflect.DeepEqual(got, want) {
			t.Fatalf("in pieces %v, at once %v", got, want)
		}
	})
}

func TestPacketsLargerThanTheBufferAreTakenAndGivenBack(t *testing.T) {
	in := packetBuffer{max: 3 << 20}
	large := proto.QuorumPacket{Type: proto.PacketProposal, Zxid: zk.Zxid(1), Data: bytes.Repeat([]byte("x"), 3<<20-20)}
	r := bytes.NewReader(large.Append(nil))
	for {
		packets, err := in.take(true)
		if err != nil {
			t.Fatal(err)
		}
		if len(packets) == 1 {
			if !bytes.Equal(packets[0].Data, large.Data) || len(in.buf) > in.max {
				t.Fatalf("buffer of %d bytes", len(in.buf))
			}
			break
		}
		n, _ := r.Read(in.room())
		in.end += n
	}
	if in.room(); len(in.buf) != readBytes {
		t.Errorf("%d bytes are kept", len(in.buf))
	}
}
