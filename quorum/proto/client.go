package proto

import (
	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// PasswordBytes is the length of a session password.
const PasswordBytes = 16

// ConnectRequest opens or resumes a session. It is a bare record without header: 44 bytes with a
// 16-byte password, 45 with ReadOnly, which pre-3.4 style clients leave out (ZOOKEEPER-4814).
type ConnectRequest struct {
	ProtocolVersion int32
	LastZxidSeen    zk.Zxid
	TimeoutMillis   int32
	SessionID       zk.SessionID
	Password        []byte
	ReadOnly        bool
	HasReadOnly     bool // whether the field is on the wire
}

// Append encodes r.
func (r *ConnectRequest) Append(b []byte) []byte {
	b = jute.AppendInt(b, r.ProtocolVersion)
	b = jute.AppendLong(b, int64(r.LastZxidSeen))
	b = jute.AppendInt(b, r.TimeoutMillis)
	b = jute.AppendLong(b, int64(r.SessionID))
	b = jute.AppendBuffer(b, r.Password)
	if r.HasReadOnly {
		b = jute.AppendBool(b, r.ReadOnly)
	}
	return b
}

// Decode reads r.
func (r *ConnectRequest) Decode(d *jute.Decoder) {
	r.ProtocolVersion = d.Int()
	r.LastZxidSeen = zk.Zxid(d.Long())
	r.TimeoutMillis = d.Int()
	r.SessionID = zk.SessionID(d.Long())
	r.Password = d.Buffer()
	r.HasReadOnly = d.Err() == nil && d.Len() > 0
	r.ReadOnly = r.HasReadOnly && d.Bool()
}

// ConnectResponse answers a ConnectRequest. TimeoutMillis 0 and SessionID 0 mean that the session
// is gone. ReadOnly is on the wire only if the request had it.
type ConnectResponse struct {
	ProtocolVersion int32
	TimeoutMillis   int32
	SessionID       zk.SessionID
	Password        []byte
	ReadOnly        bool
	HasReadOnly     bool
}

// Append encodes r.
func (r *ConnectResponse) Append(b []byte) []byte {
	b = jute.AppendInt(b, r.ProtocolVersion)
	b = jute.AppendInt(b, r.TimeoutMillis)
	b = jute.AppendLong(b, int64(r.SessionID))
	b = jute.AppendBuffer(b, r.Password)
	if r.HasReadOnly {
		b = jute.AppendBool(b, r.ReadOnly)
	}
	return b
}

// Decode reads r.
func (r *ConnectResponse) Decode(d *jute.Decoder) {
	r.ProtocolVersion = d.Int()
	r.TimeoutMillis = d.Int()
	r.SessionID = zk.SessionID(d.Long())
	r.Password = d.Buffer()
	r.HasReadOnly = d.Err() == nil && d.Len() > 0
	r.ReadOnly = r.HasReadOnly && d.Bool()
}

// RequestHeader precedes every request but ConnectRequest.
type RequestHeader struct {
	Xid int32
	Op  zk.Op
}

// RequestHeaderBytes is the encoded size of a RequestHeader.
const RequestHeaderBytes = 8

// Append encodes h.
func (h RequestHeader) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendInt(b, h.Xid), int32(h.Op))
}

// Decode reads h.
func (h *RequestHeader) Decode(d *jute.Decoder) { h.Xid, h.Op = d.Int(), zk.Op(d.Int()) }

// ReplyHeader precedes every reply but ConnectResponse. Zxid is the last one applied on the
// answering server, also for reads, pings and errors; 0 for auth.
type ReplyHeader struct {
	Xid  int32
	Zxid zk.Zxid
	Err  zk.Code
}

// ReplyHeaderBytes is the encoded size of a ReplyHeader.
const ReplyHeaderBytes = 16

// Append encodes h.
func (h ReplyHeader) Append(b []byte) []byte {
	b = jute.AppendInt(b, h.Xid)
	b = jute.AppendLong(b, int64(h.Zxid))
	return jute.AppendInt(b, int32(h.Err))
}

// Decode reads h.
func (h *ReplyHeader) Decode(d *jute.Decoder) {
	h.Xid, h.Zxid, h.Err = d.Int(), zk.Zxid(d.Long()), zk.Code(d.Int())
}

// CreateRequest is the request of create, create2 and createContainer, and with TTLMillis on the
// wire of createTTL. Mode may be out of range: the server answers that with bad arguments.
type CreateRequest struct {
	Path      string
	Data      []byte
	ACL       []ACL
	Mode      zk.CreateMode
	TTLMillis int64 // createTTL only
}

// Append encodes r as the request of op.
func (r *CreateRequest) Append(b []byte, op zk.Op) []byte {
	b = jute.AppendString(b, r.Path)
	b = jute.AppendBuffer(b, r.Data)
	b = AppendACLs(b, r.ACL)
	b = jute.AppendInt(b, int32(r.Mode))
	if op == zk.OpCreateTTL {
		b = jute.AppendLong(b, r.TTLMillis)
	}
	return b
}

// Decode reads r as the request of op.
func (r *CreateRequest) Decode(d *jute.Decoder, op zk.Op) {
	r.Path = d.String()
	r.Data = d.Buffer()
	r.ACL = DecodeACLs(d)
	r.Mode = zk.CreateMode(d.Int())
	r.TTLMillis = -1
	if op == zk.OpCreateTTL {
		r.TTLMillis = d.Long()
	}
}

// PathRequest is the request of getACL, sync, getEphemerals, getAllChildrenNumber and
// deleteContainer, and the reply of create and sync.
type PathRequest struct{ Path string }

// Append encodes r.
func (r *PathRequest) Append(b []byte) []byte { return jute.AppendString(b, r.Path) }

// Decode reads r.
func (r *PathRequest) Decode(d *jute.Decoder) { r.Path = d.String() }

// PathVersionRequest is the request of delete and check. Version -1 matches any.
type PathVersionRequest struct {
	Path    string
	Version int32
}

// Append encodes r.
func (r *PathVersionRequest) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendString(b, r.Path), r.Version)
}

// Decode reads r.
func (r *PathVersionRequest) Decode(d *jute.Decoder) { r.Path, r.Version = d.String(), d.Int() }

// PathWatchRequest is the request of exists, getData, getChildren and getChildren2.
type PathWatchRequest struct {
	Path  string
	Watch bool
}

// Append encodes r.
func (r *PathWatchRequest) Append(b []byte) []byte {
	return jute.AppendBool(jute.AppendString(b, r.Path), r.Watch)
}

// Decode reads r.
func (r *PathWatchRequest) Decode(d *jute.Decoder) { r.Path, r.Watch = d.String(), d.Bool() }

// PathTypeRequest is the request of checkWatches, removeWatches and, its Type being a mode,
// addWatch.
type PathTypeRequest struct {
	Path string
	Type int32
}

// Append encodes r.
func (r *PathTypeRequest) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendString(b, r.Path), r.Type)
}

// Decode reads r.
func (r *PathTypeRequest) Decode(d *jute.Decoder) { r.Path, r.Type = d.String(), d.Int() }

// SetDataRequest replaces the data of a node. Version -1 matches any.
type SetDataRequest struct {
	Path    string
	Data    []byte
	Version int32
}

// Append encodes r.
func (r *SetDataRequest) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendBuffer(jute.AppendString(b, r.Path), r.Data), r.Version)
}

// Decode reads r.
func (r *SetDataRequest) Decode(d *jute.Decoder) {
	r.Path, r.Data, r.Version = d.String(), d.Buffer(), d.Int()
}

// SetACLRequest replaces the ACL of a node. Version is compared with aversion; -1 matches any.
type SetACLRequest struct {
	Path    string
	ACL     []ACL
	Version int32
}

// Append encodes r.
func (r *SetACLRequest) Append(b []byte) []byte {
	return jute.AppendInt(AppendACLs(jute.AppendString(b, r.Path), r.ACL), r.Version)
}

// Decode reads r.
func (r *SetACLRequest) Decode(d *jute.Decoder) {
	r.Path, r.ACL, r.Version = d.String(), DecodeACLs(d), d.Int()
}

// ReconfigRequest changes the membership.
type ReconfigRequest struct {
	Joining, Leaving, NewMembers string
	ConfigID                     int64
}

// Append encodes r.
func (r *ReconfigRequest) Append(b []byte) []byte {
	b = jute.AppendString(b, r.Joining)
	b = jute.AppendString(b, r.Leaving)
	b = jute.AppendString(b, r.NewMembers)
	return jute.AppendLong(b, r.ConfigID)
}

// Decode reads r.
func (r *ReconfigRequest) Decode(d *jute.Decoder) {
	r.Joining, r.Leaving, r.NewMembers, r.ConfigID = d.String(), d.String(), d.String(), d.Long()
}

// SetWatchesRequest is the request of setWatches and setWatches2, which alone has the two
// persistent lists.
type SetWatchesRequest struct {
	RelativeZxid        zk.Zxid
	Data, Exist, Child  []string
	Persistent          []string
	PersistentRecursive []string
}

// Append encodes r as the request of op.
func (r *SetWatchesRequest) Append(b []byte, op zk.Op) []byte {
	b = jute.AppendLong(b, int64(r.RelativeZxid))
	b = jute.AppendStrings(b, r.Data)
	b = jute.AppendStrings(b, r.Exist)
	b = jute.AppendStrings(b, r.Child)
	if op == zk.OpSetWatches2 {
		b = jute.AppendStrings(b, r.Persistent)
		b = jute.AppendStrings(b, r.PersistentRecursive)
	}
	return b
}

// Decode reads r as the request of op.
func (r *SetWatchesRequest) Decode(d *jute.Decoder, op zk.Op) {
	r.RelativeZxid = zk.Zxid(d.Long())
	r.Data, r.Exist, r.Child = d.Strings(), d.Strings(), d.Strings()
	r.Persistent, r.PersistentRecursive = nil, nil
	if op == zk.OpSetWatches2 {
		r.Persistent, r.PersistentRecursive = d.Strings(), d.Strings()
	}
}

// AuthRequest adds an identity to a connection.
type AuthRequest struct {
	Type   int32 // always 0
	Scheme string
	Auth   []byte
}

// Append encodes r.
func (r *AuthRequest) Append(b []byte) []byte {
	return jute.AppendBuffer(jute.AppendString(jute.AppendInt(b, r.Type), r.Scheme), r.Auth)
}

// Decode reads r.
func (r *AuthRequest) Decode(d *jute.Decoder) {
	r.Type, r.Scheme, r.Auth = d.Int(), d.String(), d.Buffer()
}

// MultiHeader precedes each operation and each result of a multi, and ends it (Done).
type MultiHeader struct {
	Type zk.Op
	Done bool
	Err  zk.Code
}

// MultiEnd is the header behind the last operation or result.
var MultiEnd = MultiHeader{Type: -1, Done: true, Err: -1}

// Append encodes h.
func (h MultiHeader) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendBool(jute.AppendInt(b, int32(h.Type)), h.Done), int32(h.Err))
}

// Decode reads h.
func (h *MultiHeader) Decode(d *jute.Decoder) {
	h.Type, h.Done, h.Err = zk.Op(d.Int()), d.Bool(), zk.Code(d.Int())
}

// WatcherEvent is the body of a notification.
type WatcherEvent struct {
	Type  zk.EventType
	State int32
	Path  string
}

// Append encodes e.
func (e *WatcherEvent) Append(b []byte) []byte {
	return jute.AppendString(jute.AppendInt(jute.AppendInt(b, int32(e.Type)), e.State), e.Path)
}

// Decode reads e.
func (e *WatcherEvent) Decode(d *jute.Decoder) {
	e.Type, e.State, e.Path = zk.EventType(d.Int()), d.Int(), d.String()
}

// ClientInfo is one identity in the reply of whoAmI.
type ClientInfo struct{ Scheme, User string }

// AppendClientInfos appends a vector of ClientInfo.
func AppendClientInfos(b []byte, infos []ClientInfo) []byte {
	b = jute.AppendInt(b, int32(len(infos)))
	for _, i := range infos {
		b = jute.AppendString(jute.AppendString(b, i.Scheme), i.User)
	}
	return b
}

// DecodeClientInfos reads a vector of ClientInfo.
func DecodeClientInfos(d *jute.Decoder) []ClientInfo {
	n, _ := d.Count(8)
	infos := make([]ClientInfo, n)
	for i := range infos {
		infos[i] = ClientInfo{d.String(), d.String()}
	}
	return infos
}
