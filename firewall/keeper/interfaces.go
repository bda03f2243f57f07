package keeper

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Interface is a network interface that is up.
type Interface struct {
	Name string
	// Prefixes are its addresses with the lengths of their subnets.
	Prefixes []netip.Prefix
}

// SystemInterfaces returns the interfaces of this host that are up. An address without a subnet of its own,
// as DHCPv6 and some clouds give them, gets that of the route that reaches its neighbours, if there is one.
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
			p := netip.PrefixFrom(ip.Unmap(), bits)
			if p.IsSingleIP() {
				p = widen(p, routes[i.Index])
			}
			out.Prefixes = append(out.Prefixes, p)
		}
		list = append(list, out)
	}
	return list, nil
}

// widen gives an address the length of the longest route to more than itself that contains it.
func widen(p netip.Prefix, routes []netip.Prefix) netip.Prefix {
	bits := 0
	for _, r := range routes {
		if r.Contains(p.Addr()) && !r.IsSingleIP() && r.Bits() > bits {
			bits = r.Bits()
		}
	}
	if bits == 0 {
		return p
	}
	return netip.PrefixFrom(p.Addr(), bits)
}

// Of a route message. Source: linux/rtnetlink.h, struct rtmsg: family, dst_len, src_len, tos, table, protocol,
// scope and type of a byte each, and flags of four.
const (
	routeHeader = 12
	routeLength = 1
	routeTable  = 4
	routeType   = 7
)

// connectedRoutes returns the routes without a gateway by the index of their interface: the subnets whose
// hosts are neighbours.
func connectedRoutes() (map[int][]netip.Prefix, error) {
	data, err := syscall.NetlinkRIB(syscall.RTM_GETROUTE, syscall.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(data)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	routes := make(map[int][]netip.Prefix)
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
		index, direct := 0, true
		for _, a := range attrs {
			switch a.Attr.Type {
			case syscall.RTA_DST:
				dest, _ = netip.AddrFromSlice(a.Value)
			case syscall.RTA_OIF:
				if len(a.Value) == 4 {
					index = int(binary.NativeEndian.Uint32(a.Value))
				}
			case syscall.RTA_GATEWAY, syscall.RTA_MULTIPATH:
				direct = false
			}
		}
		if direct && dest.IsValid() {
			routes[index] = append(routes[index], netip.PrefixFrom(dest, int(m.Data[routeLength])))
		}
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
