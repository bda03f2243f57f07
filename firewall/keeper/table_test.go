package keeper

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"zkd/firewall"
)

func TestServersOfOneHostHaveTheirOwnTables(t *testing.T) {
	for want, listen := range map[string]string{
		"zkd zkd_127_0_0_1":          "127.0.0.1:2181 [::1]:2181",
		"zkd_2182 zkd_2182_10_1_0_1": "10.1.0.1:2183 10.1.0.1:2182",
		"zkd zkd_fd00_1__1":          "[fd00:1::1]:2181",
		"zkd zkd_db1_example":        "db1.Example:2181",
		"zkd_2182 zkd_2182_2a461630": "[2001:db8:1111:2222:3333:4444:5555:6666]:2182",
		"zkd zkd_10_1_0_1":           "0.0.0.0:2182 10.1.0.1:2181",
		"zkd":                        ":2182 :2181",
	} {
		names := tables(Config{ClientListen: strings.Fields(listen)})
		if got := strings.Join(names, " "); got != want || TableFor(strings.Fields(listen)) != names[0] {
			t.Errorf("%v: %s, want %s", listen, got, want)
		}
		for _, name := range names {
			if _, err := firewall.Build(firewall.Policy{Table: name}); err != nil {
				t.Error(err)
			}
		}
	}
	for _, listen := range [][]string{nil, {"127.0.0.1:0"}, {"nonsense"}} {
		if got := TableFor(listen); got != "zkd" {
			t.Errorf("%v: %s", listen, got)
		}
	}
}

// claims are those of the servers of a host.
type claims map[string]bool

func (c claims) take(table string) (func(), bool) {
	if c[table] {
		return nil, true
	}
	c[table] = true
	return func() { delete(c, table) }, false
}

func TestTwoServersDoNotFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, host := newWorld(), make(claims)
		w.deps.Claim = host.take
		one := config()
		two := config()
		two.ClientListen, two.PeerListen, two.ElectionListen = []string{"10.1.0.7:2181"}, []string{"10.1.0.7:2888"}, []string{"10.1.0.7:3888"}
		a, b := w.start(t, one), w.start(t, two)
		if x, y := a.Status(), b.Status(); x.Table != "zkd" || y.Table != "zkd_10_1_0_7" || !x.Active || !y.Active {
			t.Fatalf("%+v, %+v", x, y)
		}
		for i, cfg := range []Config{one, two} {
			if got, want := TableInForce(t.Context(), w.kernel, cfg), []string{"zkd", "zkd_10_1_0_7"}[i]; got != want {
				t.Errorf("the table in force is %s, want %s", got, want)
			}
		}
		// A reload keeps the table, also when the other name is free.
		if err := a.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		two.Refusal = firewall.Reject
		if err := b.Update(t.Context(), two); err != nil || b.Status().Table != "zkd_10_1_0_7" {
			t.Errorf("after a reload: %s, %v", b.Status().Table, err)
		}
		// After a crash of both the second comes first: its old table does not stay beside the new one.
		w.kernel.tables["zkd"] = firewall.Ruleset{Table: "zkd"}
		clear(host)
		w.kernel.since()
		c := w.start(t, two)
		if calls := w.kernel.since(); c.Status().Table != "zkd" || !slices.Equal(calls, []string{"apply zkd", "remove zkd_10_1_0_7"}) {
			t.Errorf("%s after %q", c.Status().Table, calls)
		}
		if got := fmt.Sprint(host); got != "map[zkd:true]" {
			t.Errorf("claimed: %s", got)
		}
	})
}

// Who switches the rules off does not take those of another server away.
func TestOffLeavesTheTableOfAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, host := newWorld(), make(claims)
		w.deps.Claim = host.take
		w.start(t, config())
		off := config()
		off.Mode, off.ClientListen = Off, []string{"10.1.0.7:2181"}
		w.kernel.tables["zkd_10_1_0_7"] = firewall.Ruleset{Table: "zkd_10_1_0_7"}
		w.start(t, off)
		if calls := w.kernel.since(); !slices.Equal(calls, []string{"apply zkd", "remove zkd_10_1_0_7"}) || len(host) != 1 {
			t.Errorf("calls %q, claimed %v", calls, host)
		}
	})
}

// Any user of the host can take a name: the rules come all the same.
func TestTakenNamesDoNotKeepTheRulesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.deps.Claim = claims{"zkd": true, "zkd_10_1_0_1": true}.take
		k := w.start(t, config())
		if s := k.Status(); !s.Active || s.Table != "zkd_10_1_0_1" || w.said("another server on this host has the same table of firewall rules: give each its own by firewall.table") != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestATableIsClaimedOnce(t *testing.T) {
	name := fmt.Sprintf("test_of_claims_%d", os.Getpid())
	release, taken := ClaimTable(name)
	if taken {
		t.Fatal("taken")
	}
	if _, taken := ClaimTable(name); !taken {
		t.Error("claimed twice")
	}
	release()
	if release, taken = ClaimTable(name); taken {
		t.Error("not given up")
	}
	release()
}
