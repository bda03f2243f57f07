package prep

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// source makes requests that collide: few paths, sessions and identities, every kind of mistake.
type source struct{ rng *rand.Rand }

func (s source) path() string {
	names := []string{"/a", "/b", "/c"}
	switch s.rng.IntN(30) {
	case 0:
		odd := []string{"", "/", "//", "/a/", "a", "/a/.", "/a\x00", "/\xff", "/zookeeper", "/zookeeper/config",
			"/zookeeper/quota", "/zookeeper/quota/a/zookeeper_limits", "/zookeeper/quota/a/zookeeper_stats", "/zookeeper/quota/a"}
		return odd[s.rng.IntN(len(odd))]
	}
	path := ""
	for range 1 + s.rng.IntN(3) {
		path += names[s.rng.IntN(len(names))]
	}
	return path
}

func (s source) data() []byte {
	switch s.rng.IntN(6) {
	case 0:
		return nil
	case 1:
		return fmt.Appendf(nil, "count=%d,bytes=%d=;byteHardLimit=%d;countHardLimit=%d", s.rng.IntN(5)-1, s.rng.IntN(9)-1, s.rng.IntN(200)-1, s.rng.IntN(9)-1)
	}
	return make([]byte, s.rng.IntN(40))
}

func (s source) acl() []proto.ACL {
	switch s.rng.IntN(12) {
	case 0:
		return bobs
	case 1:
		return []proto.ACL{{Perms: zk.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}, {Perms: zk.PermAll, ID: proto.ID{Scheme: "auth"}}}
	case 2:
		return nil
	}
	return proto.OpenACL
}

func (s source) session() zk.SessionID {
	return []zk.SessionID{alice, bob, bob + 1, 0}[s.rng.IntN(4)]
}

func (s source) ids() []proto.ID {
	if s.rng.IntN(2) == 0 {
		return []proto.ID{bobID}
	}
	return nil
}

func (s source) version() int32 { return int32(s.rng.IntN(4)) - 1 }

func (s source) one() *Request {
	switch s.rng.IntN(12) {
	case 0, 1:
		return remove(s.path(), s.version())
	case 2, 3:
		return set(s.path(), string(s.data()), s.version())
	case 4:
		return check(s.path(), s.version())
	}
	op := []zk.Op{zk.OpCreate, zk.OpCreate, zk.OpCreate2, zk.OpCreateTTL, zk.OpCreateContainer}[s.rng.IntN(5)]
	mode := zk.CreateMode(s.rng.IntN(9) - 1)
	if s.rng.IntN(3) > 0 {
		switch op {
		case zk.OpCreateTTL:
			mode = zk.ModePersistentTTL
		case zk.OpCreateContainer:
			mode = zk.ModeContainer
		default:
			mode = zk.CreateMode(s.rng.IntN(2)) // persistent or ephemeral
		}
	}
	return createAs(op, proto.CreateRequest{Path: s.path(), Data: s.data(), ACL: s.acl(), Mode: mode, TTLMillis: int64(s.rng.IntN(60) - 5)})
}

func (s source) request() *Request {
	r := s.one()
	switch s.rng.IntN(20) {
	case 0:
		r = &Request{Op: zk.OpCreateSession, TimeoutMillis: int32(s.rng.IntN(9000))}
	case 1:
		r = &Request{Op: zk.OpCloseSession}
	case 2:
		return reap(s.path())
	case 3:
		r = setACL(s.path(), s.acl(), s.version())
	case 4, 5, 6:
		ops := make([]*Request, s.rng.IntN(5))
		for i := range ops {
			ops[i] = s.one()
		}
		r = multi(ops...)
	case 7:
		r.Body = r.Body[:s.rng.IntN(len(r.Body)+1)]
	}
	return r.by(s.session()).as(s.ids()...)
}

// Two servers get the same requests: one applies each txn before it prepares the next, the other
// lets them pile up. They must make the same txns: pending changes are as good as applied ones.
// Each apply is checked against the txn's digest. Quotas are off, since their usage counts applied
// txns only.
func TestPendingChangesAreAsGoodAsAppliedOnes(t *testing.T) {
	for seed := range uint64(40) {
		cfg := testConfig()
		cfg.EnforceQuota = false
		cfg.ExtendedTypes = seed%2 == 0
		cfg.ContainerNeverUsedMillis = 500
		serial, piled := newWorld(t, cfg), newWorld(t, cfg)
		src := source{rand.New(rand.NewPCG(seed, 1))}
		for step := range 600 {
			r := src.request()
			want := serial.do(r)
			serial.settle()
			body := bytes.Clone(r.Body)
			got := piled.do(r)
			if !bytes.Equal(body, r.Body) {
				t.Fatalf("seed %d step %d: the body was changed", seed, step)
			}
			if !bytes.Equal(got.Append(nil), want.Append(nil)) {
				t.Fatalf("seed %d step %d, %v: piled up\n%+v\nin series\n%+v", seed, step, r.Op, got, want)
			}
			for len(piled.line) > 0 && src.rng.IntN(8) == 0 {
				piled.apply()
			}
		}
		piled.settle()
	}
}

func TestEnforcedQuotasLeaveNothingThatCannotBeApplied(t *testing.T) {
	for seed := range uint64(20) {
		cfg := testConfig()
		cfg.MaxTxnBytes = 300
		w := newWorld(t, cfg)
		src := source{rand.New(rand.NewPCG(seed, 2))}
		for _, path := range []string{"/zookeeper/quota/a", "/zookeeper/quota/a/zookeeper_limits", "/zookeeper/quota/a/zookeeper_stats"} {
			w.must(persistent(path))
		}
		for range 600 {
			w.do(src.request())
			for len(w.line) > 0 && src.rng.IntN(4) == 0 {
				w.apply()
			}
		}
		w.settle()
	}
}

// FuzzPrepare throws bytes at every operation, over a tree with pending changes. No request may
// make a txn that does not encode, decode and apply to exactly the digest it announces.
func FuzzPrepare(f *testing.F) {
	src := source{rand.New(rand.NewPCG(9, 9))}
	for range 60 {
		r := src.request()
		f.Add(src.rng.Uint64N(50), int32(r.Op), int64(r.Session), r.Body)
	}
	f.Fuzz(func(t *testing.T, seed uint64, op int32, session int64, body []byte) {
		cfg := testConfig()
		cfg.MaxTxnBytes = 4000
		w := newWorld(t, cfg)
		src := source{rand.New(rand.NewPCG(seed%50, 3))}
		for range 20 {
			w.do(src.request())
		}
		for range 10 {
			w.apply()
		}
		for range 2 {
			w.do(&Request{Session: zk.SessionID(session), Op: zk.Op(op), Body: body, IDs: []proto.ID{bobID}})
		}
		w.do(&Request{Session: alice, Op: zk.Op(op), Body: body})
		for range 3 {
			w.do(src.request())
		}
		w.settle()
	})
}
