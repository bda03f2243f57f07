package keeper

import (
	"context"
	"net/netip"

	"zkd/firewall"
	"zkd/firewall/foreign"
)

// Kernel holds the rules, as *nft.Netfilter does. Calls come one at a time, but for Watch and Foreign, which
// run beside them.
type Kernel interface {
	// Apply makes rs the whole content of its table, atomically.
	Apply(ctx context.Context, rs firewall.Ruleset) error
	// UpdateSets replaces the elements of these sets of the table, atomically.
	UpdateSets(ctx context.Context, table string, sets []firewall.Set) error
	Read(ctx context.Context, table string) (firewall.State, error)
	// Remove removes the table; it is no error if there is none.
	Remove(ctx context.Context, table string) error
	// Watch calls changed when it begins and whenever the table may have changed, until ctx ends, with
	// nil, or it cannot.
	Watch(ctx context.Context, table string, changed func()) error
	// Foreign returns the rules of everybody else.
	Foreign(ctx context.Context) (foreign.View, error)
}

// Resolver finds the addresses of names, as *net.Resolver does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}
