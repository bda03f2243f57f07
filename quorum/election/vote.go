package election

import (
	"fmt"
	"math"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Vote says who should lead, and what there is to say for it.
type Vote struct {
	Leader zk.ServerID
	Zxid   zk.Zxid  // end of the leader's log
	Epoch  zk.Epoch // the leader's current epoch
}

// noZxid is the last zxid of a server that must not be elected: its log is not to be trusted.
const noZxid zk.Zxid = -1

// noVote is the vote of a server that may not vote.
var noVote = Vote{math.MinInt64, math.MinInt64, math.MinInt64}

// String returns the vote as logs and scripts write it.
func (v Vote) String() string {
	if v == noVote {
		return "nobody"
	}
	return fmt.Sprintf("leader=%d epoch=%d zxid=%v", v.Leader, v.Epoch, v.Zxid)
}

// after reports whether v is better than w: newer epoch, then longer log, then higher id.
func (v Vote) after(w Vote) bool {
	switch {
	case v.Epoch != w.Epoch:
		return v.Epoch > w.Epoch
	case v.Zxid != w.Zxid:
		return v.Zxid > w.Zxid
	default:
		return v.Leader > w.Leader
	}
}

// beats reports whether v should replace w: it can be elected, and w cannot or is worse.
func (e *Election) beats(v, w Vote) bool {
	views := e.members.views
	return views.CanLead(v.Leader) && (!views.CanLead(w.Leader) || v.after(w))
}

// ballot is a vote as somebody cast it.
type ballot struct {
	vote    Vote
	round   proto.Round
	state   proto.PeerState
	version int32 // of the notification, 0 for the forms before 3.4.6
}

func ballotOf(n proto.Notification) ballot {
	return ballot{Vote{n.Leader, n.Zxid, n.PeerEpoch}, n.Round, n.State, n.Version}
}

// agrees reports whether a and b say the same. Who looks for a leader must mean the same vote in the
// same round. Of those who have a leader only leader and epoch count, since they may have learnt
// different zxids and rounds (ZOOKEEPER-1805); and where one of the two is too old to report the
// established epoch, the leader alone (ZOOKEEPER-1732).
func (a ballot) agrees(b ballot) bool {
	switch {
	case a.state == proto.Looking || b.state == proto.Looking:
		return a.vote == b.vote && a.round == b.round
	case (a.version > 0) != (b.version > 0):
		return a.vote.Leader == b.vote.Leader
	default:
		return a.vote.Leader == b.vote.Leader && a.vote.Epoch == b.vote.Epoch
	}
}
