package zab

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Action is what the caller must do. The actions of one Step are done, or at least begun, in their
// order. They and the slices in them are valid until the next Step; Data of packets and txns may be
// kept.
type Action interface {
	action()
	String() string
}

// Actions of both roles.
type (
	// Send queues packets on links; a learner has one, and To is nil. What is sent to a link travels in
	// the order of the actions. A link that cannot take it is ended, never waited for (LinkDown).
	Send struct {
		To      []LinkID
		Packets []proto.QuorumPacket
	}

	// Close ends a link of a leader, which the Leader has forgotten. What still comes over it must not be
	// told; where it is, Close comes again, of what may be no link any more.
	Close struct {
		Link   LinkID
		Server zk.ServerID
		Reason Reason
		Detail string // for the log, may be ""
	}

	// End ends the role: nothing more will come of it. All links are closed before anything else.
	End struct {
		Reason Reason
		Detail string // for the log, may be ""
		// ForceSnap says that the local history cannot be joined to the leader's: the next Learner is to
		// be one of the same leader, at once and without an election, and to have it in its config. If that is not
		// possible it is forgotten: a learner that asks for all does not count for a new leader.
		ForceSnap bool
	}

	// SaveAccepted makes the accepted epoch durable; then AcceptedDurable.
	SaveAccepted struct{ Epoch zk.Epoch }

	// SaveCurrent makes the current epoch durable; then CurrentDurable.
	SaveCurrent struct{ Epoch zk.Epoch }

	// Persist appends to the log; once it is durable, Synced. Several may be synced at once.
	Persist struct{ Txns []Txn }

	// Deliver applies txns to the tree: they are committed, and durable in the own log.
	Deliver struct{ Txns []Txn }

	// Activate begins the serving of clients. A leader's whole history is committed, and its Propose
	// gives zxids of Epoch; a learner's state is that of the leader.
	Activate struct{ Epoch zk.Epoch }
)

// Actions of a leader.
type (
	// StreamTxns sends, to the link and nothing else to it meanwhile, a PROPOSAL and a COMMIT for each
	// txn of the log above After, up to and with Upto; then Streamed. All of them are committed and
	// durable.
	StreamTxns struct {
		Link        LinkID
		After, Upto zk.Zxid
	}

	// StreamSnapshot sends the tree, as it is now, as a snapshot stream; then Streamed. What has been
	// delivered so far is exactly the history up to At.
	StreamSnapshot struct {
		Link LinkID
		At   zk.Zxid
	}

	// Forward hands up REQUEST and REVALIDATE packets of a live learner, in order. A sync among the
	// requests comes back as a Barrier, after what was requested before it has been broadcast. Answers
	// to REVALIDATE may be sent to the link at any time.
	Forward struct {
		Link    LinkID
		Server  zk.ServerID
		Packets []proto.QuorumPacket
	}

	// Touch hands up the sessions that a learner has heard of, as in the data of its PING:
	// proto.SessionTouch back to back.
	Touch struct {
		Link   LinkID
		Server zk.ServerID
		Data   []byte
	}

	// BarrierDone answers a Barrier. One with a link has been sent SYNC, unless the link has ended.
	BarrierDone struct{ ID uint64 }

	// UpToDate tells that a learner serves from now on.
	UpToDate struct {
		Link     LinkID
		Server   zk.ServerID
		Observer bool
	}
)

// Actions of a learner.
type (
	// BeginSync begins the building of a new state, beside the old. Diff: the history as it is. Trunc:
	// the history up to and with At, exactly; then SyncReady or SyncRefused. Snap: the snapshot stream
	// that follows the packet, which ends at At; then SyncReady or SyncRefused.
	BeginSync struct {
		Mode SyncMode
		At   zk.Zxid
	}

	// Stage adds committed txns to the new state. After a snapshot taken while txns went on they may
	// already be in it: they are to be applied so that this does no harm.
	Stage struct{ Txns []Txn }

	// CommitSync makes the new state, which ends at Last, durable, and then puts it in the place of the
	// old, in one atomic step; then SyncCommitted. It is brought to its end also if the role ends.
	CommitSync struct{ Last zk.Zxid }

	// AbandonSync forgets the new state.
	AbandonSync struct{}

	// AnswerPing sends Packet back with, as its data, the sessions heard of since the last one.
	AnswerPing struct{ Packet proto.QuorumPacket }

	// Revalidated hands up the leader's answer to REVALIDATE: a proto.Revalidated.
	Revalidated struct{ Data []byte }

	// SyncDone completes the oldest sync that a client waits for.
	SyncDone struct{}

	// ConfigSeen hands up the configuration text in the leader's NEWLEADER.
	ConfigSeen struct{ Text []byte }

	// ConfigCommitted tells that the txn Zxid, delivered or to be delivered, is a reconfiguration, and
	// who is to lead after it. Without reconfigEnabled it means nothing.
	ConfigCommitted struct {
		Zxid       zk.Zxid
		Designated zk.ServerID
	}
)

// SyncMode is how a learner's state is made the leader's.
type SyncMode uint8

// The modes, by the packets that announce them.
const (
	Diff SyncMode = iota + 1
	Trunc
	Snap
)

func (Send) action()            {}
func (Close) action()           {}
func (End) action()             {}
func (SaveAccepted) action()    {}
func (SaveCurrent) action()     {}
func (Persist) action()         {}
func (Deliver) action()         {}
func (Activate) action()        {}
func (StreamTxns) action()      {}
func (StreamSnapshot) action()  {}
func (Forward) action()         {}
func (Touch) action()           {}
func (BarrierDone) action()     {}
func (UpToDate) action()        {}
func (BeginSync) action()       {}
func (Stage) action()           {}
func (CommitSync) action()      {}
func (AbandonSync) action()     {}
func (AnswerPing) action()      {}
func (Revalidated) action()     {}
func (SyncDone) action()        {}
func (ConfigSeen) action()      {}
func (ConfigCommitted) action() {}
