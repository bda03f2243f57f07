package daemon

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zkd/daemon/config"
	"zkd/daemon/socket"
	"zkd/firewall/keeper"
	"zkd/quorum"
)

// reload reads the configuration again and takes over what can change while the server runs. What
// cannot is named; a file that is wrong changes nothing. started says that systemd was told of readiness before: READY=1
// at the end of a reload would else be the readiness that systemd.ready still waits for.
func (d *process) reload(ctx context.Context, st quorum.Status, started bool) (done socket.Reloaded, err error) {
	if started {
		d.deps.Notifier.Reloading()
	}
	now := time.Now()
	if done, err = d.reloadConfig(ctx); err != nil {
		d.counts.ReloadFailed.Set(1)
		d.refused = now
	} else {
		d.counts.ReloadFailed.Set(0)
		d.counts.ReloadedUnix.Set(now.Unix())
		d.refused = time.Time{}
	}
	if line := d.statusLine(st, now); started {
		// Also a refused reload is over: without READY=1 systemd would wait, then kill.
		d.deps.Notifier.Ready(line)
	} else {
		d.deps.Notifier.Status(line)
	}
	return done, err
}

// reloadRequest is a reload that an operator waits for on the socket.
type reloadRequest struct {
	done chan<- reloadAnswer // has room
}

type reloadAnswer struct {
	socket.Reloaded
	err error
}

// askReload has serve reload, to which the configuration belongs.
func (d *process) askReload(ctx context.Context) (socket.Reloaded, error) {
	done := make(chan reloadAnswer, 1)
	select {
	case d.reloads <- reloadRequest{done}:
	case <-ctx.Done():
		return socket.Reloaded{}, ctx.Err()
	}
	select {
	case a := <-done:
		return a.Reloaded, a.err
	case <-ctx.Done():
		return socket.Reloaded{}, ctx.Err()
	}
}

// setLevel changes the level of the log until a reload, or a restart.
func (d *process) setLevel(level string) (was string, err error) {
	l, err := logLevel(level)
	if err != nil {
		return "", err
	}
	was = d.level.String()
	d.level.SetLevel(l)
	return was, nil
}

// logLevel reads a level as log.level has it.
func logLevel(text string) (zapcore.Level, error) {
	switch text {
	case "debug", "info", "warn", "error":
		return zapcore.ParseLevel(text)
	}
	return 0, Errorf(ExitConfig, "log.level = %q: must be debug, info, warn or error", text)
}

func (d *process) reloadConfig(ctx context.Context) (done socket.Reloaded, err error) {
	if d.deps.Reload == nil {
		d.log.Info("nothing to reload: zkd runs without a configuration file")
		return done, nil
	}
	fresh, notices, err := d.deps.Reload()
	if err == nil {
		done, err = d.takeOver(ctx, fresh)
	}
	if err != nil {
		d.log.Error("reload refused, the old configuration stays", zap.Error(err))
		return done, err
	}
	logNotices(d.log, notices)
	return done, nil
}

// takeOver makes the running server follow fresh as far as it can. An error changed nothing.
func (d *process) takeOver(ctx context.Context, fresh config.Config) (socket.Reloaded, error) {
	level, err := logLevel(fresh.Log.Level)
	if err != nil {
		return socket.Reloaded{}, err
	}
	live, waiting := config.Changes(d.cfg, fresh)
	next := d.cfg // the keys that wait keep their values
	next.Firewall, next.Log.Level = fresh.Firewall, fresh.Log.Level
	if err := d.guard.follow(ctx, d.listening(next)); err != nil {
		if _, bad := errors.AsType[*keeper.ConfigError](err); bad {
			return socket.Reloaded{}, err
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
	return socket.Reloaded{Changed: live, Waiting: waiting}, nil
}
