package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"go.uber.org/zap"

	"zkd/daemon/config"
	"zkd/firewall"
	"zkd/firewall/keeper"
	"zkd/firewall/nft"
	"zkd/quorum"
	"zkd/quorum/zk"
)

// Firewall keeps strangers from the ports, as *keeper.Keeper does.
type Firewall interface {
	// Update follows a new configuration. A *keeper.ConfigError changes nothing.
	Update(ctx context.Context, cfg keeper.Config) error
	// Poke says that a member could not be reached: its name may have another address by now.
	Poke()
	// Status never waits.
	Status() keeper.Status
	// Stop removes the rules, unless they are to be kept; the ports are closed by then.
	Stop(ctx context.Context) error
}

// Netfilter puts the rules of cfg in force in the kernel and keeps them there: what [Deps.Firewall] is
// outside tests.
func Netfilter(ctx context.Context, cfg keeper.Config, log *zap.Logger) (Firewall, error) {
	kernel := new(nft.Netfilter)
	k, err := keeper.Start(ctx, cfg, keeper.Deps{Kernel: kernel, Resolver: net.DefaultResolver, WatchInterfaces: kernel.WatchAddresses, Claim: keeper.ClaimTable, Log: log})
	if err != nil {
		return nil, err // not k: a nil *Keeper in an interface is not nil
	}
	return k, nil
}

// FirewallConfig says what the configuration means for the firewall. A server that stands alone has no ports
// for members.
func FirewallConfig(c config.Config) keeper.Config {
	f := keeper.Config{
		Mode: keeper.Mode(c.Firewall.Mode), Table: c.Firewall.Table, Keep: c.Firewall.OnStop == "keep",
		Refusal: firewall.Refusal(c.Firewall.Refuse), ClientListen: c.Client.Listen,
		Clients: config.Sources(c.Firewall.Clients), Admins: config.Sources(c.Firewall.Admins),
	}
	if c.Admin.Enabled {
		f.AdminListen = c.Admin.Listen
	}
	if len(c.Servers) < 2 {
		return f
	}
	for _, s := range c.Servers {
		m := keeper.Member{Name: fmt.Sprint(s.ID), From: config.Sources(c.Firewall.From[s.ID])}
		for _, a := range s.Addresses {
			m.Hosts = append(m.Hosts, a.Host)
			if s.ID == c.ID {
				host := a.Host
				if c.Ensemble.ListenOnAll {
					host = ""
				}
				f.PeerListen = append(f.PeerListen, net.JoinHostPort(host, strconv.Itoa(a.PeerPort)))
				f.ElectionListen = append(f.ElectionListen, net.JoinHostPort(host, strconv.Itoa(a.ElectionPort)))
			}
		}
		f.Members = append(f.Members, m)
	}
	return f
}

// firewallSupported returns an error if no rules can be made of the configuration, whatever its names and
// the addresses of this host are.
func firewallSupported(c config.Config) error {
	if !WantsRules(c) {
		return nil
	}
	planner := keeper.Planner{Resolver: nowhere{}, Interfaces: func() ([]keeper.Interface, error) { return nil, nil }}
	_, err := planner.Plan(context.Background(), FirewallConfig(c))
	return err
}

// nowhere resolves no name.
type nowhere struct{}

func (nowhere) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("not looked up")
}

// WantsRules reports whether there is anything to keep strangers from: not with mode off, and with auto not
// where every port is on loopback. So a server that somebody tries out on his own machine leaves no trace
// there.
func WantsRules(c config.Config) bool {
	switch keeper.Mode(c.Firewall.Mode) {
	case keeper.Off:
		return false
	case keeper.Auto:
		return !c.OnLoopback()
	default:
		return true
	}
}

// allOnLoopback is the reason of a firewall that has nothing to do.
const allOnLoopback = "every port is on loopback"

// guard is the firewall of one process. Its methods are for one goroutine, but for status.
type guard struct {
	start func(context.Context, keeper.Config, *zap.Logger) (Firewall, error) // nil: there is none
	log   *zap.Logger
	// classes are the last failures of connections to members.
	classes map[zk.ServerID]string

	mu    sync.Mutex
	rules Firewall // nil while there is nothing to do
	table string
}

// follow puts the rules of c in force, or takes them away where it wants none. A *keeper.ConfigError changes
// nothing.
func (g *guard) follow(ctx context.Context, c config.Config) error {
	if g.start == nil {
		return nil
	}
	f := FirewallConfig(c)
	if keeper.Mode(c.Firewall.Mode) == keeper.Auto && !WantsRules(c) {
		return g.idle(ctx, f)
	}
	if g.rules != nil {
		return g.rules.Update(ctx, f)
	}
	// Also with mode off: it removes what a run with rules has left.
	rules, err := g.start(ctx, f, g.log)
	if err == nil {
		g.set(rules, f)
	}
	return err
}

// idle ends the rules. Those that a run before this one may have left are not looked for: nothing shows that
// they are not another server's.
func (g *guard) idle(ctx context.Context, f keeper.Config) error {
	if g.rules == nil {
		g.set(nil, f)
		g.log.Info("no firewall rules are needed", zap.String("reason", allOnLoopback))
		return nil
	}
	f.Mode = keeper.Off
	if err := g.rules.Update(ctx, f); err != nil {
		return err
	}
	err := g.rules.Stop(ctx)
	g.set(nil, f)
	return err
}

func (g *guard) set(rules Firewall, f keeper.Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rules, g.table = rules, f.Table
	if g.table == "" {
		g.table = keeper.TableFor(f.ClientListen)
	}
}

// status is how the firewall is; ok is false where there is none at all.
func (g *guard) status() (s keeper.Status, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.start == nil:
		return s, false
	case g.rules == nil:
		return keeper.Status{Mode: keeper.Off, Reason: allOnLoopback, Table: g.table}, true
	default:
		return g.rules.Status(), true
	}
}

// look asks for the addresses of members to be looked up again when a connection to one begins to fail, or
// fails in another way.
func (g *guard) look(st quorum.Status) {
	if g.rules == nil || st.Ensemble == nil {
		return
	}
	before := g.classes
	g.classes = make(map[zk.ServerID]string)
	poke := false
	for _, m := range st.Ensemble.Members {
		if m.Self || !m.Election.Known || m.Election.OK {
			continue
		}
		g.classes[m.ID] = m.Election.Class
		class, failed := before[m.ID]
		poke = poke || !failed || class != m.Election.Class
	}
	if poke {
		g.rules.Poke()
	}
}

// stop ends the keeping of the rules, and removes them unless the configuration keeps them. What goes wrong is
// logged: the server has stopped all the same.
func (g *guard) stop(ctx context.Context) {
	if g.rules == nil {
		return
	}
	if err := g.rules.Stop(ctx); err != nil {
		g.log.Warn("the firewall rules stay", zap.Error(err))
	}
}

// adminPort is where the admin port is listened on, as far as the rules are concerned: the member works without it, and
// who has the port in its place is another program, whose packets are not zkd's to judge.
type adminPort struct {
	bound  func() []string // addresses that are listened on; nil before it is opened
	absent int             // looks in a row that found fewer than are configured
	lacks  bool            // at takes the place of what is configured
	at     []string
}

// adminAbsent looks in a row, a second apart, say that an address cannot be had; the first may come before it is opened.
const adminAbsent = 2

// look takes in what is listened on and reports whether the rules have to follow.
func (a *adminPort) look(configured int) (changed bool) {
	if a.bound == nil {
		return false
	}
	at := a.bound()
	if len(at) < configured {
		a.absent++
	} else {
		a.absent = 0
	}
	before := *a
	switch {
	case a.absent == 0:
		a.lacks, a.at = false, nil
	case a.absent >= adminAbsent:
		a.lacks, a.at = true, at
	}
	return a.lacks != before.lacks || !slices.Equal(a.at, before.at)
}

// followAdminPort leaves an address of the admin port out of the rules while it cannot be listened on. When it can,
// the rules are there within a second of it.
func (d *process) followAdminPort(ctx context.Context) {
	if !d.admin.look(len(d.cfg.Admin.Listen)) || d.guard.rules == nil && !WantsRules(d.listening(d.cfg)) {
		return
	}
	if err := d.guard.follow(ctx, d.listening(d.cfg)); err != nil {
		d.log.Error("the firewall does not follow the admin port", zap.Error(err))
	}
}
