package wire

import (
	"encoding/binary"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Paths are byte slices here so that a generator can make them in a buffer of its own. They and the
// data are copied into the request at once.

// begin leaves room for a frame's length and returns where.
func (c *Conn) begin() int {
	at := len(c.out)
	c.out = append(c.out, 0, 0, 0, 0)
	return at
}

// end writes the length of the frame begun at.
func (c *Conn) end(at int) {
	binary.BigEndian.PutUint32(c.out[at:], uint32(len(c.out)-at-4))
}

// request begins a request of type op; its record comes behind.
func (c *Conn) request(op zk.Op) int {
	c.xid++
	at := c.begin()
	c.out = proto.RequestHeader{Xid: c.xid, Op: op}.Append(c.out)
	return at
}

// Get asks for the data of a znode and, if watch, for word of its next change.
func (c *Conn) Get(path []byte, watch bool) {
	at := c.request(zk.OpGetData)
	c.out = jute.AppendBuffer(c.out, path)
	c.out = jute.AppendBool(c.out, watch)
	c.end(at)
}

// Set replaces the data of a znode, whatever its version.
func (c *Conn) Set(path, data []byte) {
	at := c.request(zk.OpSetData)
	c.out = jute.AppendBuffer(c.out, path)
	c.out = jute.AppendBuffer(c.out, data)
	c.out = jute.AppendInt(c.out, -1)
	c.end(at)
}

// Create makes a znode that everybody may do everything with.
func (c *Conn) Create(path, data []byte, mode zk.CreateMode) {
	at := c.request(zk.OpCreate)
	c.out = jute.AppendBuffer(c.out, path)
	c.out = jute.AppendBuffer(c.out, data)
	c.out = proto.AppendACLs(c.out, proto.OpenACL)
	c.out = jute.AppendInt(c.out, int32(mode))
	c.end(at)
}

// Delete removes a znode, whatever its version.
func (c *Conn) Delete(path []byte) {
	at := c.request(zk.OpDelete)
	c.out = jute.AppendBuffer(c.out, path)
	c.out = jute.AppendInt(c.out, -1)
	c.end(at)
}

// Ping keeps the session alive. Its reply bears [zk.XidPing].
func (c *Conn) Ping() {
	at := c.begin()
	c.out = proto.RequestHeader{Xid: zk.XidPing, Op: zk.OpPing}.Append(c.out)
	c.end(at)
}

// CloseSession ends the session.
func (c *Conn) CloseSession() { c.end(c.request(zk.OpCloseSession)) }
