package tree

import (
	"slices"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// withQuota returns a tree with /q (5 bytes), /q/x (3 bytes) and a quota on /q, as zkCli makes it.
func withQuota(limits string) *Tree {
	tree := New(Options{})
	for i, b := range []proto.TxnBody{
		{Path: "/q", Data: []byte("12345")},
		{Path: "/q/x", Data: []byte("123")},
		{Path: "/zookeeper/quota/q"},
		{Path: "/zookeeper/quota/q/zookeeper_limits", Data: []byte(limits)},
		{Path: "/zookeeper/quota/q/zookeeper_stats", Data: []byte("count=0,bytes=0")},
	} {
		b.Type, b.ParentCversion = zk.OpCreate, -1
		apply(tree, zk.Zxid(i+1), b)
	}
	return tree
}

// TestQuotaUsageFollowsEveryChange: features 1.9. The stats node changes without a txn: its stat,
// the digest and the watches know nothing of it.
func TestQuotaUsageFollowsEveryChange(t *testing.T) {
	for name, test := range map[string]struct {
		body proto.TxnBody
		want string
	}{
		"the node itself counts, when the quota is made": {proto.TxnBody{Type: zk.OpError}, "count=2,bytes=8"},
		"create":             {proto.TxnBody{Type: zk.OpCreate, Path: "/q/x/y", Data: []byte("1")}, "count=3,bytes=9"},
		"create of null":     {proto.TxnBody{Type: zk.OpCreate, Path: "/q/y"}, "count=3,bytes=8"},
		"create, exists":     {proto.TxnBody{Type: zk.OpCreate, Path: "/q/x", Data: []byte("1")}, "count=2,bytes=8"},
		"setData":            {proto.TxnBody{Type: zk.OpSetData, Path: "/q/x", Data: []byte("1")}, "count=2,bytes=6"},
		"setData to null":    {proto.TxnBody{Type: zk.OpSetData, Path: "/q"}, "count=2,bytes=3"},
		"delete":             {proto.TxnBody{Type: zk.OpDelete, Path: "/q/x"}, "count=1,bytes=5"},
		"delete of nothing":  {proto.TxnBody{Type: zk.OpDelete, Path: "/q/z"}, "count=2,bytes=8"},
		"a path beside":      {proto.TxnBody{Type: zk.OpCreate, Path: "/qq", Data: []byte("1")}, "count=2,bytes=8"},
		"delete the limits":  {proto.TxnBody{Type: zk.OpDelete, Path: "/zookeeper/quota/q/zookeeper_limits"}, "count=2,bytes=8"},
		"set the stats node": {proto.TxnBody{Type: zk.OpSetData, Path: "/zookeeper/quota/q/zookeeper_stats", Data: []byte("count=7,bytes=7")}, "count=7,bytes=7"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := withQuota("count=5,bytes=-1")
			apply(tree, 9, test.body)
			id := mustFind(t, tree, "/zookeeper/quota/q/zookeeper_stats")
			if got := string(tree.Data(id)); got != test.want {
				t.Errorf("stats %q, want %q", got, test.want)
			}
			if stat := tree.Stat(id); test.body.Type != zk.OpSetData && (stat.Mzxid != 5 || stat.Version != 0) {
				t.Errorf("the stat of the stats node changed: %+v", stat)
			}
			if got := PathDataCRC("/zookeeper/quota/q/zookeeper_stats", []byte(test.want)); tree.DigestPrefix(id) != got {
				t.Error("the CRC prefix of the stats node is out of date")
			}
			checkInvariants(t, tree)
		})
	}
}

func TestUsageStopsWithTheLimitsNode(t *testing.T) {
	tree := withQuota("count=5,bytes=-1")
	apply(tree, 9, proto.TxnBody{Type: zk.OpDelete, Path: "/zookeeper/quota/q/zookeeper_limits"})
	apply(tree, 10, proto.TxnBody{Type: zk.OpCreate, Path: "/q/z"})
	if got := string(tree.Data(mustFind(t, tree, "/zookeeper/quota/q/zookeeper_stats"))); got != "count=2,bytes=8" {
		t.Errorf("stats %q", got)
	}
	if q, ok := tree.QuotaFor("/q/z"); ok {
		t.Errorf("quota %+v", q)
	}
}

func TestTheNearestQuotaBinds(t *testing.T) {
	tree := withQuota("count=5,bytes=-1=;byteHardLimit=100;countHardLimit=50")
	for i, b := range []proto.TxnBody{
		{Path: "/zookeeper/quota/q/x"},
		{Path: "/zookeeper/quota/q/x/zookeeper_limits", Data: []byte("count=1,bytes=2")},
		{Path: "/zookeeper/quota/q/x/zookeeper_stats"},
		{Path: "/q/x/y", Data: []byte("1234567")},
		{Path: "/zookeeper/quota/zookeeper_limits", Data: []byte("count=1,bytes=2")}, // on the root: no quota
	} {
		b.Type, b.ParentCversion = zk.OpCreate, -1
		apply(tree, zk.Zxid(i+10), b)
	}
	outer := Quota{Path: "/q", CountSoft: 5, CountHard: 50, BytesSoft: -1, BytesHard: 100, Count: 2, Bytes: 8}
	inner := Quota{Path: "/q/x", CountSoft: 1, CountHard: -1, BytesSoft: 2, BytesHard: -1, Count: 2, Bytes: 10}
	for path, want := range map[string]Quota{
		"/q": outer, "/q/new/deep": outer, "/q/x": inner, "/q/x/y/z": inner, "/": {}, "/qq": {}, "/zookeeper": {},
	} {
		if got, ok := tree.QuotaFor(path); got != want || ok != (want != Quota{}) {
			t.Errorf("%s: %+v %v, want %+v", path, got, ok, want)
		}
	}
	if got := slices.Collect(tree.Quotas()); !slices.Equal(got, []Quota{outer, inner}) {
		t.Errorf("quotas %+v", got)
	}
}

func TestNoQuotaBindsWithoutItsStatsNode(t *testing.T) {
	tree := withQuota("count=5,bytes=-1")
	apply(tree, 9, proto.TxnBody{Type: zk.OpDelete, Path: "/zookeeper/quota/q/zookeeper_stats"})
	apply(tree, 10, proto.TxnBody{Type: zk.OpCreate, Path: "/q/z"})
	if q, ok := tree.QuotaFor("/q/z"); ok {
		t.Errorf("quota %+v", q)
	}
}

func TestLoadingASnapshotCountsUsageAnew(t *testing.T) {
	tree := withQuota("count=5,bytes=-1")
	apply(tree, 9, proto.TxnBody{Type: zk.OpSetData, Path: "/zookeeper/quota/q/zookeeper_stats", Data: []byte("rubbish")})
	loaded := reload(t, tree)
	if q, ok := loaded.QuotaFor("/q"); !ok || q.Count != 2 || q.Bytes != 8 {
		t.Errorf("quota %+v %v", q, ok)
	}
}

func TestQuotaTextIsReadAndWrittenAsByJava(t *testing.T) {
	for name, test := range map[string]struct{ in, out string }{
		"plain":                     {"count=1,bytes=2", "count=1,bytes=2"},
		"nothing":                   {"", "count=-1,bytes=-1"},
		"hard limits":               {"count=1,bytes=2=;byteHardLimit=3;countHardLimit=4", "count=1,bytes=2=;byteHardLimit=3;countHardLimit=4"},
		"keys in another order":     {"countHardLimit=4;bytes=2;byteHardLimit=3,count=1", "count=1,bytes=2=;byteHardLimit=3;countHardLimit=4"},
		"an empty value":            {"count=,bytes=2", "count=-1,bytes=2"},
		"no number":                 {"count=many,bytes=2", "count=-1,bytes=2"},
		"the later of two":          {"count=1,bytes=2,count=3", "count=3,bytes=2"},
		"keys that nobody knows of": {"count=1,bytes=2=;zz=1;aa=2", "count=1,bytes=2=;aa=2;zz=1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(parseTrack([]byte(test.in)).append(nil)); got != test.out {
				t.Errorf("%q becomes %q, want %q", test.in, got, test.out)
			}
		})
	}
}
