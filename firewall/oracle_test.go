package firewall

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// allowed is the policy in the words of the manual, with nothing of Build in it.
func allowed(p Policy, k Packet) bool {
	from := func(list []netip.Prefix) bool {
		return slices.ContainsFunc(list, func(x netip.Prefix) bool {
			if x.Addr().Is4In6() {
				x = netip.PrefixFrom(x.Addr().Unmap(), x.Bits()-96)
			}
			return x.Contains(k.Source)
		})
	}
	meant := func(list []netip.AddrPort) bool {
		return slices.ContainsFunc(list, func(l netip.AddrPort) bool {
			everywhere := !l.Addr().IsValid() || l.Addr().IsUnspecified()
			return l.Port() == k.Port && (everywhere || l.Addr() == k.Dest && !k.Dest.IsLoopback())
		})
	}
	switch {
	case k.Loopback:
		return true
	case meant(p.ClientPorts):
		return from(p.Clients) || from(p.Members)
	case meant(p.PeerPorts), meant(p.ElectionPorts):
		return from(p.Members)
	case meant(p.AdminPorts):
		return from(p.Admins)
	}
	return true
}

// world draws policies and packets from few addresses and ports, so that they meet.
type world struct{ *rand.Rand }

func (w world) addr() netip.Addr {
	if w.IntN(2) == 0 {
		ends := []byte{0, 1, 2, 127, 128, 254, 255}
		first := []byte{0, 10, 10, 192, 255}
		return netip.AddrFrom4([4]byte{first[w.IntN(len(first))], byte(w.IntN(3)), byte(w.IntN(2) * 255), ends[w.IntN(len(ends))]})
	}
	a := [16]byte{0: []byte{0, 0xfd, 0xfe, 0xff}[w.IntN(4)], 1: byte(w.IntN(2) * 0xff), 7: byte(w.IntN(3)), 15: byte(w.IntN(4))}
	if w.IntN(4) == 0 {
		for i := 2; i < 16; i++ {
			a[i] = 0xff
		}
	}
	return netip.AddrFrom16(a)
}

func (w world) prefixes() []netip.Prefix {
	var list []netip.Prefix
	for range w.IntN(8) {
		a := w.addr()
		bits := a.BitLen()
		switch w.IntN(4) {
		case 0:
			bits = w.IntN(bits + 1)
		case 1:
			bits -= w.IntN(9)
		}
		if a.Is4() && w.IntN(4) == 0 {
			a, bits = netip.AddrFrom16(a.As16()), bits+96
		}
		list = append(list, netip.PrefixFrom(a, bits))
	}
	return list
}

// listen is a port at some of few addresses, or at all.
func (w world) listen(port uint16) (list []netip.AddrPort) {
	for range 1 + w.IntN(3) {
		list = append(list, netip.AddrPortFrom(w.dest(), port))
	}
	return list
}

func (w world) dest() netip.Addr {
	texts := []string{"10.1.0.1", "10.1.0.2", "fd00::1", "fd00::2", "127.0.0.1", "::1", "0.0.0.0", "::"}
	return netip.MustParseAddr(texts[w.IntN(len(texts))])
}

func (w world) policy() Policy {
	p := Policy{
		ClientPorts: w.listen(2181), PeerPorts: w.listen(2888), ElectionPorts: w.listen(3888), AdminPorts: w.listen(8080),
		Members: w.prefixes(), Clients: w.prefixes(), Admins: w.prefixes(),
	}
	if w.IntN(2) == 0 {
		p.ClientPorts = append(p.ClientPorts, w.listen(2281)...)
		p.ElectionPorts = p.PeerPorts
	}
	return p
}

func (w world) packet() Packet {
	ports := []uint16{0, 22, 2181, 2281, 2888, 3888, 8080}
	k := Packet{Loopback: w.IntN(10) == 0, Source: w.addr(), Dest: w.dest(), Port: ports[w.IntN(len(ports))]}
	for k.Dest.Is4() != k.Source.Is4() || k.Dest.IsUnspecified() {
		k.Dest = w.dest()
	}
	return k
}

// The ruleset lets through exactly what a naive reading of the policy lets through, whatever overlaps.
func TestRulesetsJudgeAsThePolicySays(t *testing.T) {
	for seed := range uint64(400) {
		w := world{rand.New(rand.NewPCG(seed, 1))}
		p := w.policy()
		rs := build(t, p)
		for range 200 {
			k := w.packet()
			if got, by := rs.Judge(k); got != allowed(p, k) {
				t.Fatalf("seed %d: %+v gets through: %v, by %q; the policy says %v\n%s", seed, k, got, by, !got, rs.Text())
			}
		}
	}
}

// Merged ranges hold the same addresses as the prefixes, ascend, and neither overlap nor touch.
func TestMergedRangesAreTheSameAddresses(t *testing.T) {
	for seed := range uint64(400) {
		w := world{rand.New(rand.NewPCG(seed, 2))}
		list := w.prefixes()
		v4, v6, err := Merge(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, ranges := range [][]Range{v4, v6} {
			for i, r := range ranges {
				if r.To.Less(r.From) || i > 0 && !ranges[i-1].To.Next().Less(r.From) {
					t.Fatalf("seed %d: %v became %v", seed, list, ranges)
				}
			}
		}
		for range 200 {
			a := w.addr()
			in := func(r Range) bool { return r.Contains(a) }
			got := slices.ContainsFunc(v4, in) || slices.ContainsFunc(v6, in)
			if want := allowed(Policy{ClientPorts: everywhere(1), Clients: list}, Packet{Source: a, Port: 1}); got != want {
				t.Fatalf("seed %d: %v in %v, %v: %v, want %v", seed, a, v4, v6, got, want)
			}
		}
	}
}
