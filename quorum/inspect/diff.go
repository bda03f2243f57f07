package inspect

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// DiffSnapshots compares the snapshots called a and b, or the newest ones in the directories of those names, and
// writes a record for each znode and session that only one has, or that is another in b. It reports whether there is
// any. Ignored are the ids of ACLs, which each server gives as it likes, and with stats false the zxids, times and
// versions, which differ between ensembles that hold the same.
//
// It keeps some hundred bytes for each znode of a: the first is read whole before the second is compared with it.
func DiffSnapshots(fsys vfs.FS, a, b string, w io.Writer, stats bool, o Options) (differ bool, err error) {
	var files [2]string
	for i, name := range []string{a, b} {
		found, err := snapshotFiles(fsys, name)
		if err != nil {
			return false, err
		}
		files[i] = found[0]
	}
	p := newPrinter(w, o)
	d := &comparison{p: p, stats: stats, nodes: make(map[string]nodeSum), sessions: make(map[zk.SessionID]int32), texts: make(map[string]int32)}
	d.begin()
	infoA, err := snap.LoadInto(fsys, files[0], (*diffFirst)(d), o.of(files[0]))
	if err != nil {
		return false, damaged(err)
	}
	d.begin()
	infoB, err := snap.LoadInto(fsys, files[1], (*diffSecond)(d), o.of(files[1]))
	if err != nil {
		return false, damaged(err)
	}
	d.rest()
	p.begin("verdict")
	p.bool("same", !d.differ())
	p.text("a", infoA.Name)
	p.text("b", infoB.Name)
	p.int("added", d.added)
	p.int("removed", d.removed)
	p.int("changed", d.changed)
	p.int("sessions_added", d.sessionsAdded)
	p.int("sessions_removed", d.sessionsRemoved)
	p.end()
	if err := p.flush(); err != nil {
		return false, fmt.Errorf("inspect: write: %w", err)
	}
	return d.differ(), nil
}

// nodeSum is what is kept of a znode.
type nodeSum struct {
	data [16]byte // of a SHA-256, which null data has none of: see sum
	acl  int32    // the same for the same list, in both snapshots
	stat proto.StatPersisted
}

// comparison compares two snapshots.
type comparison struct {
	p        *printer
	stats    bool
	nodes    map[string]nodeSum // of a, without those that b was found to have
	sessions map[zk.SessionID]int32

	texts map[string]int32 // number of each list of ACLs
	acls  map[int64]int32  // those of the snapshot that is read, by its ids

	added, removed, changed, sessionsAdded, sessionsRemoved int64
}

func (d *comparison) differ() bool {
	return d.added+d.removed+d.changed+d.sessionsAdded+d.sessionsRemoved > 0
}

// begin forgets the ids of the snapshot before.
func (d *comparison) begin() {
	d.acls = make(map[int64]int32)
	_ = d.acl(snap.OpenACLID, proto.OpenACL) // never fails
}

func (d *comparison) acl(id int64, list []proto.ACL) error {
	var text strings.Builder
	for _, a := range list {
		fmt.Fprintf(&text, "%d %q %q\n", a.Perms, a.ID.Scheme, a.ID.ID)
	}
	n, known := d.texts[text.String()]
	if !known {
		n = int32(len(d.texts)) + 1
		d.texts[text.String()] = n
	}
	d.acls[id] = n
	return nil
}

func (d *comparison) sum(data []byte, aclID int64, stat *proto.StatPersisted) nodeSum {
	s := nodeSum{acl: d.acls[aclID], stat: *stat}
	if data != nil {
		hash := sha256.Sum256(data)
		copy(s.data[:], hash[:])
	}
	return s
}

// what names what differs of a znode, "" for nothing.
func (d *comparison) what(a, b nodeSum) string {
	var all []string
	if !bytes.Equal(a.data[:], b.data[:]) {
		all = append(all, "data")
	}
	if a.acl != b.acl {
		all = append(all, "acl")
	}
	switch {
	case a.stat.EphemeralOwner != b.stat.EphemeralOwner:
		all = append(all, "owner")
	case d.stats && a.stat != b.stat:
		all = append(all, "stat")
	}
	return strings.Join(all, ",")
}

func (d *comparison) print(kind string, path string, what string) {
	d.p.begin(kind)
	d.p.text("path", displayPath([]byte(path)))
	if what != "" {
		d.p.word("what", what)
	}
	d.p.end()
}

func (d *comparison) printSession(kind string, id zk.SessionID, timeoutMillis int32) {
	d.p.begin(kind)
	d.p.hex("id", uint64(id))
	d.p.int("timeout_ms", int64(timeoutMillis))
	d.p.end()
}

// rest prints what only a has.
func (d *comparison) rest() {
	for _, path := range slices.Sorted(maps.Keys(d.nodes)) {
		d.removed++
		d.print("removed", path, "")
	}
	for _, id := range slices.Sorted(maps.Keys(d.sessions)) {
		d.sessionsRemoved++
		d.printSession("session_removed", id, d.sessions[id])
	}
}

// diffFirst reads a.
type diffFirst comparison

// Session keeps a session.
func (d *diffFirst) Session(id zk.SessionID, timeoutMillis int32) { d.sessions[id] = timeoutMillis }

// ACL keeps a list.
func (d *diffFirst) ACL(id int64, list []proto.ACL) error { return (*comparison)(d).acl(id, list) }

// Node keeps a znode.
func (d *diffFirst) Node(path, data []byte, aclID int64, stat *proto.StatPersisted) error {
	d.nodes[string(path)] = (*comparison)(d).sum(data, aclID, stat)
	return nil
}

// diffSecond reads b and compares.
type diffSecond comparison

// Session compares a session.
func (d *diffSecond) Session(id zk.SessionID, timeoutMillis int32) {
	if before, ok := d.sessions[id]; ok && before == timeoutMillis {
		delete(d.sessions, id)
		return
	}
	d.sessionsAdded++
	(*comparison)(d).printSession("session_added", id, timeoutMillis)
}

// ACL keeps a list.
func (d *diffSecond) ACL(id int64, list []proto.ACL) error { return (*comparison)(d).acl(id, list) }

// Node compares a znode.
func (d *diffSecond) Node(path, data []byte, aclID int64, stat *proto.StatPersisted) error {
	all := (*comparison)(d)
	before, ok := d.nodes[string(path)]
	switch {
	case !ok:
		d.added++
		all.print("added", string(path), "")
	default:
		delete(d.nodes, string(path))
		if what := all.what(before, all.sum(data, aclID, stat)); what != "" {
			d.changed++
			all.print("changed", string(path), what)
		}
	}
	return d.p.err
}
