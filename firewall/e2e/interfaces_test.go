package e2e

import (
	"net/netip"
	"slices"
	"testing"

	"zkd/firewall/keeper"
	"zkd/firewall/netlab"
)

// Subnets come from the addresses, or from routes to neighbours where the addresses have none.
func TestSubnetsOfTheHost(t *testing.T) {
	ns := netlab.New(t)
	ns.Link("lan0", netlab.New(t), "far")
	ns.Addr("lan0", "10.1.0.1/24", "10.1.0.5/32", "10.2.0.5/32", "10.3.0.5/32", "2001:db8:1::5/128", "2001:db8:2::5/128")
	ns.Run("ip", "route", "add", "10.2.0.0/20", "dev", "lan0")     // of somebody
	ns.Run("ip", "route", "add", "10.3.0.0/20", "via", "10.1.0.9") // not neighbours
	ns.Run("ip", "-6", "route", "add", "2001:db8:1::/64", "dev", "lan0", "proto", "ra")
	ns.Run("ip", "-6", "route", "add", "2001:db8:2::/64", "dev", "lan0", "proto", "static")
	ns.Run("ip", "link", "add", "tun0", "type", "bridge") // stands for a tunnel that carries everything
	ns.Run("ip", "link", "set", "tun0", "up")
	ns.Addr("tun0", "10.8.0.2/32")
	for _, half := range []string{"0.0.0.0/1", "128.0.0.0/1"} {
		ns.Run("ip", "route", "add", half, "dev", "tun0")
	}
	ns.Run("ip", "link", "add", "down0", "type", "bridge")
	var list []keeper.Interface
	var err error
	ns.Do(func() { list, err = keeper.SystemInterfaces() })
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 || list[0].Name != "lo" || list[1].Name != "lan0" || list[2].Name != "tun0" {
		t.Fatalf("interfaces %v", list)
	}
	if !slices.Contains(list[2].Prefixes, netip.MustParsePrefix("10.8.0.2/32")) {
		t.Errorf("the tunnel: %v", list[2].Prefixes)
	}
	for _, want := range []string{"10.1.0.1/24", "10.1.0.5/24", "10.2.0.5/32", "10.3.0.5/32", "2001:db8:1::5/64", "2001:db8:2::5/128"} {
		if !slices.ContainsFunc(list[1].Prefixes, func(p netip.Prefix) bool { return p.String() == want }) {
			t.Errorf("no %s in %v", want, list[1].Prefixes)
		}
	}
}
