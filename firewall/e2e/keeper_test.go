package e2e

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"zkd/firewall"
	"zkd/firewall/keeper"
	"zkd/firewall/netlab"
	"zkd/firewall/nft"
)

// eventually waits for a condition of the kernel, of which nobody tells this process.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// A keeper on a real kernel: rules that somebody flushes come back, members follow, nothing is left after a stop,
// and everything after a crash.
func TestAKeeperOnARealKernel(t *testing.T) {
	ns := netlab.New(t)
	kernel := &nft.Netfilter{Namespace: ns.FD()}
	cfg := keeper.Config{
		Mode: keeper.Required, ClientListen: []string{"10.1.0.1:2181"}, PeerListen: []string{"10.1.0.1:2888"}, ElectionListen: []string{"10.1.0.1:3888"},
		Members: []keeper.Member{{Name: "1", Hosts: []string{"10.1.0.1"}}, {Name: "2", Hosts: []string{"10.1.0.2"}}},
	}
	deps := keeper.Deps{Kernel: kernel, Resolver: net.DefaultResolver, Interfaces: func() ([]keeper.Interface, error) {
		return []keeper.Interface{{Name: "lan0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")}}}, nil
	}}
	k, err := keeper.Start(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	stop := func() error { return k.Stop(context.Background()) }
	defer stop()

	members := func() []string {
		s, err := kernel.Read(t.Context(), "zkd")
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range s.Ruleset.Sets {
			if set.Name == "members4" {
				return set.Elements()
			}
		}
		return nil
	}
	both := []string{"10.1.0.1-10.1.0.2"}
	if got := members(); !slices.Equal(got, both) {
		t.Errorf("members %v", got)
	}
	for n, command := range []string{"flush ruleset", "flush set inet zkd members4", "insert rule inet zkd input drop", "delete table inet zkd"} {
		ns.Nft(command)
		eventually(t, "put back after "+command, func() bool { return k.Status().PutBack == uint64(n+1) })
		if got := members(); !slices.Equal(got, both) {
			t.Errorf("after %s: members %v", command, got)
		}
	}
	more := cfg
	more.Members = append(cfg.Members, keeper.Member{Name: "3", Hosts: []string{"10.1.0.7"}})
	if err := k.Update(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	if got := members(); !slices.Equal(got, append(both, "10.1.0.7")) {
		t.Errorf("members %v", got)
	}
	ns.Nft("table inet mine { chain i { type filter hook input priority 0; policy drop; }; }\nflush table inet zkd")
	eventually(t, "the rules of others are seen", func() bool { return len(k.Status().Foreign) == 1 })

	// After a crash the rules are there, and the next one begins with them.
	cfg.Keep = true
	if err := k.Update(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := members(); !slices.Equal(got, both) {
		t.Errorf("members %v", got)
	}
	cfg.Keep = false
	next, err := keeper.Start(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	if got := members(); !slices.Equal(got, both) || !next.Status().Active {
		t.Errorf("members %v", got)
	}
	if err := next.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s, err := kernel.Read(t.Context(), firewall.DefaultTable); err != nil || s.Exists {
		t.Errorf("after the stop: %+v, %v", s, err)
	}
}

// What a restart of nftables.service does to a keeper: a flush, and another one when its own rules are loaded.
func TestAKeeperOutlivesTwoFlushes(t *testing.T) {
	ns := netlab.New(t)
	cfg := keeper.Config{ClientListen: []string{"10.1.0.1:2181"}, Clients: []netip.Prefix{}}
	k, err := keeper.Start(t.Context(), cfg, keeper.Deps{Kernel: &nft.Netfilter{Namespace: ns.FD()}, Resolver: net.DefaultResolver,
		Interfaces: func() ([]keeper.Interface, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.Stop(context.Background()) }()
	rules := filepath.Join(t.TempDir(), "rules.nft")
	if err := os.WriteFile(rules, []byte("flush ruleset\ntable inet mine { chain i { type filter hook input priority 0; }; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, pause := range []string{"0", "0.03", "0.05", "0.06", "0.08"} {
		ns.Run("sh", "-c", "PATH=$PATH:/usr/sbin; nft flush ruleset; sleep "+pause+"; nft -f "+rules)
		eventually(t, "the rules after a pause of "+pause, func() bool {
			return k.Status().Active && ns.Run("nft", "list", "tables") == "table inet mine\ntable inet zkd\n"
		})
	}
}
