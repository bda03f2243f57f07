package zab

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Event is what a [Leader] or a [Learner] is told.
type Event interface{ event() }

// LinkID names one connection of a learner to the leader. The caller counts connections from 1 and
// never uses a number again, so that what belongs to an old connection cannot be taken for the new.
type LinkID uint64

// Txn is a txn as it stands in the log and on the wire: header, body, digest. Data is never changed,
// by anybody.
type Txn struct {
	Zxid zk.Zxid
	Data []byte
}

// Events of both roles.
type (
	// Tick says that half a tickTime has passed. What has been received should be told before it.
	Tick struct{}

	// Received says what came over a link, in order: all packets that one read gave. Their Data must
	// not be changed afterwards, since a learner keeps it. A learner has one link and ignores Link.
	// A link is known to a leader from its first packets on.
	Received struct {
		Link    LinkID
		Packets []proto.QuorumPacket
	}

	// LinkDown says that a link has ended by itself. Nothing more is received over it.
	LinkDown struct{ Link LinkID }

	// Progress says that bytes of a history or snapshot in transfer have moved: it is slow, not stuck.
	// Once a Tick is enough.
	Progress struct{ Link LinkID }

	// AcceptedDurable reports SaveAccepted done.
	AcceptedDurable struct{ Epoch zk.Epoch }

	// CurrentDurable reports SaveCurrent done.
	CurrentDurable struct{ Epoch zk.Epoch }

	// Synced says that the server's own log is durable up to a zxid.
	Synced struct{ Upto zk.Zxid }
)

// Events of a leader.
type (
	// Broadcast hands in txns to be agreed on, each with the zxid that [Leader.Propose] gave it: all of
	// them, in order.
	Broadcast struct{ Txns []Txn }

	// Streamed reports StreamTxns or StreamSnapshot done: all of it is in the hands of the link, and
	// the next packet to it will follow.
	Streamed struct{ Link LinkID }

	// Barrier asks to be answered once all that was broadcast before is applied here, and a quorum has
	// confirmed, in answer to a packet sent later than now, that this is still the leader (R17b).
	// The answer is BarrierDone, with a Link SYNC to that link before. A Java learner takes the answer for
	// that of the session's oldest sync: no later request of the session may be broadcast before it.
	Barrier struct {
		Link LinkID
		ID   uint64 // any number
	}
)

// Events of a learner.
type (
	// SyncReady reports that what BeginSync named is there, beside the old state: the log cut, the
	// snapshot received whole and read. At is where that state ends, as read back from it (R11).
	SyncReady struct{ At zk.Zxid }

	// SyncRefused says that the sync cannot go on: the record to cut at is not in the log, the stream
	// was damaged. Why is for the log.
	SyncRefused struct{ Why string }

	// SyncCommitted reports CommitSync done: the new state, up to Last, is durable and has taken the
	// place of the old.
	SyncCommitted struct{ Last zk.Zxid }
)

func (Tick) event()            {}
func (Received) event()        {}
func (LinkDown) event()        {}
func (Progress) event()        {}
func (AcceptedDurable) event() {}
func (CurrentDurable) event()  {}
func (Synced) event()          {}
func (Broadcast) event()       {}
func (Streamed) event()        {}
func (Barrier) event()         {}
func (SyncReady) event()       {}
func (SyncRefused) event()     {}
func (SyncCommitted) event()   {}
