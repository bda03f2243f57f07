package tree

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"zkd/quorum/proto"
)

// TestDigestsAreThoseOfJava applies txns that Apache ZooKeeper 3.8.0 has applied and compares code,
// digest, node count and ephemerals after each. testdata/Golden.java made the file; a line holds
//
//	<txn in hex> <code> <digest in hex> <node count> <ephemerals>
func TestDigestsAreThoseOfJava(t *testing.T) {
	f, err := os.Open("testdata/java-3.8.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree := New(Options{ExtendedTypes: true})
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	count := 0
	for lines.Scan() {
		payload, want, _ := strings.Cut(lines.Text(), " ")
		b, err := hex.DecodeString(payload)
		if err != nil {
			t.Fatal(err)
		}
		var txn proto.Txn
		if err := proto.DecodeTxn(b, &txn); err != nil {
			t.Fatal(err)
		}
		result, _ := tree.Apply(&txn, nil)
		got := fmt.Sprintf("%d %x %d %d", int32(result.Err), tree.Digest(), tree.NodeCount(), tree.EphemeralCount())
		if got != want {
			t.Fatalf("txn %v of type %v: %q, want %q", txn.Header.Zxid, txn.Body.Type, got, want)
		}
		count++
	}
	if lines.Err() != nil || count < 300 {
		t.Errorf("read %d txns: %v", count, lines.Err())
	}
}

// TestEmptyTreeIsThatOfJava: the figures are what DataTree 3.8.0 reports after its constructor.
func TestEmptyTreeIsThatOfJava(t *testing.T) {
	tree := New(Options{})
	if tree.Digest() != 0x51c6d660 || tree.NodeCount() != 5 || tree.DataBytes() != 44 {
		t.Errorf("digest %#x, %d nodes, %d bytes; want 0x51c6d660, 5, 44", tree.Digest(), tree.NodeCount(), tree.DataBytes())
	}
	if err := newModel(false).diff(tree); err != nil {
		t.Error(err)
	}
}

func TestFinishingTheCRCByWordsEqualsTheCRCOfAllBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		n := modelNode{data: make([]byte, r.IntN(20)), stat: proto.StatPersisted{
			Czxid: 1, Mzxid: 2, Pzxid: 3, CtimeMillis: r.Int64(), MtimeMillis: -r.Int64(),
			Version: int32(r.Uint32()), Cversion: int32(r.Uint32()), Aversion: int32(r.Uint32()), EphemeralOwner: int64(r.Uint64()),
		}}
		m := model{nodes: map[string]*modelNode{"/a/b": &n}}
		if got, want := NodeDigest("/a/b", PathDataCRC("/a/b", n.data), &n.stat), m.digest(); got != want {
			t.Fatalf("%+v: digest %#x, want %#x", n, got, want)
		}
	}
}

func TestPathsBelowZookeeperDoNotCountInTheDigest(t *testing.T) {
	tests := map[string]struct {
		path   string
		counts bool
	}{
		"the root, as clients name it":   {"/", true},
		"the root, as snapshots name it": {"", true},
		"/zookeeper itself":              {"/zookeeper", true},
		"a path that begins like it":     {"/zookeepers/a", true},
		"the config node":                {"/zookeeper/config", false},
		"a quota node":                   {"/zookeeper/quota/a/zookeeper_stats", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := NodeDigest(test.path, PathDataCRC(test.path, nil), &proto.StatPersisted{Version: 1})
			if (got != 0) != test.counts {
				t.Errorf("NodeDigest(%q) = %#x", test.path, got)
			}
		})
	}
	stat := &proto.StatPersisted{}
	if NodeDigest("/", PathDataCRC("/", nil), stat) != NodeDigest("", PathDataCRC("", nil), stat) {
		t.Error("the two names of the root have different digests")
	}
}
