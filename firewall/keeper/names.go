package keeper

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// lookupTimeout bounds the look-ups of all names, which run side by side.
	lookupTimeout = 3 * time.Second
	// linger is how long an address counts after it was last seen: a resolver may show another part of many
	// addresses each time, and a host or an interface may be away for a moment.
	linger = 5 * time.Minute
)

// names remembers the addresses of names. It is for any goroutine, and does not hold its lock while it waits for a
// resolver. The zero names is empty.
//
// Each family is looked up by itself and keeps what it had when its look-up fails: half an answer, or none, takes
// nobody's access away. That a name has no address of a family is believed of a name that has one of the other.
type names struct {
	mu    sync.Mutex
	known map[string]*name
}

// name is what is known of a name.
type name struct {
	seen   map[netip.Addr]time.Time // when its addresses were last in an answer
	failed error                    // of the last look-up
}

// answer is that of a resolver for one family.
type answer struct {
	addrs []netip.Addr
	err   error
}

// addresses returns what is known of a name or an address, and why the last look-up failed.
func (n *names) addresses(host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.known[host]
	if known == nil {
		return nil, nil
	}
	return slices.SortedFunc(maps.Keys(known.seen), netip.Addr.Compare), known.failed
}

// lookUp finds the addresses of a list of names and addresses.
func (n *names) lookUp(ctx context.Context, r Resolver, list []string) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	list = slices.Clone(list)
	slices.Sort(list)
	var all sync.WaitGroup
	for _, host := range slices.Compact(list) {
		if _, err := netip.ParseAddr(host); err == nil || host == "" {
			continue
		}
		all.Go(func() {
			var v4, v6 answer
			var both sync.WaitGroup
			both.Go(func() { v4 = ask(ctx, r, "ip4", host) })
			both.Go(func() { v6 = ask(ctx, r, "ip6", host) })
			both.Wait()
			n.note(host, v4, v6, time.Now())
		})
	}
	all.Wait()
}

func ask(ctx context.Context, r Resolver, network, host string) (a answer) {
	list, err := r.LookupNetIP(ctx, network, host)
	for _, addr := range list {
		if addr = addr.Unmap(); addr.Is4() == (network == "ip4") {
			a.addrs = append(a.addrs, addr)
		}
	}
	a.err = err
	return a
}

// none reports whether a says that there is no address of its family. Package net has an error of its own for a name
// of /etc/hosts that has addresses of the other family only.
func (a answer) none() bool {
	dns, isDNS := errors.AsType[*net.DNSError](a.err)
	_, isAddr := errors.AsType[*net.AddrError](a.err)
	return len(a.addrs) == 0 && (a.err == nil || isAddr || isDNS && dns.IsNotFound)
}

func (n *names) note(host string, v4, v6 answer, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = make(map[string]*name)
	}
	known := n.known[host]
	if known == nil {
		known = &name{seen: make(map[netip.Addr]time.Time)}
		n.known[host] = known
	}
	known.failed = nil
	some := len(v4.addrs)+len(v6.addrs) > 0
	for _, family := range []struct {
		answer
		is4 bool
	}{{v4, true}, {v6, false}} {
		switch {
		case len(family.addrs) > 0, some && family.none():
			for _, a := range family.addrs {
				known.seen[a] = now
			}
			maps.DeleteFunc(known.seen, func(a netip.Addr, at time.Time) bool { return a.Is4() == family.is4 && now.Sub(at) > linger })
		case !some || known.has(family.is4): // else nobody misses the family
			if known.failed == nil {
				known.failed = fmt.Errorf("%s: %w", host, family.reason())
			}
		}
	}
}

func (a answer) reason() error {
	if a.err == nil {
		return errors.New("has no address")
	}
	return a.err
}

// has reports whether an address of a family is known.
func (n *name) has(is4 bool) bool {
	for a := range n.seen {
		if a.Is4() == is4 {
			return true
		}
	}
	return false
}
