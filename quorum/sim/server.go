package sim

import (
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zkd/quorum/election"
	"zkd/quorum/replica"
	"zkd/quorum/stats"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// dataDir is where a simulated server keeps everything.
const dataDir = "/data/version-2"

// server is a host: a disk, a clock, and the process that lives there or none.
type server struct {
	w         *World
	id        zk.ServerID
	observer  bool
	disk      *vfs.Mem
	clock     clock
	life      *life // nil while the process is down
	lives     int
	broken    bool          // writes and syncs fail
	syncsOnly bool          // if it is broken, only they fail
	full      bool          // there is little room
	away      bool          // it does not start
	stalled   time.Duration // until then syncs do not return

	// Of a server that is a model of a Java one.
	java    *javaDisk // nil otherwise
	release Release
}

// clock runs at a speed of its own.
type clock struct {
	offset time.Duration
	rate   float64
}

var epochOfClocks = time.Unix(1_700_000_000, 0)

func (c clock) at(now time.Duration) time.Time {
	return epochOfClocks.Add(c.offset + time.Duration(float64(now)*c.rate))
}

func newServer(w *World, id zk.ServerID, observer bool) *server {
	return &server{
		w: w, id: id, observer: observer, disk: vfs.NewMem(),
		clock: clock{offset: w.between(0, time.Hour), rate: 0.95 + 0.1*w.rng.Float64()},
	}
}

// life is a process of a server, from its start to its crash.
type life struct {
	s     *server
	w     *World
	n     int // of the server's lives
	m     process
	stats *stats.Server
	dead  bool
	// faulted says that its disk told it an error, syncing that it waits for its log.
	faulted, syncing bool
	// paused says until when the process stands still.
	paused time.Duration

	port *port

	bugs bugState

	syncDue, jobDue, rolesDue, workDue bool
	electionKick                       int // ticks of an earlier chain are void
}

// String names a process in traces.
func (l *life) String() string { return fmt.Sprintf("%d.%d", l.s.id, l.n) }

// start starts the process on what the disk holds. A disk that told no lie must not keep it from that.
func (s *server) start() {
	if s.life != nil || s.away {
		return
	}
	s.lives++
	l := &life{s: s, w: s.w, n: s.lives, stats: new(stats.Server)}
	s.life = l
	s.w.trace("%v starts", l)
	if s.java != nil {
		m, err := startJava(l)
		if err != nil {
			s.w.fail("server %d (Java) cannot start: %v", s.id, err)
			return
		}
		l.m = m
		l.begin()
		return
	}
	if s.w.o.Bug == Bug1549 && s.w.chance(2) {
		s.w.dirty(s)
	}
	m, err := replica.StartManual(s.w.config4(l, s.w.diskOf(l)))
	if l.dead {
		return // it crashed while it started
	}
	if err != nil {
		s.life, l.dead = nil, true
		if l.faulted || s.full {
			s.w.trace("%v cannot start: %v", l, err)
			s.w.after(time.Second, s.start)
			return
		}
		s.w.fail("server %d cannot start: %v", s.id, err)
		return
	}
	l.m = ours{m}
	if s.w.o.Bug == Bug2845 {
		m.KeepTree()
	}
	s.w.checks.started(l, m)
	l.begin()
}

// begin lets a process that has started run.
func (l *life) begin() {
	l.w.net.started(l)
	l.every(tick/2, l.m.HalfTick)
	l.electionTicks()
	l.settle()
}

// config4 is the configuration of a process.
func (w *World) config4(l *life, fs vfs.FS) replica.Config {
	return replica.Config{
		ID: l.s.id, Peers: l, Members: w.members, Observer: l.s.observer, ConfigText: w.config,
		InitLimit: initLimit, SyncLimit: syncLimit,
		FS: fs, SnapDir: dataDir, LogDir: dataDir,
		Tick: tick, MaxTxnBytes: 1 << 20, SnapCount: w.temper.snapCount, LogSizeBytes: w.temper.logBytes,
		PreallocBytes: w.temper.prealloc, FsyncWarning: time.Hour, PurgeInterval: 5 * time.Second, PurgeRetain: 3, MinFreeBytes: w.temper.minFree,
		Auth: w.auth, Stats: l.stats, Logger: w.logger(l),
		Now:  func() time.Time { return l.s.clock.at(w.now) },
		Seed: w.o.Seed<<16 + uint64(l.s.id)<<8 + uint64(l.n) + 1,
	}
}

// logger writes what a process logs into the trace.
func (w *World) logger(l *life) *zap.Logger {
	if w.o.Trace == nil {
		return zap.NewNop()
	}
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "m", LevelKey: "l", EncodeLevel: zapcore.CapitalLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder, ConsoleSeparator: " "})
	return zap.New(timeless{zapcore.NewCore(encoder, zapcore.AddSync(logWriter{l}), zap.DebugLevel)})
}

// timeless leaves out what was measured by a real clock, so that a seed gives one trace.
type timeless struct{ zapcore.Core }

func (t timeless) With(fields []zapcore.Field) zapcore.Core { return timeless{t.Core.With(fields)} }

func (t timeless) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(e, t)
}

func (t timeless) Write(e zapcore.Entry, fields []zapcore.Field) error {
	kept := slices.DeleteFunc(slices.Clone(fields), func(f zapcore.Field) bool { return f.Key == "took" })
	return t.Core.Write(e, kept)
}

type logWriter struct{ l *life }

func (t logWriter) Write(p []byte) (int, error) {
	if !t.l.dead {
		t.l.w.trace("%v: %s", t.l, p[:len(p)-1])
	}
	return len(p), nil
}

// later lets the process do something after d, if it lives then. One that stands still does it when it goes on.
func (l *life) later(d time.Duration, do func()) {
	l.w.after(d, func() {
		switch {
		case l.dead:
		case l.paused > l.w.now:
			l.later(l.paused-l.w.now, do)
		default:
			do()
			l.settle()
		}
	})
}

// every lets the process do something at intervals of its own clock.
func (l *life) every(d time.Duration, do func()) {
	l.later(time.Duration(float64(d)/l.s.clock.rate), func() {
		do()
		l.every(d, do)
	})
}

// electionTicks is the clock of the elector: fast while it looks for a leader.
func (l *life) electionTicks() {
	l.electionKick++
	l.electionTick(l.electionKick)
}

func (l *life) electionTick(kick int) {
	d := election.TickMillis * time.Millisecond
	if l.m.Serving() != 0 {
		d = 500 * time.Millisecond
	}
	l.later(d, func() {
		if kick == l.electionKick {
			l.m.ElectionTick()
			l.electionTick(kick)
		}
	})
}

// settle sees to it that what an event has left to do is done some time, and checks what must be true.
func (l *life) settle() {
	if l.dead {
		return
	}
	if err := l.m.Failure(); err != nil {
		l.failed(err)
		return
	}
	if l.m.NeedsSync() && !l.syncDue {
		l.syncDue = true
		l.later(l.diskLatency(), l.syncLog)
	}
	if l.m.HasJob() && !l.jobDue {
		l.jobDue = true
		l.later(5*l.diskLatency(), l.job)
	}
	if l.m.HasWork() && !l.workDue {
		l.workDue = true
		l.later(l.w.between(0, 2*time.Millisecond), func() { l.workDue = false; l.m.Work() })
	}
	if l.m.RolesDue() && !l.rolesDue {
		l.rolesDue = true
		l.later(l.w.between(0, 5*time.Millisecond), func() {
			l.rolesDue = false
			l.m.Roles()
			if l.dead {
				return
			}
			l.electionTicks()
		})
	}
	l.w.checks.afterEvent(l)
}

func (l *life) diskLatency() time.Duration {
	d := l.w.between(0, l.w.temper.diskLatency)
	if l.s.id == l.w.temper.slow && !l.w.healed {
		d *= 10
	}
	return d + max(0, l.s.stalled-l.w.now)
}

// failed ends a process that has ended itself, which only a disk may make it do.
func (l *life) failed(err error) {
	if !l.faulted && !l.s.full {
		l.w.fail("%v ended: %v", l, err)
		return
	}
	l.w.trace("%v has ended: %v", l, err)
	l.w.counts["disk failures"]++
	l.end()
	l.m.Close()
	l.s.restartLater()
}

// end takes the process off the network.
func (l *life) end() {
	l.dead = true
	l.s.life = nil
	l.w.tally(l)
	l.w.net.gone(l)
	for _, c := range l.w.clients {
		c.serverGone(l)
	}
}

// die is a loss of power, at any moment: the process does not notice, but nothing that it does any more has any
// effect.
func (l *life) die(why string) {
	if l.dead {
		return
	}
	l.w.trace("%v crashes: %s", l, why)
	l.w.counts["crashes"]++
	if j, ok := l.m.(*java); ok {
		j.crash()
	}
	l.s.disk = l.s.disk.CrashClone(l.w.rng.Uint64())
	l.end()
	l.s.restartLater()
	if w := l.w; !w.scripted && w.chance(3) {
		w.after(0, w.audit)
	}
}

func (s *server) restartLater() {
	if s.w.scripted {
		return
	}
	s.w.after(s.w.between(10*time.Millisecond, pick(s.w, 100*time.Millisecond, 3*time.Second, 12*time.Second)), s.start)
}

// stop ends the process in good order.
func (l *life) stop() {
	l.w.trace("%v is stopped", l)
	err := l.m.Close()
	if l.dead {
		return // it crashed over it
	}
	if err != nil && !l.faulted && !l.s.full {
		l.w.fail("%v stops with %v", l, err)
	}
	l.end()
	l.s.restartLater()
}
