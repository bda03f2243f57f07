package sd

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// WatchdogInterval returns WatchdogSec of the unit, or 0 when this process is not watched.
func WatchdogInterval() time.Duration {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return d
}

// Watchdog tells the manager, three times in each interval, that the server is alive, for as long
// as alive returns nil; it returns when ctx is done. The first failure of a row goes to report, and
// so does nil when it is over.
//
// The pings stop rather than the process: the manager then takes a goroutine dump (SIGABRT) and
// starts the server anew. An alive that does not return stops them too, as it should.
func (n *Notifier) Watchdog(ctx context.Context, interval time.Duration, alive func(now time.Time) error, report func(error)) {
	if !n.Enabled() || interval <= 0 {
		return
	}
	ticker := time.NewTicker(interval / 3)
	defer ticker.Stop()
	wasAlive := true
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			err := alive(now)
			if err == nil {
				n.notify("", daemon.SdNotifyWatchdog)
			}
			if (err == nil) != wasAlive {
				wasAlive = err == nil
				report(err)
			}
		}
	}
}
