package serve

import (
	"go.uber.org/zap"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// Notify implements replica.Watcher.
func (c *conn) Notify(n *replica.Notice) (flush bool) {
	if !c.s.cfg.Auth.Allowed(n.ACL, zk.PermRead, *c.ids.Load()) {
		c.s.stats.WatchEventsDeniedByACL.Add(1)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.ending {
		return false
	}
	c.out.put(appendNotification(c.out.buffer(), n.Type, n.Path, n.Zxid))
	c.record.sent++
	c.s.stats.PacketsSent.Add(1)
	c.s.stats.WatchBytes.Add(int64(len(n.Path)) + notificationBytes)
	c.cutIfFull()
	flush = !c.dirty
	c.dirty = true
	return flush
}

// notificationBytes is the size of a notification's frame without the path.
const notificationBytes = 4 + proto.ReplyHeaderBytes + 4 + 4 + 4

func appendNotification(b []byte, t zk.EventType, path string, zxid zk.Zxid) []byte {
	b = jute.AppendInt(b, notificationBytes-4+int32(len(path)))
	b = proto.ReplyHeader{Xid: zk.XidNotification, Zxid: zxid}.Append(b)
	e := proto.WatcherEvent{Type: t, State: zk.StateSyncConnected, Path: path}
	return e.Append(b)
}

// setWatches sets the watches of a client that comes back, and queues the events it missed: header
// zxid -1, not filtered by ACL. A request that cannot be decoded sets none. c.mu is held.
func (c *conn) setWatches(v *replica.View, h proto.RequestHeader, d *jute.Decoder) {
	var r proto.SetWatchesRequest
	r.Decode(d, h.Op)
	if d.Err() != nil {
		return
	}
	t := v.Tree()
	missed := func(e zk.EventType, path string) {
		c.out.put(appendNotification(c.out.buffer(), e, path, -1))
		c.record.sent++
		c.s.stats.PacketsSent.Add(1)
	}
	for _, path := range r.Data {
		id, ok := t.Find(path)
		switch {
		case !ok:
			missed(zk.EventNodeDeleted, path)
		case t.Persisted(id).Mzxid > r.RelativeZxid:
			missed(zk.EventNodeDataChanged, path)
		default:
			c.watching(v.WatchData(path, c))
		}
	}
	for _, path := range r.Exist {
		if _, ok := t.Find(path); ok {
			missed(zk.EventNodeCreated, path)
		} else {
			c.watching(v.WatchData(path, c))
		}
	}
	for _, path := range r.Child {
		id, ok := t.Find(path)
		switch {
		case !ok:
			missed(zk.EventNodeDeleted, path)
		case t.Persisted(id).Pzxid > r.RelativeZxid:
			missed(zk.EventNodeChildrenChanged, path)
		default:
			c.watching(v.WatchChildren(path, c))
		}
	}
	for _, path := range r.Persistent {
		c.watching(v.WatchPersistent(path, c, false))
	}
	for _, path := range r.PersistentRecursive {
		c.watching(v.WatchPersistent(path, c, true))
	}
}

// maxWatches bounds the watches of one connection, at some 200 bytes each. A client that does not hear of an error would
// rely on a watch that it has not, so the connection ends.
const maxWatches = 1 << 20

// watching is told how many watches the connection has, and ends it if those are more than one may have. c.mu is held.
func (c *conn) watching(n int) {
	if n > maxWatches && !c.ended {
		if say, suppressed := c.s.complain.allow("watches"); say {
			c.s.log.Warn("client cut off: it has too many watches", zap.String("client", c.remote.String()),
				zap.Stringer("session", c.sessionID()), zap.Int("watches", n), zap.Int("suppressed", suppressed))
		}
		c.shut()
	}
}

// watchOp serves addWatch, checkWatches and removeWatches.
func (c *conn) watchOp(v *replica.View, op zk.Op, r *proto.PathTypeRequest, b []byte) ([]byte, zk.Code) {
	if op == zk.OpAddWatch {
		mode := zk.AddWatchMode(r.Type)
		if mode != zk.WatchPersistent && mode != zk.WatchPersistentRecursive {
			return b, zk.ErrMarshalling
		}
		c.watching(v.WatchPersistent(r.Path, c, mode == zk.WatchPersistentRecursive))
		return jute.AppendInt(b, 0), zk.OK
	}
	t := zk.WatcherType(r.Type)
	if t < zk.WatcherChildren || t > zk.WatcherPersistentRecursive {
		return b, zk.ErrMarshalling
	}
	found := false
	if op == zk.OpCheckWatches {
		found = v.HasWatch(r.Path, c, t)
	} else {
		found = v.RemoveWatch(r.Path, c, t)
	}
	if !found {
		return b, zk.ErrNoWatcher
	}
	return b, zk.OK
}
