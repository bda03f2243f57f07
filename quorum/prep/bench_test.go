package prep

import (
	"fmt"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// benchBatch is how many txns pile up before they count as applied.
const benchBatch = 100

func benchmarkRequests(b *testing.B, requests []*Request) {
	w := newWorld(b, Config{DigestEnabled: true, MaxTxnBytes: 1 << 20})
	w.must(persistent("/bench"))
	for i := range benchBatch {
		w.must(createWithData(fmt.Sprintf("/bench/node-%04d", i)))
	}
	w.settle()
	var txn proto.Txn
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.zxid++
		w.prep.Prepare(requests[i%len(requests)], w.zxid, 1, &txn)
		if txn.Body.Type == zk.OpError {
			b.Fatal(txn.Body.Err)
		}
		if i%benchBatch == benchBatch-1 {
			w.prep.Applied(w.zxid)
		}
	}
}

func createWithData(path string) *Request {
	return createAs(zk.OpCreate, proto.CreateRequest{Path: path, Data: make([]byte, 100), ACL: proto.OpenACL})
}

func BenchmarkSetData(b *testing.B) {
	requests := make([]*Request, benchBatch)
	for i := range requests {
		requests[i] = set(fmt.Sprintf("/bench/node-%04d", i), string(make([]byte, 100)), -1)
	}
	benchmarkRequests(b, requests)
}

// The tree never gets the new nodes, so that each batch can create them again.
func BenchmarkCreate(b *testing.B) {
	requests := make([]*Request, benchBatch)
	for i := range requests {
		requests[i] = createWithData(fmt.Sprintf("/bench/new-%04d", i))
	}
	benchmarkRequests(b, requests)
}

func BenchmarkCreateSequential(b *testing.B) {
	benchmarkRequests(b, []*Request{create(zk.OpCreate, "/bench/q-", zk.ModeEphemeralSequential)})
}
