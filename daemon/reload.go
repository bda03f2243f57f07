package daemon

import (
	"time"

	"go.uber.org/zap"

	"zkd/daemon/config"
)

// live are the keys that a reload changes in the running server.
var live = map[string]bool{"log.level": true}

// reload reads the configuration again and takes over what can change while the server runs. What
// cannot is named; a file that is wrong changes nothing. status is what systemd shows afterwards.
func (d *process) reload(status string) {
	d.deps.Notifier.Reloading()
	refused := d.reloadConfig()
	d.counts.ReloadFailed.Set(0)
	if refused {
		d.counts.ReloadFailed.Set(1)
		status += "; the last reload was refused, see the log"
	} else {
		d.counts.ReloadedUnix.Set(time.Now().Unix())
	}
	// Also a refused reload is over: without READY=1 systemd would wait, then kill.
	d.deps.Notifier.Ready(status)
}

func (d *process) reloadConfig() (refused bool) {
	if d.deps.Reload == nil {
		d.log.Info("nothing to reload: zkd runs without a configuration file")
		return false
	}
	fresh, notices, err := d.deps.Reload()
	if err != nil {
		d.log.Error("reload refused, the old configuration stays", zap.Error(err))
		return true
	}
	logNotices(d.log, notices)
	if err := setLevel(d.level, fresh.Log.Level); err != nil {
		d.log.Error("reload refused, the old configuration stays", zap.Error(err))
		return true
	}
	var pending []string
	for _, key := range changedKeys(d.cfg, fresh) {
		if !live[key] {
			pending = append(pending, key)
		}
	}
	if len(pending) > 0 {
		d.log.Warn("configuration reloaded; some changes wait for a restart", zap.Strings("keys", pending))
	} else {
		d.log.Info("configuration reloaded", zap.String("log_level", fresh.Log.Level))
	}
	return false
}

// changedKeys returns the keys whose effective values differ, in the order of the manual.
func changedKeys(before, after config.Config) []string {
	old := make(map[string]string)
	for _, e := range before.Explain() {
		old[e.Key] = e.Value
	}
	var changed []string
	for _, e := range after.Explain() {
		if value, ok := old[e.Key]; !ok || value != e.Value {
			changed = append(changed, e.Key)
		}
		delete(old, e.Key)
	}
	for _, e := range before.Explain() {
		if _, gone := old[e.Key]; gone {
			changed = append(changed, e.Key)
		}
	}
	return changed
}
