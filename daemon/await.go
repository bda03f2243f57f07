package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"zkd/daemon/config"
	"zkd/daemon/sd"
)

const (
	// hostWait bounds how long one process waits for what its host lacks. Then it ends with [ExitBusy], and the unit
	// starts it again: who called systemctl start gets an answer, and the waiting goes on.
	hostWait = time.Minute
	// The first tries follow each other closely: most of what is awaited, as an IPv6 address that is being checked,
	// comes within a second or two.
	firstPause, longestPause = 250 * time.Millisecond, 5 * time.Second
	// tryTimeout bounds the look-ups of one try.
	tryTimeout = 5 * time.Second
)

// ErrStopRequested ends a start that a signal interrupted.
var ErrStopRequested = errors.New("stop requested")

// waiter waits for what a host that is still starting may lack: an address that DHCP, a tentative IPv6 address or a
// failover has yet to bring, or an answer of its name service.
type waiter struct {
	log     *zap.Logger
	notify  *sd.Notifier
	signals <-chan os.Signal
}

// LoadAwaiting calls load until its configuration can be used, for as long as nothing is wrong with it but that the
// host lacks an address, or an answer about a name, that says which server this one is. An error of that kind that
// stays has the code [ExitBusy]; [ErrStopRequested] is a signal.
func LoadAwaiting(ctx context.Context, deps Deps, load func() (config.Config, []config.Notice, error)) (cfg config.Config, notices []config.Notice, err error) {
	cfg, notices, err = load()
	if !passes(err) {
		return cfg, notices, err
	}
	log, _, logErr := newLogger(cfg.Log)
	if logErr != nil {
		return cfg, notices, err
	}
	if deps.Logger != nil {
		log = deps.Logger
	}
	w := waiter{log, deps.Notifier, deps.Signals}
	err = w.await(ctx, hostWait, func() (err error) {
		cfg, notices, err = load()
		return err
	})
	if err != nil && !errors.Is(err, ErrStopRequested) {
		log.Error("zkd ends", zap.Error(err), zap.Int("exit_code", ExitCode(err)))
	}
	return cfg, notices, err
}

// await calls try until it returns nil, or an error that does not pass by itself, or bound is over.
func (w waiter) await(ctx context.Context, bound time.Duration, try func() error) error {
	end := time.Now().Add(bound)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := try()
		switch {
		case !passes(err):
			if err == nil && pause > firstPause {
				w.log.Info("the host has what was waited for")
			}
			return err
		case !time.Now().Before(end):
			return &Error{Code: ExitBusy, Err: fmt.Errorf("waited %v: %w", bound, err)}
		case pause == firstPause:
			w.log.Warn("waiting for an address or a name that this host lacks yet", zap.Error(err), zap.Duration("at_most", bound))
		}
		w.notify.ExtendTimeout(startExtension, "waiting: "+reason(err))
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case sig := <-w.signals:
			timer.Stop()
			if sig != syscall.SIGHUP { // the next try reads everything anew
				w.log.Info("stopping before the server has started", zap.Stringer("signal", sig))
				return ErrStopRequested
			}
		case <-ctx.Done():
			timer.Stop()
			return ErrStopRequested
		}
	}
}

// passes reports whether err is of a kind that goes when the host has started completely.
func passes(err error) bool {
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return true
	}
	if _, lookup := errors.AsType[*net.DNSError](err); lookup {
		return true
	}
	wrong, ok := errors.AsType[config.Errors](err)
	return ok && !slices.ContainsFunc(wrong, func(p config.Problem) bool { return !p.Passes })
}

// reason says err in a few words.
func reason(err error) string {
	op, isOp := errors.AsType[*net.OpError](err)
	if !isOp || op.Addr == nil || !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return err.Error()
	}
	host, _, splitErr := net.SplitHostPort(op.Addr.String())
	if splitErr != nil {
		host = op.Addr.String()
	}
	return "this host does not have the address " + host + " yet"
}

// Bindable tries whether this host has what the server is to listen on: the addresses, and what the names stand for.
// Nothing listens meanwhile, and the ports are not touched. It is what [Deps.Bindable] is outside tests.
func Bindable(ctx context.Context, addrs []string) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout) // a signal waits for as long
	defer cancel()
	var lc net.ListenConfig
	for _, addr := range addrs {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return fmt.Errorf("daemon: address %q: %w", addr, err)
		}
		// UDP, on a port that the system chooses: it is bound by the same rules, and nobody can connect to it.
		c, err := lc.ListenPacket(ctx, "udp", net.JoinHostPort(host, "0"))
		if err == nil {
			err = c.Close()
		}
		if passes(err) {
			return fmt.Errorf("cannot listen on %s: %w", addr, err)
		} // any other error is for the one who really listens
	}
	return nil
}

// ownAddresses are what the server itself is to listen on: handed are the sockets of the client port that there are
// already. The peer and the election port of a member have the same hosts.
func ownAddresses(c config.Config, clients []string, handed bool) (addrs []string) {
	if !handed {
		addrs = append(addrs, clients...)
	}
	if len(c.Servers) < 2 || c.Ensemble.ListenOnAll {
		return addrs
	}
	for _, s := range c.Servers {
		if s.ID != c.ID {
			continue
		}
		for _, a := range s.Addresses {
			addrs = append(addrs, net.JoinHostPort(strings.Trim(a.Host, "[]"), fmt.Sprint(a.ElectionPort)))
		}
	}
	return addrs
}
