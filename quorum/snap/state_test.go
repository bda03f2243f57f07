package snap

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// state is a tree in its plainest form: what is read, and what is written. It is Source and Sink.
type state struct {
	zxid     zk.Zxid
	sessions []session
	acls     []acls
	nodes    []node
}

type session struct {
	id            zk.SessionID
	timeoutMillis int32
}

type acls struct {
	id  int64
	acl []proto.ACL
}

type node struct {
	path  string
	data  []byte
	aclID int64
	stat  proto.StatPersisted
}

func newState() *state { return &state{} }

func (s *state) Session(id zk.SessionID, timeoutMillis int32) {
	s.sessions = append(s.sessions, session{id, timeoutMillis})
}

func (s *state) ACL(id int64, acl []proto.ACL) error {
	s.acls = append(s.acls, acls{id, acl})
	return nil
}

func (s *state) Node(path, data []byte, aclID int64, stat *proto.StatPersisted) error {
	s.nodes = append(s.nodes, node{string(path), bytes.Clone(data), aclID, *stat})
	return nil
}

func (s *state) Zxid() zk.Zxid { return s.zxid }

func (s *state) Sessions(f func(zk.SessionID, int32) error) error {
	for _, x := range s.sessions {
		if err := f(x.id, x.timeoutMillis); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) ACLs(f func(int64, []proto.ACL) error) error {
	for _, x := range s.acls {
		if err := f(x.id, x.acl); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) Nodes(f func(path, data []byte, aclID int64, stat *proto.StatPersisted) error) error {
	for i := range s.nodes {
		n := &s.nodes[i]
		if err := f([]byte(n.path), n.data, n.aclID, &n.stat); err != nil {
			return err
		}
	}
	return nil
}

// Digest computes the digest the slow way: the sum of the nodes' CRCs, but of those below
// /zookeeper.
func (s *state) Digest() uint64 {
	var sum uint64
	for _, n := range s.nodes {
		if strings.HasPrefix(n.path, "/zookeeper/") {
			continue
		}
		b := append([]byte(n.path), n.data...)
		b = jute.AppendLong(b, int64(n.stat.Czxid))
		b = jute.AppendLong(b, int64(n.stat.Mzxid))
		b = jute.AppendLong(b, int64(n.stat.Pzxid))
		b = jute.AppendLong(b, n.stat.CtimeMillis)
		b = jute.AppendLong(b, n.stat.MtimeMillis)
		b = jute.AppendInt(b, n.stat.Version)
		b = jute.AppendInt(b, n.stat.Cversion)
		b = jute.AppendInt(b, n.stat.Aversion)
		b = jute.AppendLong(b, n.stat.EphemeralOwner)
		sum += uint64(crc32.ChecksumIEEE(b))
	}
	return sum
}

// listing shows the tree as a client sees it, one line a node, and the sessions.
func (s *state) listing() string {
	children := map[string]int32{}
	for _, n := range s.nodes {
		if n.path != "" {
			children[n.path[:strings.LastIndexByte(n.path, '/')]]++
		}
	}
	lists := map[int64][]proto.ACL{OpenACLID: proto.OpenACL}
	for _, a := range s.acls {
		lists[a.id] = a.acl
	}
	lines := map[string]string{}
	for _, n := range s.nodes {
		p, stat := n.stat, proto.Stat{}
		stat.Czxid, stat.Mzxid, stat.Pzxid = p.Czxid, p.Mzxid, p.Pzxid
		stat.CtimeMillis, stat.MtimeMillis = p.CtimeMillis, p.MtimeMillis
		stat.Version, stat.Aversion = p.Version, p.Aversion
		stat.NumChildren, stat.DataLength = children[n.path], int32(len(n.data))
		stat.Cversion = 2*p.Cversion - stat.NumChildren
		if zk.KindOf(p.EphemeralOwner, true) == zk.Ephemeral {
			stat.EphemeralOwner = p.EphemeralOwner
		}
		path := max(n.path, "/")
		lines[path] = listingLine(path, n.data, lists[n.aclID], stat)
	}
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(lines)) {
		b.WriteString(lines[path])
	}
	byID := func(a, b session) int { return cmp.Compare(a.id, b.id) }
	for _, x := range slices.SortedFunc(slices.Values(s.sessions), byID) {
		fmt.Fprintf(&b, "session %v timeout %d\n", x.id, x.timeoutMillis)
	}
	return b.String()
}

// listingLine shows one node.
func listingLine(path string, data []byte, acl []proto.ACL, s proto.Stat) string {
	shown := "null"
	if data != nil {
		shown = fmt.Sprintf("%q", data)
	}
	var who []string
	for _, a := range acl {
		who = append(who, fmt.Sprintf("%s:%s:%d", a.ID.Scheme, a.ID.ID, a.Perms))
	}
	return fmt.Sprintf("%s data %s acl %s created %v %d modified %v %d versions %d %d %d owner %#x length %d children %d pzxid %v\n",
		path, shown, strings.Join(who, ","), s.Czxid, s.CtimeMillis, s.Mzxid, s.MtimeMillis,
		s.Version, s.Cversion, s.Aversion, uint64(s.EphemeralOwner), s.DataLength, s.NumChildren, s.Pzxid)
}
