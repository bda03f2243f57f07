package prep

import (
	"bytes"
	"testing"

	"zkd/quorum/auth"
	"zkd/quorum/proto"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// Sessions that every world begins with, and the identities used in tests.
const (
	alice zk.SessionID = 0x100000000000001
	bob   zk.SessionID = 0x100000000000002
)

var (
	bobID = proto.ID{Scheme: "digest", ID: "bob:hash"}
	bobs  = []proto.ACL{{Perms: zk.PermAll, ID: bobID}}
)

// world is a tree and a Prep over it. Txns that are prepared wait in line until settle or apply
// puts them into the tree.
type world struct {
	t         testing.TB
	tree      *tree.Tree
	prep      *Prep
	zxid      zk.Zxid
	nowMillis int64
	line      []*proto.Txn
	max       int // MaxTxnBytes
}

func testConfig() Config {
	return Config{ExtendedTypes: true, EnforceQuota: true, DigestEnabled: true}
}

func newWorld(t testing.TB, cfg Config) *world {
	t.Helper()
	a, err := auth.New(auth.Config{DigestEnabled: true})
	if err != nil {
		t.Fatal(err)
	}
	tr := tree.New(tree.Options{ExtendedTypes: cfg.ExtendedTypes})
	w := &world{t: t, tree: tr, prep: New(tr, a, cfg), nowMillis: 1_700_000_000_000, max: cfg.MaxTxnBytes}
	for _, s := range []zk.SessionID{alice, bob} {
		w.do(&Request{Session: s, Op: zk.OpCreateSession, TimeoutMillis: 4000})
	}
	w.settle()
	return w
}

// do prepares one request and puts its txn in line.
func (w *world) do(r *Request) *proto.Txn {
	w.t.Helper()
	w.zxid++
	w.nowMillis += 10
	txn := &proto.Txn{}
	w.prep.Prepare(r, w.zxid, w.nowMillis, txn)
	h := &txn.Header
	if h.ClientID != r.Session || h.Cxid != r.Cxid || h.Zxid != w.zxid || h.TimeMillis != w.nowMillis || h.Type != txn.Body.Type {
		w.t.Fatalf("header %+v of a txn of type %v for %+v", *h, txn.Body.Type, *r)
	}
	w.line = append(w.line, txn)
	return txn
}

// apply puts the first txn in line into the tree, through its bytes, and checks that the tree then
// is what the txn said it would be.
func (w *world) apply() tree.Result {
	w.t.Helper()
	txn := w.line[0]
	w.line = w.line[1:]
	encoded := txn.Append(nil)
	if want := proto.TxnHeaderBytes + bodyBytes(&txn.Body) + digestBytes; txn.HasDigest && len(encoded) != want {
		w.t.Fatalf("%v takes %d bytes, not %d", txn.Header.Type, len(encoded), want)
	}
	if w.max > 0 && len(encoded) > w.max {
		w.t.Fatalf("%v takes %d bytes, more than %d", txn.Header.Type, len(encoded), w.max)
	}
	var decoded proto.Txn
	if err := proto.DecodeTxn(encoded, &decoded); err != nil {
		w.t.Fatalf("a txn of type %v does not decode: %v\n%+v", txn.Header.Type, err, txn)
	}
	if !bytes.Equal(decoded.Append(nil), encoded) {
		w.t.Fatalf("a txn of type %v decodes to another", txn.Header.Type)
	}
	result, _ := w.tree.Apply(&decoded, nil)
	w.check(txn, &result)
	w.prep.Applied(txn.Header.Zxid)
	return result
}

// check compares what a txn came to with what it says.
func (w *world) check(txn *proto.Txn, got *tree.Result) {
	w.t.Helper()
	if got.Err != firstError(&txn.Body) {
		w.t.Fatalf("a txn of type %v, error %v, came to %v\n%+v", txn.Header.Type, firstError(&txn.Body), got.Err, txn)
	}
	if len(got.Multi) != len(txn.Body.Sub) {
		w.t.Fatalf("%d results of %d operations", len(got.Multi), len(txn.Body.Sub))
	}
	for i := range got.Multi {
		want := txn.Body.Sub[i].Err
		if got.Multi[i].Err != want {
			w.t.Fatalf("operation %d of a multi, error %v, came to %v", i, want, got.Multi[i].Err)
		}
	}
	if txn.HasDigest && (txn.Digest.Version != 2 || txn.Digest.Tree != w.tree.Digest()) {
		w.t.Fatalf("after a %v the digest is %x, not %x as the txn says\n%+v", txn.Header.Type, w.tree.Digest(), txn.Digest.Tree, txn)
	}
}

func firstError(b *proto.TxnBody) zk.Code {
	if b.Type == zk.OpError {
		return b.Err
	}
	for i := range b.Sub {
		if b.Sub[i].Type == zk.OpError {
			return b.Sub[i].Err
		}
	}
	return zk.OK
}

// settle applies all that is in line; nothing may be pending then.
func (w *world) settle() {
	w.t.Helper()
	for len(w.line) > 0 {
		w.apply()
	}
	p := &w.prep.pending
	if n := len(p.records) + len(p.sessions) + p.touches.len() + p.ephemerals.len(); n != 0 {
		w.t.Fatalf("%d things are pending although all is applied", n)
	}
}

// code does r and returns the code of its txn.
func (w *world) code(r *Request) zk.Code {
	w.t.Helper()
	return firstError(&w.do(r).Body)
}

// must does r, which must not be refused.
func (w *world) must(r *Request) *proto.Txn {
	w.t.Helper()
	txn := w.do(r)
	if code := firstError(&txn.Body); code != zk.OK {
		w.t.Fatalf("%v: %v", r.Op, code)
	}
	return txn
}

// Requests of alice.

func create(op zk.Op, path string, mode zk.CreateMode) *Request {
	return createAs(op, proto.CreateRequest{Path: path, ACL: proto.OpenACL, Mode: mode, TTLMillis: 1000})
}

func createAs(op zk.Op, r proto.CreateRequest) *Request {
	return &Request{Session: alice, Cxid: 5, Op: op, Body: r.Append(nil, op)}
}

func persistent(path string) *Request { return create(zk.OpCreate, path, zk.ModePersistent) }

func withACL(path string, acl []proto.ACL) *Request {
	return createAs(zk.OpCreate, proto.CreateRequest{Path: path, ACL: acl})
}

func remove(path string, version int32) *Request {
	r := proto.PathVersionRequest{Path: path, Version: version}
	return &Request{Session: alice, Op: zk.OpDelete, Body: r.Append(nil)}
}

func set(path, data string, version int32) *Request {
	r := proto.SetDataRequest{Path: path, Data: []byte(data), Version: version}
	return &Request{Session: alice, Op: zk.OpSetData, Body: r.Append(nil)}
}

func setACL(path string, acl []proto.ACL, version int32) *Request {
	r := proto.SetACLRequest{Path: path, ACL: acl, Version: version}
	return &Request{Session: alice, Op: zk.OpSetACL, Body: r.Append(nil)}
}

func check(path string, version int32) *Request {
	r := proto.PathVersionRequest{Path: path, Version: version}
	return &Request{Session: alice, Op: zk.OpCheck, Body: r.Append(nil)}
}

func multi(ops ...*Request) *Request {
	var body []byte
	for _, r := range ops {
		body = append(proto.MultiHeader{Type: r.Op, Err: -1}.Append(body), r.Body...)
	}
	return &Request{Session: alice, Op: zk.OpMulti, Body: proto.MultiEnd.Append(body)}
}

func reap(path string) *Request {
	r := proto.PathRequest{Path: path}
	return &Request{Op: zk.OpDeleteContainer, Body: r.Append(nil)}
}

func closing(s zk.SessionID) *Request { return &Request{Session: s, Op: zk.OpCloseSession} }

func (r *Request) by(s zk.SessionID) *Request {
	r.Session = s
	return r
}

func (r *Request) as(ids ...proto.ID) *Request {
	r.IDs = ids
	return r
}
