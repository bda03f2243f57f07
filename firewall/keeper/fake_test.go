package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"zkd/firewall"
	"zkd/firewall/foreign"
)

// kernel is a Kernel in memory.
type kernel struct {
	mu      sync.Mutex
	tables  map[string]firewall.Ruleset
	counts  map[string]uint64 // packets of every counter
	calls   []string
	fail    error // of everything
	deaf    error // of Watch
	loses   bool  // Apply loses an element without an error
	undone  int   // so often somebody flushes the table right after Apply
	view    foreign.View
	watches map[*watcher]bool
}

type watcher struct {
	table   string
	changed func()
}

func newKernel() *kernel {
	return &kernel{tables: make(map[string]firewall.Ruleset), counts: make(map[string]uint64), watches: make(map[*watcher]bool)}
}

func (k *kernel) call(format string, args ...any) error {
	k.calls = append(k.calls, fmt.Sprintf(format, args...))
	return k.fail
}

// told tells the watchers of a table; k.mu is held.
func (k *kernel) told(table string) {
	for w := range k.watches {
		if w.table == table {
			w.changed()
		}
	}
}

func (k *kernel) Apply(_ context.Context, rs firewall.Ruleset) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("apply %s", rs.Table); err != nil {
		return err
	}
	k.counts[rs.Table] = 0
	if k.loses {
		rs.Sets = append([]firewall.Set{}, rs.Sets...)
		rs.Sets[0].Ports = rs.Sets[0].Ports[1:]
	}
	k.tables[rs.Table] = rs
	k.told(rs.Table)
	if k.undone > 0 {
		k.undone--
		delete(k.tables, rs.Table)
		k.told(rs.Table)
	}
	return nil
}

func (k *kernel) UpdateSets(_ context.Context, table string, sets []firewall.Set) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	rs, ok := k.tables[table]
	for _, s := range sets {
		if err := k.call("set %s.%s %v", table, s.Name, s.Elements()); err != nil {
			return err
		}
		rs.Sets = append([]firewall.Set{}, rs.Sets...)
		for i := range rs.Sets {
			if rs.Sets[i].Name == s.Name {
				rs.Sets[i] = s
			}
		}
	}
	if !ok {
		return errors.New("no such table")
	}
	k.tables[table] = rs
	k.told(table)
	return nil
}

func (k *kernel) Read(_ context.Context, table string) (s firewall.State, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return s, k.fail
	}
	s.Ruleset, s.Exists = k.tables[table]
	for _, c := range s.Ruleset.Chains {
		for _, r := range c.Rules {
			if r.Count {
				s.Counts = append(s.Counts, firewall.Count{Chain: c.Name, Rule: r, Packets: k.counts[table]})
			}
		}
	}
	return s, nil
}

func (k *kernel) Remove(_ context.Context, table string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("remove %s", table); err != nil {
		return err
	}
	delete(k.tables, table)
	k.told(table)
	return nil
}

func (k *kernel) Watch(ctx context.Context, table string, changed func()) error {
	w := &watcher{table, changed}
	k.mu.Lock()
	if k.deaf != nil {
		defer k.mu.Unlock()
		return k.deaf
	}
	k.watches[w] = true
	k.mu.Unlock()
	changed()
	<-ctx.Done()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.watches, w)
	return nil
}

func (k *kernel) Foreign(context.Context) (foreign.View, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.view, k.fail
}

// do changes the world under the lock.
func (k *kernel) do(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

// flush is what `nft flush ruleset` does.
func (k *kernel) flush(heard bool) {
	k.do(func() {
		for t := range k.tables {
			delete(k.tables, t)
			if heard {
				k.told(t)
			}
		}
	})
}

// since returns the calls since the last time.
func (k *kernel) since() (calls []string) {
	k.do(func() { calls, k.calls = k.calls, nil })
	return calls
}

func (k *kernel) table(name string) (rs firewall.Ruleset, ok bool) {
	k.do(func() { rs, ok = k.tables[name] })
	return rs, ok
}

// resolver is a Resolver.
type resolver struct {
	mu    sync.Mutex
	known map[string][]netip.Addr
	slow  bool // it does not answer
}

func (n *resolver) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.slow {
		n.mu.Unlock()
		<-ctx.Done()
		n.mu.Lock()
		return nil, ctx.Err()
	}
	if a, ok := n.known[host]; ok {
		return append([]netip.Addr{}, a...), nil
	}
	return nil, errors.New("no such host")
}

func (n *resolver) set(host string, addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = make(map[string][]netip.Addr)
	}
	delete(n.known, host)
	for _, a := range addrs {
		n.known[host] = append(n.known[host], netip.MustParseAddr(a))
	}
}

// world is what a Keeper under test lives in.
type world struct {
	kernel *kernel
	names  *resolver
	logs   *observer.ObservedLogs
	deps   Deps
}

func newWorld() *world {
	w := &world{kernel: newKernel(), names: &resolver{}}
	var core zapcore.Core
	core, w.logs = observer.New(zap.InfoLevel)
	w.deps = Deps{Kernel: w.kernel, Resolver: w.names, Log: zap.New(core), Interfaces: interfaces}
	w.names.set("h1", "10.1.0.1")
	w.names.set("h2", "10.1.0.2", "fd00:1::2")
	w.names.set("h3", "10.1.0.3")
	return w
}

func parsePrefixes(texts string) (list []netip.Prefix) {
	for _, s := range strings.Fields(texts) {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

func interfaces() ([]Interface, error) {
	return []Interface{
		{"lo", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
		{"eth0", []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("fd00:1::1/64")}},
	}, nil
}

// said counts the lines of the log that begin with text.
func (w *world) said(text string) int { return w.logs.FilterMessage(text).Len() }

// config is that of member 1 of three.
func config() Config {
	return Config{
		ClientListen: []string{"10.1.0.1:2181", "127.0.0.1:2181"}, AdminListen: []string{"127.0.0.1:8080", "[::1]:8080"},
		PeerListen: []string{"h1:2888"}, ElectionListen: []string{"h1:3888"},
		Members: []Member{{Name: "1", Hosts: []string{"h1"}}, {Name: "2", Hosts: []string{"h2"}}, {Name: "3", Hosts: []string{"h3"}}},
	}
}

// start starts a keeper that is stopped at the end of the test, within its bubble.
func (w *world) start(t *testing.T, cfg Config) *Keeper {
	t.Helper()
	k, err := Start(t.Context(), cfg, w.deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Stop(context.Background()); err != nil && w.kernel.fail == nil {
			t.Error(err)
		}
	})
	return k
}
