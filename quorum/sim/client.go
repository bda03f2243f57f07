package sim

import (
	"fmt"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/prep"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// register is the znode that all clients set and watch.
const register = "/register"

// sessionTimeout is what clients ask for: a client that is alive is heard of more often.
const sessionTimeout = 3 * time.Second

// client is a program that uses the ensemble. Its session outlives its connections.
type client struct {
	w       *World
	id      int
	session zk.SessionID // 0 for none
	seen    zk.Zxid      // newest that a reply has shown
	conn    *clientConn  // nil for none
	cxid    int32
	made    int // znodes
	values  int
	temps   []string     // znodes that it may delete
	closing zk.SessionID // the last session that it wanted to end, on whatever connection
	silent  bool         // it does nothing for a while
	stopped bool
}

// wish is a request that was submitted and not answered.
type wish struct {
	op     zk.Op
	cxid   int32
	path   string
	value  string
	second string  // of a multi: the other path
	kept   bool    // the znode is never deleted
	must   zk.Zxid // of a sync: what was acknowledged to anybody before
}

// clientConn is a connection of a client with a server: a replica.Origin, Owner and Watcher.
type clientConn struct {
	c     *client
	l     *life
	m     *replica.Manual // of l
	term  replica.Term
	ready bool // the session is attached
	over  bool // the client has given it up, or the server
	left  bool // the client has another one, and does not look at this one any more
	heard int64
	queue []wish
	// watching is the version of the register at which a watch was set, -1 for none.
	watching int32
	// boundary is the zxid of the first write that was acknowledged on a later connection of the session, 0
	// for none: nothing of this connection may come behind it.
	boundary zk.Zxid
	older    *clientConn
	since    time.Duration // it was opened
}

// act does something, and again later.
func (c *client) act() {
	c.w.after(c.w.between(time.Millisecond, c.w.temper.clientPause), func() {
		if !c.stopped {
			c.once()
			c.act()
		}
	})
}

// usable reports whether a server serves, and has all that the client has seen.
func (c *client) usable(l *life) bool {
	if l == nil || l.m == nil || l.replica() == nil || l.paused > c.w.now || l.m.Serving() == 0 {
		return false
	}
	ok := false
	l.replica().Read(func(v *replica.View) { ok = v.Zxid() >= c.seen })
	return ok
}

// connect opens or resumes the session at a server, if that serves.
func (c *client) connect(l *life) {
	if !c.usable(l) {
		return
	}
	m := l.replica()
	k := &clientConn{c: c, l: l, m: m, term: m.Serving(), heard: m.NowMillis(), watching: -1, older: c.conn, since: c.w.now}
	if c.conn != nil {
		c.conn.left = true
	}
	c.conn = k
	req := replica.Request{
		Request: prep.Request{Session: c.session, Op: zk.OpCreateSession, TimeoutMillis: int32(sessionTimeout.Milliseconds())},
		Origin:  k, Owner: k, Term: k.term,
	}
	if c.session == 0 {
		req.Body = jute.AppendInt(nil, req.TimeoutMillis)
	} else {
		req.Kind, req.Op = replica.Attach, 0
	}
	k.queue = append(k.queue, wish{op: req.Op})
	m.Submit([]replica.Request{req})
	l.settle()
}

func (c *client) once() {
	w := c.w
	k := c.conn
	switch {
	case c.silent && !w.healed:
		c.silent = w.rng.IntN(20) > 0
		return
	case k == nil || k.over:
		c.connect(w.servers[w.rng.IntN(len(w.servers))].life)
		return
	case k.l.paused > w.now:
		return
	}
	k.heard = k.m.NowMillis()
	if !k.ready {
		if w.chance(50) { // the answer takes too long
			k.giveUp()
		}
		return
	}
	if len(k.queue) > 20 {
		return
	}
	switch n := w.rng.IntN(100); {
	case n < 50:
		c.write(k)
	case n < 60:
		k.submit(wish{op: zk.OpSync, path: "/", must: w.checks.acked}, replica.Barrier, jute.AppendString(nil, "/"))
	case n < 80:
		k.read()
	case n < 85:
		k.read()
		k.watch()
	case n < 89:
		for range 1 + w.rng.IntN(10) { // what a pipeline may hold
			c.write(k)
		}
	case n < 92: // to another server, without a word to the old one, on which something may be on its way
		if w.chance(2) {
			c.write(k)
		}
		c.connect(w.servers[w.rng.IntN(len(w.servers))].life)
	case n < 93 && !w.healed:
		c.silent = true
		if w.chance(2) {
			k.giveUp()
		}
	case n < 94:
		k.submit(wish{op: zk.OpCloseSession}, replica.Write, nil)
	}
	k.l.settle()
}

// write asks for a change.
func (c *client) write(k *clientConn) {
	w := c.w
	switch n := w.rng.IntN(10); {
	case n < w.temper.shareEphem:
		path := c.name("e")
		k.submit(wish{op: zk.OpCreate, path: path}, replica.Write, createBody(path, "", zk.ModeEphemeral))
	case n < 7:
		path := c.name("k")
		k.submit(wish{op: zk.OpCreate, path: path, kept: true}, replica.Write, createBody(path, path, zk.ModePersistent))
	case n == 7 && len(c.temps) > 0:
		r := proto.PathVersionRequest{Path: c.temps[0], Version: -1}
		c.temps = c.temps[1:]
		k.submit(wish{op: zk.OpDelete, path: r.Path}, replica.Write, r.Append(nil))
	case n == 7:
		path := c.name("t")
		c.temps = append(c.temps, path)
		k.submit(wish{op: zk.OpCreate, path: path}, replica.Write, createBody(path, "", zk.ModePersistent))
	case n == 8: // both or neither
		a, b := c.name("k"), c.name("k")
		k.submit(wish{op: zk.OpMulti, path: a, second: b, kept: true}, replica.Write, multiBody(a, b))
	case w.chance(8):
		k.submit(wish{op: zk.OpCreate, path: register}, replica.Write, createBody(register, "", zk.ModePersistent))
	default:
		c.values++
		value := fmt.Sprintf("%d-%d", c.id, c.values)
		r := proto.SetDataRequest{Path: register, Data: []byte(value), Version: -1}
		k.submit(wish{op: zk.OpSetData, path: register, value: value}, replica.Write, r.Append(nil))
	}
}

// name returns a path that is used once.
func (c *client) name(kind string) string {
	c.made++
	return fmt.Sprintf("/%s%d-%d", kind, c.id, c.made)
}

func createBody(path, data string, mode zk.CreateMode) []byte {
	r := proto.CreateRequest{Path: path, Data: []byte(data), ACL: proto.OpenACL, Mode: mode}
	return r.Append(nil, zk.OpCreate)
}

// multiBody makes two znodes at once.
func multiBody(paths ...string) (b []byte) {
	for _, path := range paths {
		b = append(proto.MultiHeader{Type: zk.OpCreate, Err: -1}.Append(b), createBody(path, path, zk.ModePersistent)...)
	}
	return proto.MultiEnd.Append(b)
}

func (k *clientConn) submit(want wish, kind replica.Kind, body []byte) {
	k.c.cxid++
	want.cxid = k.c.cxid
	if want.op == zk.OpCloseSession {
		k.c.closing = k.c.session
	}
	k.queue = append(k.queue, want)
	if want.op == zk.OpCreate && want.path != register {
		k.c.w.checks.late = append(k.c.w.checks.late, lateWrite{k, want.path})
	}
	k.c.w.trace("client %d on %v asks: %v %s, cxid %d", k.c.id, k.l, want.op, want.path, want.cxid)
	if k.over || k.l.dead {
		return
	}
	k.m.Submit([]replica.Request{{
		Request: prep.Request{Session: k.c.session, Cxid: want.cxid, Op: want.op, Body: body},
		Kind:    kind, Origin: k, Term: k.term,
	}})
}

// giveUp closes the connection; what is on its way is done or not.
func (k *clientConn) giveUp() {
	k.over = true
	if k.c.conn == k {
		k.c.conn = nil
	}
	if !k.l.dead {
		k.m.DropWatcher(k)
	}
}

// serverGone tells a client that a process is no more.
func (c *client) serverGone(l *life) {
	if c.conn != nil && c.conn.l == l {
		c.conn.over = true
		c.conn = nil
	}
}

// LastHeardMillis implements replica.Owner.
func (k *clientConn) LastHeardMillis() int64 { return k.heard }

// SessionClosed implements replica.Owner.
func (k *clientConn) SessionClosed() { k.lostSession() }

func (k *clientConn) lostSession() {
	if k.l.dead || k.over {
		return
	}
	w := k.c.w
	if k.c.conn == k && k.c.closing != k.c.session && w.calmSince > 0 && k.since > w.calmSince {
		w.fail("client %d loses its session %v on %v, where it was heard of all the time", k.c.id, k.c.session, k.l)
	}
	k.over = true
	if k.c.conn == k {
		k.c.conn, k.c.session = nil, 0
		k.c.temps = nil
	}
}

// Lost implements replica.Origin and replica.Owner.
func (k *clientConn) Lost() {
	if k.l.dead || k.over {
		return
	}
	k.over = true
	if k.c.conn == k {
		k.c.conn = nil
	}
}

// Flush implements replica.Flusher.
func (k *clientConn) Flush() {}

// Applied implements replica.Origin.
func (k *clientConn) Applied(v *replica.View, o *replica.Outcome) bool {
	w := k.c.w
	if k.l.dead || k.left || k.over {
		return false
	}
	if len(k.queue) == 0 {
		w.fail("client %d got an answer to %v that it did not ask for", k.c.id, o.Op)
		return false
	}
	want := k.queue[0]
	k.queue = k.queue[1:]
	if want.op != o.Op || want.cxid != o.Cxid && o.Kind == replica.Write && o.Op != zk.OpCreateSession {
		w.fail("client %d on %v got an answer to %v, cxid %d, but the oldest question is %v, cxid %d", k.c.id, k.l, o.Op, o.Cxid, want.op, want.cxid)
		return false
	}
	w.trace("client %d on %v: %v %s, cxid %d: %v at %v", k.c.id, k.l, o.Op, want.path, want.cxid, o.Err, o.Zxid)
	w.checks.answered(k, v, &want, o)
	switch {
	case o.Kind == replica.Attach || o.Op == zk.OpCreateSession:
		k.opened(o)
	case o.Err == zk.ErrSessionExpired:
		k.lostSession()
	case o.Err == zk.ErrSessionMoved:
		k.Lost()
	case o.Op == zk.OpCloseSession && o.Err == zk.OK:
		k.lostSession()
	}
	if k.c.conn == k {
		if o.Zxid < k.c.seen {
			w.fail("client %d has seen %v, and now %v on %v", k.c.id, k.c.seen, o.Zxid, k.l)
		}
		k.c.seen = max(k.c.seen, o.Zxid)
	}
	return true
}

// opened takes in whether the session is open.
func (k *clientConn) opened(o *replica.Outcome) {
	switch {
	case k.c.conn != k: // the client has gone on to another server
		k.over = true
	case o.Err == zk.OK:
		k.c.session, k.ready = o.Session, true
	default:
		k.over = true
		k.c.conn, k.c.session = nil, 0
		k.c.temps = nil
	}
}

// Notify implements replica.Watcher.
func (k *clientConn) Notify(n *replica.Notice) bool {
	if k.l.dead || k.over || k.left {
		return false
	}
	if k.watching < 0 {
		k.c.w.fail("client %d got an event %v of %s that it does not watch", k.c.id, n.Type, n.Path)
	}
	k.watching = -1
	k.c.w.counts["watch events"]++
	return false
}

// read looks at the register, as the server has it.
func (k *clientConn) read() {
	now := k.l.s.clock.at(k.c.w.now)
	if k.over || k.l.dead || !k.m.Fresh(now) || len(k.queue) > 0 {
		return // the server would wait
	}
	k.m.Read(func(v *replica.View) {
		if v.Term() == k.term {
			k.c.w.checks.read(k, v)
		}
	})
}

// watch sets a watch on the register, if none is set.
func (k *clientConn) watch() {
	if k.over || k.l.dead || k.watching >= 0 {
		return
	}
	k.m.Read(func(v *replica.View) {
		if v.Term() != k.term {
			return
		}
		if id, ok := v.Tree().Find(register); ok {
			k.watching = v.Tree().Stat(id).Version
			v.WatchData(register, k)
		}
	})
}
