package serve

import (
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// record is what the cons command tells of a connection. Guarded by the connection's mu.
type record struct {
	received, sent int64
	counted        int64 // of received, already in the server's total
	lastOp         zk.Op
	lastCxid       int32
	hasCxid        bool
	lastZxid       zk.Zxid
	lastResponse   time.Time
	timeoutMillis  int32

	op  zk.Op // the run of equal operations that is not in the server's total yet
	ops int64

	replies, lastReply, minReply, maxReply int64 // bodies, in bytes, since the last batch

	latencyCount            int64
	lastLatency, minLatency time.Duration
	sumLatency, maxLatency  time.Duration
}

func (r *record) latency(d time.Duration, n int64) {
	if r.latencyCount == 0 || d < r.minLatency {
		r.minLatency = d
	}
	r.maxLatency = max(r.maxLatency, d)
	r.lastLatency = d
	r.sumLatency += d * time.Duration(n)
	r.latencyCount += n
}

// opNone is the lastOp of a connection that has had no request.
const opNone = zk.OpError

func (r *record) reset() {
	r.lastOp, r.hasCxid, r.lastZxid, r.lastResponse = opNone, false, -1, time.Time{}
	r.received, r.sent, r.counted = 0, 0, 0
	r.latencyCount, r.lastLatency, r.minLatency, r.sumLatency, r.maxLatency = 0, 0, 0, 0, 0
}

// takeReceived returns how many packets came in since the last call.
func (c *conn) takeReceived() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.record.received - c.record.counted
	c.record.counted = c.record.received
	return n
}

// replySize notes the size of a reply for the server's smallest, largest and last.
func (r *record) replySize(bytes int64) {
	if r.replies == 0 {
		r.minReply, r.maxReply = bytes, bytes
	}
	r.replies++
	r.lastReply, r.minReply, r.maxReply = bytes, min(r.minReply, bytes), max(r.maxReply, bytes)
}

// flushSizes tells the server's total of a batch only the sizes that can matter there.
func (c *conn) flushSizes() {
	r, total := &c.record, &c.s.stats.ResponseBytes
	if r.replies == 0 {
		return
	}
	if r.minReply != r.lastReply {
		total.Observe(r.minReply)
	}
	if r.maxReply != r.lastReply {
		total.Observe(r.maxReply)
	}
	total.Observe(r.lastReply)
	r.replies = 0
}

// countOp counts an operation for the server's total by type. c.mu is held.
func (c *conn) countOp(op zk.Op) {
	if op != c.record.op {
		c.flushOps()
		c.record.op = op
	}
	c.record.ops++
}

func (c *conn) flushOps() {
	r := &c.record
	if r.op >= 0 && int(r.op) < len(c.s.stats.OpsByType) {
		c.s.stats.OpsByType[r.op].Add(r.ops)
	}
	r.ops = 0
}

// finishReads counts n reads answered together, taken in at began. c.mu is held.
func (c *conn) finishReads(n int64, began time.Time) {
	now := time.Now()
	took := now.Sub(began)
	c.record.sent += n
	c.record.lastResponse = now
	c.record.latency(took, n)
	c.flushOps()
	c.flushSizes()
	st := c.s.stats
	st.PacketsSent.Add(n)
	st.Latency.ObserveN(took.Microseconds(), n)
	st.ReadLatency.ObserveN(took.Microseconds(), n)
	st.ReadsDone.Add(n)
}

// finishWrite counts an answered write. c.mu is held.
func (c *conn) finishWrite(h proto.RequestHeader, zxid zk.Zxid, began time.Time) {
	now := time.Now()
	took := now.Sub(began)
	c.record.sent++
	c.record.lastOp = h.Op
	c.record.lastCxid, c.record.hasCxid = h.Xid, true
	c.record.lastZxid = zxid
	c.record.lastResponse = now
	c.record.latency(took, 1)
	c.flushOps()
	c.flushSizes()
	st := c.s.stats
	st.PacketsSent.Add(1)
	st.Latency.Observe(took.Microseconds())
	st.WriteLatency.Observe(took.Microseconds())
	st.WritesDone.Add(1)
}

var opCodes = map[zk.Op]string{
	zk.OpNotification: "NOTI", zk.OpCreate: "CREA", zk.OpCreate2: "CREA", zk.OpCreateContainer: "CREA", zk.OpCreateTTL: "CREA",
	zk.OpDelete: "DELE", zk.OpExists: "EXIS", zk.OpGetData: "GETD", zk.OpSetData: "SETD", zk.OpGetACL: "GETA", zk.OpSetACL: "SETA",
	zk.OpGetChildren: "GETC", zk.OpGetChildren2: "GETC", zk.OpSync: "SYNC", zk.OpPing: "PING", zk.OpCheck: "CHEC", zk.OpMulti: "MULT",
	zk.OpMultiRead: "MLTR", zk.OpReconfig: "RECO", zk.OpCheckWatches: "CHKW", zk.OpRemoveWatches: "REMW", zk.OpSetWatches: "SETW",
	zk.OpSetWatches2: "STW2", zk.OpAddWatch: "ADDW", zk.OpGetEphemerals: "GETE", zk.OpGetAllChildrenNumber: "GETACN",
	zk.OpWhoAmI: "HOMI", zk.OpCreateSession: "SESS", zk.OpCloseSession: "CLOS", zk.OpAuth: "AUTH",
}

// opCode returns the abbreviation of an operation that cons prints.
func opCode(op zk.Op) string {
	if code, ok := opCodes[op]; ok {
		return code
	}
	return "NA"
}
