package keeper

import (
	"context"
	"net"
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

// Interface is a network interface that is up.
type Interface struct {
	Name string
	// Prefixes are its addresses with the lengths of their subnets.
	Prefixes []netip.Prefix
}

// SystemInterfaces returns the interfaces of this host that are up.
func SystemInterfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []Interface
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		out := Interface{Name: i.Name}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				ip, _ := netip.AddrFromSlice(n.IP)
				bits, _ := n.Mask.Size()
				out.Prefixes = append(out.Prefixes, netip.PrefixFrom(ip.Unmap(), bits))
			}
		}
		list = append(list, out)
	}
	return list, nil
}

// addresses are those of all interfaces.
func addresses(list []Interface) []netip.Prefix {
	var out []netip.Prefix
	for _, i := range list {
		out = append(out, i.Prefixes...)
	}
	return out
}
