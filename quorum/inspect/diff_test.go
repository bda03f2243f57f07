package inspect

import (
	"bytes"
	"errors"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// fakeState is a snapshot's contents, written down.
type fakeState struct {
	zxid     zk.Zxid
	sessions map[zk.SessionID]int32
	acls     map[int64][]proto.ACL
	nodes    []fakeNode
}

type fakeNode struct {
	path string
	data []byte
	acl  int64
	stat proto.StatPersisted
}

func (s fakeState) Zxid() zk.Zxid  { return s.zxid }
func (s fakeState) Digest() uint64 { return 1 }

func (s fakeState) Sessions(f func(id zk.SessionID, timeoutMillis int32) error) error {
	for id, timeout := range s.sessions {
		if err := f(id, timeout); err != nil {
			return err
		}
	}
	return nil
}

func (s fakeState) ACLs(f func(id int64, acl []proto.ACL) error) error {
	for id, acl := range s.acls {
		if err := f(id, acl); err != nil {
			return err
		}
	}
	return nil
}

func (s fakeState) Nodes(f func(path, data []byte, aclID int64, stat *proto.StatPersisted) error) error {
	for _, n := range s.nodes {
		if err := f([]byte(n.path), n.data, n.acl, &n.stat); err != nil {
			return err
		}
	}
	return nil
}

func TestDiffNamesWhatDiffers(t *testing.T) {
	open, own := snap.OpenACLID, []proto.ACL{{Perms: zk.PermRead, ID: proto.ID{Scheme: "ip", ID: "192.0.2.1"}}}
	older, newer := proto.StatPersisted{Czxid: 1, Mzxid: 1}, proto.StatPersisted{Czxid: 1, Mzxid: 2, Version: 1}
	disk := vfs.NewMem()
	for dir, state := range map[string]fakeState{
		"a": {zxid: 5, sessions: map[zk.SessionID]int32{1: 4000, 2: 4000}, acls: map[int64][]proto.ACL{1: own}, nodes: []fakeNode{
			{"", nil, open, older}, {"/same", []byte("x"), 1, older}, {"/touched", []byte("x"), open, older}, {"/data", []byte("x"), open, older},
			{"/null", nil, open, older}, {"/acl", nil, open, older}, {"/gone", nil, open, older}, {"/also-gone", nil, open, older}}},
		"b": {zxid: 6, sessions: map[zk.SessionID]int32{2: 4000, 3: 6000}, acls: map[int64][]proto.ACL{7: own}, nodes: []fakeNode{
			{"", nil, open, older}, {"/same", []byte("x"), 7, older}, {"/touched", []byte("x"), open, newer}, {"/data", []byte("y"), open, newer},
			{"/null", []byte{}, open, older}, {"/acl", nil, 7, older}, {"/new", nil, open, older}}},
	} {
		if err := disk.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := snap.Save(disk, dir, state, snap.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	const sessions = "session_added id=0x3 timeout_ms=6000\n"
	const rest = "changed path=\"/null\" what=data\nchanged path=\"/acl\" what=acl\nadded path=\"/new\"\n" +
		"removed path=\"/also-gone\"\nremoved path=\"/gone\"\nsession_removed id=0x1 timeout_ms=4000\nverdict same=false a=\"snapshot.5\" b=\"snapshot.6\" "
	tests := map[string]struct {
		a, b  string
		stats bool
		want  string
	}{
		"everything": {"a", "b", true, sessions + "changed path=\"/touched\" what=stat\nchanged path=\"/data\" what=data,stat\n" + rest +
			"added=1 removed=2 changed=4 sessions_added=1 sessions_removed=1\n"},
		"without stats": {"a", "b", false, sessions + "changed path=\"/data\" what=data\n" + rest +
			"added=1 removed=2 changed=3 sessions_added=1 sessions_removed=1\n"},
		"a snapshot and itself": {"a/snapshot.5", "a", true,
			"verdict same=true a=\"snapshot.5\" b=\"snapshot.5\" added=0 removed=0 changed=0 sessions_added=0 sessions_removed=0\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			differ, err := DiffSnapshots(frozen(t, disk), tc.a, tc.b, &b, tc.stats, Options{})
			if err != nil || differ != (tc.a != "a/snapshot.5") || b.String() != tc.want {
				t.Errorf("differ %t, %v\ngot\n%swant\n%s", differ, err, b.String(), tc.want)
			}
		})
	}
	rewriteFile(t, disk, "b/snapshot.6", "b/snapshot.7", func(text []byte) []byte { text[100] ^= 1; return text })
	if _, err := DiffSnapshots(disk, "a", "b/snapshot.7", new(bytes.Buffer), true, Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged one: %v", err)
	}
}
