package firewall

import (
	"fmt"
	"net/netip"
	"slices"
)

// Range is all addresses from From to To, both included, of one family.
type Range struct{ From, To netip.Addr }

// String returns the range as nft writes it: an address, a prefix where it is one, or from-to.
func (r Range) String() string {
	if r.From == r.To {
		return r.From.String()
	}
	if p := r.Prefix(); last(p) == r.To {
		return p.String()
	}
	return r.From.String() + "-" + r.To.String()
}

// Prefix returns the largest prefix that begins where r does and lies in it.
func (r Range) Prefix() netip.Prefix {
	p := netip.PrefixFrom(r.From, r.From.BitLen())
	for bits := p.Bits() - 1; bits >= 0; bits-- {
		next := netip.PrefixFrom(r.From, bits)
		if next.Masked() != next || r.To.Less(last(next)) {
			break
		}
		p = next
	}
	return p
}

// Contains reports whether a is in r.
func (r Range) Contains(a netip.Addr) bool { return r.From.Compare(a) <= 0 && a.Compare(r.To) <= 0 }

// last returns the last address of p.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		bits := min(max(p.Bits()-8*i, 0), 8)
		b[i] |= byte(0xff >> bits)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Merge returns the addresses of prefixes as the fewest ascending ranges of each family.
//
// The kernel refuses a set whose ranges overlap, or, with 0.0.0.0/0 among them, silently loses some of
// it; so nothing that overlaps or touches leaves here. Zones are left out, IPv4 addresses in IPv6 form
// become IPv4, and bits behind the prefix length do not count.
func Merge(prefixes []netip.Prefix) (v4, v6 []Range, err error) {
	for _, p := range prefixes {
		if !p.IsValid() {
			return nil, nil, fmt.Errorf("firewall: %v is no range of addresses", p)
		}
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		p = p.Masked()
		r := Range{p.Addr(), last(p)}
		if r.From.Is4() {
			v4 = append(v4, r)
		} else {
			v6 = append(v6, r)
		}
	}
	return join(v4), join(v6), nil
}

// join sorts ranges and unites those that overlap or touch.
func join(list []Range) []Range {
	slices.SortFunc(list, func(a, b Range) int { return a.From.Compare(b.From) })
	var out []Range
	for _, r := range list {
		if n := len(out); n > 0 {
			end := &out[n-1].To
			// The address behind the last one of a family is not valid: then everything is covered.
			if next := end.Next(); !next.IsValid() || r.From.Compare(next) <= 0 {
				if end.Less(r.To) {
					*end = r.To
				}
				continue
			}
		}
		out = append(out, r)
	}
	return out
}
