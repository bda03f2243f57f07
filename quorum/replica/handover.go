package replica

import (
	"errors"
	"fmt"
	"time"

	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// handOverPause is how long a leader that gave way stays out of the election. The others need a few hundred
// milliseconds for theirs; a server that looked with them would win it again, having the longest history.
const handOverPause = 2 * time.Second

// Why a server does not hand over.
var (
	// ErrNotLeading says that there is nothing to hand over.
	ErrNotLeading = errors.New("this server does not lead")
	// ErrNoSuccessor says that the followers that have the whole history are too few to elect one of them.
	ErrNoSuccessor = errors.New("without this server there would be no quorum")
)

// HandOver ends the role of a leader, so that the voters that follow it elect another. It returns once the
// role has ended, and changes nothing where they could not. Writes that are under way get no answer, as when
// a leader is lost.
func (r *Replica) HandOver() error {
	var refusal error
	err := r.Call(func() {
		if refusal = r.mayHandOver(); refusal == nil {
			r.gaveWay = true
			r.endRole(zab.ReasonHandOver, "")
		}
	})
	return errors.Join(err, refusal)
}

// mayHandOver reports why this server should go on leading. The turn is held.
func (r *Replica) mayHandOver() error {
	if r.cfg.Peers == nil || r.role != leading || !r.active {
		return ErrNotLeading
	}
	synced := make(map[zk.ServerID]bool)
	for _, l := range r.leader.Learners() {
		if l.Votes && l.State == zab.LinkLive {
			synced[l.Server] = true
		}
	}
	if !r.cfg.Members.Views()[0].HasQuorum(func(id zk.ServerID) bool { return synced[id] }) {
		return fmt.Errorf("%w: %d other voters have its history", ErrNoSuccessor, len(synced))
	}
	return nil
}

// awaitSuccessor leaves the election to the others after this server has handed over. It reports false if the
// replica ends.
func (r *Replica) awaitSuccessor() bool {
	r.turn.Lock()
	gaveWay := r.gaveWay
	r.gaveWay = false
	r.turn.Unlock()
	return !gaveWay || r.pause(handOverPause)
}
