package serve

import (
	"fmt"
	"strings"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// read answers one request that is no write: it appends the reply to the output. c.mu is held, and
// the state behind v stands still.
func (c *conn) read(v *replica.View, h proto.RequestHeader, body []byte) {
	zxid := v.Zxid()
	d := jute.NewDecoder(body)
	if h.Op == zk.OpPing {
		h.Xid = zk.XidPing // whatever the request had
	}
	if h.Op == zk.OpSetWatches || h.Op == zk.OpSetWatches2 {
		c.setWatches(v, h, &d) // its events go out before its reply
	}
	start := c.beginReply(proto.ReplyHeader{Xid: h.Xid, Zxid: zxid})
	b, code := c.answer(v, h, &d, c.out.queued.B)
	if code == zk.OK && d.Err() != nil {
		code = zk.ErrMarshalling
	}
	c.out.put(b)
	c.endReply(start, proto.ReplyHeader{Xid: h.Xid, Zxid: zxid, Err: code})
	c.record.lastOp = h.Op
	c.record.lastZxid = zxid
	if h.Xid >= 0 {
		c.record.lastCxid, c.record.hasCxid = h.Xid, true
	}
	c.countOp(h.Op)
}

// beginReply appends the length, still 0, and the header of a reply, and returns where it starts.
func (c *conn) beginReply(h proto.ReplyHeader) (start int) {
	b := c.out.buffer()
	start = len(b)
	c.out.put(h.Append(jute.AppendInt(b, 0)))
	return start
}

// endReply sets the length of the reply at start. A reply with an error is cut to its header.
func (c *conn) endReply(start int, h proto.ReplyHeader) {
	b := c.out.queued.B
	if h.Err != zk.OK {
		b = h.Append(b[:start+4])
	}
	c.record.replySize(int64(len(b) - start - 4))
	jute.AppendInt(b[:start], int32(len(b)-start-4))
	c.out.put(b)
}

// answer appends the record that answers a read. The result of a code that is not OK is dropped. A
// decoder that ran short makes the answer a marshalling error, so the fields may be used unchecked:
// they are empty then.
func (c *conn) answer(v *replica.View, h proto.RequestHeader, d *jute.Decoder, b []byte) ([]byte, zk.Code) {
	switch h.Op {
	case zk.OpPing:
		return b, zk.OK
	case zk.OpGetData, zk.OpExists, zk.OpGetChildren, zk.OpGetChildren2:
		var r proto.PathWatchRequest
		r.Decode(d)
		if d.Err() != nil {
			return b, zk.ErrMarshalling
		}
		return c.answerPath(v, h.Op, r.Path, r.Watch, b)
	case zk.OpGetACL:
		var r proto.PathRequest
		r.Decode(d)
		return c.getACL(v, r.Path, b)
	case zk.OpMultiRead:
		return c.multiRead(v, d, b)
	case zk.OpSetWatches, zk.OpSetWatches2:
		return b, zk.OK // unless d ran short
	case zk.OpAddWatch, zk.OpCheckWatches, zk.OpRemoveWatches:
		var r proto.PathTypeRequest
		r.Decode(d)
		if d.Err() != nil {
			return b, zk.ErrMarshalling
		}
		return c.watchOp(v, h.Op, &r, b)
	case zk.OpGetEphemerals:
		var r proto.PathRequest
		r.Decode(d)
		return c.getEphemerals(v, r.Path, b), zk.OK
	case zk.OpGetAllChildrenNumber:
		var r proto.PathRequest
		r.Decode(d)
		id, code := c.readable(v, r.Path, zk.PermRead)
		if code != zk.OK {
			return b, code
		}
		return jute.AppendInt(b, int32(v.Tree().CountDescendants(id))), zk.OK
	case zk.OpWhoAmI:
		return c.whoAmI(b), zk.OK
	}
	// Operations of other servers and unknown ones: refused, and not worth another word.
	c.ending = true
	return b, zk.ErrUnimplemented
}

// readable finds path and checks that the client may do one of perms there.
func (c *conn) readable(v *replica.View, path string, perms zk.Perm) (tree.NodeID, zk.Code) {
	id, ok := v.Tree().Find(path)
	if !ok {
		return 0, zk.ErrNoNode
	}
	if !c.s.cfg.Auth.Allowed(v.Tree().ACL(id), perms, *c.ids.Load()) {
		return 0, zk.ErrNoAuth
	}
	return id, zk.OK
}

func (c *conn) answerPath(v *replica.View, op zk.Op, path string, watch bool, b []byte) ([]byte, zk.Code) {
	if op == zk.OpExists && strings.IndexByte(path, 0) >= 0 {
		return b, zk.ErrBadArguments
	}
	id, code := c.readable(v, path, zk.PermRead)
	switch {
	case code == zk.OK && watch && (op == zk.OpGetChildren || op == zk.OpGetChildren2):
		c.watching(v.WatchChildren(path, c))
	case watch && (code == zk.OK || code == zk.ErrNoNode && op == zk.OpExists):
		c.watching(v.WatchData(path, c))
	}
	if code != zk.OK {
		return b, code
	}
	t := v.Tree()
	switch op {
	case zk.OpGetData:
		b = jute.AppendBuffer(b, t.Data(id))
	case zk.OpGetChildren, zk.OpGetChildren2:
		b = t.AppendChildNames(jute.AppendInt(b, int32(t.NumChildren(id))), id)
	}
	if op != zk.OpGetChildren {
		stat := t.Stat(id)
		b = stat.Append(b)
	}
	return b, zk.OK
}

// getACL hides the hashes of the digest scheme from who may not change the ACL.
func (c *conn) getACL(v *replica.View, path string, b []byte) ([]byte, zk.Code) {
	id, code := c.readable(v, path, zk.PermRead|zk.PermAdmin)
	if code != zk.OK {
		return b, code
	}
	acl := v.Tree().ACL(id)
	if !c.s.cfg.Auth.Allowed(acl, zk.PermAdmin, *c.ids.Load()) {
		hidden := make([]proto.ACL, len(acl))
		for i, a := range acl {
			if user, _, found := strings.Cut(a.ID.ID, ":"); a.ID.Scheme == "digest" && found {
				a.ID.ID = user + ":x"
			}
			hidden[i] = a
		}
		acl = hidden
	}
	stat := v.Tree().Stat(id)
	return stat.Append(proto.AppendACLs(b, acl)), zk.OK
}

// multiRead answers several getData and getChildren; each fails for itself and none sets a watch. The
// answer may be many times as large as the request, which may name a large znode often: it is a
// marshalling error if it would be more than a client may have unsent.
func (c *conn) multiRead(v *replica.View, d *jute.Decoder, b []byte) ([]byte, zk.Code) {
	for begin := len(b); len(b)-begin <= outCut; {
		var h proto.MultiHeader
		h.Decode(d)
		if d.Err() != nil || !h.Done && h.Type != zk.OpGetData && h.Type != zk.OpGetChildren {
			return b, zk.ErrMarshalling
		}
		if h.Done {
			return proto.MultiEnd.Append(b), zk.OK
		}
		var r proto.PathWatchRequest
		r.Decode(d)
		if d.Err() != nil {
			return b, zk.ErrMarshalling
		}
		start := len(b)
		b = proto.MultiHeader{Type: h.Type}.Append(b)
		var code zk.Code
		if b, code = c.answerPath(v, h.Type, r.Path, false, b); code != zk.OK {
			b = proto.MultiHeader{Type: zk.OpError, Err: code}.Append(b[:start])
			b = jute.AppendInt(b, int32(code))
		}
	}
	return b, zk.ErrMarshalling
}

func (c *conn) getEphemerals(v *replica.View, prefix string, b []byte) []byte {
	at := len(b)
	b = jute.AppendInt(b, 0)
	count := int32(0)
	for path := range v.Tree().Ephemerals(c.sessionID()) {
		if prefix == "" || prefix == "/" || strings.HasPrefix(path, prefix) {
			b = jute.AppendString(b, path)
			count++
		}
	}
	jute.AppendInt(b[:at], count)
	return b
}

func (c *conn) whoAmI(b []byte) []byte {
	var infos []proto.ClientInfo
	for _, id := range *c.ids.Load() {
		infos = append(infos, proto.ClientInfo{Scheme: id.Scheme, User: c.s.cfg.Auth.UserName(id)})
	}
	return proto.AppendClientInfos(b, infos)
}

// maxIDs and maxIDBytes bound the identities of one connection: every check of an ACL goes through them, and they are
// kept as long as it lasts.
const (
	maxIDs     = 100
	maxIDBytes = 64 << 10
)

// authenticate adds identities to the connection at once: it stands outside the order of requests.
// c.mu is held.
func (c *conn) authenticate(h proto.RequestHeader, body []byte) {
	d := jute.NewDecoder(body)
	var r proto.AuthRequest
	r.Decode(&d)
	code := zk.ErrMarshalling
	if d.Err() == nil {
		var more []proto.ID
		if more, code = c.s.cfg.Auth.Authenticate(r.Scheme, r.Auth); code == zk.OK {
			if ids := mergeIDs(*c.ids.Load(), more); len(ids) <= maxIDs && idBytes(ids) <= maxIDBytes {
				c.ids.Store(&ids)
			} else {
				code = zk.ErrAuthFailed
			}
		}
	}
	header := proto.ReplyHeader{Xid: h.Xid, Err: code}
	c.endReply(c.beginReply(header), header)
	c.record.sent++
	c.s.stats.PacketsSent.Add(1)
	if code != zk.OK {
		c.s.stats.AuthFailed.Add(1)
		c.ending = true
	}
}

func idBytes(ids []proto.ID) (n int) {
	for i := range ids {
		n += len(ids[i].Scheme) + len(ids[i].ID)
	}
	return n
}

// mergeIDs returns a new list of have and what of more is not in it: lists handed to the replica
// with earlier requests must not change.
func mergeIDs(have, more []proto.ID) []proto.ID {
	merged := append([]proto.ID(nil), have...)
next:
	for _, id := range more {
		for _, old := range merged {
			if old == id {
				continue next
			}
		}
		merged = append(merged, proto.ID{Scheme: strings.Clone(id.Scheme), ID: strings.Clone(id.ID)})
	}
	return merged
}

// reply appends the answer of a write. c.mu is held.
func (c *conn) reply(v *replica.View, h proto.RequestHeader, o *replica.Outcome, body []byte) {
	header := proto.ReplyHeader{Xid: h.Xid, Zxid: v.Zxid()}
	start := c.beginReply(header)
	if o.Result != nil && o.Result.Type == zk.OpMulti {
		c.out.put(appendMultiResults(c.out.queued.B, o.Result))
	} else if header.Err = o.Err; header.Err == zk.OK {
		switch h.Op {
		case zk.OpSync:
			c.out.put(append(c.out.queued.B, body...)) // the path, as it came
		default:
			c.out.put(appendResult(c.out.queued.B, h.Op, o.Result))
		}
	}
	c.endReply(start, header)
	c.countOp(h.Op)
	switch {
	case h.Op == zk.OpCloseSession, o.Err == zk.ErrSessionMoved, o.Err == zk.ErrSessionExpired:
		c.ending = true
	case h.Op == zk.OpSync && header.Err == zk.OK:
		d := jute.NewDecoder(body)
		if d.Buffer(); d.Err() != nil {
			header.Err = zk.ErrMarshalling
			c.endReply(start, header)
		}
	}
}

// appendResult appends the record of one successful write of type op.
func appendResult(b []byte, op zk.Op, res *tree.Result) []byte {
	switch op {
	case zk.OpCreate:
		return jute.AppendString(b, res.Path)
	case zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL:
		return res.Stat.Append(jute.AppendString(b, res.Path))
	case zk.OpSetData, zk.OpSetACL:
		return res.Stat.Append(b)
	case zk.OpDelete, zk.OpDeleteContainer, zk.OpCheck, zk.OpCloseSession:
		return b
	}
	panic(fmt.Sprintf("serve: result of %v", op))
}

// appendMultiResults appends the results of a multi. If one of its operations failed the reply's
// header still says OK; the client finds the failure among the results.
func appendMultiResults(b []byte, res *tree.Result) []byte {
	for i := range res.Multi {
		sub := &res.Multi[i]
		if sub.Type == zk.OpError {
			b = proto.MultiHeader{Type: zk.OpError, Err: sub.Err}.Append(b)
			b = jute.AppendInt(b, int32(sub.Err))
			continue
		}
		op := sub.Type
		if op == zk.OpCreateContainer || op == zk.OpCreateTTL {
			op = zk.OpCreate2 // as ZooKeeper answers
		}
		b = appendResult(proto.MultiHeader{Type: op}.Append(b), op, sub)
	}
	return proto.MultiEnd.Append(b)
}
