package keeper

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestAddressesWithoutASubnetGetThatOfTheirNeighbours(t *testing.T) {
	kernel := func(dest, source string) route {
		r := route{dest: netip.MustParsePrefix(dest), onLink: true}
		if source != "" {
			r.source = netip.MustParseAddr(source)
		}
		return r
	}
	static := func(dest string) route { return route{dest: netip.MustParsePrefix(dest)} }
	for name, test := range map[string]struct {
		addrs  string
		routes []route
		want   string
	}{
		"a virtual address beside the host's own": {"10.1.0.1/24 10.1.0.9/32", []route{kernel("10.1.0.0/24", "10.1.0.1")}, "10.1.0.1/24 10.1.0.9/24"},
		"an announced prefix":                     {"2001:db8:1::5/128", []route{kernel("2001:db8:1::/64", "")}, "2001:db8:1::5/64"},
		"the longest of several":                  {"10.1.0.9/32", []route{kernel("10.0.0.0/8", ""), kernel("10.1.0.0/20", "")}, "10.1.0.9/20"},
		"a tunnel for everything":                 {"10.8.0.2/32", []route{static("0.0.0.0/1"), static("128.0.0.0/1")}, "10.8.0.2/32"},
		"a route that somebody made":              {"10.8.0.2/32", []route{static("10.8.0.0/24")}, "10.8.0.2/32"},
		"too short":                               {"10.8.0.2/32 fd00::1/128", []route{kernel("0.0.0.0/1", ""), kernel("fc00::/7", "")}, "10.8.0.2/32 fd00::1/128"},
		"just long enough":                        {"10.8.0.2/32 fd00::1/128", []route{kernel("10.0.0.0/8", ""), kernel("fd00::/32", "")}, "10.8.0.2/8 fd00::1/32"},
		"of an address that is another's":         {"10.8.0.2/32", []route{kernel("10.8.0.0/24", "10.8.0.7")}, "10.8.0.2/32"},
		"a route to itself":                       {"10.8.0.2/32", []route{kernel("10.8.0.2/32", "")}, "10.8.0.2/32"},
		"a subnet of its own":                     {"10.1.0.1/24", []route{kernel("10.1.0.0/16", "")}, "10.1.0.1/24"},
	} {
		t.Run(name, func(t *testing.T) {
			addrs := parsePrefixes(test.addrs)
			widenAll(addrs, test.routes)
			if got := fmt.Sprint(addrs); got != "["+test.want+"]" {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
