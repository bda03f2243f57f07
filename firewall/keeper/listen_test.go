package keeper

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// What listens where, and what the rules judge.
func TestPortsAreJudgedWhereTheServerListens(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"names and addresses": {func(*Config) {}, "client [10.1.0.1:2181 127.0.0.1:2181] peer [10.1.0.1:2888] election [10.1.0.1:3888] admin [127.0.0.1:8080 [::1]:8080]"},
		"all addresses": {func(c *Config) {
			c.ClientListen, c.AdminListen, c.PeerListen, c.ElectionListen = []string{":2181"}, nil, []string{":2888"}, []string{"0.0.0.0:3888"}
		}, "client [invalid AddrPort] peer [invalid AddrPort] election [invalid AddrPort] admin []"},
		"a name that leads to loopback": {func(c *Config) {
			c.ClientListen, c.PeerListen, c.ElectionListen, c.AdminListen = []string{"own:2181"}, []string{"own:2888"}, []string{"localhost:3888"}, nil
		}, "client [127.0.1.1:2181] peer [invalid AddrPort] election [invalid AddrPort] admin []"},
		"a name without an address": {func(c *Config) { c.ClientListen, c.AdminListen = []string{"h9:2181"}, nil },
			"client [invalid AddrPort] peer [10.1.0.1:2888] election [10.1.0.1:3888] admin []"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.names.set("own", "127.0.1.1")
			w.names.set("localhost", "127.0.0.1")
			cfg := config()
			test.change(&cfg)
			planner := Planner{Resolver: w.names, Interfaces: interfaces}
			plan, err := planner.Plan(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			p := plan.Policy
			if got := fmt.Sprint("client ", p.ClientPorts, " peer ", p.PeerPorts, " election ", p.ElectionPorts, " admin ", p.AdminPorts); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A server that listens on all addresses, since its own name led to loopback, does so after somebody has mended the name.
func TestAMendedNameOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.names.set("h1", "127.0.1.1")
		k := w.start(t, config())
		w.names.set("h1", "10.1.0.1")
		time.Sleep(resolveEvery)
		synctest.Wait()
		k.mu.Lock()
		defer k.mu.Unlock()
		p := k.plan.Policy
		if got := fmt.Sprint(p.PeerPorts, p.ElectionPorts); got != "[invalid AddrPort] [invalid AddrPort]" {
			t.Errorf("ports %s", got)
		}
	})
}

// A socket stays where it was bound: what is not judged there any more would be open.
func TestASocketDoesNotFollowItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.start(t, config())
		w.names.set("h1", "10.1.0.8")
		time.Sleep(resolveEvery)
		synctest.Wait()
		k.mu.Lock()
		defer k.mu.Unlock()
		if got := fmt.Sprint(k.plan.Policy.PeerPorts); got != "[10.1.0.1:2888 10.1.0.8:2888]" {
			t.Errorf("peer ports %s", got)
		}
	})
}
