package replica

import (
	"io"
	"net"

	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Peers is how a replica reaches the other servers of its ensemble, and is reached by them: quorum/peer
// in a server, a simulated network in a simulation. What it reports goes to the methods of
// [Replica] named in each comment, on any goroutine, and may wait for them; but what Close waits for must
// not be waiting for the replica.
type Peers interface {
	// Attach says, before any other call, to whom reports go; they may come from now on.
	Attach(r *Replica)

	// Do performs an action of the election: election.Send, Broadcast, Reconnect. It does not block.
	// Reports: ElectionEvent.
	Do(a election.Action)

	// Lead accepts learners from now on, until the Port is closed. Reports: Joined, Received, Streamed,
	// Down, PortFailed.
	Lead(role Term) (Port, error)

	// Follow connects to the peer port of a server. It may block, until cancel is closed at most.
	// Reports: Received, ReceiveSnapshot, Down.
	Follow(role Term, leader zk.ServerID, cancel <-chan struct{}) (Link, error)
}

// Term numbers the roles of one process, from 1. What belongs to an earlier one changes nothing.
type Term uint64

// Port is what a leader is reached by.
type Port interface {
	// Close ends all links of the port and waits until nothing more is reported of them.
	Close()
}

// Link is a connection between a leader and a learner. Its methods do not block, but Close; what is
// sent leaves with Flush, in the order of Send and Stream.
type Link interface {
	// ID numbers the links of a Port from 1, and is never used again there; a learner's is 1.
	ID() uint64
	// Send queues packets, whose data is copied. Where too much waits the link ends instead.
	Send(packets ...proto.QuorumPacket) bool
	// Stream queues what write will write, on a goroutine of the link, once its turn has come. write is
	// not called if the link ends before.
	Stream(write func(w io.Writer) error) bool
	Flush()
	// Drop ends the link and does not wait. Nothing is reported of a link that was dropped, but what is
	// being reported.
	Drop()
	// Close is Drop, and waits until nothing more is reported. Of a learner's link only.
	Close()
	// Moved says how many bytes came and went so far.
	Moved() (got, sent int64)
	RemoteAddr() net.Addr
}
