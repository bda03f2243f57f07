package nft

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"

	"zkd/firewall"
)

// chunk is how many elements go into one message: the length of an attribute has 16 bits.
const chunk = 512

func newSet(t *nftables.Table, s firewall.Set) *nftables.Set {
	set := &nftables.Set{Table: t, Name: s.Name}
	switch s.Kind {
	case firewall.Ports:
		set.KeyType, set.KeyByteOrder = nftables.TypeInetService, binaryutil.BigEndian
	case firewall.IPv4:
		set.KeyType, set.Interval = nftables.TypeIPAddr, true
	case firewall.IPv6:
		set.KeyType, set.Interval = nftables.TypeIP6Addr, true
	}
	return set
}

// addSets adds the sets with their elements and returns them by name.
func (c *conn) addSets(t *nftables.Table, list []firewall.Set) (map[string]*nftables.Set, error) {
	sets := make(map[string]*nftables.Set)
	for i, s := range list {
		set := newSet(t, s)
		set.ID = uint32(i + 1) // unique in this batch; without one the library counts in a variable of its own
		if err := c.AddSet(set, nil); err != nil {
			return nil, err
		}
		if err := c.addElements(set, s); err != nil {
			return nil, err
		}
		sets[s.Name] = set
	}
	return sets, nil
}

func (c *conn) addElements(set *nftables.Set, s firewall.Set) error {
	for part := range slices.Chunk(elements(s), chunk) {
		if err := c.SetAddElements(set, part); err != nil {
			return err
		}
	}
	return nil
}

// elements returns a set as the kernel wants it: a range is its first address and, as an end, the first
// address behind it. Where the range goes up to the last address of the family there is no such end.
func elements(s firewall.Set) []nftables.SetElement {
	var list []nftables.SetElement
	for _, p := range s.Ports {
		list = append(list, nftables.SetElement{Key: binary.BigEndian.AppendUint16(nil, p)})
	}
	for _, r := range s.Ranges {
		list = append(list, nftables.SetElement{Key: r.From.AsSlice()})
		if next := r.To.Next(); next.IsValid() {
			list = append(list, nftables.SetElement{Key: next.AsSlice(), IntervalEnd: true})
		}
	}
	return list
}

// readSet is the inverse of newSet and elements. Elements come in any order, ends before their starts.
func readSet(set *nftables.Set, list []nftables.SetElement) firewall.Set {
	s := firewall.Set{Name: set.Name}
	var bits int
	switch {
	case set.KeyType.Name == nftables.TypeInetService.Name && !set.Interval:
		s.Kind = firewall.Ports
		for _, e := range list {
			if len(e.Key) == 2 {
				s.Ports = append(s.Ports, binary.BigEndian.Uint16(e.Key))
			}
		}
		slices.Sort(s.Ports)
		return plain(set, s)
	case set.KeyType.Name == nftables.TypeIPAddr.Name && set.Interval:
		s.Kind, bits = firewall.IPv4, 32
	case set.KeyType.Name == nftables.TypeIP6Addr.Name && set.Interval:
		s.Kind, bits = firewall.IPv6, 128
	default:
		s.Kind = firewall.Kind(set.KeyType.Name + ", not zkd's")
		return s
	}
	s.Ranges = ranges(list, bits)
	return plain(set, s)
}

// plain marks a set with properties that ours do not have.
func plain(set *nftables.Set, s firewall.Set) firewall.Set {
	if set.IsMap || set.HasTimeout || set.Dynamic || set.Concatenation || set.Anonymous || set.Constant {
		s.Kind += ", not zkd's"
	}
	return s
}

// ranges puts the starts and ends of an interval set together. An end without a start, which nft writes
// in front of all, counts nothing; a start without an end goes up to the last address.
func ranges(list []nftables.SetElement, bits int) []firewall.Range {
	list = slices.DeleteFunc(slices.Clone(list), func(e nftables.SetElement) bool { return len(e.Key) != bits/8 })
	slices.SortFunc(list, func(a, b nftables.SetElement) int {
		end := func(e nftables.SetElement) int {
			if e.IntervalEnd {
				return 0
			}
			return 1
		}
		return cmp.Or(bytes.Compare(a.Key, b.Key), end(a)-end(b))
	})
	var out []firewall.Range
	open := false
	for _, e := range list {
		a, _ := netip.AddrFromSlice(e.Key)
		switch {
		case !e.IntervalEnd:
			out = append(out, firewall.Range{From: a, To: lastAddr(bits)})
			open = true
		case open:
			out[len(out)-1].To = a.Prev()
			open = false
		}
	}
	return out
}

func lastAddr(bits int) netip.Addr {
	a, _ := netip.AddrFromSlice(bytes.Repeat([]byte{0xff}, bits/8))
	return a
}
