package sd

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier tells the service manager what the server does. The zero value, and nil, tell nobody.
//
// All methods may be called by any goroutine. A datagram that cannot be sent is not an error of the
// server: the manager then acts as if nothing was said, and so must we.
type Notifier struct {
	send func(state string)

	mu         sync.Mutex
	lastStatus string
}

// FromEnvironment returns a Notifier for the manager that started this process, or a silent one
// where none did.
func FromEnvironment() *Notifier {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return &Notifier{}
	}
	return &Notifier{send: func(state string) { _, _ = daemon.SdNotify(false, state) }}
}

// Enabled reports whether anybody listens.
func (n *Notifier) Enabled() bool { return n != nil && n.send != nil }

// Ready says that start-up, or a reload, is complete.
func (n *Notifier) Ready(status string) { n.notify(status, daemon.SdNotifyReady) }

// Stopping says that the server has begun to stop.
func (n *Notifier) Stopping(status string) { n.notify(status, daemon.SdNotifyStopping) }

// Reloading says that the configuration is being read again; Ready must follow. The time travels in
// the same datagram, on the monotonic clock, or Type=notify-reload rejects it.
func (n *Notifier) Reloading() {
	if n.Enabled() {
		n.notify("reloading the configuration", daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
	}
}

// ExtendTimeout asks for d more before start or stop counts as failed.
func (n *Notifier) ExtendTimeout(d time.Duration, status string) {
	n.notify(status, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// Status replaces the line that systemctl status shows. Saying the same again sends nothing.
func (n *Notifier) Status(status string) {
	if !n.Enabled() {
		return
	}
	n.mu.Lock()
	same := status == n.lastStatus
	n.mu.Unlock()
	if !same {
		n.notify(status)
	}
}

// notify sends lines and, unless it is empty, status, in one datagram.
func (n *Notifier) notify(status string, lines ...string) {
	if !n.Enabled() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if status != "" {
		n.lastStatus = status
		// A line break would end the field and begin another.
		lines = append(lines, "STATUS="+strings.ReplaceAll(status, "\n", " "))
	}
	n.send(strings.Join(lines, "\n"))
}
