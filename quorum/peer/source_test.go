package peer

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
)

func TestOthersAreCalledFromTheOwnAddress(t *testing.T) {
	const local = "127.0.0.1 ::1 10.0.0.1 10.0.0.9 10.2.0.9 fd00::9 fe80::9"
	for name, test := range map[string]struct{ own, dest, kernel, want string }{
		"one that is not the host's first":    {"10.0.0.9", "10.0.0.2", "10.0.0.1", "10.0.0.9"},
		"the one of the peer's family":        {"10.0.0.9 fd00::9", "fd00::2", "fd00::1", "fd00::9"},
		"none of the peer's family":           {"10.0.0.9", "fd00::2", "fd00::1", ""},
		"not on this host":                    {"10.0.0.77", "10.0.0.2", "10.0.0.1", ""},
		"all addresses":                       {"0.0.0.0", "10.0.0.2", "10.0.0.1", ""},
		"two, and the kernel chooses of them": {"10.0.0.9 10.2.0.9", "10.2.0.2", "10.2.0.9", ""},
		"two, and the kernel chooses another": {"10.0.0.9 10.2.0.9", "10.0.0.2", "10.0.0.1", "10.0.0.9"},
		"two, and one is not on this host":    {"10.0.0.77 10.2.0.9", "10.0.0.2", "10.0.0.1", "10.2.0.9"},
		"loopback to others":                  {"127.0.0.1", "10.0.0.2", "10.0.0.1", ""},
		"to loopback":                         {"10.0.0.9", "127.0.0.1", "127.0.0.1", ""},
		"loopback to loopback":                {"127.0.0.2", "127.0.0.1", "127.0.0.1", "127.0.0.2"},
		"of a link":                           {"fe80::9", "fe80::2", "fe80::1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			addrs := func(texts string) (list []netip.Addr) {
				for _, s := range strings.Fields(texts) {
					list = append(list, netip.MustParseAddr(s))
				}
				return list
			}
			got := sourceFor(addrs(test.dest)[0], addrs(test.own), func() []netip.Addr { return addrs(local) }, func() netip.Addr { return addrs(test.kernel)[0] })
			if want := addrs(test.want); got.IsValid() != (len(want) > 0) || got.IsValid() && got != want[0] {
				t.Errorf("from %v, want %v", got, want)
			}
		})
	}
}

// Without leave to ask for the addresses of the host the bind itself tells.
func TestAnAddressOfAHostThatMayNotBeAskedIsTried(t *testing.T) {
	own := netip.MustParseAddr("10.0.0.9")
	got := sourceFor(netip.MustParseAddr("10.0.0.2"), []netip.Addr{own}, func() []netip.Addr { return nil }, func() netip.Addr { return netip.Addr{} })
	if got != own {
		t.Errorf("from %v", got)
	}
}

// On real sockets, of loopback: every address of 127.0.0.0/8 is one of this host, and one of 192.0.2.0/24 is not.
func TestConnectionsAreBound(t *testing.T) {
	for own, want := range map[string]string{"127.0.0.2": "127.0.0.2", "192.0.2.1": "127.0.0.1", "::1": "127.0.0.1"} {
		network := TCP(0).From([]netip.Addr{netip.MustParseAddr(own)}, zap.NewNop())
		l, err := network.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := network.Dial(t.Context(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.LocalAddr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("own address %s: called from %s, want %s", own, got, want)
		}
	}
	if k := kernelSource(netip.MustParseAddrPort("127.0.0.1:1")); !slices.Contains(localAddresses(), k) {
		t.Errorf("the kernel would choose %v of %v", k, localAddresses())
	}
}

func TestANetworkOfSomebodyElseStaysAsItIs(t *testing.T) {
	pipes := newPipes()
	l := pipes.listen("h:1")
	c, err := pipes.network().From([]netip.Addr{netip.MustParseAddr("127.0.0.2")}, zap.NewNop()).Dial(t.Context(), "h:1")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	l.Close()
}
