package peer

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"go.uber.org/zap"
)

// From returns n with connections that come from the own addresses of this server, as the other members know them:
// what they let in is what stands in their configuration, and a host with several addresses would call from the first
// of them. It changes nothing where n is not a network of [TCP].
//
// A connection is bound where exactly one of own is of the peer's family, or where the kernel would choose none of
// them; own addresses that are not on this host, behind a translation of addresses for example, do not count.
func (n Network) From(own []netip.Addr, log *zap.Logger) Network {
	if n.tcp == nil || len(own) == 0 {
		return n
	}
	dialer := *n.tcp
	dialer.ControlContext = func(_ context.Context, _, address string, raw syscall.RawConn) error {
		dest, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil
		}
		source := sourceFor(dest.Addr().Unmap(), own, localAddresses, func() netip.Addr { return kernelSource(dest) })
		if !source.IsValid() {
			return nil
		}
		if err := bind(raw, source); err != nil {
			// It has just gone from this host: the kernel knows better than not to call at all.
			log.Debug("not called from the own address", zap.Stringer("own", source), zap.Stringer("peer", dest), zap.Error(err))
		}
		return nil
	}
	n.Dial = dialTCP(&dialer)
	return n
}

// sourceFor returns the address from which dest is to be called; the zero address leaves it to the kernel. local are
// the addresses of this host, nil if they are not known, and kernel is the one that it would choose.
func sourceFor(dest netip.Addr, own []netip.Addr, local func() []netip.Addr, kernel func() netip.Addr) netip.Addr {
	own = slices.DeleteFunc(slices.Clone(own), func(a netip.Addr) bool {
		// One of a link needs a zone, and one of loopback reaches nobody else.
		return a.Is4() != dest.Is4() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsLoopback() != dest.IsLoopback()
	})
	if len(own) > 0 {
		// With net.ipv4.ip_nonlocal_bind an address that is not here can be bound too, and is answered elsewhere.
		here := local()
		own = slices.DeleteFunc(own, func(a netip.Addr) bool { return here != nil && !a.IsLoopback() && !slices.Contains(here, a) })
	}
	switch len(own) {
	case 0:
		return netip.Addr{}
	case 1:
		return own[0]
	}
	// The address of the interface by which the route leads, where that is one of them.
	if slices.Contains(own, kernel()) {
		return netip.Addr{}
	}
	return own[0]
}

// localAddresses returns nil where a sandbox without AF_NETLINK forbids to ask: then a bind will tell.
func localAddresses() (list []netip.Addr) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				list = append(list, ip.Unmap())
			}
		}
	}
	return list
}

// kernelSource is the address from which the kernel would call dest. Nothing is sent.
func kernelSource(dest netip.AddrPort) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(dest))
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// bindNoPort leaves the choice of the port to the connect, which may then use one that another connection to another
// peer has. Source: linux/in.h, IP_BIND_ADDRESS_NO_PORT.
const bindNoPort = 24

func bind(raw syscall.RawConn, source netip.Addr) error {
	var sa syscall.Sockaddr = &syscall.SockaddrInet6{Addr: source.As16()}
	if source.Is4() {
		sa = &syscall.SockaddrInet4{Addr: source.As4()}
	}
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindNoPort, 1)
		err = syscall.Bind(int(fd), sa)
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}
