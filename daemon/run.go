package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"zkd/daemon/admin"
	"zkd/daemon/config"
	"zkd/daemon/metrics"
	"zkd/daemon/sd"
	"zkd/quorum"
)

const (
	// stopTimeout bounds the stop of the server, and roomsTimeout that of what stands around it, beside that;
	// guardTimeout bounds the removal of the firewall's rules, which comes after both. Together they are clearly less
	// than the unit's TimeoutStopSec, so that a stop that hangs is ours to report.
	stopTimeout  = 18 * time.Second
	roomsTimeout = 5 * time.Second
	guardTimeout = 3 * time.Second
	// While the server recovers, systemd is asked for startExtension more time, until nothing was heard of it for
	// silentRecovery: a start that hangs is not to hang for ever. What is read is told of all the time, but one fsync of what
	// an earlier process has written says nothing, and takes minutes on a slow disk.
	startExtension = 90 * time.Second
	silentRecovery = 10 * time.Minute
	extendEvery    = 5 * time.Second
	statusEvery    = time.Second
)

// Run serves until a signal or ctx ends it, or the server ends by itself. The error, if any, is for
// [ExitCode]; nil is a clean stop.
func Run(ctx context.Context, cfg config.Config, deps Deps) error {
	log, level, err := newLogger(cfg.Log)
	if err != nil {
		return err
	}
	if deps.Logger != nil {
		log = deps.Logger
	}
	if len(cfg.Servers) > 1 { // it is encoded once, not with each line
		log = log.With(zap.Int64("server_id", int64(cfg.ID)))
	}
	defer func() { _ = log.Sync() }() // a terminal and the journal cannot be synced, and need not be
	d := &process{cfg: cfg, deps: deps, log: log, level: level, guard: guard{start: deps.Firewall, log: log.Named("firewall")},
		reloads: make(chan reloadRequest), problems: problemLog{log: log}}
	d.counts.ReloadedUnix.Set(time.Now().Unix())
	d.counts.Firewall = d.guard.status
	from := deps.ConfigFile
	if from == "" {
		from = "none: a standalone server on loopback"
	}
	log.Info("zkd starts", zap.String("version", deps.Build.Version), zap.Int("pid", os.Getpid()),
		zap.String("config", from), zap.String("data_dir", cfg.DataDir))
	logNotices(log, deps.Notices)
	if err := d.run(ctx); err != nil {
		log.Error("zkd ends", zap.Error(err), zap.Int("exit_code", ExitCode(err)))
		deps.Notifier.Status(err.Error())
		return err
	}
	log.Info("zkd has stopped")
	return nil
}

// process is one Run.
type process struct {
	cfg    config.Config
	deps   Deps
	log    *zap.Logger
	level  zap.AtomicLevel
	counts metrics.Process
	guard  guard
	handed []string // addresses of the client port that systemd opened
	admin  adminPort

	reloads  chan reloadRequest // of the operators' socket, for serve
	problems problemLog
	refused  time.Time // when the last reload was refused; zero if it was not
}

func (d *process) run(ctx context.Context) error {
	gcCtx, stopGC := context.WithCancel(context.WithoutCancel(ctx))
	var gc sync.WaitGroup
	gc.Go(func() { tuneGC(gcCtx, d.log) })
	defer gc.Wait()
	defer stopGC()
	qc, err := quorumConfig(d.cfg, d.deps.Build.Version, d.log)
	if err != nil {
		return err
	}
	handed, err := sd.Listeners()
	if err != nil {
		return fmt.Errorf("daemon: sockets from systemd: %w", err)
	}
	d.closeUnknown(handed)
	qc.Listeners = handed[clientSocket]
	addrs, missing := withoutMissingIPv6(qc.ClientAddrs, hasIPv6)
	if qc.ClientAddrs = addrs; missing != nil {
		d.log.Info("this host has no IPv6 loopback", zap.Error(missing))
	}

	for _, l := range handed[clientSocket] {
		d.handed = append(d.handed, l.Addr().String())
	}
	w := waiter{d.log, d.deps.Notifier, d.deps.Signals}
	own := ownAddresses(d.cfg, qc.ClientAddrs, len(d.handed) > 0)
	if d.deps.Bindable != nil {
		err = w.await(ctx, hostWait, func() error { return d.deps.Bindable(ctx, own) })
	}
	if errors.Is(err, ErrStopRequested) {
		return nil
	}
	if err != nil {
		return err
	}
	// Before any port is open to those whom the rules keep out.
	if err := d.guard.follow(ctx, d.listening(d.cfg)); err != nil {
		return err
	}
	member, err := d.start(ctx, qc)
	if err != nil {
		d.stopGuard(ctx)
	}
	if errors.Is(err, ErrStopRequested) {
		return nil // nothing was served yet, and what recovery does survives a crash at any point
	}
	if err != nil {
		return err
	}
	var rooms sync.WaitGroup
	roomsCtx, stopRooms := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRooms()
	err = d.open(roomsCtx, &rooms, member)
	if err == nil {
		err = d.serve(ctx, member)
	}
	d.log.Info("stopping")
	d.deps.Notifier.Stopping("stopping")
	stopRooms()
	closed := d.awaitRooms(&rooms)
	stopErr := d.stop(ctx, member)
	<-closed
	if stopErr == nil { // else a port may be open still
		d.stopGuard(ctx)
	}
	if err == nil {
		return stopErr
	}
	if stopErr != nil {
		d.log.Debug("stop", zap.Error(stopErr)) // a consequence of err
	}
	return err
}

// clientSocket is the name, in FileDescriptorName=, of the sockets that systemd may open for clients.
const clientSocket = "client"

// closeUnknown closes the sockets that systemd has opened and zkd has no use for: kept, they would take connections
// that nobody answers.
func (d *process) closeUnknown(handed map[string][]net.Listener) {
	for _, name := range slices.Sorted(maps.Keys(handed)) {
		if name == clientSocket {
			continue
		}
		for _, l := range handed[name] {
			d.log.Warn("socket from systemd closed: zkd takes those with FileDescriptorName=client only, and opens the admin port itself, at admin.listen",
				zap.String("name", name), zap.String("address", l.Addr().String()))
			l.Close()
		}
	}
}

// listening returns c with the addresses that are really listened on.
func (d *process) listening(c config.Config) config.Config {
	if len(d.handed) > 0 {
		c.Client.Listen = d.handed
	}
	if d.admin.lacks {
		c.Admin.Listen = d.admin.at
	}
	return c
}

func (d *process) stopGuard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), guardTimeout)
	defer cancel()
	d.guard.stop(ctx)
}

// moving knows how far recovery has come, and since when.
type moving struct {
	text string
	at   time.Time
}

// alive reports whether it may still be going on.
func (m *moving) alive(text string, now time.Time) bool {
	if text != m.text {
		m.text, m.at = text, now
	}
	return now.Sub(m.at) < silentRecovery
}

// start starts the server and asks systemd for more time as long as it comes further: a large log is
// replayed for minutes, and one that hangs is not to hang the start for ever.
func (d *process) start(ctx context.Context, qc quorum.Config) (Member, error) {
	type result struct {
		member Member
		err    error
	}
	started := make(chan result, 1)
	progress := make(chan string, 1)
	go func() {
		m, err := d.deps.Start(qc, func(text string) {
			select {
			case progress <- text:
			default: // the one before is still to be said
			}
		})
		started <- result{m, err}
	}()
	text := "recovering " + d.cfg.DataDir
	d.deps.Notifier.Status(text)
	seen := moving{text, time.Now()}
	tick := time.NewTicker(extendEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-started:
			return r.member, r.err
		case text = <-progress:
			d.deps.Notifier.Status(text)
		case now := <-tick.C:
			if seen.alive(text, now) {
				d.deps.Notifier.ExtendTimeout(startExtension, text)
			}
		case sig := <-d.deps.Signals:
			if sig != syscall.SIGHUP {
				d.log.Info("stopping before the server has started", zap.Stringer("signal", sig))
				return nil, ErrStopRequested
			}
		case <-ctx.Done():
			return nil, ErrStopRequested
		}
	}
}

// withoutMissingIPv6 leaves [::1] out where the host has no IPv6, which ipv6 says: it stands beside 127.0.0.1 in
// every configuration that nobody has changed. Any other address that somebody wrote down must exist.
func withoutMissingIPv6(addrs []string, ipv6 func() error) (left []string, missing error) {
	loopback6 := func(a string) bool { return strings.HasPrefix(a, "[::1]:") }
	if !slices.ContainsFunc(addrs, loopback6) || !slices.ContainsFunc(addrs, func(a string) bool { return !loopback6(a) }) {
		return addrs, nil
	}
	if missing = ipv6(); missing == nil {
		return addrs, nil
	}
	return slices.DeleteFunc(slices.Clone(addrs), loopback6), missing
}

// hasIPv6 returns an error if the host has no IPv6 loopback.
func hasIPv6() error {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		err = l.Close()
	}
	return err
}

// stuckAfter is how long the server may show no progress.
func stuckAfter() time.Duration {
	if d := sd.WatchdogInterval(); d > 0 {
		return d
	}
	return admin.DefaultStuckAfter
}

// open starts what stands around the server: the ways in for operators, and the watchdog.
func (d *process) open(ctx context.Context, rooms *sync.WaitGroup, member Member) error {
	watchdog, stuckAfter := sd.WatchdogInterval(), stuckAfter()
	if err := d.openForOperators(ctx, rooms, member, watchdog, stuckAfter); err != nil {
		return err
	}
	rooms.Go(func() {
		d.deps.Notifier.Watchdog(ctx, watchdog,
			func(now time.Time) error { return admin.Alive(member.Status(), now, stuckAfter) },
			func(err error) {
				if err != nil {
					d.log.Error("the server is stuck: the watchdog is not fed", zap.Error(err))
				} else {
					d.log.Info("the server moves again")
				}
			})
	})
	return nil
}

// serve waits until it is time to stop, and meanwhile keeps systemd informed. nil is a stop that
// was asked for.
func (d *process) serve(ctx context.Context, member Member) error {
	ready := newReadiness(d.cfg.Systemd, time.Now())
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for now := time.Now(); ; {
		st := member.Status()
		d.guard.look(st)
		d.followAdminPort(ctx)
		d.lookForProblems(member, st, now)
		d.tell(ready, st, now)
		if d.deps.Notifier.Enabled() && ready.late(now) {
			return Errorf(ExitBusy, "no quorum for %v, which systemd.ready = \"quorum\" waits for: %s", now.Sub(ready.began).Round(time.Second), st.NotServing)
		}
		select {
		case now = <-tick.C:
		case <-member.Done():
			return fmt.Errorf("the server ended by itself: %w", member.Err())
		case <-ctx.Done():
			return nil
		case sig := <-d.deps.Signals:
			now = time.Now()
			if sig != syscall.SIGHUP {
				d.log.Info("signal received", zap.Stringer("signal", sig))
				return nil
			}
			_, _ = d.reload(ctx, st, ready.told) // it is logged, and in the status
		case r := <-d.reloads:
			now = time.Now()
			done, err := d.reload(ctx, st, ready.told)
			r.done <- reloadAnswer{done, err}
		}
	}
}

// awaitRooms closes its answer when the rooms have ended, or have had their time: what hangs there, as a question about
// a server that is stuck, must not keep the rest from its end.
func (d *process) awaitRooms(rooms *sync.WaitGroup) <-chan struct{} {
	ended, closed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		rooms.Wait()
	}()
	go func() {
		defer close(closed)
		timer := time.NewTimer(roomsTimeout)
		defer timer.Stop()
		select {
		case <-ended:
		case <-timer.C:
			d.log.Warn("the admin port, the operators' socket or the watchdog do not end: not waited for any longer")
		}
	}()
	return closed
}

// stop ends the server; a second signal, or too long a time, ends the wait for it.
func (d *process) stop(ctx context.Context, member Member) error {
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- member.Stop(stopping) }()
	for {
		select {
		case err := <-stopped:
			if err != nil {
				return fmt.Errorf("daemon: stop: %w", err)
			}
			return nil
		case <-stopping.Done(): // the log is as a crash would leave it: whole
			return fmt.Errorf("daemon: the server had not stopped after %v", stopTimeout)
		case sig := <-d.deps.Signals:
			if sig != syscall.SIGHUP {
				return fmt.Errorf("daemon: ended by a second %s before the server had stopped", sig)
			}
		}
	}
}
