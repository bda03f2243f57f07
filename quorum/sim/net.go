package sim

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// network carries notifications, and the links between leaders and learners. What goes over one link, or from
// one server's election port to another's, keeps its order; nothing else does.
type network struct {
	w       *World
	blocked map[[2]zk.ServerID]bool // nothing comes from the first to the second
	noteAt  map[[2]zk.ServerID]time.Duration
	conns   []*conn // that have not ended on both sides
	nextID  int
	dropped []*end // by a replica, since sweep
}

func (n *network) init(w *World) {
	n.w = w
	n.blocked = make(map[[2]zk.ServerID]bool)
	n.noteAt = make(map[[2]zk.ServerID]time.Duration)
}

func (n *network) latency() time.Duration {
	return n.w.between(100*time.Microsecond, n.w.temper.latency)
}

// reachable reports whether two servers reach each other.
func (n *network) reachable(a, b zk.ServerID) bool {
	return !n.blocked[[2]zk.ServerID{a, b}] && !n.blocked[[2]zk.ServerID{b, a}]
}

// Attach implements replica.Peers.
func (l *life) Attach(*replica.Replica) {}

// Do implements replica.Peers: notifications are sent, lost and delayed.
func (l *life) Do(a election.Action) {
	if l.dead {
		return
	}
	switch a := a.(type) {
	case election.Send:
		l.w.net.note(l, a.To, a.Note)
	case election.Broadcast:
		for _, to := range a.To {
			l.w.net.note(l, to, a.Note)
		}
	case election.Reconnect:
		for _, to := range a.To {
			l.w.net.reconnect(l, to)
		}
	}
}

func (n *network) note(from *life, to zk.ServerID, note proto.Notification) {
	w := n.w
	if int(to) < 1 || int(to) > len(w.servers) || !w.healed && w.chance(w.temper.lossOdds) {
		return
	}
	pair := [2]zk.ServerID{from.s.id, to}
	at := max(w.now+n.latency(), n.noteAt[pair])
	n.noteAt[pair] = at
	w.after(at-w.now, func() {
		l := w.server(to).life
		if l == nil || l.m == nil || n.blocked[pair] {
			return
		}
		l.later(0, func() { l.m.ElectionEvent(election.Received{From: from.s.id, Note: note}) })
	})
}

// reconnect tells both ends of an election link how it stands.
func (n *network) reconnect(l *life, to zk.ServerID) {
	n.w.after(2*n.latency(), func() {
		if l.dead {
			return
		}
		peer := n.w.server(to).life
		if peer == nil || peer.m == nil || !n.reachable(l.s.id, to) {
			l.later(0, func() { l.m.ElectionEvent(election.LinkDown{Peer: to}) })
			return
		}
		l.later(0, func() { l.m.ElectionEvent(election.LinkUp{Peer: to}) })
		peer.later(0, func() { peer.m.ElectionEvent(election.LinkUp{Peer: l.s.id}) })
	})
}

// started connects the election port of a process with the others', and ends what links its predecessor has left.
func (n *network) started(l *life) {
	for _, s := range n.w.servers {
		if s.id < l.s.id || s.id != l.s.id && s.life == nil {
			n.reconnect(l, s.id)
		} else if s.life != nil && s.id != l.s.id {
			n.reconnect(s.life, l.s.id)
		}
	}
	for _, c := range slices.Clone(n.conns) {
		for _, e := range c.ends() {
			if e.l.dead && e.l.s == l.s {
				e.vanish()
			}
		}
	}
}

// gone takes a process that is dead off the network: its links end at once, or when the next one starts.
func (n *network) gone(l *life) {
	for _, c := range slices.Clone(n.conns) {
		for _, e := range c.ends() {
			if e.l == l && n.w.rng.IntN(3) > 0 {
				e.vanish()
			}
		}
	}
	for _, s := range n.w.servers {
		if s.id != l.s.id && s.life != nil && s.life.m != nil && n.w.rng.IntN(4) > 0 {
			peer := s.life
			peer.later(n.latency(), func() { peer.m.ElectionEvent(election.LinkDown{Peer: l.s.id}) })
		}
	}
}

// block cuts the way from one server to another; unblock opens it, and what was held up goes on.
func (n *network) block(from, to zk.ServerID) { n.blocked[[2]zk.ServerID{from, to}] = true }

func (n *network) unblock(from, to zk.ServerID) {
	if !n.blocked[[2]zk.ServerID{from, to}] {
		return
	}
	delete(n.blocked, [2]zk.ServerID{from, to})
	for _, c := range n.conns {
		for _, e := range c.ends() {
			e.out.kick()
		}
	}
	if l := n.w.server(from).life; l != nil && l.m != nil {
		n.reconnect(l, to)
	}
}

// errUnreachable says that there is nobody to follow.
var errUnreachable = errors.New("sim: the leader cannot be reached")

// port is where a leader accepts learners.
type port struct {
	l      *life
	term   replica.Term
	lastID uint64
	ends   []*end
	closed bool
}

// Lead implements replica.Peers.
func (l *life) Lead(term replica.Term) (replica.Port, error) {
	l.port = &port{l: l, term: term}
	return l.port, nil
}

// Close implements replica.Port.
func (p *port) Close() {
	p.closed = true
	for _, e := range p.ends {
		e.Drop()
	}
}

// dialRetry and dialFor are how a learner tries to reach the leader: as quorum/peer does.
const (
	dialRetry = 50 * time.Millisecond
	dialFor   = 500 * time.Millisecond
)

// Follow implements replica.Peers. The link it returns is connected later, or never, since nothing may wait here.
func (l *life) Follow(term replica.Term, leader zk.ServerID, _ <-chan struct{}) (replica.Link, error) {
	n := &l.w.net
	if n.w.server(leader).life == nil && n.w.chance(2) {
		return nil, errUnreachable
	}
	n.nextID++
	c := &conn{n: n, id: n.nextID}
	c.learner = &end{c: c, l: l, term: term, number: 1}
	c.learner.out.from = c.learner
	n.conns = append(n.conns, c)
	began := n.w.now
	var try func()
	try = func() {
		e := c.learner
		if e.over() {
			return
		}
		to := n.w.server(leader).life
		if to != nil && to.m != nil && to.port != nil && !to.port.closed && n.reachable(l.s.id, leader) {
			c.connect(to)
			return
		}
		if n.w.now-began >= dialFor {
			l.later(0, func() { e.down(errUnreachable) })
			return
		}
		n.w.after(dialRetry, try)
	}
	n.w.after(2*n.latency(), try)
	return c.learner, nil
}

// sweep ends the links that replicas have dropped, in an order that does not depend on theirs.
func (n *network) sweep() {
	if len(n.dropped) == 0 {
		return
	}
	dropped := n.dropped
	n.dropped = nil
	slices.SortStableFunc(dropped, func(a, b *end) int { return cmp.Compare(a.c.id, b.c.id) })
	for _, e := range dropped {
		e.vanish()
	}
}

// forget drops the links of which nothing will come any more.
func (n *network) forget() {
	n.conns = slices.DeleteFunc(n.conns, func(c *conn) bool {
		for _, e := range c.ends() {
			if !e.over() {
				return false
			}
		}
		return true
	})
}
