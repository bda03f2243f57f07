package serve

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/jute"
	"zkd/quorum/prep"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/sock"
	"zkd/quorum/zk"
)

const (
	// maxQueued bounds the requests of one connection that wait for a write.
	maxQueued = 4000
	// maxQueuedBytes bounds their bodies.
	maxQueuedBytes = 8 << 20
)

// waiting is a request that stands behind a write of its connection, or is that write.
type waiting struct {
	header proto.RequestHeader
	write  bool
	began  time.Time
	body   []byte // a copy of the frame behind the header
}

// conn is one client connection.
type conn struct {
	s           *Server
	nc          net.Conn
	remote      netip.AddrPort
	established time.Time

	in       inbox
	requests []replica.Request // of the batch at hand; the goroutine's own
	ready    chan zk.Code      // outcome of createSession and attach
	lost     chan struct{}     // closed with the socket

	ids     atomic.Pointer[[]proto.ID]
	heard   atomic.Int64 // Replica.NowMillis of the last bytes
	session atomic.Int64
	term    replica.Term // in which the session was opened; set by the handshake

	mu          sync.Mutex
	room        sync.Cond // of mu: queue or output have shrunk, or the connection ended
	out         outbox
	queue       []waiting
	head        int // first of queue that is not done
	queuedBytes int
	dirty       bool // Flush is on its way
	ending      bool // close once the output is sent; nothing more is queued
	ended       bool // the socket is closed
	record      record
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{s: s, nc: nc, established: time.Now(), ready: make(chan zk.Code, 1), lost: make(chan struct{})}
	if addr, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		ap := addr.AddrPort()
		c.remote = netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	}
	c.room.L = &c.mu
	c.record.reset()
	c.in.init(nc, min(maxConnectBytes, s.cfg.MaxFrameBytes), "of a connect request")
	c.out.init(nc)
	ids := s.cfg.Auth.RemoteIDs(c.remote.Addr())
	c.ids.Store(&ids)
	c.heard.Store(s.cfg.Replica.NowMillis())
	return c
}

func (c *conn) sessionID() zk.SessionID { return zk.SessionID(c.session.Load()) }

// LastHeardMillis implements replica.Owner.
func (c *conn) LastHeardMillis() int64 { return c.heard.Load() }

// SessionClosed implements replica.Owner.
func (c *conn) SessionClosed() {
	c.mu.Lock()
	c.ending = true
	flush := !c.dirty
	c.mu.Unlock()
	if flush {
		go c.Flush()
	}
}

// Lost implements replica.Owner and replica.Origin: the server has no role any more in which it could
// answer. Other servers may.
func (c *conn) Lost() { c.cut() }

// serve is the connection's goroutine.
func (c *conn) serve() {
	err := c.handshake()
	for err == nil {
		if err = c.requestsRead(); err == nil {
			err = c.in.fill()
		}
	}
	c.logEnd(err)
	c.close()
	c.s.forget(c)
	c.s.cfg.Replica.DropWatcher(c)
}

// errEnded says that the server has ended the connection; there is nothing to log.
var errEnded = errors.New("connection ended")

func (c *conn) logEnd(err error) {
	fields := []zap.Field{zap.String("client", c.remote.String()), zap.Stringer("session", c.sessionID())}
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, errEnded),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.s.stats.SessionlessExpired.Add(1)
		if say, suppressed := c.s.complain.allow("handshake"); say {
			c.s.log.Warn("client sent no connect request in time: closed", append(fields, zap.Int("suppressed", suppressed))...)
		}
		return
	}
	c.s.stats.ConnectionsDropped.Add(1)
	class := "malformed"
	if errors.Is(err, errFrameLength) {
		c.s.stats.LargeRequestsRejected.Add(1)
		class = "frame"
	}
	if say, suppressed := c.s.complain.allow(class); say {
		c.s.log.Warn("client connection closed", append(fields, zap.Error(err), zap.Int("suppressed", suppressed))...)
	}
}

// requestsRead handles all complete frames that have been read.
func (c *conn) requestsRead() error {
	for {
		again, err := c.handleFrames()
		c.s.stats.PacketsReceived.Add(c.takeReceived())
		c.s.stats.BytesReceived.Add(c.in.read)
		c.in.read = 0
		if len(c.requests) > 0 {
			c.s.stats.Outstanding.Add(int64(len(c.requests)))
			c.s.cfg.Replica.Submit(c.requests)
			clear(c.requests)
			c.requests = c.requests[:0]
		}
		c.Flush()
		if err != nil {
			return err
		}
		if err := c.awaitRoom(); err != nil {
			return err
		}
		if !again {
			c.in.release()
			return nil
		}
	}
}

// handleFrames answers or queues the frames read, and gathers the writes among them in c.requests.
// again says that it stopped early because of the output's size.
func (c *conn) handleFrames() (again bool, err error) {
	now := time.Now()
	c.heard.Store(c.s.cfg.Replica.NowMillis())
	if !c.s.cfg.Replica.Fresh(now) {
		c.s.cfg.Replica.AwaitFresh()
	}
	reads := false
	c.in.frames(func(op int32) bool {
		reads = !isWrite(zk.Op(op))
		return !reads
	})
	var view *replica.View
	if reads { // before c.mu: see the order of locks in package replica
		view = c.s.cfg.Replica.RLock()
		defer c.s.cfg.Replica.RUnlock()
		if view.Term() != c.term {
			return false, errEnded
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	done := int64(0)
	bodies := bodyCopier{}
	for !c.ending {
		if c.out.size() > outHigh || len(c.queue)-c.head > maxQueued || c.queuedBytes > maxQueuedBytes {
			again = true
			break
		}
		frame, err := c.in.next()
		if err != nil {
			return false, err
		}
		if frame == nil {
			break
		}
		c.record.received++
		d := jute.NewDecoder(frame)
		var h proto.RequestHeader
		h.Decode(&d)
		if d.Err() != nil {
			return false, fmt.Errorf("frame of %d bytes has no request header", len(frame))
		}
		switch {
		case h.Op == zk.OpAuth:
			c.authenticate(h, d.Rest())
		case isWrite(h.Op):
			c.enqueueWrite(h, bodies.copy(&c.in, d.Rest()), now)
		case c.head < len(c.queue):
			c.push(waiting{header: h, began: now, body: bodies.copy(&c.in, d.Rest())})
		default:
			c.read(view, h, d.Rest())
			done++
		}
	}
	if c.ending && c.in.begin < c.in.end {
		c.in.begin = c.in.end // nobody will read the rest
	}
	if done > 0 {
		c.finishReads(done, now)
	}
	return again, nil
}

// bodyCopier copies the bodies of one batch into one allocation: they outlive the read buffer.
type bodyCopier struct{ rest []byte }

func (b *bodyCopier) copy(in *inbox, body []byte) []byte {
	if len(body) > len(b.rest) {
		// All that is still to come of this read fits in as much as is buffered.
		b.rest = make([]byte, len(body)+in.end-in.begin)
	}
	n := copy(b.rest, body)
	kept := b.rest[:n:n]
	b.rest = b.rest[n:]
	return kept
}

func (c *conn) push(w waiting) {
	if c.head > 0 && len(c.queue) == cap(c.queue) {
		// A client that never lets its queue run empty must not make it grow.
		n := copy(c.queue, c.queue[c.head:])
		clear(c.queue[n:])
		c.queue, c.head = c.queue[:n], 0
	}
	c.queue = append(c.queue, w)
	c.queuedBytes += len(w.body)
}

func (c *conn) enqueueWrite(h proto.RequestHeader, body []byte, now time.Time) {
	c.push(waiting{header: h, write: true, began: now, body: body})
	kind := replica.Write
	if h.Op == zk.OpSync {
		kind = replica.Barrier
	}
	c.requests = append(c.requests, replica.Request{
		Request: prep.Request{Session: c.sessionID(), Cxid: h.Xid, Op: h.Op, Body: body, IDs: *c.ids.Load()},
		Kind:    kind, Origin: c, Term: c.term,
	})
}

// isWrite reports whether the replica's loop has to see the request. Check and the like outside a
// multi are refused as reads are, in place.
func isWrite(op zk.Op) bool {
	switch op {
	case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL, zk.OpDelete, zk.OpSetData,
		zk.OpSetACL, zk.OpMulti, zk.OpReconfig, zk.OpSync, zk.OpCloseSession:
		return true
	}
	return false
}

// Applied implements replica.Origin: it queues the reply of the oldest write and answers the reads
// that stood behind it, while the tree still is as that write left it.
func (c *conn) Applied(v *replica.View, o *replica.Outcome) (flush bool) {
	if o.Kind == replica.Attach || o.Op == zk.OpCreateSession {
		c.opened(o)
		return false
	}
	c.s.stats.Outstanding.Add(-1)
	c.mu.Lock()
	defer c.mu.Unlock()
	// Once the connection is ending its reads are not answered any more, so that the oldest request in
	// the queue need not be the write that this is the outcome of.
	if c.ended || c.ending || c.head == len(c.queue) {
		return false
	}
	w := c.pop()
	if w.header.Xid != o.Cxid {
		// The answer to another question must not be given.
		c.s.log.Error("outcome out of order: connection closed", zap.String("client", c.remote.String()),
			zap.Stringer("session", c.sessionID()), zap.Int32("xid", w.header.Xid), zap.Int32("outcome", o.Cxid))
		c.shut()
		return false
	}
	c.reply(v, w.header, o, w.body)
	c.finishWrite(w.header, o.Zxid, w.began)
	done := int64(0)
	began := w.began
	for c.head < len(c.queue) && !c.queue[c.head].write && !c.ending && c.out.size() <= outCut {
		w := c.pop()
		c.read(v, w.header, w.body)
		done++
	}
	if done > 0 {
		c.finishReads(done, began)
	}
	c.cutIfFull()
	c.room.Signal()
	flush = !c.dirty
	c.dirty = true
	return flush
}

// opened takes in that the session is open, or that there is none. It makes c the session's
// connection here, in the order of the replica, so that of two connections that resume one session at
// the same time the one survives which the replica gave it to last.
func (c *conn) opened(o *replica.Outcome) {
	c.mu.Lock()
	c.record.lastOp, c.record.lastCxid, c.record.hasCxid, c.record.lastZxid = zk.OpCreateSession, 0, true, o.Zxid
	c.mu.Unlock()
	if o.Err == zk.OK {
		c.session.Store(int64(o.Session))
		if old := c.s.bind(o.Session, c); old != nil && old != c {
			old.cut()
		}
		select {
		case <-c.lost: // it is forgotten already, or will not be asked again
			c.s.unbind(o.Session, c)
		default:
		}
	}
	c.ready <- o.Err
}

func (c *conn) pop() waiting {
	w := c.queue[c.head]
	c.queue[c.head] = waiting{}
	c.head++
	c.queuedBytes -= len(w.body)
	if c.head == len(c.queue) {
		c.queue, c.head = c.queue[:0], 0
		if cap(c.queue) > maxQueued/4 {
			c.queue = nil
		}
	}
	return w
}

// awaitRoom blocks while the connection has too much waiting, or the server has and this connection
// adds to it: a client is slowed down by not being read.
func (c *conn) awaitRoom() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.ended && !c.ending && (c.out.size() > outHigh || len(c.queue)-c.head > maxQueued || c.queuedBytes > maxQueuedBytes ||
		len(c.queue) > c.head && c.s.overloaded()) {
		c.room.Wait()
	}
	if c.ended {
		return errEnded
	}
	return nil
}

// Flush implements replica.Flusher: it sends what is queued without blocking, or leaves it to who is
// sending already.
func (c *conn) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirty = false
	if c.out.sending || c.ended {
		return
	}
	c.out.sending = true
	for {
		batch := c.out.queued
		if batch == nil {
			break
		}
		c.out.queued = nil
		c.mu.Unlock()
		n, err := c.out.socket.Try(batch.B)
		c.s.stats.BytesSent.Add(int64(n))
		if err == nil && n < len(batch.B) {
			c.mu.Lock()
			c.out.rest = len(batch.B) - n
			c.out.tell(&c.s.unsent, c.ended)
			go c.sendRest(batch, n)
			return // sending stays true: sendRest goes on
		}
		outBuffers.Put(batch)
		c.mu.Lock()
		if err != nil {
			c.shut()
			break
		}
	}
	c.out.sending = false
	c.out.tell(&c.s.unsent, c.ended)
	c.room.Signal()
	if c.ending {
		c.shut()
	}
}

// sendRest sends the part of batch behind n, then whatever else is queued, as slowly as the client
// takes it.
func (c *conn) sendRest(batch *sock.Buffer, n int) {
	for rest := batch.B[n:]; ; rest = batch.B {
		err := c.out.writeAll(rest)
		c.s.stats.BytesSent.Add(int64(len(rest)))
		outBuffers.Put(batch)
		c.mu.Lock()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.slow("took nothing of its output in time")
			}
			c.shut()
		}
		c.room.Signal()
		batch = c.out.queued
		c.out.queued, c.out.rest = nil, 0
		if batch != nil {
			c.out.rest = len(batch.B)
		}
		c.out.tell(&c.s.unsent, c.ended)
		if batch == nil || c.ended {
			c.out.sending = false
			if c.ending {
				c.shut()
			}
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
}

// cutIfFull ends a connection whose client does not read. c.mu is held.
func (c *conn) cutIfFull() {
	if c.ended || c.out.size() < unsentStep {
		return
	}
	c.out.tell(&c.s.unsent, false)
	switch {
	case c.out.size() > outCut:
		c.slow("does not read: its output is over the limit")
		c.shut()
	case c.out.size()+c.out.rest > outHigh && c.s.unsent.Load() > unsentMost:
		c.slow("does not read, and the output for all clients is over the limit")
		c.shut()
	}
}

func (c *conn) slow(what string) {
	c.s.stats.SlowReadersCut.Add(1)
	if say, suppressed := c.s.complain.allow("slow"); say {
		c.s.log.Warn("client cut off: it "+what, zap.String("client", c.remote.String()),
			zap.Stringer("session", c.sessionID()), zap.Int("queued_bytes", c.out.size()), zap.Int("suppressed", suppressed))
	}
}

// shut closes the socket; the connection's goroutine then ends. c.mu is held.
func (c *conn) shut() {
	if !c.ended {
		c.ended = true
		c.out.tell(&c.s.unsent, true)
		close(c.lost)
		c.nc.Close()
		c.room.Broadcast()
	}
}

// cut ends the connection from outside, dropping what is queued: its session has moved to a newer
// one, or the server stops.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut()
}

// close ends the connection from its own goroutine, dropping what is queued.
func (c *conn) close() {
	c.cut()
	c.in.begin, c.in.end = 0, 0
	c.in.giveBack()
}
