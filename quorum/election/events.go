package election

import (
	"fmt"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Event is what the shell tells an [Election]: one of the types below.
type Event interface{ event() }

// Start begins an election, from any state: the server has no leader any more, and its log is closed
// (rule R7). Its vote is for itself with these, or for nobody if it may not vote.
type Start struct {
	// Zxid is the end of the durable log (rule R8). -1 says that the log is not to be trusted: the
	// server may follow a leader whom others elected, but is not elected and does not elect (R18).
	Zxid zk.Zxid
	// Epoch is the current epoch, of the file currentEpoch.
	Epoch zk.Epoch
}

// Halt says that the role has ended and that Start will follow once the log is closed. Until then
// nobody is sent to the lost leader any more, and votes that arrive are kept for Start.
type Halt struct{}

// Received is a notification from another server, as the election port's hello names it.
type Received struct {
	From zk.ServerID
	Note proto.Notification
}

// Garbled is a message on the election port that was no notification; see [Parse].
type Garbled struct {
	From zk.ServerID
	Err  error
}

// Tick says that [TickMillis] have gone by.
type Tick struct{}

// LinkUp says that there is a new connection with the peer, or one instead of another: what was sent
// on the one before may be lost.
type LinkUp struct{ Peer zk.ServerID }

// LinkDown says that the peer cannot be reached: it could not be dialed, or the connection broke and
// no other took its place. The connection that the rule of the larger id closes is none of these.
// A peer of which nothing is known counts as reachable.
type LinkDown struct{ Peer zk.ServerID }

// Established says that the elected leader has a quorum in this epoch, and that this server is up to
// date with it: the leader when its NEWLEADER is acknowledged by a quorum, a learner after UPTODATE.
// A server that forgets it keeps restarting servers out (ZOOKEEPER-1732, -1818).
type Established struct{ Epoch zk.Epoch }

// Reset says that the configuration has changed. The next round is 1. A server that leads or follows
// goes on doing so; one that looks must be told to [Start] again.
type Reset struct{ Members Members }

func (Start) event()       {}
func (Halt) event()        {}
func (Received) event()    {}
func (Garbled) event()     {}
func (Tick) event()        {}
func (LinkUp) event()      {}
func (LinkDown) event()    {}
func (Established) event() {}
func (Reset) event()       {}

// Parse turns the body of a message on the election port into its event.
func Parse(from zk.ServerID, body []byte) Event {
	n, err := proto.DecodeNotification(body)
	if err != nil {
		return Garbled{from, err}
	}
	return Received{from, n}
}

// Action is what the shell must do: one of the types below. String says it in words, for logs.
type Action interface {
	fmt.Stringer
	action()
}

// Broadcast sends the notification to each of To: all voters but this server. A message that still
// waits to be sent to one of them may be replaced by it.
type Broadcast struct {
	To   []zk.ServerID
	Note proto.Notification
	Why  Why
}

// Why says what made a server tell everybody its vote.
type Why uint8

// The reasons.
const (
	NewElection Why = iota
	NewerRound
	BetterVote
	Resend
)

var whyNames = [...]string{
	NewElection: "new election", NewerRound: "newer round", BetterVote: "better vote", Resend: "resend",
}

// String returns the reason in words.
func (w Why) String() string { return whyNames[w] }

// Send sends the notification to one server: an answer, or the vote for a link that came up. A
// message that still waits to be sent to it may be replaced by it.
type Send struct {
	To   zk.ServerID
	Note proto.Notification
}

// Reconnect asks for connections: nothing was heard of these voters for a whole interval. One that
// has a connection may have had nothing to say.
type Reconnect struct{ To []zk.ServerID }

// Elected ends the election. The server's state is now Role.
type Elected struct {
	Role  proto.PeerState // Leading, Following or Observing
	Vote  Vote
	Round proto.Round
	// Supporters are the voters that were seen to agree, in ascending order: a quorum.
	Supporters []zk.ServerID
	// Joined says that they were found following this leader already, not voting for it.
	Joined bool
}

// PeerLooking says to a leader that one of its voters looks for another leader, and to a follower
// that its leader does: in a round after the one that elected it, or in that round with a vote that
// beats it. Anything else that was said in that round or before proves nothing, since it may have been
// long on its way. So nothing is reported of a peer that was started anew, in round 1; its broken link
// tells.
type PeerLooking struct {
	From  zk.ServerID
	Round proto.Round
	Vote  Vote
}

// NewerConfig says that a voter has committed a newer configuration than this server, which looks for
// a leader. Where reconfiguration is enabled the shell adopts it, and sends [Reset] and [Start] if
// the members differ; where it is not, nothing follows.
type NewerConfig struct {
	From   zk.ServerID
	Config proto.QuorumConfig
}

// Dropped says that a message, or a part of it, was thrown away.
type Dropped struct {
	From   zk.ServerID
	Reason Drop
	Err    error // what was wrong with it, where there is more to say
}

// Drop is why a message was thrown away.
type Drop uint8

// The reasons.
const (
	DropGarbled     Drop = iota // it was no notification
	DropOwnID                   // another server says that it has this server's id
	DropState                   // it has a state that nobody is in
	DropForeignVote             // its vote is for a server that is no voter
	DropUntrusted               // its vote is for a server whose log is not to be trusted: zxid -1
	DropConfig                  // its configuration cannot be read; the vote counts all the same
	drops
)

var dropNames = [drops]string{
	DropGarbled: "garbled", DropOwnID: "own_id", DropState: "unknown_state", DropForeignVote: "foreign_vote",
	DropUntrusted: "untrusted_log", DropConfig: "config",
}

// String returns the reason in a word.
func (d Drop) String() string { return dropNames[d] }

func (Broadcast) action()   {}
func (Send) action()        {}
func (Reconnect) action()   {}
func (Elected) action()     {}
func (PeerLooking) action() {}
func (NewerConfig) action() {}
func (Dropped) action()     {}

func (a Broadcast) String() string {
	return fmt.Sprintf("%v: tell %s: %s", a.Why, set(a.To), noteText(a.Note))
}

func (a Send) String() string { return fmt.Sprintf("tell {%d}: %s", a.To, noteText(a.Note)) }

func (a Reconnect) String() string { return "reconnect " + set(a.To) }

func (a Elected) String() string {
	how := "elected by"
	if a.Joined {
		how = "as do"
	}
	return fmt.Sprintf("%v %v round=%d, %s %s", a.Role, a.Vote, a.Round, how, set(a.Supporters))
}

func (a PeerLooking) String() string {
	return fmt.Sprintf("server %d is looking: %v round=%d", a.From, a.Vote, a.Round)
}

func (a NewerConfig) String() string {
	return fmt.Sprintf("server %d has configuration version %x", a.From, uint64(a.Config.Version))
}

func (a Dropped) String() string {
	if a.Err != nil {
		return fmt.Sprintf("drop from %d: %v: %v", a.From, a.Reason, a.Err)
	}
	return fmt.Sprintf("drop from %d: %v", a.From, a.Reason)
}

func noteText(n proto.Notification) string {
	return fmt.Sprintf("%v %v round=%d", n.State, Vote{n.Leader, n.Zxid, n.PeerEpoch}, n.Round)
}

// set returns ids as {1,2,3}.
func set(ids []zk.ServerID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = fmt.Sprint(int64(id))
	}
	return "{" + strings.Join(words, ",") + "}"
}
