package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// lookupTimeout bounds the look-ups of all names, which run side by side.
const lookupTimeout = 3 * time.Second

// names remembers the last good addresses of names: a failed look-up never takes a member's access away. It is for
// any goroutine, and does not hold its lock while it waits for a resolver. The zero names is empty.
type names struct {
	mu     sync.Mutex
	known  map[string][]netip.Addr
	failed map[string]error // of the last look-up
}

// addresses returns what is known of a name or an address, and why the last look-up failed.
func (n *names) addresses(name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.known[name]), n.failed[name]
}

// lookUp finds the addresses of a list of names and addresses.
func (n *names) lookUp(ctx context.Context, r Resolver, list []string) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	list = slices.Clone(list)
	slices.Sort(list)
	var all sync.WaitGroup
	for _, name := range slices.Compact(list) {
		if _, err := netip.ParseAddr(name); err == nil || name == "" {
			continue
		}
		all.Go(func() {
			addrs, err := r.LookupNetIP(ctx, "ip", name)
			if err == nil && len(addrs) == 0 {
				err = errors.New("has no address")
			}
			n.note(name, addrs, err)
		})
	}
	all.Wait()
}

func (n *names) note(name string, addrs []netip.Addr, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known, n.failed = make(map[string][]netip.Addr), make(map[string]error)
	}
	if err != nil {
		n.failed[name] = fmt.Errorf("%s: %w", name, err)
		return
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	n.known[name] = slices.Compact(addrs)
	delete(n.failed, name)
}
