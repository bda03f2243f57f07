package peer

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
)

// LearnerReceiver takes what a learner's link reports.
type LearnerReceiver interface {
	LinkReceiver
	// Snapshot takes the stream behind a SNAP packet, after that was received. r ends exactly where the
	// snapshot does; it must be read to there, or the link ends. An error ends the link too.
	Snapshot(l *Link, r io.Reader) error
}

// LearnerConfig says how a learner connects. All fields are required unless they say otherwise.
type LearnerConfig struct {
	Network  Network
	Receiver LearnerReceiver
	Logger   *zap.Logger
	Limits   LinkLimits

	// Budget bounds all tries together; 0 is 20 s. Source: tickTime times initLimit.
	Budget time.Duration
	// RetryFor is how long a leader that refuses is tried again; 0 is 500 ms, the least is
	// MinRetryFor. A leader that was elected a moment ago does not listen yet.
	RetryFor time.Duration
}

const (
	// MinRetryFor is two times what a Java leader waits for better votes before it listens.
	MinRetryFor = 400 * time.Millisecond

	defaultRetryFor = 500 * time.Millisecond
	defaultBudget   = 20 * time.Second
	// The pause between tries doubles from minDialPause to maxDialPause; Java has 100 ms. A leader of this
	// kind listens a few milliseconds after its learners know it.
	minDialPause = 5 * time.Millisecond
	maxDialPause = 50 * time.Millisecond
)

// DialLeader connects to the peer port of a leader, at whichever of its addresses answers first, and
// returns the link, which the caller must Close. The error, which [Classify] sorts, is that of the
// last try.
func DialLeader(ctx context.Context, cfg LearnerConfig, addrs []proto.HostPort) (*Link, error) {
	if cfg.Budget <= 0 {
		cfg.Budget = defaultBudget
	}
	if cfg.RetryFor <= 0 {
		cfg.RetryFor = defaultRetryFor
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Budget)
	defer cancel()
	began := time.Now()
	wait := minDialPause
	for try := 1; ; try++ {
		nc, err := cfg.Network.dialAny(ctx, addrs)
		if err == nil {
			cfg.Logger.Info("connected to the leader", zap.Stringer("peer_address", nc.RemoteAddr()), zap.Int("tries", try))
			l := newLink(nc, 1, cfg.Limits, &complaints{log: cfg.Logger}, cfg.Receiver)
			l.snapshot = cfg.Receiver.Snapshot
			go l.run() // Close waits for it
			return l, nil
		}
		if time.Since(began) >= max(cfg.RetryFor, MinRetryFor) || !pause(ctx, wait) {
			return nil, fmt.Errorf("peer: connect to the leader, %d tries: %w", try, err)
		}
		wait = min(2*wait, maxDialPause)
	}
}
