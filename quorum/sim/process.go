package sim

import (
	"io"

	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/tree"
)

// process is what lives on a server: a replica of ours, or a model of a Java server. The methods are those of
// replica.Manual.
type process interface {
	ElectionEvent(ev election.Event)
	ElectionTick()
	HalfTick()
	Roles() bool
	RolesDue() bool
	Work()
	HasWork() bool
	NeedsSync() bool
	SyncLog()
	Job()
	HasJob() bool
	SaveSnapshot()
	Facts() replica.Facts
	Serving() replica.Term
	Failure() error
	Close() error

	Joined(term replica.Term, l replica.Link, info proto.LearnerInfo, observer bool)
	Received(term replica.Term, l replica.Link, packets []proto.QuorumPacket)
	ReceiveSnapshot(term replica.Term, l replica.Link, in io.Reader) error
	Streamed(term replica.Term, l replica.Link)
	Down(term replica.Term, l replica.Link, err error)

	// withTree calls f with the state in memory.
	withTree(f func(t *tree.Tree))
}

// ours is a replica of ours, which clients connect to.
type ours struct{ *replica.Manual }

func (o ours) withTree(f func(t *tree.Tree)) {
	o.Read(func(v *replica.View) { f(v.Tree()) })
}

// replica returns the replica of ours that lives there, nil if it is another.
func (l *life) replica() *replica.Manual {
	if o, ok := l.m.(ours); ok {
		return o.Manual
	}
	return nil
}

var _ process = ours{}
