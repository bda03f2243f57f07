package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
)

// conn is a connection of a learner with a leader.
type conn struct {
	n       *network
	id      int
	learner *end
	leader  *end // nil until it is connected
}

func (c *conn) ends() []*end {
	if c.leader == nil {
		return []*end{c.learner}
	}
	return []*end{c.learner, c.leader}
}

func (c *conn) connect(to *life) {
	p := to.port
	p.lastID++
	c.leader = &end{c: c, l: to, term: p.term, number: p.lastID, leads: true}
	c.leader.out.from = c.leader
	p.ends = append(p.ends, c.leader)
	c.learner.out.pump()
}

// end is one end of a connection: a replica.Link.
type end struct {
	c      *conn
	l      *life
	term   replica.Term
	number uint64
	leads  bool

	out       pipe   // to the other end
	unflushed []item // of Send and Stream since Flush
	queued    int    // bytes that wait to be sent
	got, sent int64
	joined    bool             // a leader's end: the learner has introduced itself
	last      proto.PacketType // received
	lastSent  proto.PacketType
	asked     []origin // a leader's end: what the learner waits for
	state     endState
	// streamedTxns says that this leader's end has sent a part of the log.
	streamedTxns bool
	waited       int // how often its UPTODATE did

	dropped  bool // by the replica
	vanished bool // the other end hears of it
	finished bool // Down was reported, or will never be
}

// item is something on its way.
type item struct {
	packet proto.QuorumPacket
	stream func(io.Writer) error // not written yet
	// snapshot says that the stream is one, and not a part of the log.
	snapshot bool
	raw      []byte // a stream that was
	cut      bool   // raw is not whole: the end comes within
	fin      bool   // the end
	at       time.Duration
}

func (i *item) isPacket() bool { return i.stream == nil && i.raw == nil && !i.fin }

// over reports that nothing will be delivered to this end, nor taken from it.
func (e *end) over() bool { return e.dropped || e.finished || e.l.dead }

func (e *end) other() *end {
	if e.leads {
		return e.c.learner
	}
	return e.c.leader
}

// ID implements replica.Link.
func (e *end) ID() uint64 { return e.number }

// RemoteAddr implements replica.Link.
func (e *end) RemoteAddr() net.Addr { return addr(e.c.id) }

type addr int

func (a addr) Network() string { return "sim" }
func (a addr) String() string  { return fmt.Sprintf("conn%d", int(a)) }

// Moved implements replica.Link.
func (e *end) Moved() (got, sent int64) { return e.got, e.sent }

var (
	errOverflow = errors.New("sim: too much waits to be sent")
	errBroken   = errors.New("sim: connection reset")
)

// Send implements replica.Link.
func (e *end) Send(packets ...proto.QuorumPacket) bool {
	w := e.l.w
	for _, p := range packets {
		if e.over() || e.vanished {
			return false
		}
		if w.point(e.l, "before it sends "+p.Type.String()); e.l.dead {
			return false
		}
		p.Data = slices.Clone(p.Data)
		if w.sending(e, &p) {
			continue
		}
		w.checks.sent(e, &p)
		e.lastSent = p.Type
		e.unflushed = append(e.unflushed, item{packet: p})
		if e.queued += 24 + len(p.Data); e.queued > w.temper.queueBytes && !w.healed {
			e.vanished = true
			e.l.later(0, func() { e.vanished = false; e.vanish(); e.down(errOverflow) })
			return false
		}
	}
	return true
}

// Stream implements replica.Link.
func (e *end) Stream(write func(io.Writer) error) bool {
	if e.over() || e.vanished {
		return false
	}
	e.unflushed = append(e.unflushed, item{stream: write, snapshot: e.lastSent == proto.PacketSnap})
	return true
}

// Flush implements replica.Link.
func (e *end) Flush() {
	if e.over() || e.vanished {
		return
	}
	e.out.waiting = append(e.out.waiting, e.unflushed...)
	e.unflushed = nil
	e.out.pump()
}

// Drop implements replica.Link.
func (e *end) Drop() {
	if !e.dropped {
		e.l.w.ended(e)
		e.dropped = true
		e.c.n.dropped = append(e.c.n.dropped, e)
	}
}

// Close implements replica.Link.
func (e *end) Close() { e.Drop() }

// vanish ends the connection at this end: a part of what was sent still arrives, then the other end hears of it.
func (e *end) vanish() {
	if e.vanished {
		return
	}
	e.vanished = true
	e.unflushed = nil
	e.out.close()
	if e.over() {
		e.c.n.forget()
	}
}

// down reports that the connection has ended, unless the replica has dropped it.
func (e *end) down(err error) {
	if e.over() {
		return
	}
	e.l.w.ended(e)
	e.finished = true
	e.l.w.trace("%v: conn%d ends: %v", e.l, e.c.id, err)
	e.l.m.Down(e.term, e, err)
	e.vanish()
	e.c.n.forget()
}

// pipe is one direction of a connection.
type pipe struct {
	from      *end
	waiting   []item // flushed; a stream at the head is being written
	flight    []item
	streaming bool
	closed    bool
}

// pump puts on the way what waits, up to a stream.
func (p *pipe) pump() {
	to := p.from.other()
	if to == nil || p.closed {
		return
	}
	w := p.from.l.w
	at := w.now + w.net.latency()
	if n := len(p.flight); n > 0 {
		at = max(at, p.flight[n-1].at)
	}
	for len(p.waiting) > 0 && !p.streaming {
		i := p.waiting[0]
		if i.stream != nil {
			p.streaming = true
			p.from.l.later(w.between(0, w.temper.streamLatency), func() { p.write(i) })
			break
		}
		p.waiting = p.waiting[1:]
		size := 24 + len(i.packet.Data)
		p.from.sent += int64(size)
		p.from.queued -= size
		i.at = at
		p.flight = append(p.flight, i)
	}
	p.kick()
}

// write lets a stream be written, as the goroutine of a link does.
func (p *pipe) write(i item) {
	e := p.from
	if e.over() || p.closed {
		return
	}
	var b bytes.Buffer
	if err := i.stream(&b); err != nil {
		if !e.over() {
			e.vanish()
			e.down(err)
		}
		return
	}
	if e.over() || p.closed {
		return
	}
	p.streaming = false
	p.waiting = p.waiting[1:]
	e.sent += int64(b.Len())
	if !i.snapshot {
		e.streamedTxns = true
		e.l.w.checks.streamed(e, b.Bytes())
	}
	p.flight = append(p.flight, item{raw: b.Bytes(), at: e.l.w.now + e.l.w.net.latency()})
	e.l.m.Streamed(e.term, e)
	p.pump()
}

// close ends the direction: what is on its way is cut somewhere, then comes the end.
func (p *pipe) close() {
	if p.closed {
		return
	}
	w := p.from.l.w
	p.closed = true
	p.waiting = nil
	if n := len(p.flight); n > 0 && w.chance(2) {
		keep := w.rng.IntN(n + 1)
		if keep < n && p.flight[keep].raw != nil {
			raw := p.flight[keep].raw
			p.flight[keep].raw, p.flight[keep].cut = raw[:w.rng.IntN(len(raw)+1)], true
			keep++
		}
		p.flight = p.flight[:keep]
	}
	p.flight = append(p.flight, item{fin: true, at: w.now + w.net.latency()})
	p.kick()
}

// kick sees to it that what is on its way arrives.
func (p *pipe) kick() {
	if len(p.flight) == 0 {
		return
	}
	w := p.from.l.w
	w.after(p.flight[0].at-w.now, p.arrive)
}

// arrive delivers what has come by now, if nothing is in the way.
func (p *pipe) arrive() {
	to := p.from.other()
	w := p.from.l.w
	if to == nil || to.over() {
		p.flight = nil
		return
	}
	if len(p.flight) == 0 || p.flight[0].at > w.now || w.net.blocked[[2]serverID{p.from.l.s.id, to.l.s.id}] {
		return // another event comes for it
	}
	if to.l.paused > w.now {
		w.after(to.l.paused-w.now, p.arrive)
		return
	}
	p.deliver(to)
	to.l.settle()
	if len(p.flight) > 0 {
		p.kick()
	}
}

func (p *pipe) deliver(to *end) {
	w := to.l.w
	switch i := p.flight[0]; {
	case i.fin:
		p.flight = p.flight[1:]
		to.down(io.EOF)
	case i.raw != nil && to.last == proto.PacketSnap:
		p.flight = p.flight[1:]
		to.last = 0
		to.got += int64(len(i.raw))
		in := io.Reader(bytes.NewReader(i.raw))
		if i.cut {
			in = io.MultiReader(in, cutReader{})
		}
		if err := to.l.m.ReceiveSnapshot(to.term, to, in); err != nil && !to.over() {
			to.down(err)
		}
	case i.raw != nil:
		p.flight = slices.Concat(packetsOf(i), p.flight[1:])
		if len(p.flight) > 0 {
			p.deliver(to)
		}
	default:
		if w.reordered(p) {
			return
		}
		n := 1
		for n < len(p.flight) && p.flight[n].isPacket() && p.flight[n].at <= w.now && p.flight[n-1].packet.Type != proto.PacketSnap {
			n++
		}
		if w.chance(3) {
			n = 1 + w.rng.IntN(n)
		}
		packets := make([]proto.QuorumPacket, n)
		for j := range packets {
			packets[j] = p.flight[j].packet
			to.got += int64(24 + len(packets[j].Data))
		}
		p.flight = p.flight[n:]
		to.receive(packets)
	}
}

type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// packetsOf decodes a stream of packets.
func packetsOf(i item) (all []item) {
	for d := jute.NewDecoder(i.raw); d.Len() > 0; {
		var p proto.QuorumPacket
		if p.Decode(&d); d.Err() != nil {
			return all // cut within a packet
		}
		all = append(all, item{packet: p, at: i.at})
	}
	return all
}

// receive hands packets to the replica, as a link does.
func (e *end) receive(packets []proto.QuorumPacket) {
	w := e.l.w
	if w.tracing() {
		text := ""
		for i := range packets {
			text += fmt.Sprintf(" %v:%v", packets[i].Type, packets[i].Zxid)
		}
		w.trace("%v <- conn%d:%s", e.l, e.c.id, text)
	}
	e.last = packets[len(packets)-1].Type
	if e.leads {
		w.checks.requested(e, packets)
	}
	if w.o.Bug != "" {
		packets = slices.DeleteFunc(packets, func(p proto.QuorumPacket) bool { return w.arrived(e, &p) })
		if len(packets) == 0 || e.over() {
			return
		}
	}
	if e.leads && !e.joined {
		e.joined = true
		if e.l.port == nil || e.l.port.closed || e.l.port.term != e.term {
			e.Drop()
			return
		}
		info, err := proto.DecodeLearnerInfo(packets[0].Data)
		if err != nil {
			w.fail("%v got a first packet %v: %v", e.l, packets[0].Type, err)
			return
		}
		e.l.m.Joined(e.term, e, info, packets[0].Type == proto.PacketObserverInfo)
		if e.over() {
			return
		}
	}
	e.l.m.Received(e.term, e, packets)
}
