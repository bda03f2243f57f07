package replica

import (
	"fmt"
	"slices"
	"time"

	"zkd/quorum/zab"
)

// What a leader holds of one learner's requests, from their coming until they are answered: as proposals that wait for
// the disk and a quorum, or behind a sync. A learner bounds what it asks for by its own clients, but only it knows.
//
// The leader does not stop reading from a learner altogether: what it waits for may be that learner's acknowledgement,
// or its answer to a PING, which comes behind the requests.
const (
	// slowOwedBytes held of a learner's requests make the leader read from it slowly.
	slowOwedBytes = 32 << 20
	// slowRead is how long it then waits between two reads, each of 64 KiB or one packet.
	slowRead = 10 * time.Millisecond
	// maxOwedBytes bounds them. A learner that asks for more is let go.
	maxOwedBytes = 256 << 20
	// oweBeside is about what a request takes beside what the learner sent.
	oweBeside = 512
)

func (req *Request) owedBytes() int64 {
	n := oweBeside + len(req.Body)
	for i := range req.IDs {
		n += len(req.IDs[i].Scheme) + len(req.IDs[i].ID)
	}
	return int64(n)
}

// owe takes in the request of a learner. The error says that too many of them wait.
func (r *Replica) owe(req Request) error {
	if r.owed == nil {
		r.owed = make(map[zab.LinkID]int64)
	}
	owed := r.owed[req.link] + req.owedBytes()
	if owed > maxOwedBytes {
		return fmt.Errorf("replica: %d bytes of its requests wait to be answered, at most %d may", owed, maxOwedBytes)
	}
	r.owed[req.link] = owed
	r.incoming = append(r.incoming, req)
	return nil
}

// paid notes that nothing is held of a request any more.
func (r *Replica) paid(req *Request) {
	if req.link == 0 {
		return
	}
	if owed, ok := r.owed[req.link]; ok {
		r.owed[req.link] = owed - req.owedBytes()
	}
}

// unlink ends a leader's link. What was held back for its learner behind a sync is given up, and what came behind that:
// nobody waits for it.
func (r *Replica) unlink(id zab.LinkID) {
	r.links[id].end(r)
	delete(r.links, id)
	delete(r.owed, id)
	delete(r.held, asker{link: id})
	r.incoming = slices.DeleteFunc(r.incoming, func(req Request) bool { return req.link == id })
}
