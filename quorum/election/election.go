package election

import (
	"errors"
	"fmt"
	"slices"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// TickMillis is how long a [Tick] is.
const TickMillis = 20

// The times of the protocol, in ticks. Source: FastLeaderElection.
const (
	// DefaultFinalizeWaitTicks is how long a server waits for a better vote when a quorum agrees on
	// one: finalizeWait, 200 ms.
	DefaultFinalizeWaitTicks = 200 / TickMillis
	// DefaultMinNotificationTicks is when a vote is first sent again:
	// zookeeper.fastleader.minNotificationInterval, 200 ms. It doubles each time ...
	DefaultMinNotificationTicks = 200 / TickMillis
	// DefaultMaxNotificationTicks is ... up to zookeeper.fastleader.maxNotificationInterval, 60 s.
	DefaultMaxNotificationTicks = 60_000 / TickMillis
)

// Config says who this server is and with whom it elects.
type Config struct {
	Self    zk.ServerID
	Members Members
	// The times, in ticks; 0 is the default.
	FinalizeWaitTicks, MinNotificationTicks, MaxNotificationTicks int
}

// Members is the configuration of the ensemble as elections need it: the committed one, and a newer
// one if this server has seen it proposed. Make it with [NewMembers].
type Members struct {
	views   zk.Joint
	text    string
	version int64
}

// NewMembers returns the Members of the committed configuration and, if that is not nil and has a
// higher version, of the last one seen: then both must agree on a leader. Each must have
// participants.
func NewMembers(committed proto.QuorumConfig, lastSeen *proto.QuorumConfig) (Members, error) {
	view, err := committed.View()
	if err != nil {
		return Members{}, fmt.Errorf("election: committed configuration: %w", err)
	}
	m := Members{zk.Joint{view}, committed.String(), committed.Version}
	if lastSeen == nil || lastSeen.Version <= committed.Version {
		return m, nil
	}
	if view, err = lastSeen.View(); err != nil {
		return Members{}, fmt.Errorf("election: last seen configuration: %w", err)
	}
	m.views = append(m.views, view)
	return m, nil
}

// Views returns who must agree.
func (m Members) Views() zk.Joint { return m.views }

// Election is the part of one server in the elections of its ensemble. It is not safe for concurrent
// use. See the package comment for what it does.
type Election struct {
	self                     zk.ServerID
	members                  Members
	peers                    []zk.ServerID // the voters but this server, ascending
	finalizeWait             int
	minInterval, maxInterval int

	state  proto.PeerState
	halted bool        // Looking, but without a vote until Start
	round  proto.Round // of the newest election
	// vote is, while looking, what the server votes for; then, what was elected, in round voteRound.
	vote      Vote
	voteRound proto.Round
	// initial is the vote of the server before it heard of a better one.
	initial Vote

	// Of the election under way. Only voters are in these maps.
	received map[zk.ServerID]ballot   // newest vote of the round of each
	outside  map[zk.ServerID]ballot   // newest answer of each that has a leader, in any round
	abstains map[zk.ServerID]struct{} // have no log to be trusted
	heard    map[zk.ServerID]struct{} // since the last time that the vote was sent again

	deciding bool // a quorum agrees with vote
	waited   int  // ticks since deciding
	unsaid   int  // ticks since the vote was told to everybody
	interval int  // ticks after which it is told again

	held     map[zk.ServerID]proto.Notification // newest of each voter while halted
	down     map[zk.ServerID]struct{}           // voters that cannot be reached
	answered map[zk.ServerID]proto.Notification // what each was answered in this tick

	actions []Action
}

// maxAnswered bounds how many servers are answered in a tick; a larger ensemble asks again.
const maxAnswered = 512

// New returns the Election of a server that waits for [Start].
func New(cfg Config) (*Election, error) {
	if len(cfg.Members.views) == 0 {
		return nil, errors.New("election: there are no members")
	}
	orDefault := func(ticks, normal int) int {
		if ticks > 0 {
			return ticks
		}
		return normal
	}
	e := &Election{
		self: cfg.Self, state: proto.Looking, halted: true, vote: noVote,
		finalizeWait: orDefault(cfg.FinalizeWaitTicks, DefaultFinalizeWaitTicks),
		minInterval:  orDefault(cfg.MinNotificationTicks, DefaultMinNotificationTicks),
		maxInterval:  orDefault(cfg.MaxNotificationTicks, DefaultMaxNotificationTicks),
		received:     make(map[zk.ServerID]ballot),
		outside:      make(map[zk.ServerID]ballot),
		abstains:     make(map[zk.ServerID]struct{}),
		heard:        make(map[zk.ServerID]struct{}),
		held:         make(map[zk.ServerID]proto.Notification),
		down:         make(map[zk.ServerID]struct{}),
		answered:     make(map[zk.ServerID]proto.Notification),
	}
	e.join(cfg.Members)
	e.maxInterval = max(e.maxInterval, e.minInterval)
	return e, nil
}

// Step folds one event into the election and returns, in order, what the caller must do. It never
// blocks and never fails: what a peer sends can only be taken in or dropped. The caller owns the
// result.
func (e *Election) Step(ev Event) []Action {
	e.actions = nil
	switch ev := ev.(type) {
	case Start:
		e.start(ev)
	case Halt:
		e.halt()
	case Received:
		e.receive(ev.From, ev.Note)
	case Garbled:
		e.drop(ev.From, DropGarbled, ev.Err)
	case Tick:
		e.tick()
	case LinkUp:
		e.linkUp(ev.Peer)
	case LinkDown:
		e.linkDown(ev.Peer)
	case Established:
		if e.state != proto.Looking {
			e.vote.Epoch = ev.Epoch
		}
	case Reset:
		e.reset(ev.Members)
	default:
		panic(fmt.Sprintf("election: unknown event %T", ev)) // a bug in the caller, not input
	}
	return e.actions
}

func (e *Election) do(a Action) { e.actions = append(e.actions, a) }

func (e *Election) drop(from zk.ServerID, why Drop, err error) {
	e.do(Dropped{from, why, err})
}

// votes reports whether this server has a vote.
func (e *Election) votes() bool { return e.members.views.Contains(e.self) }

// join makes m the members.
func (e *Election) join(m Members) {
	e.members = m
	e.peers = slices.DeleteFunc(m.views.Voters(), func(id zk.ServerID) bool { return id == e.self })
}

func (e *Election) halt() {
	if !e.halted {
		e.state, e.halted, e.deciding = proto.Looking, true, false
		clear(e.held)
	}
}

func (e *Election) reset(m Members) {
	if len(m.views) == 0 {
		panic("election: reset to no members")
	}
	e.join(m)
	e.round = 0
	for _, known := range []map[zk.ServerID]struct{}{e.down, e.abstains, e.heard} {
		for id := range known {
			if !m.views.Contains(id) {
				delete(known, id)
			}
		}
	}
	if e.state == proto.Looking {
		e.halt()
	}
}

func (e *Election) start(s Start) {
	e.state, e.halted = proto.Looking, false
	e.round++
	e.initial = noVote
	if e.votes() {
		e.initial = Vote{e.self, s.Zxid, s.Epoch}
	}
	e.vote = e.initial
	clear(e.received)
	clear(e.outside)
	clear(e.abstains)
	clear(e.heard)
	e.broadcast(NewElection)
	e.decide() // alone in the ensemble, the own vote is a quorum
	for _, id := range e.peers {
		if n, ok := e.held[id]; ok {
			e.receive(id, n)
		}
	}
	clear(e.held)
}

// note returns the notification of this server's vote, in round.
func (e *Election) note(round proto.Round) proto.Notification {
	return proto.Notification{
		State: e.state, Leader: e.vote.Leader, Zxid: e.vote.Zxid, Round: round, PeerEpoch: e.vote.Epoch,
		Version: proto.NotificationVersion, Config: e.members.text,
	}
}

// broadcast tells everybody the vote. All but a repetition is news, of which the loss should be
// repaired soon.
func (e *Election) broadcast(why Why) {
	if why != Resend {
		e.interval = e.minInterval
	}
	e.unsaid = 0
	if len(e.peers) > 0 {
		e.do(Broadcast{slices.Clone(e.peers), e.note(e.round), why})
	}
}

func (e *Election) tick() {
	clear(e.answered)
	if e.state != proto.Looking || e.halted {
		return
	}
	if e.deciding {
		e.waited++
		if e.decide(); e.state != proto.Looking {
			return
		}
	}
	if e.unsaid++; e.unsaid < e.interval {
		return
	}
	e.interval = min(2*e.interval, e.maxInterval)
	e.broadcast(Resend)
	var silent []zk.ServerID
	for _, id := range e.peers {
		if _, ok := e.heard[id]; !ok {
			silent = append(silent, id)
		}
	}
	if len(silent) > 0 {
		e.do(Reconnect{silent})
	}
	clear(e.heard)
}

func (e *Election) linkUp(peer zk.ServerID) {
	delete(e.down, peer)
	delete(e.answered, peer) // the answer may be lost
	if e.state == proto.Looking && !e.halted && peer != e.self && e.members.views.Contains(peer) {
		e.interval = e.minInterval
		e.do(Send{peer, e.note(e.round)})
	}
}

func (e *Election) linkDown(peer zk.ServerID) {
	if !e.members.views.Contains(peer) {
		return
	}
	e.down[peer] = struct{}{}
	delete(e.heard, peer)
	if e.state == proto.Looking && e.deciding {
		e.decide()
	}
}
