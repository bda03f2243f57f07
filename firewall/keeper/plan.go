package keeper

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"zkd/firewall"
)

// Plan is a Config whose names have become addresses.
type Plan struct {
	Policy     firewall.Policy
	Ruleset    firewall.Ruleset
	Members    []MemberStatus
	Interfaces []Interface
	// ClientsConfigured tells sources that the operator named from subnets that were found.
	ClientsConfigured bool
	// Unresolved are names, of members or of listen addresses, that have never had an address.
	Unresolved []string
	// NoClients says that the server listens to other hosts and that none of them may come: no subnets were found.
	NoClients bool
}

// MemberStatus is what is known of the addresses of a member.
type MemberStatus struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	// Error says why a name has no address now; addresses that it had before stay.
	Error string `json:"error,omitempty"`
}

// Planner makes plans. The zero Planner with its fields set is ready; it is for one goroutine at a time, but for
// Resolve.
type Planner struct {
	Resolver   Resolver
	Interfaces func() ([]Interface, error)

	names names
	// seen is when the addresses of interfaces were last there.
	seen map[netip.Prefix]time.Time
	// bound are all addresses that names of listeners have ever had: what listens does not follow its name.
	bound map[string][]netip.Addr
	// misnamed says that an own name once led to loopback only.
	misnamed bool
}

// ConfigError is an error of the configuration, which no second try mends.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// Plan resolves the names of cfg and computes the rules, as Resolve and Make do.
func (p *Planner) Plan(ctx context.Context, cfg Config) (Plan, error) {
	p.Resolve(ctx, cfg)
	return p.Make(cfg)
}

// Resolve looks the names of cfg up, which may take seconds, for the next Make. It can be called beside everything
// else.
func (p *Planner) Resolve(ctx context.Context, cfg Config) {
	if list, err := cfg.hosts(); err == nil {
		p.names.lookUp(ctx, p.Resolver, list)
	}
}

// hosts are all names and addresses in c.
func (c Config) hosts() ([]string, error) {
	ports, err := c.listeners()
	if err != nil {
		return nil, err
	}
	var list []string
	for _, l := range slices.Concat(ports.client, ports.admin, ports.peer, ports.election) {
		list = append(list, l.host)
	}
	for _, m := range c.Members {
		list = append(list, m.Hosts...)
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(name string) bool { return name == "" }), nil
}

// unresolved returns the names in cfg that have never had an address.
func (p *Planner) unresolved(cfg Config) (list []string) {
	hosts, _ := cfg.hosts()
	for _, name := range hosts {
		if at, _ := p.names.addresses(name); len(at) == 0 {
			list = append(list, name)
		}
	}
	return list
}

// Make computes the rules from what is known of names. An error is a *ConfigError, or one of this host; a name that
// cannot be resolved is told in Members.
func (p *Planner) Make(cfg Config) (Plan, error) {
	cfg = cfg.withDefaults()
	interfaces, err := p.Interfaces()
	if err != nil {
		return Plan{}, fmt.Errorf("firewall: addresses of this host: %w", err)
	}
	plan := Plan{
		Interfaces: interfaces, ClientsConfigured: cfg.Clients != nil,
		Policy: firewall.Policy{Table: cfg.Table, Refusal: cfg.Refusal, Clients: cfg.Clients, Admins: cfg.Admins},
	}
	ports, err := cfg.listeners()
	if err != nil {
		return Plan{}, &ConfigError{err}
	}
	plan.Unresolved = p.unresolved(cfg)
	plan.Policy.ClientPorts, plan.Policy.AdminPorts = p.at(ports.client, false), p.at(ports.admin, false)
	plan.Policy.PeerPorts, plan.Policy.ElectionPorts = p.at(ports.peer, true), p.at(ports.election, true)
	if cfg.Clients == nil {
		var listen []netip.Addr
		for _, l := range ports.client {
			if l.host == "" {
				listen = append(listen, netip.Addr{})
			}
			at, _ := p.names.addresses(l.host)
			listen = append(listen, at...)
		}
		plan.Policy.Clients = firewall.Connected(listen, p.subnets(interfaces, time.Now()))
		plan.NoClients = len(plan.Policy.Clients) == 0 && slices.ContainsFunc(listen, func(a netip.Addr) bool { return !a.IsLoopback() })
	}
	for _, m := range cfg.Members {
		status := MemberStatus{Name: m.Name, Addresses: []string{}}
		sources := slices.Clone(m.From)
		for _, h := range m.Hosts {
			at, err := p.names.addresses(h)
			if err != nil {
				status.Error = err.Error()
			}
			for _, a := range at {
				// A host's own name may lead to loopback, from where everything is allowed anyway; as the
				// source of a packet from elsewhere it would be forged.
				if !a.IsLoopback() {
					sources = append(sources, netip.PrefixFrom(a.WithZone(""), a.BitLen()))
				}
			}
		}
		for _, s := range sources {
			status.Addresses = append(status.Addresses, text(s))
		}
		plan.Policy.Members = append(plan.Policy.Members, sources...)
		plan.Members = append(plan.Members, status)
	}
	if plan.Ruleset, err = firewall.Build(plan.Policy); err != nil {
		return Plan{}, &ConfigError{err}
	}
	return plan, nil
}

// subnets returns the addresses of interfaces, also those that have gone lately: an interface that is down for a moment,
// or an address that is renewed, must not shut out the clients of its subnet.
func (p *Planner) subnets(interfaces []Interface, now time.Time) []netip.Prefix {
	if p.seen == nil {
		p.seen = make(map[netip.Prefix]time.Time)
	}
	for _, a := range addresses(interfaces) {
		p.seen[a] = now
	}
	maps.DeleteFunc(p.seen, func(_ netip.Prefix, at time.Time) bool { return now.Sub(at) > linger })
	return slices.SortedFunc(maps.Keys(p.seen), netip.Prefix.Compare)
}

// text writes a single address without its length.
func text(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
