package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zkd/daemon/admin"
	"zkd/packaging/testbed"
)

// story is the state of the hosts between two steps.
type story struct {
	lab  *testbed.Lab
	load *load // the client that writes, from the step that starts it on
}

func TestThreeHostsFromInstallationToPurge(t *testing.T) {
	if toldToSkip() {
		t.Skip("told to skip by ZKD_HOSTS=skip: no host is booted, and no package is tried on one")
	}
	image, err := filepath.EvalSymlinks(filepath.Join(testbed.Work(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	lab, err := testbed.New(testbed.Work(), image, 3)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{lab: lab}
	aside := map[string]bool{ // steps on which nothing builds
		"damaged data end the start, once":                      true,
		"root and the group zkd reach the server by its socket": true,
	}
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"the hosts boot", s.boot},
		{"dpkg installs, enables nothing and starts nothing", s.install},
		{"untouched it is a working server on loopback", s.standalone},
		{"the unit shuts the server in", s.confinement},
		{"several servers live on a host", s.instances},
		{"a wrong configuration ends the start, once", s.wrongConfiguration},
		{"damaged data end the start, once", s.damagedData},
		{"data can be elsewhere", s.dataElsewhere},
		{"an address that comes late is waited for", s.lateAddress},
		{"the first server of a cold ensemble does not hang", s.coldStart},
		{"three servers are leader, follower and follower", s.ensemble},
		{"the journal has events, and explains them", s.journal},
		{"root and the group zkd reach the server by its socket", s.socket},
		{"a strict start waits for a quorum for longer than its timeout", s.strictStart},
		{"a reload takes over what is right and refuses what is wrong", s.reload},
		{"the watchdog restarts a server that stands still", s.watchdog},
		{"a client of the network writes", s.startLoad},
		{"a leader that is killed is replaced and restarted", s.leaderCrash},
		{"the host of the leader crashes", s.hostCrash},
		{"the cable of the leader is pulled", s.pulledCable},
		{"a host reboots", s.reboot},
		{"a host that drops packets to itself is told so", s.loopbackMistake},
		{"the rules let members and clients in and nobody else", s.portsMatrix},
		{"ufw shuts the ports, and is named", s.ufw},
		{"firewalld shuts the ports, and is named", s.firewalld},
		{"systemctl restart nftables does not open the ports", s.nftablesRestart},
		{"an upgrade under load loses no write", s.upgrade},
		{"every acknowledged write is on every server", s.noLostWrite},
		{"a removed package leaves configuration and data, and comes back", s.removal},
		{"a purged package leaves nothing", s.purge},
		{"the rpm package installs, upgrades and goes", s.rpm},
		{"the hosts power off", s.powerOff},
	} {
		if !t.Run(step.name, step.do) && !aside[step.name] {
			s.printJournals(t)
			t.Fatalf("the story ends at: %s", step.name)
		}
	}
}

// patience bounds the wait for one condition, on a machine that is busy with other tests.
const patience = 90 * time.Second

func (s *story) ctx(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// run runs a program on a host, which must succeed, and returns what it printed.
func (s *story) run(t *testing.T, h *testbed.Host, args ...string) string {
	t.Helper()
	out, err := h.Exec(s.ctx(t), args...)
	if err != nil {
		t.Fatalf("%s: %q: %v\n%s", h.Name, args, err, out)
	}
	return out
}

// shell runs lines of sh on a host, which must all succeed.
func (s *story) shell(t *testing.T, h *testbed.Host, script string) string {
	t.Helper()
	return s.run(t, h, "sh", "-euc", script)
}

// code runs a program on a host and returns its exit status with what it printed.
func (s *story) code(t *testing.T, h *testbed.Host, args ...string) (int, string) {
	t.Helper()
	out, err := h.Exec(s.ctx(t), args...)
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("%s: %q: %v\n%s", h.Name, args, err, out)
	}
	if ended != nil {
		return ended.ExitCode(), out
	}
	return 0, out
}

// fails runs a program that must end with an exit status and say all of the words.
func (s *story) fails(t *testing.T, h *testbed.Host, status int, words []string, args ...string) string {
	t.Helper()
	code, out := s.code(t, h, args...)
	if code != status {
		t.Fatalf("%s: %q: exit status %d, want %d\n%s", h.Name, args, code, status, out)
	}
	wants(t, h.Name+": "+strings.Join(args, " "), out, words...)
	return out
}

// wants checks that a text has all of the words.
func wants(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: does not say %q:\n%s", what, w, text)
		}
	}
}

func (s *story) await(t *testing.T, what string, holds func() error) {
	t.Helper()
	if err := testbed.Until(s.ctx(t), what, holds); err != nil {
		t.Fatal(err)
	}
}

// property returns what systemd says of zkd.service.
func (s *story) property(t *testing.T, h *testbed.Host, name string) string {
	t.Helper()
	return strings.TrimSpace(s.run(t, h, "systemctl", "show", "--value", "--property="+name, "zkd.service"))
}

// report asks a host's server for its state, as an operator does there.
func (s *story) report(h *testbed.Host) (r admin.Report, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := h.Exec(ctx, "curl", "--silent", "--show-error", "--fail", "--max-time", "5", "localhost:8080/status")
	if err != nil {
		return r, fmt.Errorf("%w: %s", err, out)
	}
	return r, json.Unmarshal([]byte(out), &r)
}

// inSync waits until every server of the ensemble serves, by the word of each of the hosts.
func (s *story) inSync(t *testing.T) {
	t.Helper()
	for _, h := range s.lab.Hosts {
		s.run(t, h, "zkd", "wait", "--for", "in-sync", "--timeout", patience.String())
	}
}

// leader returns the host whose server leads, when there is one.
func (s *story) leader(t *testing.T) *testbed.Host {
	t.Helper()
	var leads *testbed.Host
	s.await(t, "a server leads", func() error {
		for _, h := range s.lab.Hosts {
			if r, err := s.report(h); err == nil && r.Mode == "leader" && r.Serving {
				leads = h
				return nil
			}
		}
		return errors.New("none does")
	})
	return leads
}

func (s *story) others(h *testbed.Host) []*testbed.Host {
	var others []*testbed.Host
	for _, o := range s.lab.Hosts {
		if o != h {
			others = append(others, o)
		}
	}
	return others
}

// onAll does the same on all hosts at once.
func (s *story) onAll(t *testing.T, do func(h *testbed.Host) error) {
	t.Helper()
	var all sync.WaitGroup
	errs := make([]error, len(s.lab.Hosts))
	for i, h := range s.lab.Hosts {
		all.Go(func() { errs[i] = do(h) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (s *story) boot(t *testing.T) {
	ctx := s.ctx(t)
	s.onAll(t, func(h *testbed.Host) error { return h.Boot(ctx) })
}

func (s *story) powerOff(t *testing.T) {
	ctx := s.ctx(t)
	s.onAll(t, func(h *testbed.Host) error { return h.PowerOff(ctx) })
}

// printJournals shows, after a failure, what the hosts have to say.
func (s *story) printJournals(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, h := range s.lab.Hosts {
		for _, args := range [][]string{
			{"journalctl", "--no-pager", "--lines=40", "--unit=zkd*"},
			{"systemctl", "status", "--no-pager", "--lines=0", "zkd.service"},
			{"curl", "--silent", "--max-time", "5", "localhost:8080/status"},
			{"nft", "list", "ruleset"},
		} {
			out, err := h.Exec(ctx, args...)
			if err != nil && out == "" {
				out = err.Error()
			}
			t.Logf("%s: %s\n%s", h.Name, strings.Join(args, " "), out)
		}
	}
}
