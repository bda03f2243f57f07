package zab

import (
	"fmt"
	"slices"

	"zkd/quorum/zk"
)

// tick lets half a tickTime pass.
func (l *Leader) tick() {
	l.now++
	switch l.phase {
	case gatherEpochs:
		l.giveUpAfterDeadline(ReasonNoEpochQuorum)
	case gatherAcks:
		l.giveUpAfterDeadline(ReasonNoAckQuorum)
	case gatherSynced:
		if !slices.ContainsFunc(l.links, l.savesSnapshot) {
			l.giveUpAfterDeadline(ReasonNoSyncQuorum)
		}
	case active:
		if _, ok := l.last.Next(); !ok {
			l.end(ReasonZxidsSpent, "%v", l.last)
		}
		l.marks[l.now%len(l.marks)] = l.proposed
		// A leader that cannot log is held to what it holds its followers to: one of them leads better.
		if old := l.oldMark(); old.Counter() > 0 && l.durable < old && old <= l.tally.committed {
			l.end(ReasonOwnDisk, "durable here up to %v", l.durable)
		}
	}
	if l.phase == ended {
		return
	}
	silentQuorum := l.checkLinks()
	if l.phase == active {
		l.checkQuorum(silentQuorum)
	}
	if l.phase == ended {
		return
	}
	for _, k := range l.links {
		if k.state >= LinkLeading && !k.gone {
			l.ping(k)
		}
	}
}

func (l *Leader) giveUpAfterDeadline(reason Reason) {
	if l.now >= l.deadline {
		l.end(reason, "connected: %v", l.connected())
	}
}

// snapPatience is for how many initLimits a learner may be silent that has been sent a snapshot: it writes it to
// its disk, and says nothing before it is there. Giving it up would only make it begin anew.
const snapPatience = 4

// savesSnapshot reports whether a learner may still be writing the snapshot it was sent.
func (l *Leader) savesSnapshot(k *link) bool {
	return !k.gone && k.state == LinkLeading && k.mode == Snap && l.now-k.heard < snapPatience*l.cfg.InitLimit*ticksPerTickTime
}

// connected returns the voters that are, for the log.
func (l *Leader) connected() []zk.ServerID {
	voters := []zk.ServerID{l.cfg.Self}
	for _, k := range l.links {
		if k.votes && !k.gone {
			voters = append(voters, k.server)
		}
	}
	return voters
}

// checkLinks ends the links of learners that do not do what is expected of them. silent reports that
// a voter was silent for too long.
func (l *Leader) checkLinks() (silent bool) {
	initTicks, syncTicks := l.cfg.InitLimit*ticksPerTickTime, l.cfg.SyncLimit*ticksPerTickTime
	for _, k := range l.links {
		if k.gone {
			continue
		}
		quiet := l.now - k.heard
		switch k.state {
		case LinkWaiting, LinkAccepted, LinkSynced:
			// It waits for us: for a quorum, whose own limit holds.
		case LinkOffered, LinkLeading:
			if quiet >= initTicks && !l.savesSnapshot(k) {
				l.closeLink(k, ReasonSilent, "%d ticks, %v", quiet, k.state)
			}
		case LinkSyncing:
			if k.streaming && quiet >= initTicks {
				l.closeLink(k, ReasonSyncStalled, "%d ticks", quiet)
			}
		case LinkLive:
			if quiet >= syncTicks {
				l.closeLink(k, ReasonSilent, "%d ticks, %v", quiet, k.state)
				silent = silent || k.votes
			} else if l.lags(k) {
				l.closeLink(k, ReasonLagging, "acknowledged %v", k.acked)
			}
		}
	}
	return silent
}

// lags reports whether the oldest proposal that the follower has not acknowledged was sent to it
// syncLimit ago or longer.
func (l *Leader) lags(k *link) bool {
	syncTicks := l.cfg.SyncLimit * ticksPerTickTime
	if k.observer || l.now-k.liveSince < syncTicks {
		return false
	}
	old := l.oldMark()
	return old.Counter() > 0 && k.acked < old
}

// oldMark is what had been proposed syncLimit ago.
func (l *Leader) oldMark() zk.Zxid { return l.marks[(l.now+1)%len(l.marks)] }

// checkQuorum ends the reign when no quorum is connected: at once if that is because voters fell
// silent, since syncLimit has passed for them; else after a tickTime, in which one whose connection
// broke can be back.
func (l *Leader) checkQuorum(silent bool) {
	if l.quorum(func(*link) bool { return true }) {
		l.lostSince = l.now
		return
	}
	if silent || l.now-l.lostSince > ticksPerTickTime {
		l.end(ReasonLostQuorum, "connected: %v", l.connected())
	}
}

// mustBe panics unless the leader waits for what has been reported.
func (l *Leader) mustBe(p leaderPhase, e zk.Epoch) {
	if l.phase != p || l.epoch != e {
		panic(fmt.Sprintf("zab: epoch %d reported durable in phase %d of epoch %d", e, l.phase, l.epoch))
	}
}

// detail formats what a reason does not say.
func detail(format string, args ...any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}
