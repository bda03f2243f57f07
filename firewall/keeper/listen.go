package keeper

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// listener is where a port is listened on; no host is all addresses.
type listener struct {
	host string
	port uint16
}

// listeners splits "host:port" texts. Port 0 is left out.
func listeners(list []string) (out []listener, err error) {
	for _, s := range list {
		host, portText, err := net.SplitHostPort(s)
		if err != nil {
			return nil, fmt.Errorf("firewall: listen address %q: %w", s, err)
		}
		port, err := strconv.ParseUint(portText, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("firewall: listen address %q: the port must be a number from 0 to 65535", s)
		}
		if port != 0 {
			out = append(out, listener{host, uint16(port)})
		}
	}
	return out, nil
}

// allListeners are those of a configuration.
type allListeners struct{ client, admin, peer, election []listener }

func (c Config) listeners() (all allListeners, err error) {
	var errs [4]error
	all.client, errs[0] = listeners(c.ClientListen)
	all.admin, errs[1] = listeners(c.AdminListen)
	all.peer, errs[2] = listeners(c.PeerListen)
	all.election, errs[3] = listeners(c.ElectionListen)
	return all, errors.Join(errs[:]...)
}

// at returns the ports with the addresses of their hosts. For members says that it is about the ports for members:
// where an own name leads to loopback, as Debian's installer writes it, the server listens for them on all addresses,
// and goes on to when somebody mends the name.
//
// The addresses of a name are never given up: a socket stays where it was bound when its name moves on, and what is
// not judged is open to everybody. While a name has none it stands for all addresses, for the same reason. So does
// 0.0.0.0: who listens there is reached by IPv6 too.
func (p *Planner) at(list []listener, forMembers bool) (out []netip.AddrPort) {
	if p.bound == nil {
		p.bound = make(map[string][]netip.Addr)
	}
	elsewhere := func(a netip.Addr) bool { return !a.IsLoopback() }
	for _, l := range list {
		known, _ := p.names.addresses(l.host)
		for _, a := range known {
			if !slices.Contains(p.bound[l.host], a) {
				p.bound[l.host] = append(p.bound[l.host], a)
			}
		}
		_, notName := netip.ParseAddr(l.host)
		if forMembers && notName != nil && l.host != "localhost" && len(known) > 0 && !slices.ContainsFunc(known, elsewhere) {
			p.misnamed = true
		}
	}
	for _, l := range list {
		at := p.bound[l.host]
		if len(at) == 0 || slices.ContainsFunc(at, netip.Addr.IsUnspecified) || forMembers && p.misnamed {
			at = []netip.Addr{{}}
		}
		for _, a := range at {
			out = append(out, netip.AddrPortFrom(a, l.port))
		}
	}
	return out
}
