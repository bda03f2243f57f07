package tree

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// contents writes out all that a view shows, except the numbering of ACLs.
func contents(v *View) (lines []string, err error) {
	lines = append(lines, fmt.Sprint(v.Zxid(), v.Digest(), v.NodeCount()))
	err = v.Sessions(func(id zk.SessionID, timeoutMillis int32) error {
		lines = append(lines, fmt.Sprint(id, timeoutMillis))
		return nil
	})
	acls := map[int64]string{-1: fmt.Sprint(proto.OpenACL)}
	err = errors.Join(err, v.ACLs(func(id int64, acl []proto.ACL) error {
		if acls[id] != "" {
			return fmt.Errorf("ACL %d is listed twice", id)
		}
		acls[id] = fmt.Sprint(acl)
		return nil
	}))
	var digest uint64
	err = errors.Join(err, v.Nodes(func(path, data []byte, aclID int64, s *proto.StatPersisted) error {
		if acls[aclID] == "" {
			return fmt.Errorf("%s has ACL %d, which is not listed", path, aclID)
		}
		digest += NodeDigest(string(path), PathDataCRC(string(path), data), s)
		lines = append(lines, fmt.Sprintf("%s %d %x %v %s %v", path, len(data), crc32.ChecksumIEEE(data), data == nil, acls[aclID], *s))
		return nil
	}))
	if digest != v.Digest() {
		err = errors.Join(err, fmt.Errorf("nodes have digest %#x, the view says %#x", digest, v.Digest()))
	}
	return lines, err
}

// TestViewsDoNotChangeWhileTxnsAreApplied reads views in goroutines of their own, several of
// different ages at once, while random txns are applied. It is to be run with -race as well.
func TestViewsDoNotChangeWhileTxnsAreApplied(t *testing.T) {
	for _, maxData := range []int{300, 40_000} {
		m, tree := newModel(true), New(Options{ExtendedTypes: true})
		h := newHistory(7, m)
		h.maxData = maxData
		step := func() {
			txn, _, _ := h.next()
			tree.Apply(txn, nil)
		}
		for range 150 {
			step()
		}
		for range 10 {
			var (
				wg    sync.WaitGroup
				views []*View
			)
			for range 1 + h.IntN(3) {
				v := tree.Freeze()
				views = append(views, v)
				want, err := contents(v)
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					for range 3 {
						if got, err := contents(v); err != nil || !slices.Equal(got, want) {
							t.Errorf("view of %v changed: %v", v.Zxid(), err)
						}
					}
				})
				for range 20 {
					step()
				}
			}
			for range 60 {
				step()
			}
			wg.Wait()
			h.Shuffle(len(views), func(i, j int) { views[i], views[j] = views[j], views[i] })
			for _, v := range views {
				if want, err := contents(v); err != nil || len(want) == 0 {
					t.Error(err)
				}
				v.Release()
				v.Release() // the second time does nothing
				for range 5 {
					step()
				}
			}
		}
		if err := m.diff(tree); err != nil {
			t.Fatal(err)
		}
		checkInvariants(t, tree)
	}
}

func TestViewListsParentsFirstAndTheRootAsTheEmptyPath(t *testing.T) {
	m, tree := newModel(false), New(Options{})
	h := newHistory(1, m)
	for range 200 {
		txn, _, _ := h.next()
		tree.Apply(txn, nil)
	}
	seen := map[string]bool{}
	v := tree.Freeze()
	defer v.Release()
	err := v.Nodes(func(path, _ []byte, _ int64, _ *proto.StatPersisted) error {
		p := string(path)
		if len(seen) == 0 != (p == "") || p != "" && !seen[parentOf(p)] || seen[p] {
			return fmt.Errorf("%q is out of order", p)
		}
		seen[p] = true
		return nil
	})
	if err != nil || len(seen) != v.NodeCount()-1 {
		t.Errorf("%d nodes of %d: %v", len(seen), v.NodeCount()-1, err)
	}
}

func TestViewStopsAtTheFirstError(t *testing.T) {
	tree := New(Options{})
	apply(tree, 1, proto.TxnBody{Type: zk.OpCreateSession, TimeoutMillis: 1})
	v := tree.Freeze()
	defer v.Release()
	stop := errors.New("stop")
	calls := 0
	fail := func() error { calls++; return stop }
	for _, err := range []error{
		v.Sessions(func(zk.SessionID, int32) error { return fail() }),
		v.ACLs(func(int64, []proto.ACL) error { return fail() }),
		v.Nodes(func([]byte, []byte, int64, *proto.StatPersisted) error { return fail() }),
	} {
		if err != stop {
			t.Errorf("error %v", err)
		}
	}
	if calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}

// TestBlocksOfAViewAreUsedAgainOnceItIsReleased: a view must not leak what it kept.
func TestBlocksOfAViewAreUsedAgainOnceItIsReleased(t *testing.T) {
	tree := New(Options{})
	set := func(zxid zk.Zxid) {
		data := make([]byte, 1000)
		data[0] = byte(zxid)
		apply(tree, zxid, proto.TxnBody{Type: zk.OpSetData, Path: "/", Data: data})
	}
	set(1)
	v := tree.Freeze()
	for i := range zk.Zxid(5000) {
		set(2 + i)
	}
	if n := len(tree.deferred.batches); n != 1 || len(tree.deferred.batches[0].blocks) != 1 {
		t.Errorf("%d batches of deferred blocks: only the block that the view has may wait", n)
	}
	v.Release()
	set(9000)
	if len(tree.deferred.batches) != 0 {
		t.Error("the view's block is still kept after its release")
	}
	checkInvariants(t, tree)
}
