package election

import (
	"fmt"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Status is a picture of an election, for an operator.
type Status struct {
	State proto.PeerState
	// Waiting says that the server looks for a leader but has not been told to [Start].
	Waiting bool
	Round   proto.Round
	// Vote is what the server votes for, or what was elected.
	Vote Vote

	// While looking: which voters agree with the vote, which have voted otherwise in this round, which
	// cannot vote for want of a log to be trusted, which cannot be reached, and from which nothing has
	// come. Each voter but those which agree is in one of the lists; the server itself always agrees.
	Agree, Differ, Abstain, Unreachable, Silent []zk.ServerID
	// Quorum says that those who agree are enough. WaitTicks is then how long a better vote is still
	// waited for.
	Quorum    bool
	WaitTicks int
}

// Status returns how the election stands.
func (e *Election) Status() Status {
	s := Status{State: e.state, Waiting: e.halted, Round: e.round, Vote: e.vote}
	if e.state != proto.Looking || e.halted {
		return s
	}
	own := ballot{e.vote, e.round, proto.Looking, 0}
	for _, id := range e.members.views.Voters() {
		b, voted := e.received[id]
		_, abstains := e.abstains[id]
		_, down := e.down[id]
		list := &s.Silent
		switch {
		case id == e.self || voted && b.agrees(own):
			list = &s.Agree
		case voted:
			list = &s.Differ
		case abstains:
			list = &s.Abstain
		case down:
			list = &s.Unreachable
		}
		*list = append(*list, id)
	}
	if s.Quorum = e.deciding; s.Quorum {
		s.WaitTicks = e.finalizeWait - e.waited
	}
	return s
}

// String says it in one line.
func (s Status) String() string {
	if s.Waiting {
		return "not started"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v round=%d", s.State, s.Vote, s.Round)
	if s.State != proto.Looking {
		return b.String()
	}
	for _, part := range []struct {
		name string
		ids  []zk.ServerID
	}{{"agree", s.Agree}, {"differ", s.Differ}, {"abstain", s.Abstain}, {"unreachable", s.Unreachable}, {"silent", s.Silent}} {
		if len(part.ids) > 0 {
			fmt.Fprintf(&b, ", %s %s", part.name, set(part.ids))
		}
	}
	if s.Quorum {
		fmt.Fprintf(&b, ", quorum, waiting %d ticks", s.WaitTicks)
	}
	return b.String()
}
