package keeper

import (
	"context"
	"errors"
	"fmt"
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

// Planner makes plans. It remembers the last good addresses of names: a failed look-up never takes a
// member's access away. The zero Planner with its fields set is ready; it is for one goroutine at a time.
type Planner struct {
	Resolver   Resolver
	Interfaces func() ([]Interface, error)

	known map[string][]netip.Addr
	// bound are all addresses that names of listeners have ever had: what listens does not follow its name.
	bound map[string][]netip.Addr
}

// lookupTimeout bounds the look-ups of one plan, which run side by side.
const lookupTimeout = 3 * time.Second

// ConfigError is an error of the configuration, which no second try mends.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// Plan resolves the names of cfg and computes the rules. An error is a *ConfigError, or one of this
// host; a name that cannot be resolved is told in Members.
func (p *Planner) Plan(ctx context.Context, cfg Config) (Plan, error) {
	cfg = cfg.withDefaults()
	interfaces, err := p.Interfaces()
	if err != nil {
		return Plan{}, fmt.Errorf("firewall: addresses of this host: %w", err)
	}
	plan := Plan{
		Interfaces: interfaces, ClientsConfigured: cfg.Clients != nil,
		Policy: firewall.Policy{Table: cfg.Table, Refusal: cfg.Refusal, Clients: cfg.Clients, Admins: cfg.Admins},
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	ports, err := cfg.listeners()
	if err != nil {
		return Plan{}, &ConfigError{err}
	}
	var names []string
	for _, l := range slices.Concat(ports.client, ports.admin, ports.peer, ports.election) {
		names = append(names, l.host)
	}
	for _, m := range cfg.Members {
		names = append(names, m.Hosts...)
	}
	failed := p.lookUp(ctx, names)
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if n != "" && p.known[n] == nil {
			plan.Unresolved = append(plan.Unresolved, n)
		}
	}
	plan.Policy.ClientPorts, plan.Policy.AdminPorts = p.at(ports.client, false), p.at(ports.admin, false)
	plan.Policy.PeerPorts, plan.Policy.ElectionPorts = p.at(ports.peer, true), p.at(ports.election, true)
	if cfg.Clients == nil {
		var listen []netip.Addr
		for _, l := range ports.client {
			if l.host == "" {
				listen = append(listen, netip.Addr{})
			}
			listen = append(listen, p.known[l.host]...)
		}
		plan.Policy.Clients = firewall.Connected(listen, addresses(interfaces))
		plan.NoClients = len(plan.Policy.Clients) == 0 && slices.ContainsFunc(listen, func(a netip.Addr) bool { return !a.IsLoopback() })
	}
	for _, m := range cfg.Members {
		status := MemberStatus{Name: m.Name, Addresses: []string{}}
		sources := slices.Clone(m.From)
		for _, h := range m.Hosts {
			if err := failed[h]; err != nil {
				status.Error = err.Error()
			}
			for _, a := range p.known[h] {
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

// text writes a single address without its length.
func text(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// lookUp finds the addresses of names, side by side, and keeps them. It returns the errors by name.
func (p *Planner) lookUp(ctx context.Context, names []string) map[string]error {
	if p.known == nil {
		p.known = make(map[string][]netip.Addr)
	}
	names = slices.Clone(names)
	slices.Sort(names)
	type answer struct {
		name  string
		addrs []netip.Addr
		err   error
	}
	answers := make(chan answer)
	asked := 0
	for _, name := range slices.Compact(names) {
		if name == "" {
			continue
		}
		if a, err := netip.ParseAddr(name); err == nil {
			p.known[name] = []netip.Addr{a.Unmap()}
			continue
		}
		asked++
		go func() {
			addrs, err := p.Resolver.LookupNetIP(ctx, "ip", name)
			if err == nil && len(addrs) == 0 {
				err = errors.New("has no address")
			}
			answers <- answer{name, addrs, err}
		}()
	}
	failed := make(map[string]error)
	for range asked {
		a := <-answers
		if a.err != nil {
			failed[a.name] = fmt.Errorf("%s: %w", a.name, a.err)
			continue
		}
		for i := range a.addrs {
			a.addrs[i] = a.addrs[i].Unmap()
		}
		slices.SortFunc(a.addrs, netip.Addr.Compare)
		p.known[a.name] = slices.Compact(a.addrs)
	}
	return failed
}
