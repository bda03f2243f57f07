package proto

import (
	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// ID is an identity: an authentication scheme and what it knows of the client.
type ID struct{ Scheme, ID string }

// ACL grants the permissions Perms to whoever has the identity ID.
type ACL struct {
	Perms zk.Perm
	ID    ID
}

// OpenACL is world:anyone with all permissions.
var OpenACL = []ACL{{Perms: zk.PermAll, ID: ID{"world", "anyone"}}}

// ReadACL is world:anyone with READ: the ACL of /zookeeper/config.
var ReadACL = []ACL{{Perms: zk.PermRead, ID: ID{"world", "anyone"}}}

const minACLBytes = 12

// AppendACLs appends a vector of ACL; nil is null.
func AppendACLs(b []byte, acls []ACL) []byte {
	if acls == nil {
		return jute.AppendInt(b, -1)
	}
	b = jute.AppendInt(b, int32(len(acls)))
	for _, a := range acls {
		b = jute.AppendInt(b, int32(a.Perms))
		b = jute.AppendString(b, a.ID.Scheme)
		b = jute.AppendString(b, a.ID.ID)
	}
	return b
}

// DecodeACLs reads a vector of ACL; nil is null.
func DecodeACLs(d *jute.Decoder) []ACL {
	n, null := d.Count(minACLBytes)
	if null || d.Err() != nil {
		return nil
	}
	acls := make([]ACL, n)
	for i := range acls {
		acls[i] = ACL{zk.Perm(d.Int()), ID{d.String(), d.String()}}
	}
	if d.Err() != nil {
		return nil
	}
	return acls
}

// Stat is what clients see of a znode beside its data: 68 bytes.
type Stat struct {
	Czxid, Mzxid             zk.Zxid
	CtimeMillis, MtimeMillis int64
	Version, Cversion        int32
	Aversion                 int32
	EphemeralOwner           int64
	DataLength, NumChildren  int32
	Pzxid                    zk.Zxid
}

// StatBytes is the encoded size of a Stat.
const StatBytes = 68

// Append encodes s.
func (s *Stat) Append(b []byte) []byte {
	b = jute.AppendLong(b, int64(s.Czxid))
	b = jute.AppendLong(b, int64(s.Mzxid))
	b = jute.AppendLong(b, s.CtimeMillis)
	b = jute.AppendLong(b, s.MtimeMillis)
	b = jute.AppendInt(b, s.Version)
	b = jute.AppendInt(b, s.Cversion)
	b = jute.AppendInt(b, s.Aversion)
	b = jute.AppendLong(b, s.EphemeralOwner)
	b = jute.AppendInt(b, s.DataLength)
	b = jute.AppendInt(b, s.NumChildren)
	return jute.AppendLong(b, int64(s.Pzxid))
}

// Decode reads s.
func (s *Stat) Decode(d *jute.Decoder) {
	s.Czxid, s.Mzxid = zk.Zxid(d.Long()), zk.Zxid(d.Long())
	s.CtimeMillis, s.MtimeMillis = d.Long(), d.Long()
	s.Version, s.Cversion, s.Aversion = d.Int(), d.Int(), d.Int()
	s.EphemeralOwner = d.Long()
	s.DataLength, s.NumChildren = d.Int(), d.Int()
	s.Pzxid = zk.Zxid(d.Long())
}

// StatPersisted is the stat of a znode as snapshots and the tree digest hold it: 60 bytes. Its
// Cversion counts creates of children only; clients see 2*Cversion - NumChildren.
type StatPersisted struct {
	Czxid, Mzxid             zk.Zxid
	CtimeMillis, MtimeMillis int64
	Version, Cversion        int32
	Aversion                 int32
	EphemeralOwner           int64
	Pzxid                    zk.Zxid
}

// Append encodes s.
func (s *StatPersisted) Append(b []byte) []byte {
	b = jute.AppendLong(b, int64(s.Czxid))
	b = jute.AppendLong(b, int64(s.Mzxid))
	b = jute.AppendLong(b, s.CtimeMillis)
	b = jute.AppendLong(b, s.MtimeMillis)
	b = jute.AppendInt(b, s.Version)
	b = jute.AppendInt(b, s.Cversion)
	b = jute.AppendInt(b, s.Aversion)
	b = jute.AppendLong(b, s.EphemeralOwner)
	return jute.AppendLong(b, int64(s.Pzxid))
}

// Decode reads s.
func (s *StatPersisted) Decode(d *jute.Decoder) {
	s.Czxid, s.Mzxid = zk.Zxid(d.Long()), zk.Zxid(d.Long())
	s.CtimeMillis, s.MtimeMillis = d.Long(), d.Long()
	s.Version, s.Cversion, s.Aversion = d.Int(), d.Int(), d.Int()
	s.EphemeralOwner = d.Long()
	s.Pzxid = zk.Zxid(d.Long())
}
