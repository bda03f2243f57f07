package zab

import (
	"slices"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// LinkState is how far a learner has come.
type LinkState uint8

// The states of a link, in their order.
const (
	LinkWaiting  LinkState = iota + 1 // INFO came; the epoch is not fixed or not durable
	LinkOffered                       // LEADERINFO sent
	LinkAccepted                      // ACKEPOCH came; the election phase is not over
	LinkSyncing                       // history is being sent
	LinkLeading                       // NEWLEADER sent
	LinkSynced                        // NEWLEADER acknowledged; the leader is not yet established
	LinkLive                          // UPTODATE sent, and all that was held back
)

// link is one connection of a learner.
type link struct {
	id       LinkID
	server   zk.ServerID
	observer bool
	votes    bool // a follower that is a voter: only these count for anything (R5)
	gone     bool // forgotten at the end of the Step

	state    LinkState
	accepted zk.Epoch
	counts   bool    // its ACKEPOCH counts for the quorum
	last     zk.Zxid // from ACKEPOCH: the end of its log

	mode      SyncMode
	cut       zk.Zxid // history sent so far ends here
	must      zk.Zxid // the sync must not end before this is durable here: see planned
	streaming bool    // a stream is under way
	final     bool    // the stream under way is the last, everything above cut is kept for this link
	rounds    int     // streams so far

	sent  zk.Zxid // newest PROPOSAL sent, once live
	acked zk.Zxid // newest of them acknowledged, at least cut

	heard     int  // tick of its last packet, or of entering a state in which it is expected to speak
	liveSince int  // tick
	settled   bool // acknowledged UPTODATE: every PING it got since will be answered, in order
	pinged    uint64
	ponged    uint64
	round     uint64 // newest round of confirmation that it was pinged for
	roundPing uint64 // and by which ping
}

// link returns the link, nil if there is none (any more).
func (l *Leader) link(id LinkID) *link {
	for _, k := range l.links {
		if k.id == id && !k.gone {
			return k
		}
	}
	return nil
}

func (l *Leader) closeLink(k *link, reason Reason, format string, args ...any) {
	k.gone = true
	l.refuse(k.id, k.server, reason, format, args...)
}

// forgetGone removes the links that ended.
func (l *Leader) forgetGone() {
	isGone := func(k *link) bool { return k.gone }
	if !slices.ContainsFunc(l.links, isGone) {
		return
	}
	l.links = slices.DeleteFunc(l.links, isGone)
	l.indexLive()
}

// quorum reports whether this server and the voters for whose link in holds are a quorum.
func (l *Leader) quorum(in func(*link) bool) bool {
	return l.cfg.View.HasQuorum(func(id zk.ServerID) bool {
		return id == l.cfg.Self || slices.ContainsFunc(l.links, func(k *link) bool {
			return k.votes && !k.gone && k.server == id && in(k)
		})
	})
}

// connect makes a link of its first packet, or refuses it.
func (l *Leader) connect(id LinkID, p *proto.QuorumPacket) *link {
	if p.Type != proto.PacketFollowerInfo && p.Type != proto.PacketObserverInfo {
		l.refuse(id, 0, ReasonFirstPacket, "%v", p.Type)
		return nil
	}
	info, err := proto.DecodeLearnerInfo(p.Data)
	if err != nil {
		l.refuse(id, 0, ReasonMalformed, "%v", err)
		return nil
	}
	observer := p.Type == proto.PacketObserverInfo
	k := &link{
		id: id, server: info.ServerID, observer: observer,
		votes: !observer && l.cfg.View.Contains(info.ServerID),
		state: LinkWaiting, accepted: p.Zxid.Epoch(), heard: l.now,
	}
	switch {
	case info.ProtocolVersion < proto.QuorumProtocolVersion:
		l.refuse(id, k.server, ReasonOldProtocol, "%#x", info.ProtocolVersion)
	case info.ServerID == l.cfg.Self:
		l.refuse(id, k.server, ReasonOwnID, "")
	case info.ConfigVersion > l.cfg.ConfigVersion:
		l.refuse(id, k.server, ReasonConfigAhead, "%#x, here %#x", info.ConfigVersion, l.cfg.ConfigVersion)
	case k.accepted < 0 || k.accepted > maxEpoch:
		l.refuse(id, k.server, ReasonMalformed, "accepted epoch %d", k.accepted)
	case !k.votes && k.accepted-l.highestOfVoters() > maxEpochsAhead:
		l.refuse(id, k.server, ReasonFarAhead, "epoch %d, the highest of a voter is %d", k.accepted, l.highestOfVoters())
	default:
		l.admit(k)
		return l.link(id)
	}
	return nil
}

// maxEpochsAhead is how far the epoch that a server without a vote has accepted may be above those of the voters:
// farther than failed candidacies, each of seconds, take it. Anybody may say to be such a server, and the epochs of an
// ensemble must last.
const maxEpochsAhead = 1 << 16

// highestOfVoters returns the highest epoch that this server or a voter that is connected has accepted, or has in its
// history.
func (l *Leader) highestOfVoters() zk.Epoch {
	highest := max(l.cfg.Accepted, l.cfg.Current, l.delivered.Epoch())
	for _, k := range l.links {
		if k.votes && !k.gone {
			highest = max(highest, k.accepted)
		}
	}
	return highest
}

func (l *Leader) refuse(id LinkID, server zk.ServerID, reason Reason, format string, args ...any) {
	l.do(Close{Link: id, Server: server, Reason: reason, Detail: detail(format, args...)})
}

// admit takes in a learner that may be one of ours.
func (l *Leader) admit(k *link) {
	for _, old := range l.links {
		// A learner that lost a connection may be back before this end has noticed. Observers without an
		// id of their own (negative) are several.
		if old.server == k.server && k.server > 0 && !old.gone {
			l.closeLink(old, ReasonReplaced, "")
		}
	}
	l.links = append(l.links, k)
	if l.phase == gatherEpochs {
		// An epoch that anybody has accepted may have had a leader: go above it, whoever it is.
		l.highestAccepted = max(l.highestAccepted, k.accepted)
		l.tryFixEpoch()
		return
	}
	switch {
	case k.accepted > l.epoch && k.votes && l.now >= l.cfg.YieldAfterTicks:
		// It can never follow this leader; the next epoch will be above its own (R24), also where the next leader
		// hears of that from this server only: it makes the same promise, to follow nobody below.
		if k.accepted < maxEpoch {
			l.do(SaveAccepted{k.accepted})
		}
		l.end(ReasonAcceptedAhead, "server %d: epoch %d, here %d", k.server, k.accepted, l.epoch)
	case k.accepted > l.epoch:
		l.closeLink(k, ReasonAcceptedAhead, "epoch %d, here %d", k.accepted, l.epoch)
	case l.phase != savingAccepted:
		l.offer(k)
	}
}

// tryFixEpoch fixes the epoch once a quorum has said which ones it accepted.
func (l *Leader) tryFixEpoch() {
	if l.phase != gatherEpochs || !l.quorum(func(*link) bool { return true }) {
		return
	}
	epoch, ok := NextEpoch(l.delivered, l.highestAccepted, l.cfg.Current)
	if !ok {
		l.end(ReasonEpochsSpent, "epoch %d", epoch-1)
		return
	}
	l.epoch = epoch
	start := l.newLeaderZxid()
	l.last, l.proposed, l.announced = start, start, start
	l.tally = newTally(l.cfg.View, epoch)
	l.phase = savingAccepted
	l.do(SaveAccepted{epoch})
}

// acceptedDurable: what the leader has promised itself it may now ask of others (R2).
func (l *Leader) acceptedDurable(e zk.Epoch) {
	l.mustBe(savingAccepted, e)
	l.enter(gatherAcks)
	for _, k := range l.links {
		if !k.gone {
			l.offer(k)
		}
	}
	l.tryFinishElection()
}

func (l *Leader) offer(k *link) {
	k.state, k.heard = LinkOffered, l.now
	l.send(k, packetInt(proto.PacketLeaderInfo, l.newLeaderZxid(), proto.QuorumProtocolVersion))
}

// ackEpoch takes a learner's promise to follow no older leader, and where its history stands.
func (l *Leader) ackEpoch(k *link, p *proto.QuorumPacket) {
	if k.state != LinkOffered {
		l.closeLink(k, ReasonUnexpected, "%v", p.Type)
		return
	}
	d := jute.NewDecoder(p.Data)
	current := zk.Epoch(d.Int())
	if d.Err() != nil || d.Len() > 0 {
		l.closeLink(k, ReasonMalformed, "ACKEPOCH with %d bytes", len(p.Data))
		return
	}
	k.state, k.last = LinkAccepted, p.Zxid
	switch {
	case l.phase == gatherAcks && current >= 0:
		if l.ahead(current, p.Zxid) {
			l.yieldTo(k, current)
			return
		}
		k.counts = p.Zxid != -1 // -1: a database that its own server does not trust
		l.tryFinishElection()
	}
	// With -1 for the epoch the learner asks not to be counted: it made its promise before, or what it
	// says of its history is not the whole truth (R12).
}

// ahead reports whether a history is later than this server's as it was when it was elected.
func (l *Leader) ahead(current zk.Epoch, last zk.Zxid) bool {
	return current > l.cfg.Current || current == l.cfg.Current && last > l.delivered
}

// yieldTo ends the reign for a voter that is ahead: what it has may be committed, and no quorum can
// form without it or its like (R24). A server that can never lead is not waited for.
func (l *Leader) yieldTo(k *link, current zk.Epoch) {
	const format = "server %d: epoch %d, zxid %v; here %d, %v"
	if k.votes && l.cfg.View.CanLead(k.server) {
		l.end(ReasonVoterAhead, format, k.server, current, k.last, l.cfg.Current, l.delivered)
		return
	}
	l.closeLink(k, ReasonLearnerAhead, format, k.server, current, k.last, l.cfg.Current, l.delivered)
}

func (l *Leader) tryFinishElection() {
	if l.phase != gatherAcks || !l.quorum(func(k *link) bool { return k.counts }) {
		return
	}
	l.phase = savingCurrent
	// The leader's own history is durable: it began with it.
	l.do(SaveCurrent{l.epoch})
}

// currentDurable: the leader itself has now done what it will ask of the others by NEWLEADER.
func (l *Leader) currentDurable(e zk.Epoch) {
	l.mustBe(savingCurrent, e)
	l.enter(gatherSynced)
	l.tryActivate()
}

// enter begins a phase that has initLimit to succeed.
func (l *Leader) enter(p leaderPhase) {
	l.phase, l.deadline = p, l.now+l.cfg.InitLimit*ticksPerTickTime
}
