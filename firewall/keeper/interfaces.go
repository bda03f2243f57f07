package keeper

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// Interface is a network interface that is up.
type Interface struct {
	Name string
	// Prefixes are its addresses with the lengths of their subnets.
	Prefixes []netip.Prefix
}

// SystemInterfaces returns the interfaces of this host that are up. An address without a subnet of its own,
// as DHCPv6 and virtual addresses have none, gets that of the route that reaches its neighbours, if there is one.
func SystemInterfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	routes, err := connectedRoutes()
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
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, _ := netip.AddrFromSlice(n.IP)
			bits, _ := n.Mask.Size()
			out.Prefixes = append(out.Prefixes, netip.PrefixFrom(ip.Unmap(), bits))
		}
		widenAll(out.Prefixes, routes[i.Index])
		list = append(list, out)
	}
	return list, nil
}

// The shortest prefixes that are taken for a subnet of neighbours, in bits: 10.0.0.0/8, and what a provider gets.
const shortest4, shortest6 = 8, 32

// route is one without a gateway.
type route struct {
	dest   netip.Prefix
	source netip.Addr // the preferred one; not valid if there is none
	// onLink says that it stands for a subnet of the interface: that the kernel made it, of an address of the
	// interface or of what a router of the link announced, or that a daemon did so for the kernel.
	onLink bool
}

// widenAll gives addresses without a subnet the length of the longest route that stands for one and contains them.
//
// Routes that somebody else made, without a gateway too, do not: a tunnel is given such a route for all that it is to
// carry, 0.0.0.0/1 and 128.0.0.0/1 to carry everything, and who is behind it is no neighbour.
func widenAll(addrs []netip.Prefix, routes []route) {
	own := slices.Clone(addrs)
	for i, p := range addrs {
		if !p.IsSingleIP() {
			continue
		}
		shortest := shortest4
		if p.Addr().Is6() {
			shortest = shortest6
		}
		bits := 0
		for _, r := range routes {
			ofInterface := !r.source.IsValid() || slices.ContainsFunc(own, func(o netip.Prefix) bool { return o.Addr() == r.source })
			if r.onLink && ofInterface && r.dest.Contains(p.Addr()) && !r.dest.IsSingleIP() && r.dest.Bits() >= shortest && r.dest.Bits() > bits {
				bits = r.dest.Bits()
			}
		}
		if bits > 0 {
			addrs[i] = netip.PrefixFrom(p.Addr(), bits)
		}
	}
}

// Of a route message. Source: linux/rtnetlink.h, struct rtmsg: family, dst_len, src_len, tos, table, protocol,
// scope and type of a byte each, and flags of four.
const (
	routeHeader   = 12
	routeLength   = 1
	routeTable    = 4
	routeProtocol = 5
	routeScope    = 6
	routeType     = 7

	// protocolRA marks what systemd-networkd and NetworkManager make of announcements of routers (RTPROT_RA).
	protocolRA = 9
)

// connectedRoutes returns the routes without a gateway by the index of their interface: the subnets whose
// hosts are neighbours.
func connectedRoutes() (map[int][]route, error) {
	data, err := syscall.NetlinkRIB(syscall.RTM_GETROUTE, syscall.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(data)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	routes := make(map[int][]route)
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWROUTE || len(m.Data) < routeHeader ||
			m.Data[routeTable] != syscall.RT_TABLE_MAIN || m.Data[routeType] != syscall.RTN_UNICAST {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, fmt.Errorf("read routes: %w", err)
		}
		var dest netip.Addr
		var r route
		index, direct := 0, true
		for _, a := range attrs {
			switch a.Attr.Type {
			case syscall.RTA_DST:
				dest, _ = netip.AddrFromSlice(a.Value)
			case syscall.RTA_PREFSRC:
				r.source, _ = netip.AddrFromSlice(a.Value)
			case syscall.RTA_OIF:
				if len(a.Value) == 4 {
					index = int(binary.NativeEndian.Uint32(a.Value))
				}
			case syscall.RTA_GATEWAY, syscall.RTA_MULTIPATH:
				direct = false
			}
		}
		if !direct || !dest.IsValid() {
			continue
		}
		r.dest = netip.PrefixFrom(dest, int(m.Data[routeLength]))
		protocol := m.Data[routeProtocol]
		if dest.Is4() {
			r.onLink = protocol == syscall.RTPROT_KERNEL && m.Data[routeScope] == syscall.RT_SCOPE_LINK
		} else { // which has no scopes of routes
			r.onLink = protocol == syscall.RTPROT_KERNEL || protocol == protocolRA
		}
		routes[index] = append(routes[index], r)
	}
	return routes, nil
}

// addresses are those of all interfaces.
func addresses(list []Interface) []netip.Prefix {
	var out []netip.Prefix
	for _, i := range list {
		out = append(out, i.Prefixes...)
	}
	return out
}
