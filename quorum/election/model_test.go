package election

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// network is an ensemble of real cores on a seeded network. Links keep the order of their messages
// (they are TCP) and delay them at random, lose some, break and come back, in one direction or both.
//
// What follows an election is played by a model: a leader with a quorum of followers establishes an
// epoch above all that they accepted, unless one of them is ahead of it, syncs them and adds txns;
// who loses its leader or its followers looks again.
type network struct {
	t           *testing.T
	seed        uint64
	rnd         *rand.Rand
	config      proto.QuorumConfig
	view        zk.View
	maxInterval int

	now      int
	servers  []*server // by id-1
	links    map[link]*wire
	later    map[int][]func() // at which tick what happens
	loss     float64          // of a message
	maxDelay int              // of a message, ticks
	notice   int              // ticks until a server learns of a link, at most

	// cast is every vote that anybody ever told, by server and round, with its own vote at that time.
	cast map[casting][]castVote
	// leaders are those who were established, by epoch.
	leaders   map[zk.Epoch]zk.ServerID
	committed zk.Zxid // the highest that a quorum ever had
}

type casting struct {
	by    zk.ServerID
	round proto.Round
}

type castVote struct {
	vote, initial Vote
	settled       bool // the server had been elected, or had joined the leader
}

// wire is one direction of a link.
type wire struct {
	broken bool
	busy   int // no message arrives before this tick: the order of messages is kept
	broke  int // how often it broke; what was on it then is lost
}

// server is one server: its disk, and while it runs its core and role.
type server struct {
	id       zk.ServerID
	core     *Election // nil while it does not run
	accepted zk.Epoch
	epoch    zk.Epoch
	zxid     zk.Zxid
	forgot   bool // has lost acknowledged writes: starts with zxid -1 until it is synced

	life    int      // how often it was started or changed its role; events of an earlier one are void
	lonely  int      // ticks without leader, or without a quorum of followers
	term    zk.Epoch // established or synced in this role; 0 if not yet
	leadsIn int      // its leader's life, that it follows; -1 before the first contact
	dropped int      // malformed messages
}

func newNetwork(t *testing.T, seed uint64, size int) *network {
	n := &network{
		t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, uint64(size))),
		links: make(map[link]*wire), later: make(map[int][]func()),
		cast: make(map[casting][]castVote), leaders: make(map[zk.Epoch]zk.ServerID),
		maxDelay: 4, notice: 20,
	}
	observers := n.rnd.IntN(3) / 2
	n.config = configOf(upTo(size), upTo(size + observers)[size:]...)
	if size == 7 && n.rnd.IntN(2) == 0 { // three groups, in which server 7 has no weight
		n.config.Groups = []zk.Group{
			{ID: 1, Members: []zk.Weight{{ID: 1, Weight: 1}, {ID: 2, Weight: 1}, {ID: 3, Weight: 1}}},
			{ID: 2, Members: []zk.Weight{{ID: 4, Weight: 1}, {ID: 5, Weight: 2}}},
			{ID: 3, Members: []zk.Weight{{ID: 6, Weight: 1}, {ID: 7, Weight: 0}}},
		}
	}
	n.view = membersOf(t, n.config, nil).Views()[0]
	for i := range size + observers {
		s := &server{id: zk.ServerID(i + 1), epoch: 1, accepted: 1, zxid: zk.MakeZxid(1, uint32(n.rnd.IntN(3)))}
		n.servers = append(n.servers, s)
		for j := range size + observers {
			n.links[link{s.id, zk.ServerID(j + 1)}] = &wire{}
		}
	}
	return n
}

func (n *network) fatalf(format string, args ...any) {
	n.t.Helper()
	for _, s := range n.servers {
		if s.core != nil {
			n.t.Logf("%d: %v; term %d, zxid %v, epoch %d, accepted %d, forgot %v", s.id, s.core.Status(), s.term, s.zxid, s.epoch, s.accepted, s.forgot)
		}
	}
	n.t.Fatalf("tick %d: %s\nreplay: go test ./quorum/election -run %s -seed=%d", n.now, fmt.Sprintf(format, args...), n.t.Name(), n.seed)
}

// after does f that many ticks later, in the next one at the earliest.
func (n *network) after(ticks int, f func()) {
	at := n.now + max(ticks, 1)
	n.later[at] = append(n.later[at], f)
}

// afterInLife does f later, unless the server has changed its role or crashed meanwhile.
func (n *network) afterInLife(s *server, ticks int, f func()) {
	life := s.life
	n.after(ticks, func() {
		if s.life == life && s.core != nil {
			f()
		}
	})
}

// launch starts the process of s.
func (n *network) launch(s *server) {
	core, err := New(Config{Self: s.id, Members: membersOf(n.t, n.config, nil), MaxNotificationTicks: n.maxInterval})
	if err != nil {
		n.t.Fatal(err)
	}
	s.core = core
	s.life++
	n.look(s)
	for _, other := range n.servers {
		n.tellLink(s.id, other.id)
	}
}

func (n *network) crash(s *server) {
	s.core = nil
	s.life++
	s.term = 0
	for _, other := range n.servers {
		n.cut(link{s.id, other.id})
		n.cut(link{other.id, s.id})
		n.links[link{s.id, other.id}].broken = n.links[link{other.id, s.id}].broken // crashing breaks no cable
		n.tellLink(s.id, other.id)
	}
}

// halt ends the role of s, which looks again after its log is closed.
func (n *network) halt(s *server) {
	s.life++
	s.term = 0
	n.step(s, Halt{})
	n.afterInLife(s, n.rnd.IntN(4), func() { n.look(s) })
}

func (n *network) look(s *server) {
	s.lonely, s.term, s.leadsIn = 0, 0, -1
	zxid := s.zxid
	if s.forgot {
		zxid = -1
	}
	n.step(s, Start{zxid, s.epoch})
}

// cut loses what is on its way.
func (n *network) cut(l link) { n.links[l].broke++ }

// connected reports whether both run and hear each other.
func (n *network) connected(a, b zk.ServerID) bool {
	return n.servers[a-1].core != nil && n.servers[b-1].core != nil &&
		!n.links[link{a, b}].broken && !n.links[link{b, a}].broken
}

// tellLink tells both ends, a little later, how their link is then.
func (n *network) tellLink(a, b zk.ServerID) {
	if a == b || n.notice == 0 {
		return
	}
	for _, ends := range [2]link{{a, b}, {b, a}} {
		n.after(1+n.rnd.IntN(n.notice), func() {
			s := n.servers[ends.from-1]
			switch {
			case s.core == nil:
			case n.connected(a, b):
				n.step(s, LinkUp{ends.to})
			default:
				n.step(s, LinkDown{ends.to})
			}
		})
	}
}

func (n *network) step(s *server, ev Event) {
	for _, a := range s.core.Step(ev) {
		switch a := a.(type) {
		case Broadcast:
			for _, to := range a.To {
				n.send(s, to, a.Note)
			}
		case Send:
			n.send(s, a.To, a.Note)
		case Dropped:
			s.dropped++
		case Elected:
			s.life++
			s.lonely, s.term, s.leadsIn = 0, 0, -1
			n.checkElected(s, a)
		}
	}
}

func (n *network) send(s *server, to zk.ServerID, note proto.Notification) {
	if s.core.votes() {
		c := casting{s.id, note.Round}
		v := castVote{voteOf(note), s.core.initial, note.State != proto.Looking}
		if all := n.cast[c]; len(all) == 0 || all[len(all)-1] != v {
			n.cast[c] = append(n.cast[c], v)
		}
	}
	if to <= 0 || int(to) > len(n.servers) {
		return // the answer to a message that nobody sent
	}
	l := link{s.id, to}
	w := n.links[l]
	if w.broken || n.rnd.Float64() < n.loss {
		return
	}
	w.busy = max(w.busy, n.now+1+n.rnd.IntN(n.maxDelay))
	broke, dest := w.broke, n.servers[to-1]
	n.after(w.busy-n.now, func() {
		if dest.core != nil && !w.broken && w.broke == broke {
			n.step(dest, Parse(s.id, note.Append(nil)))
		}
	})
}

// checkElected checks what an election promises.
func (n *network) checkElected(s *server, el Elected) {
	in := func(id zk.ServerID) bool { return slices.Contains(el.Supporters, id) }
	if !n.view.HasQuorum(in) {
		n.fatalf("server %d: %v: they are no quorum", s.id, el)
	}
	if !n.view.CanLead(el.Vote.Leader) {
		n.fatalf("server %d: %v: cannot lead", s.id, el)
	}
	if el.Role == proto.Leading && s.forgot {
		n.fatalf("server %d, which has forgotten writes: %v", s.id, el)
	}
	if el.Joined {
		return
	}
	// A quorum told this vote in this round, and of those who looked none had a better log at that
	// time: so two votes elected in one round share a voter, which went from the worse to the better.
	for _, id := range el.Supporters {
		if !slices.ContainsFunc(n.cast[casting{id, el.Round}], func(c castVote) bool {
			return c.vote == el.Vote && (c.settled || !c.initial.after(el.Vote) || !n.view.CanLead(id))
		}) && id != s.id {
			n.fatalf("server %d: %v: server %d voted %v", s.id, el, id, n.cast[casting{id, el.Round}])
		}
	}
	if own := s.core.initial; own.after(el.Vote) && n.view.CanLead(own.Leader) {
		n.fatalf("server %d: %v: its own log is better: %v", s.id, el, own)
	}
}

// tick lets 20 ms go by.
func (n *network) tick() {
	n.now++
	events := n.later[n.now]
	delete(n.later, n.now)
	for _, f := range events {
		f()
	}
	for _, s := range n.servers {
		if s.core != nil {
			n.step(s, Tick{})
		}
	}
	for _, s := range n.servers {
		if s.core == nil || s.core.Status().Waiting {
			continue
		}
		switch s.core.Status().State {
		case proto.Leading:
			n.lead(s)
		case proto.Following, proto.Observing:
			n.follow(s)
		}
	}
}

const patience = 25 // ticks

// follow plays what a server does under its leader.
func (n *network) follow(s *server) {
	leader := n.servers[s.core.Status().Vote.Leader-1]
	there := n.connected(s.id, leader.id) && leader.core.Status().State == proto.Leading
	switch {
	case there && s.leadsIn < 0:
		s.leadsIn, s.lonely = leader.life, 0
	case there && s.leadsIn == leader.life:
		s.lonely = 0
	case s.leadsIn >= 0: // its connection is gone
		n.halt(s)
	default:
		if s.lonely++; s.lonely > patience {
			n.halt(s)
		}
	}
}

// lead plays what a leader does.
func (n *network) lead(l *server) {
	var followers []*server
	for _, s := range n.servers {
		if s.core != nil && s != l && s.leadsIn == l.life && s.core.Status().Vote.Leader == l.id &&
			s.core.Status().State != proto.Looking && n.connected(s.id, l.id) {
			followers = append(followers, s)
		}
	}
	with := func(has func(*server) bool) func(zk.ServerID) bool {
		return func(id zk.ServerID) bool {
			s := n.servers[id-1]
			return (s == l || slices.Contains(followers, s)) && has(s)
		}
	}
	if !n.view.HasQuorum(with(func(*server) bool { return true })) {
		if l.lonely++; l.lonely > patience {
			n.halt(l)
		}
		return
	}
	l.lonely = 0
	if l.term == 0 && !n.establish(l, followers) {
		return
	}
	for _, f := range followers {
		switch {
		case f.term == l.term:
			if n.rnd.IntN(2) == 0 {
				f.zxid = l.zxid
			}
		case f.accepted > l.term: // rule R24
			n.halt(l)
			return
		default:
			n.sync(f, l)
		}
	}
	if n.rnd.IntN(3) == 0 {
		l.zxid, _ = l.zxid.Next()
	}
	for _, s := range append(followers, l) {
		if s.zxid > n.committed && n.view.HasQuorum(with(func(o *server) bool { return o.term == l.term && o.zxid >= s.zxid })) {
			n.committed = s.zxid
		}
	}
}

// establish begins an epoch, unless a follower is ahead of the leader.
func (n *network) establish(l *server, followers []*server) bool {
	epoch := l.accepted
	for _, f := range followers {
		ahead := Vote{0, f.zxid, f.epoch}.after(Vote{0, l.zxid, l.epoch})
		if ahead && n.view.CanLead(f.id) && !f.forgot { // for one that cannot lead, giving way helps nobody
			n.halt(l)
			return false
		}
		epoch = max(epoch, f.accepted)
	}
	epoch++
	if other, ok := n.leaders[epoch]; ok {
		n.fatalf("epoch %d has leaders %d and %d", epoch, other, l.id)
	}
	if l.zxid < n.committed {
		n.fatalf("leader %d of epoch %d ends at %v, but %v is committed", l.id, epoch, l.zxid, n.committed)
	}
	n.leaders[epoch] = l.id
	l.accepted, l.epoch, l.term = epoch, epoch, epoch
	n.afterInLife(l, n.rnd.IntN(5), func() { n.step(l, Established{epoch}) })
	for _, f := range followers {
		n.sync(f, l)
	}
	l.zxid = zk.MakeZxid(epoch, 0)
	return true
}

// sync makes the history of f that of l. UPTODATE comes a little later.
func (n *network) sync(f, l *server) {
	f.accepted, f.epoch, f.zxid, f.term, f.forgot = l.term, l.term, l.zxid, l.term, false
	n.afterInLife(f, n.rnd.IntN(15), func() { n.step(f, Established{f.term}) })
}

// agreed returns the established leader that all servers that run follow.
func (n *network) agreed() (leader *server, ok bool) {
	for _, s := range n.servers {
		if s.core != nil && s.core.Status().State == proto.Leading && s.term > 0 {
			leader = s
		}
	}
	if leader == nil {
		return nil, false
	}
	for _, s := range n.servers {
		if s.core == nil {
			continue
		}
		st := s.core.Status()
		if st.State == proto.Looking || st.Vote.Leader != leader.id || st.Vote.Epoch != leader.term || s.term != leader.term {
			return nil, false
		}
	}
	return leader, true
}

// trouble does something bad, or undoes it.
func (n *network) trouble() {
	s := n.servers[n.rnd.IntN(len(n.servers))]
	other := n.servers[n.rnd.IntN(len(n.servers))]
	switch n.rnd.IntN(8) {
	case 0, 1:
		if s.core != nil {
			n.crash(s)
			s.zxid = max(s.zxid, zk.MakeZxid(s.zxid.Epoch(), 0))
			if !n.view.Grouped() && n.rnd.IntN(6) == 0 && !slices.ContainsFunc(n.servers, func(s *server) bool { return s.forgot }) {
				s.forgot = true // one at a time: a quorum must remember
			}
		}
	case 2, 3:
		if s.core == nil {
			n.launch(s)
		}
	case 4: // one direction of one link
		n.setBroken(link{s.id, other.id}, n.rnd.IntN(2) == 0)
	case 5: // one server against all others
		broken := n.rnd.IntN(2) == 0
		for _, o := range n.servers {
			n.setBroken(link{s.id, o.id}, broken)
			n.setBroken(link{o.id, s.id}, broken)
		}
	case 6: // two halves
		side := n.rnd.Uint64()
		for _, a := range n.servers {
			for _, b := range n.servers {
				n.setBroken(link{a.id, b.id}, side>>a.id&1 != side>>b.id&1)
			}
		}
	case 7: // what no server of the ensemble sends
		if s.core != nil {
			n.garbage(s)
		}
	}
}

func (n *network) setBroken(l link, broken bool) {
	w := n.links[l]
	if l.from == l.to || w.broken == broken {
		return
	}
	if w.broken = broken; broken {
		n.cut(l)
	}
	n.tellLink(l.from, l.to)
}

func (n *network) garbage(s *server) {
	before, looked := s.dropped, s.core.Status()
	body := make([]byte, n.rnd.IntN(60))
	for i := range body {
		body[i] = byte(n.rnd.UintN(3))
	}
	n.step(s, Parse(zk.ServerID(100+n.rnd.IntN(3)), body))                                      // a stranger
	n.step(s, Parse(zk.ServerID(n.rnd.IntN(len(n.servers))+1), body[:min(len(body), 27)]))      // too short
	n.step(s, Received{s.id, says(proto.Leading, 1, Vote{s.id, 1 << 40, 1 << 20})})             // itself
	n.step(s, Received{n.peerOf(s), says(proto.PeerState(9), 1, Vote{s.id, 1 << 40, 1 << 20})}) // no state
	n.step(s, Received{77, says(proto.Leading, looked.Round, Vote{77, 1 << 40, 1 << 20})})      // a stranger's leader
	if after := s.core.Status(); after.Vote != looked.Vote || after.Round != looked.Round || after.State != looked.State {
		n.fatalf("server %d: garbage turned %v into %v", s.id, looked, after)
	}
	if s.dropped < before+3 {
		n.fatalf("server %d: %d of 3 malformed messages were dropped", s.id, s.dropped-before)
	}
}

func (n *network) peerOf(s *server) zk.ServerID { return s.id%zk.ServerID(len(n.servers)) + 1 }

// heal ends all trouble and runs all servers.
func (n *network) heal() {
	n.loss = 0
	for _, l := range slices.SortedFunc(maps.Keys(n.links), byEnds) {
		n.setBroken(l, false)
	}
	for _, s := range n.servers {
		if s.core == nil {
			n.launch(s)
		}
	}
}

// untilAgreed lets at most ticks go by until all follow one leader.
func (n *network) untilAgreed(ticks int, when string) *server {
	for range ticks {
		if leader, ok := n.agreed(); ok {
			return leader
		}
		n.tick()
	}
	n.fatalf("%s: no agreement after %d ticks", when, ticks)
	return nil
}
