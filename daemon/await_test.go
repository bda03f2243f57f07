package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zkd/daemon/config"
)

// elsewhere is an address that no host has: it is for documentation.
const elsewhere = "203.0.113.77"

// A host gets its address by DHCP, or from another host, after the server was started: that is no reason to end for good.
func TestAnAddressThatTheHostLacksIsWaitedFor(t *testing.T) {
	tests := map[string]func(*config.Config){
		"of the client port": func(c *config.Config) { c.Client.Listen = []string{"127.0.0.1:0", elsewhere + ":2181"} },
		"of the ports between servers": func(c *config.Config) {
			c.Servers = []config.Server{member(1, elsewhere), member(2, "127.0.0.1"), member(3, "127.0.0.1")}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.deps.Bindable = Bindable
			change(&h.cfg)
			h.run()
			if got := h.await("STATUS=waiting: "); !strings.Contains(got, "this host does not have the address "+elsewhere+" yet") || !strings.Contains(got, "EXTEND_TIMEOUT_USEC=") {
				t.Errorf("while waiting: %q", got)
			}
			h.signals <- syscall.SIGTERM
			if err := h.wait(); err != nil {
				t.Errorf("Run: %v, want a clean end", err)
			}
			if !h.logged("waiting for an address or a name that this host lacks yet") {
				t.Errorf("log: %v", h.logs.All())
			}
		})
	}
}

func TestTheWaitEndsWithWhatIsAwaitedOrItsBound(t *testing.T) {
	lacking := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)}
	taken := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	nobodyAnswers := &net.DNSError{Err: "server misbehaving", Name: "h1", IsTemporary: true}
	noID := config.Errors{{What: "none of them has an address of this host", Passes: true}}
	tests := map[string]struct {
		errs      []error // the last one for ever
		tries     int     // 0: not counted
		code      int
		atLeast   time.Duration
		mustSay   string
		waitLines int
	}{
		"nothing is lacking":            {errs: []error{nil}, tries: 1},
		"an address comes":              {errs: []error{lacking, lacking, lacking, nil}, tries: 4, waitLines: 2},
		"the name service comes":        {errs: []error{nobodyAnswers, nil}, tries: 2, waitLines: 2},
		"an address says the number":    {errs: []error{noID, nil}, tries: 2, waitLines: 2},
		"a port in use is said at once": {errs: []error{taken}, tries: 1, code: ExitBusy, mustSay: "address already in use"},
		"also behind a wait":            {errs: []error{lacking, taken}, tries: 2, code: ExitBusy, waitLines: 1},
		"an error beside it is final":   {errs: []error{append(config.Errors{{What: "wrong"}}, noID...)}, tries: 1, code: ExitConfig},
		"it never comes":                {errs: []error{lacking}, code: ExitBusy, atLeast: time.Minute, mustSay: "waited 1m0s", waitLines: 1},
		"nor does the number":           {errs: []error{noID}, code: ExitBusy, atLeast: time.Minute, mustSay: "none of them", waitLines: 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, logs := observer.New(zap.InfoLevel)
				tries, began := 0, time.Now()
				err := waiter{log: zap.New(core)}.await(t.Context(), hostWait, func() error {
					err := tc.errs[min(tries, len(tc.errs)-1)]
					tries++
					return err
				})
				if ExitCode(err) != tc.code || tc.mustSay != "" && !strings.Contains(fmt.Sprint(err), tc.mustSay) {
					t.Errorf("error %v, exit code %d, want %d and %q", err, ExitCode(err), tc.code, tc.mustSay)
				}
				if tc.tries > 0 && tries != tc.tries {
					t.Errorf("%d tries, want %d", tries, tc.tries)
				}
				if waited := time.Since(began); waited < tc.atLeast || waited > hostWait+longestPause {
					t.Errorf("waited %v", waited)
				}
				if logs.Len() != tc.waitLines {
					t.Errorf("%d lines in the log, want %d: %v", logs.Len(), tc.waitLines, logs.All())
				}
			})
		})
	}
}

// A member whose number is that of its address may be started before it has that address.
func TestAConfigurationThatLacksAnAddressIsReadAgain(t *testing.T) {
	h := newHost(t)
	reads := 0
	cfg, _, err := LoadAwaiting(t.Context(), h.deps, func() (config.Config, []config.Notice, error) {
		if reads++; reads <= 2 {
			return h.cfg, nil, config.Errors{{What: "none of them has an address of this host", Passes: true}}
		}
		return h.cfg, nil, nil
	})
	if err != nil || reads != 3 || cfg.DataDir != h.cfg.DataDir {
		t.Errorf("%d reads, error %v", reads, err)
	}
	h.await("STATUS=waiting: ")

	h.signals <- syscall.SIGTERM
	_, _, err = LoadAwaiting(t.Context(), h.deps, func() (config.Config, []config.Notice, error) {
		return h.cfg, nil, config.Errors{{What: "none", Passes: true}}
	})
	if !errors.Is(err, ErrStopRequested) {
		t.Errorf("a signal while it waits: %v", err)
	}
}
