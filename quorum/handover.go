package quorum

import (
	"context"
	"fmt"
	"time"

	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// Why a server does not hand over: it does not lead, or too few others have the whole history.
var (
	ErrNotLeading  = replica.ErrNotLeading
	ErrNoSuccessor = replica.ErrNoSuccessor
)

// handOverLook is how often HandOver looks for the new leader.
const handOverLook = 20 * time.Millisecond

// HandOver makes this leader give way to another, and waits until this server serves again: it returns who leads
// then. That is this server itself where the others could not agree in time. After ErrNotLeading and
// ErrNoSuccessor nothing has changed; after any other error this server does not lead any more.
func (s *Server) HandOver(ctx context.Context) (leader zk.ServerID, err error) {
	if err := s.replica.HandOver(); err != nil {
		return 0, err
	}
	tick := time.NewTicker(handOverLook)
	defer tick.Stop()
	for {
		if e := s.replica.Ensemble(); e.Serving {
			return e.Leader, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("handed over, and no new leader is known yet: %w", ctx.Err())
		case <-s.done:
			return 0, replica.ErrStopped
		}
	}
}
