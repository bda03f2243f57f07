package prep

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Bytes as ZooKeeper 3.8.0 wrote them to its log.
func TestTxnsHaveZooKeepersBytes(t *testing.T) {
	w := newWorld(t, testConfig())
	for _, path := range []string{"/x", "/y", "/z"} {
		w.must(persistent(path))
	}
	body := func(txn *proto.Txn) string {
		b := txn.Append(nil)[proto.TxnHeaderBytes:]
		if txn.HasDigest {
			b = b[:len(b)-digestBytes]
		}
		return hex.EncodeToString(b)
	}
	b := createAs(zk.OpCreate, proto.CreateRequest{Path: "/b", Data: []byte("hello"), ACL: proto.OpenACL})
	const created = "000000022f62" + "0000000568656c6c6f" + "000000010000001f00000005776f726c6400000006616e796f6e65" + "00" + "00000004"
	if got := body(w.must(b)); got != created {
		t.Errorf("create: %s", got)
	}
	failed := w.do(b)
	if got := body(failed); got != "ffffff92" || len(failed.Append(nil)) != 36 {
		t.Errorf("error: %s", got)
	}
	w.must(remove("/b", 0))
	multiTxn := w.do(multi(b, remove("/missing", -1), remove("/x", -1)))
	const createdFifth = "000000022f62" + "0000000568656c6c6f" + "000000010000001f00000005776f726c6400000006616e796f6e65" + "00" + "00000005"
	if got := body(multiTxn); got != "00000003"+"000000010000002f"+createdFifth+"ffffffff00000004ffffff9b"+"ffffffff00000004fffffffe" {
		t.Errorf("failed multi: %s", got)
	}
	w.must(b)
	w.must(ephemeralAt("/b/e"))
	if got := body(w.must(closing(alice))); got != "00000001000000042f622f65" {
		t.Errorf("closeSession: %s", got)
	}
	w.settle()
}

func TestRefusalsAreErrorTxnsWithoutADigest(t *testing.T) {
	tests := map[string]struct {
		r    *Request
		want zk.Code
	}{
		"a body that ends early":           {&Request{Session: alice, Op: zk.OpCreate, Body: []byte{0, 0, 0, 2, '/'}}, zk.ErrMarshalling},
		"no body":                          {&Request{Session: alice, Op: zk.OpSetData}, zk.ErrMarshalling},
		"a negative length":                {&Request{Session: alice, Op: zk.OpDelete, Body: []byte{255, 255, 255, 0}}, zk.ErrMarshalling},
		"a read":                           {&Request{Session: alice, Op: zk.OpGetData, Body: check("/", 0).Body}, zk.ErrUnimplemented},
		"an error":                         {&Request{Session: alice, Op: zk.OpError}, zk.ErrUnimplemented},
		"a number that is no operation":    {&Request{Session: alice, Op: 999}, zk.ErrUnimplemented},
		"a missing node":                   {set("/missing", "", -1), zk.ErrNoNode},
		"a reaper's request from a client": {reap("/").by(alice), zk.ErrUnimplemented},
	}
	for name, tt := range tests {
		w := newWorld(t, testConfig())
		txn := w.do(tt.r)
		if txn.Header.Type != zk.OpError || txn.Body.Err != tt.want || txn.HasDigest {
			t.Errorf("%s: %v %v, digest %v", name, txn.Header.Type, txn.Body.Err, txn.HasDigest)
		}
		w.settle()
	}
}

func TestBytesBehindARecordAreIgnored(t *testing.T) {
	w := newWorld(t, testConfig())
	r := persistent("/a")
	r.Body = append(r.Body, "more"...)
	w.must(r)
	w.settle()
}

func TestATxnThatWouldBeTooLongIsRefusedAndLeavesNothing(t *testing.T) {
	cfg := testConfig()
	cfg.MaxTxnBytes = 300
	w := newWorld(t, cfg)
	long := "/" + strings.Repeat("x", 300)
	many := []proto.ACL{{Perms: zk.PermAll, ID: proto.ID{Scheme: "auth"}}}
	var ids []proto.ID
	for i := range 20 {
		ids = append(ids, proto.ID{Scheme: "digest", ID: "user:" + strings.Repeat("h", i+1)})
	}
	digest := w.tree.Digest()
	for name, r := range map[string]*Request{
		"a long path":                   ephemeralAt(long),
		"much data":                     set("/", strings.Repeat("x", 300), -1),
		"an ACL that many users expand": withACL("/a", many).as(ids...),
		"many operations":               multi(persistent("/a"), persistent("/b"), persistent("/c"), persistent("/d"), persistent("/e"), persistent("/f")),
		"many after a failure":          multi(persistent("/a"), persistent("/b"), persistent("/c"), persistent("/d"), persistent("/e"), persistent("/a")),
	} {
		txn := w.do(r)
		if txn.Header.Type != zk.OpError || txn.Body.Err != zk.ErrMarshalling {
			t.Errorf("%s: %v %v", name, txn.Header.Type, txn.Body.Err)
		}
		if len(w.prep.records) != 0 || w.prep.touches.len() != 0 || w.prep.ephemerals.len() != 0 || w.prep.digest != digest {
			t.Errorf("%s left pending changes", name)
		}
	}
	w.settle()
}

func TestWithoutDigestsTxnsHaveNone(t *testing.T) {
	cfg := testConfig()
	cfg.DigestEnabled = false
	w := newWorld(t, cfg)
	for _, r := range []*Request{persistent("/a"), set("/a", "x", -1), multi(), closing(bob), remove("/a", -1)} {
		if txn := w.must(r); txn.HasDigest {
			t.Errorf("%v has a digest", r.Op)
		}
	}
	w.settle()
}

// A record may outlive the request that made it: its path must not be a view of that body.
func TestPendingChangesSurviveTheBodiesOfAppliedRequests(t *testing.T) {
	w := newWorld(t, testConfig())
	w.must(persistent("/a"))
	w.settle()
	first := set("/a", "1", 0)
	w.must(first)
	w.must(set("/a", "2", 1))
	w.apply()
	for i := range first.Body {
		first.Body[i] = 0xee
	}
	w.must(set("/a", "3", 2))
	w.must(persistent("/a/b"))
	w.settle()
}

func TestResetForgetsPendingChanges(t *testing.T) {
	w := newWorld(t, testConfig())
	w.must(ephemeralAt("/a"))
	w.must(closing(alice))
	w.line = nil
	w.prep.Reset(w.tree)
	if got := w.must(ephemeralAt("/a")).Body.ParentCversion; got != 1 {
		t.Errorf("the first child has number %d", got)
	}
	w.settle()
}

// With something always pending, memory must stay that of what is pending.
func TestASteadyFlowNeedsNoMoreMemory(t *testing.T) {
	w := newWorld(t, testConfig())
	w.must(persistent("/q"))
	for range 3000 {
		path := w.must(create(zk.OpCreate, "/q/", zk.ModeEphemeralSequential)).Body.Path
		w.must(remove(path, 0))
		for len(w.line) > 20 {
			w.apply()
		}
	}
	p := &w.prep.pending
	if n := len(p.records); n > 42 {
		t.Errorf("%d records for 20 pending txns", n)
	}
	for name, n := range map[string]int{"touches": cap(p.touches.items), "ephemerals": cap(p.ephemerals.items), "free records": len(p.free)} {
		if n > 300 {
			t.Errorf("%d %s for 20 pending txns", n, name)
		}
	}
	w.settle()
}

func TestSetDataAllocatesNothingInASteadyFlow(t *testing.T) {
	w := newWorld(t, testConfig())
	w.must(persistent("/a"))
	w.settle()
	r := set("/a", "x", -1)
	var txn proto.Txn
	if n := testing.AllocsPerRun(200, func() {
		w.zxid++
		w.prep.Prepare(r, w.zxid, 1, &txn)
		w.prep.Applied(w.zxid)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if !bytes.Equal(txn.Body.Data, []byte("x")) {
		t.Errorf("data %q", txn.Body.Data)
	}
}
