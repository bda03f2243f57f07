package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zkd/daemon/sd"
	"zkd/packaging/testbed"
)

func (s *story) coldStart(t *testing.T) {
	for i, h := range s.lab.Hosts {
		if err := h.Put(s.ctx(t), "/etc/zkd/zkd.toml", s.configuration(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	h := s.lab.Hosts[0]
	s.run(t, h, "systemctl", "start", "zkd") // returns, though nobody else is there
	wants(t, "systemctl status", s.run(t, h, "systemctl", "status", "--no-pager", "zkd"),
		"active (running)", "looking for", "no quorum; 1 of 3 voters in touch, 2 needed", "server 2 (h2:3888 refused", "server 3 (h3:3888 refused")
	s.fails(t, h, 4, []string{"no quorum", "h2:3888", "h3:3888"}, "zkd", "status")
	s.fails(t, h, 4, []string{"no quorum"}, "zkd", "wait", "--timeout", "0s")
	// Somebody who needs a quorum is not started yet. A configuration with secrets is not for everybody.
	s.shell(t, h, "chown root:zkd /etc/zkd/zkd.toml; chmod 640 /etc/zkd/zkd.toml")
	s.run(t, h, "systemctl", "start", "--no-block", "zkd-quorum.target")
	s.await(t, "zkd-quorum.service waits", func() error {
		if code, state := s.code(t, h, "systemctl", "is-active", "zkd-quorum.service"); !strings.Contains(state, "activating") {
			return fmt.Errorf("%d %s", code, state)
		}
		return nil
	})
}

func (s *story) ensemble(t *testing.T) {
	for _, h := range s.lab.Hosts {
		s.run(t, h, "systemctl", "enable", "--now", "zkd")
	}
	s.inSync(t)
	var modes []string
	for i, h := range s.lab.Hosts {
		r, err := s.report(h)
		if err != nil {
			t.Fatal(err)
		}
		modes = append(modes, r.Mode)
		if r.ID != int64(i+1) || !r.Serving || !r.Ensemble.Quorum || r.Ensemble.Losses != 1 || len(r.Ensemble.Members) != 3 {
			t.Errorf("%s: /status %+v", h.Name, r)
		}
		text := s.run(t, h, "zkd", "status")
		wants(t, h.Name+": zkd status", text, "Mode: "+r.Mode+"\n", "3 of 3 voters in touch, 2 needed: 1 more may be lost")
		wants(t, h.Name+": systemctl status", s.run(t, h, "systemctl", "status", "--no-pager", "zkd"), r.Mode+", epoch ")
	}
	slices.Sort(modes)
	if want := []string{"follower", "follower", "leader"}; !slices.Equal(modes, want) {
		t.Errorf("modes %v, want %v", modes, want)
	}
	s.await(t, "zkd-quorum.target is reached", func() error {
		_, state := s.code(t, s.lab.Hosts[0], "systemctl", "is-active", "zkd-quorum.target")
		if state != "active\n" {
			return errors.New(state)
		}
		return nil
	})
}

// journal looks at entries as an operator does who searches for events.
func (s *story) journal(t *testing.T) {
	h := s.lab.Hosts[0]
	event := func(name string) string {
		for _, e := range sd.Events() {
			if e.Name == name {
				return e.ID
			}
		}
		t.Fatalf("no event %s", name)
		return ""
	}
	entry := s.run(t, h, "journalctl", "--no-pager", "--boot", "--output=verbose", "--lines=1", "MESSAGE_ID="+event("serving"))
	wants(t, "the entry", entry, "ZKD_EVENT=serving", "ZKD_ROLE=", "ZKD_EPOCH=", "PRIORITY=6", "CODE_FILE=", "_SYSTEMD_UNIT=zkd.service")
	wants(t, "journalctl -x", s.run(t, h, "journalctl", "--no-pager", "--boot", "-x", "--lines=1", "MESSAGE_ID="+event("serving")),
		"Subject: Clients get answers", "Documentation: man:zkd(8)", "clients get answers")
}

// strictStart has a server that is ready with a quorum only, and that asks for more time until then.
func (s *story) strictStart(t *testing.T) {
	h := s.lab.Hosts[0]
	const dropIn = "/run/systemd/system/zkd.service.d/impatient.conf"
	if err := h.Put(s.ctx(t), dropIn, "[Service]\nTimeoutStartSec=2s\n"); err != nil {
		t.Fatal(err)
	}
	for _, h := range s.lab.Hosts {
		s.run(t, h, "systemctl", "stop", "zkd")
	}
	s.shell(t, h, `sed -i '1i systemd.ready = "quorum"' /etc/zkd/zkd.toml; systemctl daemon-reload; systemctl start --no-block zkd`)
	s.await(t, "the server has looked for others for longer than it had time to start", func() error {
		state, text := s.property(t, h, "ActiveState"), s.property(t, h, "StatusText")
		if state != "activating" {
			return testbed.Final(fmt.Errorf("%s: %s", state, text))
		}
		if !strings.HasPrefix(text, "looking for 4s: no quorum") {
			return errors.New(text)
		}
		return nil
	})
	s.run(t, s.lab.Hosts[1], "systemctl", "start", "zkd")
	s.await(t, "with a quorum it is ready", func() error {
		if state := s.property(t, h, "ActiveState"); state != "active" {
			return errors.New(state)
		}
		return nil
	})
	s.shell(t, h, "rm "+dropIn+"; sed -i 1d /etc/zkd/zkd.toml; systemctl daemon-reload; systemctl restart zkd")
	s.run(t, s.lab.Hosts[2], "systemctl", "start", "zkd")
	s.inSync(t)
}

// socket is how those who may change the server reach it.
func (s *story) socket(t *testing.T) {
	h := s.lab.Hosts[0]
	wants(t, "the socket", s.run(t, h, "stat", "--format=%U:%G %a", "/run/zkd/admin.sock"), "zkd:zkd 660")
	wants(t, "zkd session list", s.run(t, h, "zkd", "session", "list"), "SESSION")
	s.run(t, h, "setpriv", "--reuid=nobody", "--regid=zkd", "--clear-groups", "zkd", "session", "list")
	s.fails(t, h, 77, nil, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "zkd", "session", "list")
}

func (s *story) reload(t *testing.T) {
	h := s.lab.Hosts[0]
	before := s.property(t, h, "MainPID")
	s.shell(t, h, `sed -i '1i log.level = "debug"' /etc/zkd/zkd.toml; systemctl reload zkd`)
	wants(t, "the journal", s.run(t, h, "journalctl", "--no-pager", "--unit=zkd", "--lines=20"), "configuration reloaded", "log.level")
	s.shell(t, h, `cp -p /etc/zkd/zkd.toml /var/tmp/right.toml; echo 'nonsense = 1' >> /etc/zkd/zkd.toml`)
	s.fails(t, h, 1, nil, "systemctl", "reload", "zkd")
	// systemctl stops the reload; a signal does not, and the server refuses by itself.
	s.run(t, h, "systemctl", "kill", "--signal=HUP", "zkd")
	s.await(t, "the server refuses the reload", func() error {
		out := s.run(t, h, "journalctl", "--no-pager", "--unit=zkd", "--output=cat", "--lines=5")
		if !strings.Contains(out, "reload refused, the old configuration stays") || !strings.Contains(out, "nonsense") {
			return errors.New(out)
		}
		return nil
	})
	s.shell(t, h, `cp -p /var/tmp/right.toml /etc/zkd/zkd.toml; systemctl reload zkd; sed -i 1d /etc/zkd/zkd.toml; systemctl reload zkd`)
	if after := s.property(t, h, "MainPID"); after != before || s.property(t, h, "ActiveState") != "active" {
		t.Errorf("process %s, before %s: a reload restarts nothing", after, before)
	}
}

func (s *story) watchdog(t *testing.T) {
	h := s.others(s.leader(t))[0]
	const dropIn = "/run/systemd/system/zkd.service.d/watchdog.conf"
	if err := h.Put(s.ctx(t), dropIn, "[Service]\nWatchdogSec=3s\n"); err != nil {
		t.Fatal(err)
	}
	s.shell(t, h, "systemctl daemon-reload; systemctl restart zkd; zkd wait")
	before := s.property(t, h, "NRestarts")
	s.run(t, h, "systemctl", "kill", "--signal=STOP", "zkd")
	s.await(t, "systemd has restarted the server", func() error {
		if n := s.property(t, h, "NRestarts"); n == before {
			return fmt.Errorf("%s restarts", n)
		}
		return nil
	})
	wants(t, "the journal", s.run(t, h, "journalctl", "--no-pager", "--unit=zkd", "--boot"),
		"Watchdog timeout", "SIGABRT: abort", "goroutine 1 ", "Failed with result 'watchdog'")
	s.shell(t, h, "rm "+dropIn+"; systemctl daemon-reload; systemctl restart zkd")
	s.inSync(t)
}

func (s *story) leaderCrash(t *testing.T) {
	h := s.leader(t)
	before, restarts := s.property(t, h, "MainPID"), s.property(t, h, "NRestarts")
	s.run(t, h, "systemctl", "kill", "--signal=KILL", "zkd")
	s.load.progress(t)
	s.await(t, "systemd has restarted the server", func() error {
		if n := s.property(t, h, "NRestarts"); n == restarts {
			return fmt.Errorf("%s restarts", n)
		}
		return nil
	})
	s.inSync(t)
	if after := s.property(t, h, "MainPID"); after == before {
		t.Errorf("process %s, as before", after)
	}
	s.load.progress(t)
}

func (s *story) hostCrash(t *testing.T) {
	h := s.leader(t)
	if err := h.Crash(); err != nil {
		t.Fatal(err)
	}
	s.load.progress(t)
	for _, o := range s.others(h) {
		s.await(t, o.Name+" says who is missing", func() error {
			code, text := s.code(t, o, "zkd", "status")
			if code != 0 || !strings.Contains(text, "2 of 3 voters in touch, 2 needed: the next loss ends the service; missing: server "+h.Name[1:]) {
				return fmt.Errorf("exit status %d\n%s", code, text)
			}
			return nil
		})
	}
	if err := h.Boot(s.ctx(t)); err != nil {
		t.Fatal(err)
	}
	s.inSync(t)
	s.load.progress(t)
}

// pulledCable leaves a leader alone with its host: it must cease to serve, and say why.
func (s *story) pulledCable(t *testing.T) {
	h := s.leader(t)
	if err := h.Cut(); err != nil {
		t.Fatal(err)
	}
	s.await(t, "the leader without a quorum ceases to serve", func() error {
		code, text := s.code(t, h, "zkd", "status")
		if code != 4 || !strings.Contains(text, "no quorum") || !strings.Contains(text, "timed out") {
			return fmt.Errorf("exit status %d\n%s", code, text)
		}
		return nil
	})
	s.load.progress(t)
	if err := h.Mend(); err != nil {
		t.Fatal(err)
	}
	s.inSync(t)
	s.load.progress(t)
}

func (s *story) reboot(t *testing.T) {
	h := s.others(s.leader(t))[0]
	s.restartHost(t, h)
	s.inSync(t)
	wants(t, "the journal of the boot before", s.run(t, h, "journalctl", "--no-pager", "--unit=zkd", "--boot=-1", "--lines=20"), "zkd has stopped")
	s.load.progress(t)
}

func (s *story) restartHost(t *testing.T, h *testbed.Host) {
	t.Helper()
	if err := h.PowerOff(s.ctx(t)); err != nil {
		t.Fatal(err)
	}
	if err := h.Boot(s.ctx(t)); err != nil {
		t.Fatal(err)
	}
}
