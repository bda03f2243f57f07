package client

import (
	"errors"
	"fmt"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// errSessionClosed says that the server has ended the session on the client's own request.
var errSessionClosed = errors.New("session closed")

// serving is the state of one connection in use; only serve's goroutine touches it.
type serving struct {
	c       *Client
	l       *link
	pending []*call // in the order in which they were sent
	auths   []authSent
	xid     int32
}

// authSent is an identity on its way; its call is nil for one that is sent again.
type authSent struct {
	request proto.AuthRequest
	call    *call
}

// serve works on a connection until it breaks, beginning with the calls in again. It returns the reads
// that were not answered.
func (c *Client) serve(l *link, again []*call) (unanswered []*call, err error) {
	s := &serving{c: c, l: l}
	readers := 2
	go l.read()
	go l.write()
	s.begin(again)
	err = s.loop(&readers)
	close(l.quit)
	l.conn.Close()
	for range readers {
		<-l.broken
	}
	return s.unanswered(err), err
}

// begin tells the server what a new connection does not know, then the world that there is one.
func (s *serving) begin(again []*call) {
	c := s.c
	c.mu.Lock()
	var first []byte // in one piece, for out has no room for all of them
	for _, a := range c.auths {
		first = appendRequest(first, zk.XidAuth, zk.OpAuth, a.Append(nil))
		s.auths = append(s.auths, authSent{request: a})
	}
	for _, r := range c.watches.requests(c.lastZxid) {
		first = appendRequest(first, zk.XidSetWatches, zk.OpSetWatches2, r.Append(nil, zk.OpSetWatches2))
	}
	c.connected = true
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	if len(first) > 0 {
		s.l.out <- first
	}
	c.tell(Event{Type: zk.EventNone, State: SyncConnected, Zxid: -1})
	for _, request := range again {
		s.send(request)
	}
}

// send puts a request on its way. There is room in out: maxPending is not reached.
func (s *serving) send(request *call) {
	if request.op == zk.OpAuth {
		d := jute.NewDecoder(request.record)
		var a proto.AuthRequest
		a.Decode(&d)
		s.auths = append(s.auths, authSent{a, request})
		s.l.out <- appendRequest(nil, zk.XidAuth, zk.OpAuth, request.record)
		return
	}
	s.xid++
	request.xid = s.xid
	s.pending = append(s.pending, request)
	s.l.out <- appendRequest(nil, request.xid, request.op, request.record)
}

// loop moves requests and frames until the connection breaks or the client is closed. readers counts down
// for each of reader and writer that has had its say.
func (s *serving) loop(readers *int) error {
	// A third of the timeout without a word is too long for the session, two thirds for the connection.
	// Source: ClientCnxn.
	third := s.l.timeout / 3
	ticker := time.NewTicker(max(third/4, time.Millisecond))
	defer ticker.Stop()
	sent, received := time.Now(), time.Now()
	for {
		calls, frames, room := s.c.calls, s.l.frames, s.c.events.room
		if len(s.pending)+len(s.auths) >= maxPending {
			calls = nil
		}
		if s.c.events.full() {
			frames = nil
			received = time.Now() // it is we who do not read
		}
		select {
		case request := <-calls:
			s.send(request)
			sent = time.Now()
		case frame := <-frames:
			received = time.Now()
			if err := s.receive(frame); err != nil {
				return err
			}
		case err := <-s.l.broken:
			*readers--
			return err
		case <-room: // see whether frames may be read again
		case now := <-ticker.C:
			if now.Sub(received) > 2*third {
				return fmt.Errorf("no answer for %v", now.Sub(received).Round(time.Millisecond))
			}
			// What still waits to be written keeps the session as well, and a ping must find room.
			if now.Sub(sent) >= third-third/4 && len(s.l.out) == 0 {
				sent = now
				s.l.out <- appendRequest(nil, zk.XidPing, zk.OpPing, nil)
			}
		case <-s.c.stopped.Done():
			return ErrClosed
		}
	}
}

// receive takes one frame from the server. An error is the end of the connection.
func (s *serving) receive(frame []byte) error {
	var h proto.ReplyHeader
	d := jute.NewDecoder(frame)
	h.Decode(&d)
	if d.Err() != nil {
		return fmt.Errorf("sent a reply of %d bytes", len(frame))
	}
	switch h.Xid {
	case zk.XidNotification:
		return s.notified(h, &d)
	case zk.XidPing:
		s.note(h)
		return nil
	case zk.XidSetWatches:
		return nil
	case zk.XidAuth:
		return s.authAnswered(h)
	}
	if len(s.pending) == 0 || s.pending[0].xid != h.Xid {
		return fmt.Errorf("answered request %d out of turn", h.Xid)
	}
	request := s.pending[0]
	s.pending[0] = nil
	s.pending = s.pending[1:]
	s.note(h)
	s.c.mu.Lock()
	if request.answered != nil {
		request.answered(h.Err)
	}
	s.c.mu.Unlock()
	a := answer{body: d.Rest()}
	if h.Err != zk.OK {
		a = answer{err: h.Err}
	}
	request.done <- a
	if request.op == zk.OpCloseSession && h.Err == zk.OK {
		return errSessionClosed
	}
	return nil
}

func (s *serving) note(h proto.ReplyHeader) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.lastZxid = max(s.c.lastZxid, h.Zxid)
}

func (s *serving) notified(h proto.ReplyHeader, d *jute.Decoder) error {
	var e proto.WatcherEvent
	e.Decode(d)
	if d.Err() != nil {
		return fmt.Errorf("sent a notification that cannot be read: %w", d.Err())
	}
	s.c.mu.Lock()
	s.c.watches.used(e.Type, e.Path)
	s.c.mu.Unlock()
	s.c.tell(Event{Type: e.Type, State: State(e.State), Path: s.c.below(e.Path), Zxid: h.Zxid})
	return nil
}

// authAnswered keeps an identity for later connections once the server has taken it.
func (s *serving) authAnswered(h proto.ReplyHeader) error {
	if len(s.auths) == 0 {
		return errors.New("answered an identity that was not sent")
	}
	sent := s.auths[0]
	s.auths = s.auths[1:]
	s.c.mu.Lock()
	switch known := s.c.knows(sent.request); {
	case h.Err == zk.OK && known < 0:
		s.c.auths = append(s.c.auths, sent.request)
	case h.Err != zk.OK && known >= 0: // or every new connection would end the same way
		s.c.auths = append(s.c.auths[:known:known], s.c.auths[known+1:]...)
	}
	s.c.mu.Unlock()
	if h.Err != zk.OK {
		s.c.tell(Event{Type: zk.EventNone, State: AuthFailed, Zxid: -1})
	}
	switch {
	case sent.call == nil:
	case h.Err != zk.OK:
		sent.call.done <- answer{err: h.Err}
	default:
		sent.call.done <- answer{}
	}
	return nil
}

// unanswered returns the reads among the pending requests; the rest fail.
func (s *serving) unanswered(err error) []*call {
	loss := error(ErrConnectionLoss)
	if errors.Is(err, errSessionClosed) || errors.Is(err, ErrClosed) {
		loss = ErrClosed
	}
	var reads []*call
	for _, request := range s.pending {
		if harmless[request.op] && loss == ErrConnectionLoss {
			reads = append(reads, request)
		} else {
			request.done <- answer{err: loss}
		}
	}
	for _, a := range s.auths {
		if a.call != nil {
			a.call.done <- answer{err: loss}
		}
	}
	return reads
}

// harmless are the operations that may be done twice.
var harmless = map[zk.Op]bool{
	zk.OpExists: true, zk.OpGetData: true, zk.OpGetACL: true, zk.OpGetChildren: true, zk.OpGetChildren2: true,
	zk.OpSync: true, zk.OpMultiRead: true, zk.OpCheckWatches: true, zk.OpGetEphemerals: true,
	zk.OpGetAllChildrenNumber: true, zk.OpAddWatch: true, zk.OpWhoAmI: true,
}
