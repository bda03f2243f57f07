package prep

import (
	"slices"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// shape returns the types and codes of a multi's bodies.
func shape(txn *proto.Txn) (types []zk.Op, codes []zk.Code) {
	for i := range txn.Body.Sub {
		types = append(types, txn.Body.Sub[i].Type)
		codes = append(codes, txn.Body.Sub[i].Err)
	}
	return types, codes
}

func TestAMultiIsOneTxnWhoseOperationsSeeEachOther(t *testing.T) {
	w := newWorld(t, testConfig())
	txn := w.must(multi(
		persistent("/m"),
		create(zk.OpCreate2, "/m/a", zk.ModeEphemeral),
		create(zk.OpCreateContainer, "/m/c", zk.ModeContainer),
		create(zk.OpCreateTTL, "/m/t", zk.ModePersistentTTL),
		set("/m/a", "x", 0),
		check("/m/a", 1),
		remove("/m/a", 1)))
	types, _ := shape(txn)
	if want := []zk.Op{zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL, zk.OpSetData, zk.OpCheck, zk.OpDelete}; !slices.Equal(types, want) {
		t.Errorf("bodies %v", types)
	}
	if txn.Header.Type != zk.OpMulti || txn.Body.Sub[3].TTLMillis != 1000 || txn.Body.Sub[3].ParentCversion != 3 || txn.Body.Sub[4].Version != 1 {
		t.Errorf("txn %+v", txn)
	}
	w.settle()
}

// Section 7 of the protocol notes: header type 14, real bodies before the failing one, then its
// code, then -2; the digest is the current one.
func TestAFailedMultiKeepsItsShapeAndChangesNothing(t *testing.T) {
	w := newWorld(t, testConfig())
	w.must(persistent("/before"))
	digest := w.prep.digest
	txn := w.do(multi(
		persistent("/m"),
		set("/before", "x", -1),
		remove("/missing", -1),
		remove("/before", -1),
		persistent("/n")))
	types, codes := shape(txn)
	if want := []zk.Op{zk.OpCreate, zk.OpSetData, zk.OpError, zk.OpError, zk.OpError}; !slices.Equal(types, want) {
		t.Errorf("bodies %v", types)
	}
	if want := []zk.Code{zk.OK, zk.OK, zk.ErrNoNode, zk.ErrRuntimeInconsistency, zk.ErrRuntimeInconsistency}; !slices.Equal(codes, want) {
		t.Errorf("codes %v", codes)
	}
	if txn.Header.Type != zk.OpMulti || !txn.HasDigest || txn.Digest.Tree != digest {
		t.Errorf("header type %v, digest %v %x, want multi and %x", txn.Header.Type, txn.HasDigest, txn.Digest.Tree, digest)
	}
	if got := w.code(set("/before", "y", 0)); got != zk.OK {
		t.Errorf("what the multi set counts: %v", got)
	}
	if got := w.code(set("/m", "y", 0)); got != zk.ErrNoNode {
		t.Errorf("what the multi created is there: %v", got)
	}
	if got := w.must(closing(alice)).Body.Paths; len(got) != 0 {
		t.Errorf("the session owns %v", got)
	}
	w.settle()
}

func TestAFailedMultiTakesBackItsEphemerals(t *testing.T) {
	w := newWorld(t, testConfig())
	w.must(create(zk.OpCreate, "/e1", zk.ModeEphemeral))
	w.do(multi(create(zk.OpCreate, "/e2", zk.ModeEphemeral), remove("/e1", -1), check("/missing", 0)))
	w.must(create(zk.OpCreate, "/e3", zk.ModeEphemeral))
	if got := w.must(closing(alice)).Body.Paths; !slices.Equal(got, []string{"/e1", "/e3"}) {
		t.Errorf("the session owns %v", got)
	}
	w.settle()
}

func TestAnEmptyMultiIsATxn(t *testing.T) {
	w := newWorld(t, testConfig())
	if txn := w.must(multi()); txn.Header.Type != zk.OpMulti || len(txn.Body.Sub) != 0 || !txn.HasDigest {
		t.Errorf("txn %+v", txn)
	}
	w.settle()
}

func TestAMultiThatDoesNotDecodeIsRefusedWhole(t *testing.T) {
	head := func(op zk.Op) []byte { return proto.MultiHeader{Type: op, Err: -1}.Append(nil) }
	tests := map[string][]byte{
		"no end":             multi(persistent("/a")).Body[:40],
		"nothing at all":     nil,
		"a read":             append(head(zk.OpGetData), multi().Body...),
		"a multi":            append(head(zk.OpMulti), multi().Body...),
		"a setACL":           append(append(head(zk.OpSetACL), setACL("/", bobs, -1).Body...), multi().Body...),
		"a deleteContainer":  append(append(head(zk.OpDeleteContainer), reap("/a").Body...), multi().Body...),
		"an error":           append(head(zk.OpError), multi().Body...),
		"a createSession":    append(head(zk.OpCreateSession), multi().Body...),
		"an unknown number":  append(head(77), multi().Body...),
		"a record cut short": append(head(zk.OpCreate), 0, 0, 0, 9),
	}
	w := newWorld(t, testConfig())
	for name, body := range tests {
		txn := w.do(&Request{Session: alice, Op: zk.OpMulti, Body: body})
		if txn.Header.Type != zk.OpError || txn.Body.Err != zk.ErrMarshalling {
			t.Errorf("%s: %v %v", name, txn.Header.Type, txn.Body.Err)
		}
	}
	w.settle()
}
