package replica

import (
	"time"

	"go.uber.org/zap"

	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// ending says how the last role ended.
type ending struct {
	reason zab.Reason
	detail string
	at     time.Time
}

// endRole ends the role at once: nothing is answered, sent or taken in any more. Then, once nobody
// reports anything of it any more, leaveRole clears up. The turn is held.
func (r *Replica) endRole(reason zab.Reason, detail string) {
	if r.role == none {
		return
	}
	r.log.Warn(r.roleName()+" ends", zap.String("reason", string(reason)), zap.String("detail", detail),
		zap.Bool("served", r.active), zap.Stringer("logged", r.txlog.Last()))
	switch reason {
	case zab.ReasonAcceptedAhead:
		r.yielded = r.cfg.Now()
	case zab.ReasonVoterAhead:
		r.stats.DisloyalVoterQuits.Add(1)
	}
	if r.lookingSince = r.cfg.Now(); r.cfg.Peers == nil {
		r.lookingSince = time.Time{}
	}
	r.last = ending{reason, detail, r.cfg.Now()}
	r.role, r.active = none, false
	r.mu.Lock()
	r.serving = 0 // clients get no answers from here on
	r.mu.Unlock()
	r.freshness.lose()
	if r.elector != nil && !r.rejoin {
		r.elector.halt()
	}
	for _, l := range r.links {
		l.end(r)
	}
	if r.up != nil {
		r.up.Drop()
	}
	r.abandonStaging()
	r.loseAll()
	r.takePicture()
	signal(r.over)
}

// end ends a leader's link. The turn is held.
func (l *memberLink) end(r *Replica) {
	l.Drop()
	if l.stream != nil {
		l.stream.abandon(r)
	}
}

// leaveRole waits until nothing of the role that ended goes on, and makes durable what it has logged: the
// next role begins with it (R7).
func (r *Replica) leaveRole() {
	r.turn.Lock()
	port, up := r.port, r.up
	r.turn.Unlock()
	if port != nil {
		port.Close()
	}
	if up != nil {
		up.Close()
	}
	r.besides.Wait()
	r.turn.Lock()
	defer r.turn.Unlock()
	if r.err == nil && r.txlog.Last() != r.txlog.Durable() {
		if err := r.txlog.Sync(); err != nil {
			r.fail(err)
		}
	}
	r.roleState = roleState{
		term: r.term, elected: r.elected, rejoin: r.rejoin, yielded: r.yielded, gaveWay: r.gaveWay, last: r.last,
		todo: r.todo[:0], unflushed: r.unflushed[:0],
	}
	select {
	case <-r.over:
	default:
	}
}

// loseAll tells everybody who waits for an answer, or holds a session, that there will be none. It does
// not hold up the next role: there may be thousands, each with a socket to close.
func (r *Replica) loseAll() {
	for i := r.head; i < len(r.inflight); i++ {
		r.lose(&r.inflight[i].req)
	}
	for _, b := range r.barriers {
		r.lose(&b)
	}
	for _, h := range r.held {
		for i := range h.requests {
			r.lose(&h.requests[i])
		}
	}
	for i := range r.incoming {
		r.lose(&r.incoming[i])
	}
	r.loseForwarded()
	for _, h := range r.owners {
		if h.conn != nil {
			r.lost = append(r.lost, h.conn)
		}
	}
	r.tellLost()
}

// lose gives up a request.
func (r *Replica) lose(req *Request) {
	if req.Origin == nil {
		return
	}
	if req.Kind != Attach && req.Op != zk.OpCreateSession {
		r.stats.Outstanding.Add(-1) // as its outcome would have
	}
	r.lost = append(r.lost, req.Origin)
}

func (r *Replica) tellLost() {
	lost := r.lost
	r.lost = nil
	if len(lost) == 0 {
		return
	}
	tell := func() {
		for _, o := range lost {
			o.Lost()
		}
	}
	if r.cfg.manual || r.ended {
		tell()
		return
	}
	r.running.Go(tell)
}
