package prep

import (
	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// request is one decoded operation; op says which fields count. Strings and slices are views of
// the request's body.
type request struct {
	op        zk.Op
	mode      zk.CreateMode
	version   int32
	ttlMillis int64
	path      string
	data      []byte
	acl       []proto.ACL
}

// decode reads the record of op. Bytes behind it are ignored, as by ZooKeeper.
func (q *request) decode(d *jute.Decoder, op zk.Op) {
	q.op = op
	switch op {
	case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL:
		var r proto.CreateRequest
		r.Decode(d, op)
		q.path, q.data, q.acl, q.mode, q.ttlMillis = r.Path, r.Data, r.ACL, r.Mode, r.TTLMillis
	case zk.OpDelete, zk.OpCheck:
		var r proto.PathVersionRequest
		r.Decode(d)
		q.path, q.version = r.Path, r.Version
	case zk.OpDeleteContainer:
		var r proto.PathRequest
		r.Decode(d)
		q.path = r.Path
	case zk.OpSetData:
		var r proto.SetDataRequest
		r.Decode(d)
		q.path, q.data, q.version = r.Path, r.Data, r.Version
	case zk.OpSetACL:
		var r proto.SetACLRequest
		r.Decode(d)
		q.path, q.acl, q.version = r.Path, r.ACL, r.Version
	}
}
