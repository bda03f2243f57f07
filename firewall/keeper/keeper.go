package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"zkd/firewall"
	"zkd/firewall/foreign"
)

// Deps is what a Keeper needs beside its configuration.
type Deps struct {
	Kernel   Kernel
	Resolver Resolver
	// Interfaces of this host; nil is SystemInterfaces.
	Interfaces func() ([]Interface, error)
	// WatchInterfaces calls changed when it begins and whenever Interfaces may have another result, until ctx ends, with
	// nil, or it cannot; nil: they are looked at every 30 s.
	WatchInterfaces func(ctx context.Context, changed func()) error
	// Claim takes the name of a table, as ClaimTable does; nil: there is no other server on this host.
	Claim func(table string) (release func(), taken bool)
	Log   *zap.Logger
}

// How often things are looked at. What somebody does to the table is heard of at once; the poll is for
// what was not heard.
const (
	pollEvery    = 5 * time.Second
	resolveEvery = 30 * time.Second
	// resolveSoon is used while a name has never been resolved, and after Poke.
	resolveSoon = 2 * time.Second
	// foreignEvery is rare: others may have tens of thousands of rules.
	foreignEvery = 30 * time.Second
	// settle lets a change of many steps end before it is looked at. A loss must be mended within a second.
	settle = 50 * time.Millisecond
	// stillAfter is so for changes of interfaces, of which a host with containers has many.
	stillAfter = 200 * time.Millisecond
	// rewatch is the pause before listening again where it broke.
	rewatch = 5 * time.Second

	// stormCount changes of the rules by somebody within stormTime are a fight, for example with another
	// server that has the same table: from then on only the poll puts them back, until it is over.
	stormCount = 10
	stormTime  = 30 * time.Second
	// readFailures in a row mean that nothing is known of the rules any more.
	readFailures = 3

	// applyTries is how often the table is written at once while somebody changes it before it is read back, and
	// retryFirst how long after that it is tried again, twice as long each time, up to pollEvery.
	applyTries = 3
	retryFirst = 100 * time.Millisecond
)

// Keeper keeps the rules in force.
type Keeper struct {
	deps Deps
	log  *zap.Logger

	// mu is held during work with the kernel, which is bounded by its time limits, and not while names are looked up:
	// a slow resolver must not keep a lost table from coming back.
	mu           sync.Mutex
	cfg          Config
	planner      Planner
	plan         Plan
	active       bool               // the ruleset of plan is in force, as far as is known
	hopeless     bool               // it is not, and will not be for a second try soon
	retryIn      time.Duration      // pause before the next try while it is not
	retryAt      time.Time          // when that is
	applied      bool               // it has been at some time
	endWatch     context.CancelFunc // ends the watch of a table that is no longer ours; nil before the first
	reason       string
	tally        firewall.Tally
	putBack      uint64
	putBacks     []time.Time // the latest
	unread       int         // how often in a row the table could not be read
	foreign      []foreign.Finding
	foreignError string
	claims       map[string]func() // of the table, by its name: they give it up
	sharing      string            // the table that was said to be another server's too
	stopped      bool

	status atomic.Pointer[Status]

	changed    chan struct{} // something happened to the table
	others     chan struct{} // perhaps something happened to the rules of others
	poke       chan struct{} // names are to be resolved soon
	known      chan struct{} // they have been
	moved      chan struct{} // something happened to an interface
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
}

// Start applies the rules and keeps them until Stop. The rules are in force when it returns, or Status says
// why they are not. With mode Required, that is an error; a configuration from which no rules can be made is
// a *ConfigError in every mode but Off. ctx bounds the start only.
func Start(ctx context.Context, cfg Config, deps Deps) (*Keeper, error) {
	if deps.Interfaces == nil {
		deps.Interfaces = SystemInterfaces
	}
	if deps.Log == nil {
		deps.Log = zap.NewNop()
	}
	if deps.Claim == nil {
		deps.Claim = func(string) (func(), bool) { return func() {}, false }
	}
	k := &Keeper{
		deps: deps, log: deps.Log, claims: make(map[string]func()),
		planner: Planner{Resolver: deps.Resolver, Interfaces: deps.Interfaces},
		changed: make(chan struct{}, 1), poke: make(chan struct{}, 1), others: make(chan struct{}, 1), known: make(chan struct{}, 1),
		moved: make(chan struct{}, 1),
	}
	if cfg.Mode != Off {
		k.planner.Resolve(ctx, cfg)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.publish()
	k.cfg = k.named(cfg).withDefaults()
	if k.cfg.Mode == Off {
		k.reason = "switched off"
	} else if err := k.follow(ctx, k.cfg); err != nil {
		if _, bad := errors.AsType[*ConfigError](err); bad || k.cfg.Mode == Required {
			k.keepClaim("")
			return nil, err
		}
		if k.reason == "" { // no rules could be made
			k.inactive(err)
		}
	}
	k.removeLeftovers(ctx, cfg)
	if k.cfg.Mode == Off {
		k.keepClaim("")
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k.cancel = cancel
	k.goroutines.Go(func() { k.loop(run) })
	k.goroutines.Go(func() { k.lookUpNames(run) })
	k.goroutines.Go(func() { k.watch(run) })
	if deps.WatchInterfaces != nil {
		k.goroutines.Go(func() { k.watchInterfaces(run) })
	}
	k.goroutines.Go(func() { k.watchForeign(run) })
	return k, nil
}

// Update follows a new configuration. On an error in it the old rules stay. With mode Required it is also
// an error if the new rules could not be applied; they are tried again all the same.
func (k *Keeper) Update(ctx context.Context, cfg Config) error {
	if cfg.Mode != Off {
		k.planner.Resolve(ctx, cfg)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.publish()
	if k.stopped {
		return errors.New("firewall: stopped")
	}
	cfg = k.named(cfg).withDefaults()
	defer func() {
		if k.cfg.Mode == Off {
			k.keepClaim("")
		} else {
			k.keepClaim(k.cfg.Table)
		}
	}()
	return k.update(ctx, cfg)
}

func (k *Keeper) update(ctx context.Context, cfg Config) error {
	old := k.cfg
	if cfg.Mode == Off {
		k.cfg, k.active, k.reason, k.hopeless, k.retryIn = cfg, false, "switched off", false, 0
		k.remove(ctx, old.Table)
		return nil
	}
	err := k.follow(ctx, cfg)
	if _, bad := errors.AsType[*ConfigError](err); bad {
		return err
	}
	if old.Table != cfg.Table {
		k.remove(ctx, old.Table)
		if k.endWatch != nil {
			k.endWatch()
		}
	}
	if err != nil && cfg.Mode == Required {
		return err
	}
	return nil
}

// Poke says that a member could not be reached: its name may have another address by now.
func (k *Keeper) Poke() { prompt(k.poke) }

// prompt does not wait: who listens has been told before, or is told now.
func prompt(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stop ends the keeping, and removes the rules unless Config.Keep. Close the ports before.
func (k *Keeper) Stop(ctx context.Context) error {
	k.cancel()
	k.goroutines.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return nil
	}
	k.stopped = true
	defer k.publish()
	defer k.keepClaim("")
	if k.cfg.Mode == Off || k.cfg.Keep || !k.applied {
		return nil
	}
	k.active, k.reason = false, "stopped"
	if err := k.deps.Kernel.Remove(ctx, k.cfg.Table); err != nil {
		return err
	}
	k.log.Info("firewall rules removed", zap.String("table", k.cfg.Table))
	return nil
}

// follow makes the rules of cfg, of what is known of its names, and puts them in force. If there are none to make
// nothing has changed; on another error they are wanted and not in force.
func (k *Keeper) follow(ctx context.Context, cfg Config) error {
	plan, err := k.planner.Make(cfg)
	if err != nil {
		return err
	}
	before := k.plan
	k.cfg, k.plan = cfg, plan
	if plan.NoClients && !before.NoClients {
		k.log.Warn("no other host may reach the client port: its addresses are in no subnet, say in the configuration who may")
	}
	if !firewall.Diff(plan.Ruleset, before.Ruleset).None() {
		prompt(k.others) // other traffic has to get through
	}
	if k.active {
		c := firewall.Diff(plan.Ruleset, before.Ruleset) // not SetsOnly if the table is another one
		if c.None() {
			return nil
		}
		k.log.Info("firewall rules change", zap.String("table", cfg.Table), zap.Strings("changes", short(c.Lines)))
		if c.SetsOnly {
			err := k.deps.Kernel.UpdateSets(ctx, cfg.Table, firewall.Changed(plan.Ruleset, before.Ruleset))
			if err == nil {
				err = k.confirm(ctx)
			}
			if err == nil {
				return nil
			}
			k.log.Warn("firewall sets could not be changed in place, the table is made anew", zap.Error(err))
		}
	}
	return k.apply(ctx)
}

// apply makes the table anew.
func (k *Keeper) apply(ctx context.Context) error {
	var err error
	for range applyTries {
		if err = k.deps.Kernel.Apply(ctx, k.plan.Ruleset); err != nil {
			break
		}
		k.tally.Restarted()
		// What was there a moment ago and is not any more was changed by somebody: a restart of another program's
		// rules flushes all tables, often twice.
		if err = k.confirm(ctx); !errors.Is(err, errOverwritten) {
			break
		}
	}
	if err != nil {
		k.inactive(err)
		return err
	}
	k.inForce()
	return nil
}

func (k *Keeper) inForce() {
	k.applied = true
	if !k.active {
		k.active, k.reason, k.hopeless, k.retryIn = true, "", false, 0
		k.log.Info("firewall rules in force", zap.String("table", k.cfg.Table),
			zap.Int("members", len(k.plan.Policy.Members)), zap.Stringers("clients", k.plan.Policy.Clients))
	}
}

// errOverwritten says that what was read back is not what was written.
var errOverwritten = errors.New("was written but holds something else")

// confirm reads the table back and compares: an acknowledgement may be lost, and the library has ways of
// losing elements of sets without an error.
func (k *Keeper) confirm(ctx context.Context) error {
	state, err := k.deps.Kernel.Read(ctx, k.cfg.Table)
	if err != nil {
		return err
	}
	k.tally.Add(state.Counts)
	if c := firewall.Diff(k.plan.Ruleset, state.Ruleset); !state.Exists || !c.None() {
		return fmt.Errorf("firewall: table %s %w: %s", k.cfg.Table, errOverwritten, strings.Join(short(c.Lines), "; "))
	}
	return nil
}

// inactive notes that the rules are not in force, and says so once for each reason.
func (k *Keeper) inactive(err error) {
	reason := err.Error()
	switch {
	case errors.Is(err, firewall.ErrPermission):
		reason = firewall.ErrPermission.Error()
	case errors.Is(err, firewall.ErrUnsupported):
		reason = firewall.ErrUnsupported.Error()
	}
	if k.active || k.reason != reason {
		k.log.Warn("firewall rules are not in force, the ports of zkd are open to whom the host lets through",
			zap.String("table", k.cfg.Table), zap.Error(err))
	}
	k.active, k.reason = false, reason
	k.hopeless = errors.Is(err, firewall.ErrPermission) || errors.Is(err, firewall.ErrUnsupported)
	if k.retryIn == 0 {
		k.retryIn = retryFirst
	}
	k.retryAt = time.Now().Add(k.retryIn)
}

// retry returns how long it is until rules that are not in force are to be tried again, and has the next time be
// later. ok is false where they are in force, or a try soon would be in vain.
func (k *Keeper) retry() (wait time.Duration, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.active || k.hopeless || k.retryIn == 0 || k.cfg.Mode == Off {
		return 0, false
	}
	wait = k.retryIn
	k.retryIn = min(2*k.retryIn, pollEvery)
	k.retryAt = time.Now().Add(wait)
	return wait, true
}

// check looks whether the rules are still there, counts, and puts them back. poll says that it is time for it,
// not that something was heard.
func (k *Keeper) check(ctx context.Context, poll bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() != nil || k.cfg.Mode == Off || !k.active && (k.hopeless || !poll && time.Now().Before(k.retryAt)) {
		return
	}
	defer k.publish()
	if k.plan.Ruleset.Table == "" { // there has never been one
		_ = k.follow(ctx, k.cfg)
		return
	}
	state, err := k.deps.Kernel.Read(ctx, k.cfg.Table)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		// It may be read the next time. Until then what was in force most likely still is.
		if k.unread++; k.unread >= readFailures {
			k.inactive(err)
		}
		return
	}
	before := k.applied
	k.unread = 0
	k.tally.Add(state.Counts)
	c := firewall.Diff(k.plan.Ruleset, state.Ruleset)
	if state.Exists && c.None() {
		k.inForce()
		return
	}
	if !poll && k.storm(time.Now()) {
		return
	}
	changes := short(c.Lines)
	if !state.Exists {
		changes = []string{"the table was removed"}
	}
	if err := k.apply(ctx); err != nil || !before {
		return
	}
	k.putBack++
	k.putBacks = append(k.putBacks, time.Now())
	if k.storm(time.Now()) && len(k.putBacks) == stormCount {
		k.log.Error("somebody keeps changing the firewall rules, they are put back every few seconds only", zap.String("table", k.cfg.Table))
	}
	prompt(k.others) // who did this may have made rules of its own
	k.log.Warn("firewall rules were changed by somebody and are put back", zap.String("table", k.cfg.Table), zap.Strings("changes", changes))
}

// storm reports whether there is a fight over the rules.
func (k *Keeper) storm(now time.Time) bool {
	k.putBacks = slices.DeleteFunc(k.putBacks, func(t time.Time) bool { return now.Sub(t) > stormTime })
	return len(k.putBacks) >= stormCount
}

// renew follows what is known of names and interfaces, and tries again what is not in force.
func (k *Keeper) renew(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() != nil || k.cfg.Mode == Off {
		return
	}
	defer k.publish()
	if err := k.follow(ctx, k.cfg); err != nil && k.active && ctx.Err() == nil {
		k.log.Warn("firewall rules could not be made, the old ones stay", zap.Error(err))
	}
}

// removeLeftover removes what a run with rules has left, if it can.
func (k *Keeper) removeLeftover(ctx context.Context, table string) {
	state, err := k.deps.Kernel.Read(ctx, table)
	if err != nil || !state.Exists {
		return // without the capability there is nothing to be done, and nobody asked for it
	}
	k.remove(ctx, table)
}

func (k *Keeper) remove(ctx context.Context, table string) {
	if err := k.deps.Kernel.Remove(ctx, table); err != nil {
		k.log.Warn("firewall rules could not be removed", zap.String("table", table), zap.Error(err))
		return
	}
	k.log.Info("firewall rules removed", zap.String("table", table))
}

// short keeps a list for the log short.
func short(lines []string) []string {
	const most = 20
	if len(lines) <= most {
		return lines
	}
	return append(lines[:most:most], fmt.Sprintf("and %d more", len(lines)-most))
}
