package firewall

import "net/netip"

// Connected returns the subnets from which clients may come when nobody has said: those of the own
// addresses that a server listens on. own are the addresses of this host with the lengths of their
// subnets. Loopback is left out, since it is always allowed, and so are addresses without a subnet; an unspecified address stands for all
// addresses of its family, and an invalid one for all of both.
func Connected(listen []netip.Addr, own []netip.Prefix) []netip.Prefix {
	var list []netip.Prefix
	for _, p := range own {
		a := p.Addr().Unmap()
		if a.IsLoopback() || p.IsSingleIP() {
			continue
		}
		for _, l := range listen {
			l = l.Unmap()
			// The socket of [::] takes IPv4 too.
			any := !l.IsValid() || l == netip.IPv6Unspecified() || l == netip.IPv4Unspecified() && a.Is4()
			if any || l.WithZone("") == a.WithZone("") {
				list = append(list, p.Masked())
				break
			}
		}
	}
	return list
}
