package sim

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

type serverID = zk.ServerID

// checks know what has happened, and what must therefore be true.
type checks struct {
	w    *World
	seed maphash.Seed

	leaders map[zk.Epoch]zk.ServerID // who was established
	states  map[zk.Zxid]state        // what a server that serves had applied
	txns    map[zk.Zxid]uint64       // what was proposed: a hash of it
	origins map[zk.Zxid]origin
	applied map[zk.ServerID]progress

	acked   zk.Zxid              // newest write that anybody was told of
	kept    map[string]zk.Zxid   // znodes that were acknowledged and are never deleted
	keptBy  []string             // the same, in the order of acknowledgement
	values  map[int32]string     // the register, by version
	late    []lateWrite          // all znodes that clients wanted to make
	faulted map[zk.ServerID]bool // disks that have told an error
	grants  int
	javaLed bool
}

// state is what a server had applied at a zxid.
type state struct {
	digest   uint64
	znodes   int
	sessions string // ids and timeouts, in order
	by       *life
}

type progress struct {
	l       *life
	term    replica.Term
	applied zk.Zxid
}

// lateWrite is a write that may have been done after its client had gone on to another connection.
type lateWrite struct {
	k    *clientConn
	path string
}

func (c *checks) init(w *World) {
	c.w, c.seed = w, maphash.MakeSeed()
	c.leaders = make(map[zk.Epoch]zk.ServerID)
	c.states = make(map[zk.Zxid]state)
	c.txns = make(map[zk.Zxid]uint64)
	c.origins = make(map[zk.Zxid]origin)
	c.applied = make(map[zk.ServerID]progress)
	c.kept = make(map[string]zk.Zxid)
	c.values = make(map[int32]string)
	c.faulted = make(map[zk.ServerID]bool)
}

// started looks at what a process has found on its disk.
func (c *checks) started(l *life, m *replica.Manual) {
	if forgot := m.Status().Recovery.Forgot; forgot != "" && !c.faulted[l.s.id] {
		c.w.fail("server %d, whose disk is honest, says: %s", l.s.id, forgot)
	}
}

// sent notes what a leader proposes: one zxid is one txn, for ever.
func (c *checks) sent(e *end, p *proto.QuorumPacket) {
	if t := p.Type; t == proto.PacketDiff || t == proto.PacketTrunc || t == proto.PacketSnap || t == proto.PacketRevalidate || t == proto.PacketSync {
		c.w.counts[t.String()]++
	}
	if p.Type == proto.PacketProposal || p.Type == proto.PacketInform {
		c.txn(e.l, p.Zxid, p.Data)
	}
	if !e.leads || p.Type != proto.PacketCommit && p.Type != proto.PacketInform && p.Type != proto.PacketSync {
		return
	}
	what := c.origins[p.Zxid]
	if p.Type == proto.PacketSync {
		what = origin{}
	}
	switch at := slices.Index(e.asked, what); {
	case at == 0:
		e.asked = e.asked[1:]
	case at > 0 || p.Type == proto.PacketSync:
		// A Java learner would wait for ever for the answer to the oldest.
		c.w.fail("%v answers request %d of conn%d before those in front of it (%v %v)", e.l, at, e.c.id, p.Type, p.Zxid)
	}
}

// origin says whose request a txn comes of; of a sync it is empty.
type origin struct {
	session zk.SessionID
	cxid    int32
}

// requested notes what a learner asks its leader for.
func (c *checks) requested(e *end, packets []proto.QuorumPacket) {
	for i := range packets {
		if packets[i].Type != proto.PacketRequest {
			continue
		}
		var f proto.ForwardedRequest
		d := jute.NewDecoder(packets[i].Data)
		f.Decode(&d)
		if f.Op == zk.OpSync {
			e.asked = append(e.asked, origin{})
		} else {
			e.asked = append(e.asked, origin{f.Session, f.Cxid})
		}
	}
}

// streamed does so for a part of the log.
func (c *checks) streamed(e *end, raw []byte) {
	for d := jute.NewDecoder(raw); d.Len() > 0; {
		var p proto.QuorumPacket
		p.Decode(&d)
		c.sent(e, &p)
	}
}

func (c *checks) txn(l *life, z zk.Zxid, data []byte) {
	h := maphash.Bytes(c.seed, data)
	if old, ok := c.txns[z]; ok && old != h {
		c.w.fail("%v sends a txn %v that differs from the one known by this zxid", l, z)
	}
	c.txns[z] = h
	var txn proto.Txn
	if err := proto.DecodeTxn(data, &txn); err != nil {
		c.w.fail("%v sends a txn %v that cannot be read: %v", l, z, err)
	}
	c.origins[z] = origin{txn.Header.ClientID, txn.Header.Cxid}
}

// afterEvent looks at a process after something has happened to it.
func (c *checks) afterEvent(l *life) {
	f := l.m.Facts()
	w := c.w
	if f.Current > f.Accepted {
		w.fail("%v: currentEpoch %d is above acceptedEpoch %d", l, f.Current, f.Accepted)
	}
	if f.Durable > f.Logged {
		w.fail("%v: log durable up to %v, ends at %v", l, f.Durable, f.Logged)
	}
	if n := l.stats.DigestMismatches.Load(); n > 0 {
		w.fail("%v: %d digest mismatches", l, n)
	}
	if f.LeaderEpoch != 0 {
		c.established(l, f.LeaderEpoch)
	}
	if !f.Serving {
		return
	}
	if f.Applied > f.Durable && f.Applied.Counter() != 0 {
		w.fail("%v has applied %v, durable is %v", l, f.Applied, f.Durable)
	}
	was := c.applied[l.s.id]
	if was.l == l && was.term == f.Term {
		if f.Applied == was.applied {
			return
		}
		if f.Applied < was.applied {
			w.fail("%v goes back from %v to %v", l, was.applied, f.Applied)
		}
	}
	c.applied[l.s.id] = progress{l, f.Term, f.Applied}
	c.compare(l, f.Applied)
}

// compare compares the state of a process with that of the others at the same zxid.
func (c *checks) compare(l *life, at zk.Zxid) {
	w := c.w
	var now state
	l.m.withTree(func(t *tree.Tree) {
		now = state{digest: t.Digest(), znodes: t.NodeCount(), by: l}
		var sessions []string
		for id, timeout := range t.Sessions() {
			sessions = append(sessions, fmt.Sprintf("%v:%d", id, timeout))
		}
		slices.Sort(sessions)
		now.sessions = strings.Join(sessions, " ")
		for owner := range t.EphemeralOwners() {
			if _, ok := t.SessionTimeout(owner); !ok {
				w.fail("%v at %v: there are ephemeral znodes of session %v, which is not open", l, at, owner)
			}
		}
	})
	was, ok := c.states[at]
	switch {
	case !ok:
		c.states[at] = now
	case was.digest != now.digest || was.znodes != now.znodes:
		w.fail("%v and %v have different znodes at %v: %d and %d, digests %x and %x", was.by, l, at, was.znodes, now.znodes, was.digest, now.digest)
	case was.sessions != now.sessions:
		w.fail("%v and %v have different sessions at %v: %s, and %s", was.by, l, at, was.sessions, now.sessions)
	}
}

// established notes a leader: there is one in an epoch, and it has all that was ever acknowledged in those before.
// One that stood still may be established when there is a later one already: it can commit nothing any more.
func (c *checks) established(l *life, epoch zk.Epoch) {
	id, ok := c.leaders[epoch]
	if ok && id != l.s.id {
		c.w.fail("servers %d and %d both lead in epoch %d", id, l.s.id, epoch)
	}
	if ok {
		return
	}
	c.leaders[epoch] = l.s.id
	c.javaLed = c.javaLed || l.s.java != nil
	l.m.withTree(func(t *tree.Tree) {
		if what := c.lacks(t, zk.MakeZxid(epoch, 0)); what != "" {
			c.w.fail("%v leads in epoch %d and lacks %s", l, epoch, what)
		}
	})
}

// holdsAll: a server has each znode that was acknowledged and is never deleted, made by the txn that was.
func (c *checks) holdsAll(l *life) {
	l.m.withTree(func(t *tree.Tree) {
		if what := c.lacks(t, math.MaxInt64); what != "" {
			c.w.fail("%v, at %v, lacks %s", l, t.LastZxid(), what)
		}
	})
}

// lacks returns the first thing that was acknowledged below a zxid and is not in a tree, or "".
func (c *checks) lacks(t *tree.Tree, below zk.Zxid) string {
	for _, path := range c.keptBy {
		if c.kept[path] >= below {
			continue
		}
		id, ok := t.Find(path)
		if !ok {
			return fmt.Sprintf("%s, acknowledged at %v", path, c.kept[path])
		}
		if z := t.Stat(id).Czxid; z != c.kept[path] {
			return fmt.Sprintf("%s, acknowledged at %v: it has one of %v", path, c.kept[path], z)
		}
	}
	return ""
}

// inOrder: nothing that was asked for on a connection is done after something that was asked for, and acknowledged,
// on a later one of the same session.
func (c *checks) inOrder(t *tree.Tree) {
	for _, late := range c.late {
		if late.k.boundary == 0 {
			continue
		}
		if id, ok := t.Find(late.path); ok && t.Stat(id).Czxid > late.k.boundary {
			c.w.fail("client %d: %s, asked for on a connection that it had left, was made at %v, behind %v on the one after",
				late.k.c.id, late.path, t.Stat(id).Czxid, late.k.boundary)
		}
	}
}

// answered takes in an answer to a client.
func (c *checks) answered(k *clientConn, v *replica.View, want *wish, o *replica.Outcome) {
	w := c.w
	if o.Kind == replica.Barrier {
		if o.Err == zk.OK && v.Zxid() < want.must && !c.javaLed { // a Java leader does not ask whether it still leads
			w.fail("%v answers a sync at %v; %v had been acknowledged before it was asked", k.l, v.Zxid(), want.must)
		}
		return
	}
	if o.Kind != replica.Write || o.Err != zk.OK {
		return
	}
	c.acked = max(c.acked, o.Zxid)
	c.grants++
	if want.kept {
		c.keep(want.path, o.Zxid)
	}
	if want.second != "" {
		c.keep(want.second, o.Zxid)
	}
	if want.op == zk.OpSetData {
		c.value(k.l, o.Result.Stat.Version, want.value)
	}
	if want.op == zk.OpCreateSession {
		return
	}
	for old := k.older; old != nil && old.boundary == 0; old = old.older {
		old.boundary = o.Zxid
	}
}

// keep notes that a znode was acknowledged.
func (c *checks) keep(path string, at zk.Zxid) {
	if _, twice := c.kept[path]; twice {
		c.w.fail("%s was made twice", path)
	}
	c.kept[path] = at
	c.keptBy = append(c.keptBy, path)
}

// value: each version of the register has one value.
func (c *checks) value(l *life, version int32, value string) {
	if old, ok := c.values[version]; ok && old != value {
		c.w.fail("%v: version %d of the register is %q; it was %q", l, version, value, old)
	}
	c.values[version] = value
}

// read looks at the register as a client may.
func (c *checks) read(k *clientConn, v *replica.View) {
	if v.Zxid() < k.c.seen {
		c.w.fail("client %d has seen %v, and reads at %v on %v", k.c.id, k.c.seen, v.Zxid(), k.l)
	}
	k.c.seen = v.Zxid()
	id, ok := v.Tree().Find(register)
	if !ok {
		return
	}
	version := v.Tree().Stat(id).Version
	if version > 0 {
		c.value(k.l, version, string(v.Tree().Data(id)))
	}
	if k.watching >= 0 && version != k.watching {
		c.w.fail("client %d reads version %d of the register without an event since version %d", k.c.id, version, k.watching)
	}
}
