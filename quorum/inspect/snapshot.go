package inspect

import (
	"errors"
	"fmt"
	"io"
	"path"

	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// DumpSnapshot writes all that is in the snapshot file called name, or in the newest snapshot in
// the directory of that name, to w: sessions, znodes with their ACLs, the digest and the zxids.
// What can be read of a damaged file is shown before the error.
func DumpSnapshot(fsys vfs.FS, name string, w io.Writer, o Options) error {
	files, err := snapshotFiles(fsys, name)
	if err != nil {
		return err
	}
	name = files[0]
	p := newPrinter(w, o)
	sink := &dumpSink{p: p, acls: map[int64][]proto.ACL{snap.OpenACLID: proto.OpenACL}}
	info, err := snap.LoadInto(fsys, name, sink, nil)
	if p.err == nil && err == nil {
		p.begin("end")
		snapshotFields(p, info)
		p.end()
	}
	if writeErr := p.flush(); writeErr != nil {
		return fmt.Errorf("inspect: write: %w", writeErr)
	}
	return damaged(err)
}

// damaged marks what is an error about contents.
func damaged(err error) error {
	if corrupt := (*snap.CorruptError)(nil); errors.As(err, &corrupt) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// snapshotFields adds what is known of a snapshot once it has been read to its end.
func snapshotFields(p *printer, info snap.Info) {
	p.text("file", info.Name)
	if info.Zxid >= 0 {
		p.zxid("zxid", info.Zxid)
	}
	p.int("nodes", info.Nodes)
	p.int("sessions", info.Sessions)
	p.int("acls", info.ACLs)
	p.int("bytes", info.SizeBytes)
	p.int("plain_bytes", info.PlainBytes)
	if info.HasDigest {
		p.hex("digest", info.Digest)
		p.zxid("digest_zxid", info.DigestZxid)
	}
	if info.HasLastProcessed {
		p.zxid("last_processed_zxid", info.LastProcessed)
	}
}

// dumpSink prints what it receives.
type dumpSink struct {
	p    *printer
	acls map[int64][]proto.ACL
}

// Session prints a session.
func (s *dumpSink) Session(id zk.SessionID, timeoutMillis int32) {
	s.p.begin("session")
	s.p.hex("id", uint64(id))
	s.p.int("timeout_ms", int64(timeoutMillis))
	s.p.end()
}

// ACL keeps a list for the nodes that refer to it.
func (s *dumpSink) ACL(id int64, acl []proto.ACL) error {
	s.acls[id] = acl
	return s.p.err
}

// Node prints a znode.
func (s *dumpSink) Node(nodePath, data []byte, aclID int64, stat *proto.StatPersisted) error {
	p := s.p
	p.begin("node")
	p.text("path", displayPath(nodePath))
	p.data(data)
	if acl, ok := s.acls[aclID]; ok {
		p.acl(acl)
	} else {
		p.int("unknown_acl", aclID)
	}
	p.zxid("czxid", stat.Czxid)
	p.zxid("mzxid", stat.Mzxid)
	p.zxid("pzxid", stat.Pzxid)
	p.time("ctime", stat.CtimeMillis)
	p.time("mtime", stat.MtimeMillis)
	p.int("version", int64(stat.Version))
	p.int("cversion_stored", int64(stat.Cversion))
	p.int("aversion", int64(stat.Aversion))
	ownerFields(p, stat.EphemeralOwner)
	p.end()
	return p.err
}

// displayPath returns the path that clients use: the root has none in a snapshot.
func displayPath(nodePath []byte) string {
	if len(nodePath) == 0 {
		return "/"
	}
	return string(nodePath)
}

// ownerFields says what kind of node an owner makes; nothing for a plain one. Of an owner with the
// top byte 0xff one cannot tell whether it is a session of server 255 on a server without TTL
// nodes, so the owner is always shown too.
func ownerFields(p *printer, owner int64) {
	switch zk.KindOf(owner, true) {
	case zk.Ephemeral:
		p.word("kind_of_node", "ephemeral")
	case zk.Container:
		p.word("kind_of_node", "container")
	case zk.TTL:
		p.word("kind_of_node", "ttl")
		p.int("ttl_ms", zk.OwnerTTLMillis(owner))
	default:
		return
	}
	p.hex("owner", uint64(owner))
}

// VerifySnapshot reads the snapshot file called name, or every snapshot in the directory of that
// name, to its end. It checks checksums, that each list of ACL that a node refers to is there, and
// that the znodes are those of the digest, as far as a fuzzy snapshot allows without the log. It
// writes a verdict for each, and returns an error that wraps ErrDamaged if any is not whole.
func VerifySnapshot(fsys vfs.FS, name string, w io.Writer, o Options) error {
	files, err := snapshotFiles(fsys, name)
	if err != nil {
		return err
	}
	p := newPrinter(w, o)
	bad := 0
	var opErr error
	for _, file := range files {
		err := verifySnapshot(fsys, file, p)
		if errors.Is(err, ErrDamaged) {
			bad++
		} else if err != nil {
			opErr = errors.Join(opErr, err)
		}
	}
	if err := p.flush(); err != nil {
		return fmt.Errorf("inspect: write: %w", err)
	}
	if opErr != nil {
		return opErr
	}
	if bad > 0 {
		return fmt.Errorf("inspect: %s: %w: %d of %d snapshots", name, ErrDamaged, bad, len(files))
	}
	return nil
}

// snapshotFiles returns name itself, or, if it is a directory, the snapshots in it, newest first, of
// which there is at least one.
func snapshotFiles(fsys vfs.FS, name string) ([]string, error) {
	stat, err := fsys.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	if !stat.IsDir() {
		return []string{name}, nil
	}
	found, err := snap.List(fsys, name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("inspect: there is no snapshot in %s", name)
	}
	var files []string
	for _, c := range found {
		files = append(files, path.Join(name, c.Name))
	}
	return files, nil
}

// CheckSnapshot reads the snapshot file called name to its end, as VerifySnapshot does, and prints nothing. note
// says what could not be checked, "" if all could. The error wraps ErrDamaged if the snapshot is not whole.
func CheckSnapshot(fsys vfs.FS, name string, o Options) (info snap.Info, note string, err error) {
	sink := &checkSink{acls: map[int64]bool{snap.OpenACLID: true}}
	info, err = snap.LoadInto(fsys, name, sink, o.of(name))
	err = damaged(err)
	if err == nil {
		err = sink.problem(info)
	}
	if err != nil {
		return info, "", err
	}
	return info, sink.note(info), nil
}

// verifySnapshot reads one snapshot and prints its verdict.
func verifySnapshot(fsys vfs.FS, file string, p *printer) error {
	info, note, err := CheckSnapshot(fsys, file, p.options)
	p.begin("verdict")
	p.bool("ok", err == nil)
	snapshotFields(p, info)
	if err != nil {
		p.text("problem", err.Error())
	}
	if note != "" {
		p.text("note", note)
	}
	p.end()
	return err
}

// checkSink adds up the digest and looks for ACLs that are not there.
type checkSink struct {
	acls        map[int64]bool
	digest      uint64
	missingACLs int64
	missingAt   string
}

// Session counts for nothing here.
func (s *checkSink) Session(zk.SessionID, int32) {}

// ACL remembers the id.
func (s *checkSink) ACL(id int64, _ []proto.ACL) error {
	s.acls[id] = true
	return nil
}

// Node adds a node to the digest.
func (s *checkSink) Node(nodePath, data []byte, aclID int64, stat *proto.StatPersisted) error {
	name := string(nodePath)
	s.digest += tree.NodeDigest(name, tree.PathDataCRC(name, data), stat)
	if !s.acls[aclID] {
		if s.missingACLs == 0 {
			s.missingAt = displayPath(nodePath)
		}
		s.missingACLs++
	}
	return nil
}

// exact reports whether no txn was applied while the snapshot was written, so that its znodes are
// those of its digest.
func exact(info snap.Info) bool { return info.HasDigest && info.DigestZxid == info.Zxid }

// problem returns what is wrong with a snapshot whose checksums are right.
func (s *checkSink) problem(info snap.Info) error {
	switch {
	case exact(info) && s.digest != info.Digest:
		return fmt.Errorf("%w: its znodes have the digest %#x and not %#x", ErrDamaged, s.digest, info.Digest)
	case exact(info) && s.missingACLs > 0:
		return fmt.Errorf("%w: %d znodes, the first being %s, refer to an ACL that is not there", ErrDamaged, s.missingACLs, s.missingAt)
	}
	return nil
}

// note says what could not be checked.
func (s *checkSink) note(info snap.Info) string {
	switch {
	case s.missingACLs > 0:
		return fmt.Sprintf("%d znodes, the first being %s, refer to an ACL that is not there: the log must hold it", s.missingACLs, s.missingAt)
	case !info.HasDigest:
		return "there is no digest to compare the znodes with"
	case !exact(info):
		return fmt.Sprintf("the snapshot was written while txns were applied, so its digest can be compared only after the log was replayed to %v", info.DigestZxid)
	}
	return ""
}
