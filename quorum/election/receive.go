package election

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// receive takes a notification: answers it if the sender should hear something (protocol reference
// 2.3), and counts it if this server looks for a leader (2.2).
func (e *Election) receive(from zk.ServerID, n proto.Notification) {
	switch {
	case from == e.self:
		e.drop(from, DropOwnID, nil)
		return
	case n.State < proto.Looking || n.State > proto.Observing:
		e.drop(from, DropState, nil)
		return
	}
	voter := e.members.views.Contains(from)
	if voter {
		delete(e.down, from)
		e.heard[from] = struct{}{}
	}
	switch {
	case e.halted && voter:
		e.held[from] = n
	case e.halted:
		// There is nothing to say; who does not vote asks again.
	case !voter:
		e.answer(from, e.round)
	case e.state == proto.Looking:
		e.checkConfig(from, n)
		if n.State == proto.Looking && n.Round < e.round {
			e.answer(from, e.round)
		}
		e.count(from, n)
	case n.State == proto.Looking:
		// Votes only get better in a round: one that beats what was elected came after the one for it.
		later := n.Round > e.voteRound || n.Round == e.voteRound && e.beats(ballotOf(n).vote, e.vote)
		if later && (e.state == proto.Leading || from == e.vote.Leader) {
			e.do(PeerLooking{from, n.Round, ballotOf(n).vote})
		}
		e.answer(from, e.voteRound)
	}
}

// answer tells to whom this server's vote goes, but not the same thing twice in a tick: two servers
// that answer each other would not stop.
func (e *Election) answer(to zk.ServerID, round proto.Round) {
	n := e.note(round)
	if last, ok := e.answered[to]; ok && last == n || len(e.answered) >= maxAnswered {
		return
	}
	e.answered[to] = n
	e.do(Send{to, n})
}

// checkConfig looks whether the sender has a newer configuration. One that cannot be read does not
// spoil the vote: some versions send it in a charset of their own (ZOOKEEPER-4787).
func (e *Election) checkConfig(from zk.ServerID, n proto.Notification) {
	if n.Config == "" || n.Config == e.members.text {
		return
	}
	config, err := proto.ParseQuorumConfig(n.Config)
	if err != nil {
		e.drop(from, DropConfig, err)
		return
	}
	if config.Version > e.members.version {
		e.do(NewerConfig{from, config})
	}
}

// count folds a voter's notification into the election under way.
func (e *Election) count(from zk.ServerID, n proto.Notification) {
	switch {
	case !e.members.views.Contains(n.Leader):
		e.drop(from, DropForeignVote, nil)
	case n.State == proto.Looking:
		e.countLooking(from, n)
	case n.State == proto.Following || n.State == proto.Leading:
		e.countSettled(from, n)
	}
	// An observing voter has been told of a change that this server has not: it says nothing.
}

// countLooking counts the vote of a server that looks for a leader too.
func (e *Election) countLooking(from zk.ServerID, n proto.Notification) {
	if e.initial.Zxid == noZxid {
		return // only a leader whom others have elected will do
	}
	b := ballotOf(n)
	if b.vote.Zxid == noZxid {
		e.abstains[from] = struct{}{}
		e.drop(from, DropUntrusted, nil)
		if e.deciding {
			e.decide()
		}
		return
	}
	switch {
	case b.round > e.round:
		e.round = b.round
		clear(e.received)
		e.vote = e.initial
		if e.beats(b.vote, e.vote) {
			e.vote = b.vote
		}
		e.broadcast(NewerRound)
	case b.round < e.round:
		return // it has been answered, and will come here
	case e.beats(b.vote, e.vote):
		e.vote = b.vote
		e.broadcast(BetterVote)
	case b.vote != e.vote:
		e.answer(from, e.round) // what was told it before may be lost
	}
	e.received[from] = b
	e.decide()
}

// decide ends the election if a quorum votes as this server does, and either nobody is left to vote
// or the wait for a better vote is over.
func (e *Election) decide() {
	own := ballot{e.vote, e.round, proto.Looking, 0}
	supports := func(id zk.ServerID) bool {
		b, ok := e.received[id]
		return id == e.self || ok && b.agrees(own)
	}
	if !e.members.views.HasQuorum(supports) || !e.eligible(e.vote.Leader) {
		e.deciding = false
		return
	}
	if !e.deciding {
		e.deciding, e.waited = true, 0
	}
	if e.waited >= e.finalizeWait || e.allVoted() {
		e.elect(own, supports)
	}
}

// eligible reports whether leader may be elected: above all, this server only with a log to be
// trusted.
func (e *Election) eligible(leader zk.ServerID) bool {
	return e.members.views.CanLead(leader) && (leader != e.self || e.initial.Zxid != noZxid)
}

// allVoted reports whether every voter that can be reached has voted in this round, or will not.
func (e *Election) allVoted() bool {
	for _, id := range e.peers {
		_, voted := e.received[id]
		_, abstains := e.abstains[id]
		_, down := e.down[id]
		if !voted && !abstains && !down {
			return false
		}
	}
	return true
}

// countSettled counts the answer of a server that follows or leads, and joins its leader if a quorum
// does.
func (e *Election) countSettled(from zk.ServerID, n proto.Notification) {
	b := ballotOf(n)
	if b.round == e.round {
		// Java keeps votes of the same round without their version, so that only the leader's id is
		// compared with newer ones. A server that has just voted for it may not know its epoch yet.
		kept := b
		kept.version = 0
		e.received[from] = kept
		own := ballot{e.vote, e.round, proto.Looking, 0}
		supports := func(id zk.ServerID) bool {
			r, ok := e.received[id]
			return id == e.self && own.agrees(b) || ok && r.agrees(b)
		}
		if e.members.views.HasQuorum(supports) && e.leads(b, e.received) {
			e.elect(b, supports)
			return
		}
	}
	e.outside[from] = b
	supports := func(id zk.ServerID) bool {
		o, ok := e.outside[id]
		return ok && o.agrees(b)
	}
	if e.members.views.HasQuorum(supports) && e.leads(b, e.outside) {
		e.elect(b, supports)
	}
}

// leads reports whether the leader of b really leads: it says so itself. Where this server is meant,
// the others must mean it in this round: it knows nothing of another.
func (e *Election) leads(b ballot, said map[zk.ServerID]ballot) bool {
	if b.vote.Leader == e.self {
		return b.round == e.round && e.eligible(e.self)
	}
	l, ok := said[b.vote.Leader]
	return ok && l.state == proto.Leading
}

// elect ends the election with what b says.
func (e *Election) elect(b ballot, supports func(zk.ServerID) bool) {
	e.round, e.vote, e.voteRound, e.deciding = b.round, b.vote, b.round, false
	e.state = e.roleUnder(b.vote.Leader)
	var who []zk.ServerID
	for _, id := range e.members.views.Voters() {
		if supports(id) {
			who = append(who, id)
		}
	}
	e.do(Elected{e.state, e.vote, e.round, who, b.state != proto.Looking})
}

// roleUnder returns what this server is under leader. A server that is not in the configuration yet
// follows without voting, as in Java.
func (e *Election) roleUnder(leader zk.ServerID) proto.PeerState {
	if leader == e.self {
		return proto.Leading
	}
	if !e.votes() {
		for _, v := range e.members.views {
			for _, id := range v.Observers() {
				if id == e.self {
					return proto.Observing
				}
			}
		}
	}
	return proto.Following
}
