package replica

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// elector is this server's part in elections: the core, and the goroutine that is its clock. It has a
// lock of its own, taken inside turn or without it, since others must be answered while the loop is busy.
type elector struct {
	peers   Peers
	log     *zap.Logger
	elected chan election.Elected // holds the outcome of the election that look began

	mu    sync.Mutex
	core  *election.Election
	began time.Time // of the election under way
	said  time.Time // when its state was last logged
	now   func() time.Time
	took  func(time.Duration)
	wake  chan struct{} // holds a token when an election begins
}

// sayElectionEvery is how often an election that does not end is logged.
const sayElectionEvery = 10 * time.Second

// idleTick is how often an elector that does not look for a leader looks at the clock.
const idleTick = 100 * time.Millisecond

func newElector(r *Replica) (*elector, error) {
	core, err := election.New(election.Config{Self: r.cfg.ID, Members: r.cfg.Members})
	if err != nil {
		return nil, err
	}
	e := &elector{
		peers: r.cfg.Peers, log: r.log, core: core, elected: make(chan election.Elected, 1), now: r.cfg.Now,
		wake: make(chan struct{}, 1),
		took: func(d time.Duration) { r.stats.ElectionMillis.Observe(d.Milliseconds()) },
	}
	if !r.cfg.manual {
		r.running.Go(func() { e.run(r.ending) })
	}
	return e, nil
}

// run ticks: fast while there is an election.
func (e *elector) run(ending <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-e.wake:
		case <-ending:
			return
		}
		e.step(election.Tick{})
		e.mu.Lock()
		looking := e.core.Status().State == proto.Looking
		e.mu.Unlock()
		if looking {
			timer.Reset(election.TickMillis * time.Millisecond)
		} else {
			timer.Reset(idleTick)
		}
	}
}

// look begins an election. What an earlier one has decided is forgotten.
func (e *elector) look(start election.Start) {
	e.mu.Lock()
	select {
	case <-e.elected:
	default:
	}
	e.began = e.now()
	e.said = e.began
	e.mu.Unlock()
	if start.Zxid < 0 {
		e.log.Warn("looking for a leader, without a vote: this server has lost what it had acknowledged")
	} else {
		e.log.Info("looking for a leader", zap.Stringer("zxid", start.Zxid), zap.Int64("epoch", int64(start.Epoch)))
	}
	e.step(start)
	signal(e.wake)
}

// halt says that the role has ended, and that look will follow.
func (e *elector) halt() { e.step(election.Halt{}) }

// step tells the core something and does what it says. It returns which voters were found to look for another
// leader.
func (e *elector) step(ev election.Event) (looking []zk.ServerID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.core.Step(ev) {
		switch a := a.(type) {
		case election.Elected:
			e.win(a)
		case election.PeerLooking:
			e.log.Debug("a member looks for a leader", zap.Int64("peer", int64(a.From)))
			looking = append(looking, a.From)
		case election.NewerConfig:
			e.log.Warn("a member has a newer configuration: reconfiguration is not enabled here",
				zap.Int64("peer", int64(a.From)), zap.Int64("version", a.Config.Version))
		case election.Dropped:
			e.log.Debug("part of a notification dropped", zap.Int64("peer", int64(a.From)), zap.Stringer("reason", a.Reason), zap.Error(a.Err))
		default:
			e.peers.Do(a)
		}
	}
	if s := e.core.Status(); s.State == proto.Looking && !s.Waiting && e.now().Sub(e.said) >= sayElectionEvery {
		e.said = e.now()
		e.log.Warn("still looking for a leader", zap.Duration("for", e.now().Sub(e.began)), zap.Stringer("election", s))
	}
	return looking
}

func (e *elector) win(a election.Elected) {
	took := e.now().Sub(e.began)
	e.took(took)
	e.log.Info("elected", zap.Stringer("role", a.Role), zap.Int64("leader", int64(a.Vote.Leader)), zap.Stringer("zxid", a.Vote.Zxid),
		zap.Int64("epoch", int64(a.Vote.Epoch)), zap.Int64("round", int64(a.Round)), zap.Any("supporters", a.Supporters),
		zap.Bool("joined", a.Joined), zap.Duration("took", took))
	select {
	case <-e.elected: // never fetched: its role has ended before it began
	default:
	}
	e.elected <- a // nobody else sends
}

// status returns how the election stands.
func (e *elector) status() election.Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.core.Status()
}
