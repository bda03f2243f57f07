package sd

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// manager is the other end of NOTIFY_SOCKET.
func manager(t *testing.T) func() string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestEachNotificationIsOneDatagram(t *testing.T) {
	receive := manager(t)
	n := FromEnvironment()
	if !n.Enabled() {
		t.Fatal("not enabled although NOTIFY_SOCKET is set")
	}
	tests := map[string]struct {
		say  func()
		want string
	}{
		"ready carries the status": {func() { n.Ready("serving") }, "READY=1\nSTATUS=serving"},
		"a new status is sent":     {func() { n.Status("other") }, "STATUS=other"},
		"a status stays one line":  {func() { n.Status("two\nlines") }, "STATUS=two lines"},
		"stopping":                 {func() { n.Stopping("bye") }, "STOPPING=1\nSTATUS=bye"},
		"more time, in microseconds": {func() { n.ExtendTimeout(2*time.Second, "replaying") },
			"EXTEND_TIMEOUT_USEC=2000000\nSTATUS=replaying"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.say()
			if got := receive(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestReloadingCarriesTheMonotonicTimeInTheSameDatagram(t *testing.T) {
	receive := manager(t)
	FromEnvironment().Reloading()
	lines := strings.Split(receive(), "\n")
	if len(lines) != 3 || lines[0] != "RELOADING=1" || !strings.HasPrefix(lines[1], "MONOTONIC_USEC=") {
		t.Errorf("got %q", lines)
	}
}

func TestTheSameStatusIsSaidOnce(t *testing.T) {
	var sent []string
	n := &Notifier{send: func(s string) { sent = append(sent, s) }}
	n.Ready("serving")
	n.Status("serving")
	n.Status("looking")
	n.Status("looking")
	if got, want := strings.Join(sent, "|"), "READY=1\nSTATUS=serving|STATUS=looking"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOutsideSystemdNothingIsSent(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	for _, n := range []*Notifier{nil, {}, FromEnvironment()} {
		n.Ready("serving")
		n.Status("serving")
		n.Reloading()
		n.ExtendTimeout(time.Second, "x")
		n.Watchdog(t.Context(), time.Second, nil, nil) // returns at once
		if n.Enabled() {
			t.Error("enabled without a socket")
		}
	}
}

func TestTheWatchdogIsFedOnlyWhileTheServerIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pings := 0
		n := &Notifier{send: func(s string) {
			if s != "WATCHDOG=1" {
				t.Errorf("sent %q", s)
			}
			pings++
		}}
		var mu sync.Mutex // for the race detector, which does not know the bubble's order
		var health error
		var reports []error
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			n.Watchdog(ctx, 30*time.Second, func(time.Time) error {
				mu.Lock()
				defer mu.Unlock()
				return health
			}, func(err error) { reports = append(reports, err) })
		}()
		wait := func(d time.Duration) {
			timer := time.NewTimer(d)
			<-timer.C
			synctest.Wait()
		}
		wait(31 * time.Second)
		if pings != 3 {
			t.Errorf("%d pings in one interval, want 3", pings)
		}
		setHealth := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			health = err
		}
		setHealth(errors.New("stuck"))
		wait(60 * time.Second)
		if pings != 3 || len(reports) != 1 || reports[0] == nil {
			t.Errorf("while stuck: %d pings, reports %v; want 3 pings and one report", pings, reports)
		}
		setHealth(nil)
		wait(30 * time.Second)
		if pings != 6 || len(reports) != 2 || reports[1] != nil {
			t.Errorf("after it: %d pings, reports %v; want 6 pings and a report of nil", pings, reports)
		}
		cancel()
		<-done
	})
}

func TestAJournalEntryHasTheFieldsInItsTextAndByThemselves(t *testing.T) {
	var text string
	var prio journal.Priority
	var vars map[string]string
	core := &journalCore{LevelEnabler: zapcore.InfoLevel, send: func(m string, p journal.Priority, v map[string]string) error {
		text, prio, vars = m, p, v
		return nil
	}}
	log := zap.New(core, zap.AddCaller()).Named("replica").With(zap.Int("server_id", 3))
	log.Warn("slow fsync", zap.String("zxid", "0x100000004"), zap.Duration("took", 1500*time.Millisecond),
		zap.String("file", "log with spaces"), zap.Error(errors.New("disk")))
	if want := `slow fsync server_id=3 zxid=0x100000004 took=1.5s file="log with spaces" error=disk`; text != want {
		t.Errorf("text %q, want %q", text, want)
	}
	if prio != journal.PriWarning {
		t.Errorf("priority %d, want warning", prio)
	}
	for name, want := range map[string]string{
		"ZKD_SERVER_ID": "3", "ZKD_ZXID": "0x100000004", "ZKD_TOOK": "1.5s", "ZKD_ERROR": "disk",
		"ZKD_LOGGER": "replica", "CODE_FILE": "sd/sd_test.go",
	} {
		if vars[name] != want {
			t.Errorf("%s = %q, want %q", name, vars[name], want)
		}
	}
	text = ""
	log.Debug("not enabled")
	if text != "" {
		t.Errorf("debug entry was written: %q", text)
	}
}

func TestAnEventHasItsNumberInTheJournal(t *testing.T) {
	var vars map[string]string
	core := JournalCore(zapcore.InfoLevel).(*journalCore)
	core.send = func(_ string, _ journal.Priority, v map[string]string) error { vars = v; return nil }
	log := zap.New(core)
	for _, e := range Events() {
		for _, m := range e.Messages {
			log.Info(m, zap.Int64("epoch", 7))
			if vars["ZKD_EVENT"] != e.Name || vars["MESSAGE_ID"] != e.ID || vars["ZKD_EPOCH"] != "7" {
				t.Errorf("%q: %v, want event %s with number %s", m, vars, e.Name, e.ID)
			}
		}
	}
	log.Info("nothing of note")
	if _, ok := vars["MESSAGE_ID"]; ok {
		t.Errorf("a message that is no event has a number: %v", vars)
	}
}
