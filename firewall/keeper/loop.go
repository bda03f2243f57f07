package keeper

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"zkd/firewall/foreign"
)

// loop does what is due until ctx ends.
func (k *Keeper) loop(ctx context.Context) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	settled := time.NewTimer(0)
	settled.Stop()
	defer settled.Stop()
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	still := time.NewTimer(0)
	still.Stop()
	defer still.Stop()
	settling, trying, moving := false, false, false
	for {
		if !trying {
			if wait, ok := k.retry(); ok {
				trying = true
				again.Reset(wait)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-k.changed:
			if !settling { // a stream of changes does not put the look off
				settling = true
				settled.Reset(settle)
			}
		case <-settled.C:
			settling = false
			k.check(ctx, false)
		case <-poll.C:
			k.check(ctx, true)
		case <-again.C:
			trying = false
			k.check(ctx, true)
		case <-k.known:
			k.renew(ctx)
		case <-k.moved:
			if !moving { // so for interfaces
				moving = true
				still.Reset(stillAfter)
			}
		case <-still.C:
			moving = false
			k.renew(ctx)
		}
	}
}

// lookUpNames looks names up again until ctx ends.
func (k *Keeper) lookUpNames(ctx context.Context) {
	hurried := k.unresolved()
	due := time.NewTimer(nextResolve(hurried))
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.poke:
			if !hurried { // many do not put it off
				hurried = true
				due.Reset(resolveSoon)
			}
		case <-due.C:
			k.mu.Lock()
			cfg := k.cfg
			k.mu.Unlock()
			if cfg.Mode != Off {
				k.planner.Resolve(ctx, cfg)
			}
			prompt(k.known)
			hurried = k.unresolved()
			due.Reset(nextResolve(hurried))
		}
	}
}

func nextResolve(soon bool) time.Duration {
	if soon {
		return resolveSoon
	}
	return resolveEvery
}

// unresolved reports whether there is a name that has never had an address.
func (k *Keeper) unresolved() bool {
	k.mu.Lock()
	cfg := k.cfg
	k.mu.Unlock()
	return len(k.planner.unresolved(cfg)) > 0
}

// watch listens for changes of the table until ctx ends. Where it cannot, the poll remains.
func (k *Keeper) watch(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		one, end := context.WithCancel(ctx)
		k.mu.Lock()
		table, wanted := k.cfg.Table, k.cfg.Mode != Off && !k.hopeless
		k.endWatch = end
		k.mu.Unlock()
		if wanted {
			err := k.deps.Kernel.Watch(one, table, func() { prompt(k.changed) })
			if one.Err() != nil { // the table is another one now, or all is over
				continue
			}
			if err != nil && err.Error() != said {
				said = err.Error()
				k.log.Warn("changes of the firewall rules are not heard of, and looked for every few seconds only", zap.Error(err))
			}
		}
		select {
		case <-one.Done():
		case <-time.After(rewatch):
		}
		end()
	}
}

// watchInterfaces listens for changes of interfaces until ctx ends. Where it cannot, the look every 30 s remains.
func (k *Keeper) watchInterfaces(ctx context.Context) {
	said := false
	for ctx.Err() == nil {
		k.mu.Lock()
		off := k.cfg.Mode == Off // then a sandbox may forbid the socket, too
		k.mu.Unlock()
		if !off {
			if err := k.deps.WatchInterfaces(ctx, func() { prompt(k.moved) }); err != nil && !said {
				said = true
				k.log.Warn("changes of the addresses of this host are not heard of, and looked for every half minute only", zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(rewatch):
		}
	}
}

// watchForeign looks for rules of others that shut our ports, until ctx ends.
func (k *Keeper) watchForeign(ctx context.Context) {
	every := time.NewTicker(foreignEvery)
	defer every.Stop()
	for ctx.Err() == nil {
		k.lookForForeign(ctx)
		select {
		case <-ctx.Done():
		case <-every.C:
		case <-k.others:
		}
	}
}

// lookForForeign does not hold k.mu while it reads: that may take long, and membership does not wait for it.
func (k *Keeper) lookForForeign(ctx context.Context) {
	k.mu.Lock()
	plan, off := k.plan, k.cfg.Mode == Off
	k.mu.Unlock()
	var found []foreign.Finding
	failure := ""
	if !off {
		view, err := k.deps.Kernel.Foreign(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failure = err.Error()
		} else {
			found = foreign.Check(view, plan.Flows())
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range found {
		if f.Certain && !slices.ContainsFunc(k.foreign, func(o foreign.Finding) bool { return o.Text == f.Text }) {
			k.log.Warn("rules of another program shut ports of zkd", zap.String("found", f.Text), zap.Strings("fix", f.Fix), zap.String("keep", f.Keep))
		}
	}
	k.foreign, k.foreignError = found, failure
	k.publish()
}
