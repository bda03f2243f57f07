package replica

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// withRecord is a data directory whose log holds one record that is whole by its checksum.
func withRecord(t *testing.T, payload []byte, zxid zk.Zxid) *vfs.Mem {
	t.Helper()
	fs := vfs.NewMem()
	const dir = "/data/version-2"
	if err := fs.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	view := tree.New(tree.Options{}).Freeze()
	defer view.Release()
	if _, err := snap.Save(fs, dir, view, snap.Options{}); err != nil {
		t.Fatal(err)
	}
	log, _, err := txlog.Open(fs, dir, txlog.Options{Inline: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(log.Append(zxid, payload), log.Sync(), log.Close()); err != nil {
		t.Fatal(err)
	}
	return fs
}

// A record that was damaged before its checksum was made is damage as any other: exit status 74 and what to do.
func TestATxnThatIsWholeByItsChecksumAndMeansNothingIsDamage(t *testing.T) {
	payload := make([]byte, 64)
	zxid := zk.MakeZxid(1, 1)
	binary.BigEndian.PutUint64(payload[12:], uint64(zxid))
	binary.BigEndian.PutUint32(payload[28:], 12345) // no such type
	_, err := Start(config(t, withRecord(t, payload, zxid)))
	damage, ok := errors.AsType[*DamageError](err)
	if !ok || damage.Dir != "/data/version-2" {
		t.Fatalf("Start: %v, want a DamageError", err)
	}
	for _, want := range []string{"txn 0x100000001", "zkd snapshot restore"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestUnusableDataOfAMemberComesAgainFromTheOthers(t *testing.T) {
	r := &Replica{cfg: Config{Peers: struct{ Peers }{}}}
	err := r.advise(&DamageError{Dir: "d", Err: &tree.MissingACLError{Path: "/a", ID: 3, Lists: 1, Nodes: 1}})
	if !strings.Contains(err.Error(), "zkd log repair --resync") || !strings.Contains(err.Error(), "/a: its ACL") {
		t.Errorf("%v", err)
	}
}
