package tree

import (
	"fmt"
	"runtime"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

const benchNodes = 1_000_000

func benchName(i int) string { return fmt.Sprintf("/bench/k%08d", i) }

// benchTree returns a tree with n nodes of 100 bytes under one parent.
func benchTree(n int) *Tree {
	t := New(Options{})
	apply(t, 1, proto.TxnBody{Type: zk.OpCreate, Path: "/bench", ParentCversion: 1, ACL: proto.OpenACL})
	body := proto.TxnBody{Type: zk.OpCreate, Data: make([]byte, 100), ACL: proto.OpenACL}
	for i := range n {
		body.Path, body.ParentCversion = benchName(i), int32(i+1)
		apply(t, zk.Zxid(i+2), body)
	}
	return t
}

func benchPaths(n int) []string {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = benchName(i * 7919 % n)
	}
	return paths
}

// BenchmarkBytesPerZnode measures what a million znodes of 100 bytes, with names of 9, cost in
// live heap, and how long the garbage collector takes to walk them.
func BenchmarkBytesPerZnode(b *testing.B) {
	for b.Loop() {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		t := benchTree(benchNodes)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/benchNodes, "bytes/znode")
		b.ReportMetric(float64(t.MemoryBytes())/benchNodes, "counted-bytes/znode")
		b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/benchNodes, "objects/znode")
		runtime.KeepAlive(t)
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1000, benchNodes} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t, paths := benchTree(n), benchPaths(n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := t.Find(paths[i]); !ok {
					b.Fatal(paths[i])
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

// BenchmarkGetData is what a getData takes from the tree: node, stat, data, ACL.
func BenchmarkGetData(b *testing.B) {
	t, paths := benchTree(benchNodes), benchPaths(benchNodes)
	b.ReportAllocs()
	i, size := 0, 0
	for b.Loop() {
		id, _ := t.Find(paths[i])
		stat := t.Stat(id)
		size += len(t.Data(id)) + int(stat.DataLength) + len(t.ACL(id))
		if i++; i == benchNodes {
			i = 0
		}
	}
}

func BenchmarkApplyCreate(b *testing.B) {
	t := benchTree(0)
	paths := benchPaths(benchNodes)
	txn := proto.Txn{Body: proto.TxnBody{Type: zk.OpCreate, Data: make([]byte, 100), ACL: proto.OpenACL}}
	var events []Event
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		txn.Header.Zxid++
		txn.Body.Path, txn.Body.ParentCversion = paths[i], int32(txn.Header.Zxid)
		_, events = t.Apply(&txn, events[:0])
		if i++; i == benchNodes {
			b.StopTimer()
			t, i = benchTree(0), 0
			b.StartTimer()
		}
	}
}

func BenchmarkApplySetData(b *testing.B) {
	for _, test := range []struct {
		nodes  int
		frozen bool
	}{{1000, false}, {benchNodes, false}, {benchNodes, true}} {
		b.Run(fmt.Sprintf("%d/view=%v", test.nodes, test.frozen), func(b *testing.B) {
			t, paths := benchTree(test.nodes), benchPaths(test.nodes)
			txn := proto.Txn{Body: proto.TxnBody{Type: zk.OpSetData, Data: make([]byte, 100)}}
			if test.frozen {
				defer t.Freeze().Release()
			}
			var events []Event
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				txn.Header.Zxid++
				txn.Body.Path, txn.Body.Version = paths[i], txn.Body.Version+1
				_, events = t.Apply(&txn, events[:0])
				if i++; i == test.nodes {
					i = 0
				}
			}
		})
	}
}

func BenchmarkCreateAndDelete(b *testing.B) {
	t := benchTree(1000)
	create := proto.Txn{Body: proto.TxnBody{Type: zk.OpCreate, Path: "/bench/x", Data: make([]byte, 100), ACL: proto.OpenACL, Ephemeral: true}}
	remove := proto.Txn{Body: proto.TxnBody{Type: zk.OpDelete, Path: "/bench/x"}}
	create.Header.ClientID = 5
	var events []Event
	b.ReportAllocs()
	for b.Loop() {
		create.Header.Zxid = remove.Header.Zxid + 1
		remove.Header.Zxid += 2
		create.Body.ParentCversion++
		_, events = t.Apply(&create, events[:0])
		_, events = t.Apply(&remove, events[:0])
	}
}

func BenchmarkAppendChildNames(b *testing.B) {
	t := benchTree(1000)
	id, _ := t.Find("/bench")
	var reply []byte
	b.ReportAllocs()
	for b.Loop() {
		reply = t.AppendChildNames(reply[:0], id)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/child")
}

// BenchmarkFreeze is the pause that a snapshot makes.
func BenchmarkFreeze(b *testing.B) {
	t := benchTree(benchNodes)
	for b.Loop() {
		t.Freeze().Release()
	}
}

// BenchmarkViewNodes is the reading side of writing a snapshot.
func BenchmarkViewNodes(b *testing.B) {
	t := benchTree(benchNodes)
	v := t.Freeze()
	for b.Loop() {
		if err := v.Nodes(func([]byte, []byte, int64, *proto.StatPersisted) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchNodes, "ns/znode")
}

func BenchmarkLoad(b *testing.B) {
	v := benchTree(benchNodes).Freeze()
	for b.Loop() {
		l := NewLoader(Options{})
		if err := v.Nodes(l.Node); err != nil {
			b.Fatal(err)
		}
		if _, err := l.Finish(1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchNodes, "ns/znode")
}
