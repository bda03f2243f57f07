package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zkd/firewall"
	"zkd/firewall/foreign"
)

func elements(t *testing.T, k *kernel, table, set string) string {
	t.Helper()
	rs, ok := k.table(table)
	if !ok {
		t.Errorf("there is no table %s", table)
	}
	for _, s := range rs.Sets {
		if s.Name == set {
			return strings.Join(s.Elements(), " ")
		}
	}
	return "no set"
}

func TestTheRulesAreInForceAfterStartAndGoneAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.start(t, config())
		s := k.Status()
		if !s.Active || s.Reason != "" || s.Mode != Auto || s.ClientsConfigured {
			t.Errorf("status %+v", s)
		}
		for set, want := range map[string]string{
			"ports": "2181 2888 3888", "members4": "10.1.0.1-10.1.0.3", "members6": "fd00:1::2", "clients4": "10.1.0.0/24", "clients6": "",
		} {
			if got := elements(t, w.kernel, "zkd", set); got != want {
				t.Errorf("%s: %s, want %s", set, got, want)
			}
		}
		if err := k.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls := w.kernel.since(); !slices.Equal(calls, []string{"apply zkd", "remove zkd"}) {
			t.Errorf("calls %q", calls)
		}
		if s := k.Status(); s.Active || s.Reason != "stopped" {
			t.Errorf("status %+v", s)
		}
		if err := k.Update(t.Context(), config()); err == nil {
			t.Error("it works after its end")
		}
	})
}

func TestAKeeperLeavesTheRulesIfToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		cfg := config()
		cfg.Keep = true
		k := w.start(t, cfg)
		if err := k.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok := w.kernel.table("zkd"); !ok {
			t.Error("the rules are gone")
		}
	})
}

func TestModes(t *testing.T) {
	for name, test := range map[string]struct {
		mode    Mode
		fail    error
		started bool
		reason  string
	}{
		"auto without the capability":     {Auto, fmt.Errorf("x: %w", firewall.ErrPermission), true, "the capability CAP_NET_ADMIN is needed"},
		"auto without nf_tables":          {Auto, fmt.Errorf("x: %w", firewall.ErrUnsupported), true, "no nf_tables here"},
		"auto with another error":         {Auto, errors.New("no buffer"), true, "no buffer"},
		"required without the capability": {Required, fmt.Errorf("x: %w", firewall.ErrPermission), false, ""},
		"required":                        {Required, nil, true, ""},
		"off":                             {Off, nil, true, "switched off"},
		"off without the capability":      {Off, firewall.ErrPermission, true, "switched off"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.kernel.fail = test.fail
				cfg := config()
				cfg.Mode = test.mode
				k, err := Start(t.Context(), cfg, w.deps)
				if (err == nil) != test.started {
					t.Fatalf("start: %v", err)
				}
				if err != nil {
					if !errors.Is(err, test.fail) {
						t.Errorf("the error is %v", err)
					}
					return
				}
				defer k.Stop(context.Background())
				if s := k.Status(); s.Reason != test.reason || s.Active != (test.reason == "") {
					t.Errorf("status %+v", s)
				}
				time.Sleep(5 * time.Minute) // of the bubble: it tries again, and says so once
				synctest.Wait()
				const line = "firewall rules are not in force, the ports of zkd are open to whom the host lets through"
				if n, want := w.said(line), min(1, len(test.reason)); test.mode != Off && n != want || test.mode == Off && n != 0 {
					t.Errorf("said %d times", n)
				}
				if test.mode != Auto {
					return
				}
				w.kernel.do(func() { w.kernel.fail = nil })
				time.Sleep(resolveEvery)
				synctest.Wait()
				if s := k.Status(); !s.Active || s.Reason != "" {
					t.Errorf("now that it is possible: %+v", s)
				}
			})
		})
	}
}

func TestOffRemovesWhatAnEarlierRunLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.kernel.tables["zkd"] = firewall.Ruleset{Table: "zkd"}
		cfg := config()
		cfg.Mode = Off
		w.start(t, cfg)
		if calls := w.kernel.since(); !slices.Equal(calls, []string{"remove zkd"}) {
			t.Errorf("calls %q", calls)
		}
	})
}

// Some clouds give addresses without a subnet: that nobody may come then is said.
func TestThatNobodyMayComeIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.deps.Interfaces = func() ([]Interface, error) {
			return []Interface{{"eth0", []netip.Prefix{netip.MustParsePrefix("10.1.0.1/32")}}}, nil
		}
		const line = "no other host may reach the client port: its addresses are in no subnet, say in the configuration who may"
		k := w.start(t, config())
		time.Sleep(2 * resolveEvery)
		synctest.Wait()
		if !k.Status().NoClients || w.said(line) != 1 {
			t.Errorf("said %d times; status %+v", w.said(line), k.Status())
		}
		cfg := config()
		cfg.Clients = []netip.Prefix{}
		if err := k.Update(t.Context(), cfg); err != nil || k.Status().NoClients {
			t.Errorf("that nobody may come was configured: %v, %+v", err, k.Status())
		}
	})
}

func TestMembersFollowAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.start(t, config())
		w.kernel.since()
		cfg := config()
		cfg.Members = append(config().Members[:2:2], Member{Name: "4", Hosts: []string{"10.1.0.4"}, From: []netip.Prefix{netip.MustParsePrefix("172.16.0.0/30")}})
		if err := k.Update(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if calls := w.kernel.since(); !slices.Equal(calls, []string{"set zkd.members4 [10.1.0.1-10.1.0.2 10.1.0.4 172.16.0.0/30]"}) {
			t.Errorf("calls %q", calls)
		}
		if s := k.Status(); len(s.Members) != 3 || fmt.Sprint(s.Members[2].Addresses) != "[172.16.0.0/30 10.1.0.4]" {
			t.Errorf("members %+v", s.Members)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if calls := w.kernel.since(); len(calls) != 0 {
			t.Errorf("it did more than that: %q", calls)
		}
	})
}

// Names are looked up again; an address is given up only for another one.
func TestNamesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.names.set("h3") // not known yet
		k := w.start(t, config())
		if m := k.Status().Members[2]; m.Error == "" || len(m.Addresses) != 0 || !slices.Equal(k.Status().Unresolved, []string{"h3"}) {
			t.Errorf("member 3: %+v", m)
		}
		w.names.set("h3", "10.1.0.3")
		time.Sleep(resolveSoon)
		synctest.Wait()
		if got := elements(t, w.kernel, "zkd", "members4"); got != "10.1.0.1-10.1.0.3" {
			t.Errorf("members4: %s", got)
		}
		w.names.set("h3") // DNS is down
		time.Sleep(resolveEvery)
		synctest.Wait()
		if m := k.Status().Members[2]; m.Error == "" || fmt.Sprint(m.Addresses) != "[10.1.0.3]" {
			t.Errorf("member 3: %+v", m)
		}
		w.names.set("h3", "10.1.0.9", "127.0.1.1") // another address, and what Debian says of the own name
		for range 20 {
			k.Poke() // many do not put it off
			time.Sleep(resolveSoon / 10)
		}
		synctest.Wait()
		if got := elements(t, w.kernel, "zkd", "members4"); got != "10.1.0.1-10.1.0.3 10.1.0.9" {
			t.Errorf("members4, soon: %s", got)
		}
		time.Sleep(linger + resolveEvery)
		synctest.Wait()
		if got := elements(t, w.kernel, "zkd", "members4"); got != "10.1.0.1-10.1.0.2 10.1.0.9" {
			t.Errorf("members4: %s", got)
		}
	})
}

func TestAnUpdateFollowsTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.start(t, config())
		synctest.Wait()
		w.kernel.since()

		bad := config()
		bad.AdminListen = []string{"10.1.0.9:2181"}
		var configError *ConfigError
		if err := k.Update(t.Context(), bad); !errors.As(err, &configError) {
			t.Errorf("a port of two uses: %v", err)
		}
		if calls := w.kernel.since(); len(calls) != 0 || !k.Status().Active {
			t.Errorf("and %q was done", calls)
		}

		next := config()
		next.Table, next.Refusal = "zkd_b", firewall.Reject
		next.Clients = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		if err := k.Update(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if calls := w.kernel.since(); !slices.Equal(calls, []string{"apply zkd_b", "remove zkd"}) {
			t.Errorf("calls %q", calls)
		}
		time.Sleep(time.Second) // what was heard of the change itself is over
		synctest.Wait()
		w.kernel.flush(true) // the new table is the one that is watched
		time.Sleep(time.Second)
		synctest.Wait()
		if got := elements(t, w.kernel, "zkd_b", "clients4"); got != "10.0.0.0/8" || !k.Status().ClientsConfigured {
			t.Errorf("clients4: %s", got)
		}

		next.Mode = Off
		if err := k.Update(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if calls := w.kernel.since(); !slices.Equal(calls, []string{"apply zkd_b", "remove zkd_b"}) {
			t.Errorf("calls %q", calls)
		}
		if s := k.Status(); s.Active || s.Reason != "switched off" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestRefusedPacketsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.start(t, config())
		count := func(n uint64) { w.kernel.do(func() { w.kernel.counts["zkd"] = n }) }
		count(5)
		time.Sleep(pollEvery)
		w.kernel.flush(true)
		time.Sleep(time.Second)
		count(9) // more than before: that it began at 0 is not seen from the number
		time.Sleep(pollEvery)
		synctest.Wait()
		for _, r := range k.Status().Refused {
			if r.Port == 3888 && r.Source == firewall.Stranger && r.Packets != 14 {
				t.Errorf("%+v, want 14 packets", r)
			}
		}
		if n := len(k.Status().Refused); n != 5 {
			t.Errorf("%d counters", n)
		}
	})
}

func TestForeignRulesAreSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.kernel.view.Chains = []foreign.Chain{{Family: "ip", Table: "filter", Name: "INPUT", Hook: foreign.Input, Type: "filter", PolicyDrop: true}}
		k := w.start(t, config())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		found := k.Status().Foreign
		if len(found) != 1 || !found[0].Loopback || !found[0].Certain {
			t.Fatalf("found %+v", found)
		}
		if n := w.said("rules of another program shut ports of zkd"); n != 1 {
			t.Errorf("said %d times", n)
		}
		w.kernel.do(func() { w.kernel.view.Chains = nil })
		time.Sleep(foreignEvery)
		synctest.Wait()
		if found := k.Status().Foreign; len(found) != 0 {
			t.Errorf("still found: %+v", found)
		}
	})
}
