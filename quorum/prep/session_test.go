package prep

import (
	"fmt"
	"slices"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

func ephemeralAt(path string) *Request { return create(zk.OpCreate, path, zk.ModeEphemeral) }

func TestClosingASessionTakesItsEphemeralsAppliedAndPending(t *testing.T) {
	w := newWorld(t, testConfig())
	for _, path := range []string{"/applied", "/deleted", "/again", "/taken"} {
		w.must(ephemeralAt(path))
	}
	w.must(ephemeralAt("/other").by(bob))
	w.settle()
	w.must(remove("/deleted", -1))
	w.must(remove("/again", -1))
	w.must(ephemeralAt("/again"))
	w.must(remove("/taken", -1))
	w.must(ephemeralAt("/taken").by(bob))
	w.must(ephemeralAt("/pending"))
	w.must(ephemeralAt("/brief"))
	w.must(remove("/brief", -1))
	w.must(persistent("/stays"))
	txn := w.must(closing(alice))
	if want := []string{"/again", "/applied", "/pending"}; !slices.Equal(txn.Body.Paths, want) {
		t.Errorf("paths %v, want %v", txn.Body.Paths, want)
	}
	w.settle()
	if got := slices.Sorted(w.tree.Ephemerals(bob)); !slices.Equal(got, []string{"/other", "/taken"}) {
		t.Errorf("the other session has %v", got)
	}
	if _, ok := w.tree.SessionTimeout(alice); ok {
		t.Error("the session is still open")
	}
}

func TestAParentCanGoOnceASessionsPendingCloseEmptiesIt(t *testing.T) {
	w := newWorld(t, testConfig())
	w.must(persistent("/dir").by(bob))
	w.must(ephemeralAt("/dir/e"))
	w.must(closing(alice))
	w.must(remove("/dir", 0).by(bob))
	w.settle()
}

func TestASessionThatIsClosingWritesNoMore(t *testing.T) {
	w := newWorld(t, testConfig())
	w.must(closing(alice))
	for _, r := range []*Request{persistent("/a"), ephemeralAt("/a"), remove("/a", -1), set("/a", "", -1), setACL("/a", proto.OpenACL, -1), multi(persistent("/a"))} {
		if got := w.code(r); got != zk.ErrSessionExpired {
			t.Errorf("%v while the close is pending: %v", r.Op, got)
		}
	}
	if got := w.must(closing(alice)).Body.Paths; got == nil || len(got) != 0 {
		t.Errorf("closing again: paths %v", got)
	}
	w.settle()
	if got := w.code(persistent("/a")); got != zk.ErrSessionExpired {
		t.Errorf("after the close: %v", got)
	}
	w.settle()
}

func TestASessionMayWriteWhileItsOpeningIsPending(t *testing.T) {
	w := newWorld(t, testConfig())
	carol := bob + 1
	open := w.must(&Request{Session: carol, Op: zk.OpCreateSession, TimeoutMillis: 12345})
	if open.Body.TimeoutMillis != 12345 || !open.HasDigest {
		t.Errorf("txn %+v", open)
	}
	w.must(ephemeralAt("/a").by(carol))
	w.apply()
	w.must(ephemeralAt("/b").by(carol))
	w.must(closing(carol))
	w.settle()
}

func TestIDsThatCannotOwnANodeOpenNoSession(t *testing.T) {
	w := newWorld(t, testConfig())
	for _, id := range []zk.SessionID{0, zk.SessionID(zk.OwnerContainer), zk.SessionID(zk.TTLOwner(5))} {
		if got := w.code(&Request{Session: id, Op: zk.OpCreateSession, TimeoutMillis: 1}); got != zk.ErrBadArguments {
			t.Errorf("%v: %v", id, got)
		}
	}
	w.settle()
}

// ZOOKEEPER-4306: a list of ephemerals that is longer than a txn may be must not keep the session
// open. Known-bugs R19.
func TestR19ASessionWithTooManyEphemeralsIsClosedWithoutAList(t *testing.T) {
	cfg := testConfig()
	cfg.MaxTxnBytes = 1000
	w := newWorld(t, cfg)
	for i := range 100 {
		w.must(ephemeralAt(fmt.Sprintf("/ephemeral-%03d", i)))
		if i == 50 {
			w.settle()
		}
	}
	txn := w.must(closing(alice))
	if txn.Body.Paths != nil || txn.HasDigest {
		t.Errorf("%d paths, digest %v: want neither", len(txn.Body.Paths), txn.HasDigest)
	}
	w.must(persistent("/next").by(bob)) // its digest says whether all went
	w.settle()
	if got := w.tree.EphemeralCount(); got != 0 {
		t.Errorf("%d ephemerals are left", got)
	}
}
