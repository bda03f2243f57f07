package daemon

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zkd/daemon/config"
	"zkd/firewall/keeper"
	"zkd/quorum"
)

// reload reads the configuration again and takes over what can change while the server runs. What
// cannot is named; a file that is wrong changes nothing.
func (d *process) reload(ctx context.Context, st quorum.Status) {
	d.deps.Notifier.Reloading()
	now := time.Now()
	if d.reloadConfig(ctx) {
		d.counts.ReloadFailed.Set(1)
		d.refused = now
	} else {
		d.counts.ReloadFailed.Set(0)
		d.counts.ReloadedUnix.Set(now.Unix())
		d.refused = time.Time{}
	}
	// Also a refused reload is over: without READY=1 systemd would wait, then kill.
	d.deps.Notifier.Ready(d.statusLine(st, now))
}

func (d *process) reloadConfig(ctx context.Context) (refused bool) {
	if d.deps.Reload == nil {
		d.log.Info("nothing to reload: zkd runs without a configuration file")
		return false
	}
	fresh, notices, err := d.deps.Reload()
	if err == nil {
		err = d.takeOver(ctx, fresh)
	}
	if err != nil {
		d.log.Error("reload refused, the old configuration stays", zap.Error(err))
		return true
	}
	logNotices(d.log, notices)
	return false
}

// takeOver makes the running server follow fresh as far as it can. An error changed nothing.
func (d *process) takeOver(ctx context.Context, fresh config.Config) error {
	level, err := zapcore.ParseLevel(fresh.Log.Level)
	if err != nil {
		return Errorf(ExitConfig, "log.level = %q: must be debug, info, warn or error", fresh.Log.Level)
	}
	live, waiting := config.Changes(d.cfg, fresh)
	next := d.cfg // the keys that wait keep their values
	next.Firewall, next.Log.Level = fresh.Firewall, fresh.Log.Level
	if err := d.guard.follow(ctx, d.listening(next)); err != nil {
		if _, bad := errors.AsType[*keeper.ConfigError](err); bad {
			return err
		}
		d.log.Error("the firewall does not follow the new configuration", zap.Error(err))
	}
	d.cfg = next
	d.level.SetLevel(level)
	message := "configuration reloaded"
	if len(waiting) > 0 {
		message += "; some changes wait for a restart"
		d.log.Warn(message, zap.Strings("changed", live), zap.Strings("waiting", waiting))
	} else {
		d.log.Info(message, zap.Strings("changed", live))
	}
	return nil
}
