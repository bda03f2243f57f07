package replica

import (
	"zkd/quorum/prep"
	"zkd/quorum/proto"
	"zkd/quorum/tree"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// Kind says what the loop does with a request.
type Kind uint8

const (
	// Write becomes a txn.
	Write Kind = iota
	// Barrier takes its place among the writes and is answered once all before it are committed by a
	// quorum: the sync operation.
	Barrier
	// Attach re-attaches a session to a connection (the reconnect of a client).
	Attach
)

// Request is one thing to be done in the order of writes.
type Request struct {
	prep.Request
	Kind Kind
	// Origin is told the outcome; nil if nobody waits for it.
	Origin Origin
	// Owner holds the session from now on: of createSession and Attach only. It is who its writes
	// must come from: the Origin of any other is told ErrSessionMoved.
	Owner Owner
	// Term is the role in which the connection was opened: View.Term. A request with an Origin of another
	// one is lost.
	Term Term

	link zab.LinkID // of the learner that forwarded it, 0 for one of this server
	ask  func()     // called in the place of an outcome, with the turn held
}

// Outcome tells an Origin what became of its oldest unanswered request. It and all it points to are
// valid during the call only.
type Outcome struct {
	Kind    Kind
	Op      zk.Op // of the request
	Session zk.SessionID
	Cxid    int32
	// Zxid of the txn, or for requests without one the last applied.
	Zxid zk.Zxid
	// Err is not OK where the request failed as a whole.
	Err zk.Code
	// Result of the applied txn; nil for requests without one.
	Result *tree.Result
}

// Origin is who submitted a request: a client connection.
type Origin interface {
	// Applied tells the outcome of a request. The loop calls it in commit order with the state locked
	// as the txn left it, so it may read the tree, must not block, and must not call View. It returns
	// whether Flush is to be called once the batch is through.
	Applied(v *View, o *Outcome) (flush bool)
	// Lost tells that the role has ended and that no outcome will come: the connection must close.
	Lost()
	Flusher
}

// Flusher has output that waits for the end of the batch.
type Flusher interface {
	// Flush sends without blocking. It is called without locks.
	Flush()
}

// Owner is the connection that keeps a session alive.
type Owner interface {
	// LastHeardMillis is when the client was last heard of, in the milliseconds of Replica.NowMillis.
	LastHeardMillis() int64
	// SessionClosed says that the session has ended; the connection must close once what it has
	// queued is sent. Called by the loop; must not block.
	SessionClosed()
	// Lost tells that the role has ended, in which the session was opened here: the connection must
	// close. The session lives on.
	Lost()
}

// Notice is one watch event on its way to the watchers.
type Notice struct {
	Type zk.EventType
	Path string
	Zxid zk.Zxid
	// ACL of the node at the time of the event: only who may READ it is told (CVE-2024-23944).
	ACL []proto.ACL
}

// Watcher is told of events. It is compared by identity.
type Watcher interface {
	// Notify queues the notice without blocking, before any reply that shows the change. The loop
	// calls it with the state locked. It returns whether Flush is to be called.
	Notify(n *Notice) (flush bool)
	Flusher
}
