package firewall

import (
	"cmp"
	"slices"
	"strings"
)

// State is what the kernel has.
type State struct {
	Exists  bool // the table does
	Ruleset Ruleset
	Counts  []Count
}

// Count is what the counter of a rule counted.
type Count struct {
	Chain          string
	Rule           Rule
	Packets, Bytes uint64
}

// Refused is how many packets to a port were refused, by the class of their source.
type Refused struct {
	Port    uint16 `json:"port"`
	Use     string `json:"use"` // "client", "peer", "election", "peer and election", "admin"
	Source  Class  `json:"source"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// refused returns what c counts, without numbers. ok is false if c counts no refused packets.
func (c Count) refused() (key Refused, ok bool) {
	rest, ok := strings.CutPrefix(c.Rule.Comment, "refused: ")
	use, class, ok2 := strings.Cut(rest, " port, ")
	return Refused{Port: c.Rule.Port, Use: use, Source: Class(class)}, ok && ok2 && c.Rule.Port != 0
}

// Tally adds up refused packets over the life of the process: the counters of the kernel start again
// whenever the table is made anew. The zero Tally is ready.
type Tally struct {
	last  map[Rule][2]uint64
	total map[Refused][2]uint64 // by key without numbers
}

// Add takes in what the counters say now.
func (t *Tally) Add(counts []Count) {
	if t.total == nil {
		t.total = make(map[Refused][2]uint64)
	}
	last := make(map[Rule][2]uint64)
	for _, c := range counts {
		key, ok := c.refused()
		if !ok {
			continue
		}
		now := [2]uint64{c.Packets, c.Bytes}
		last[c.Rule] = now
		before := t.last[c.Rule]
		if now[0] < before[0] || now[1] < before[1] {
			before = [2]uint64{} // it started again
		}
		sum := t.total[key]
		t.total[key] = [2]uint64{sum[0] + now[0] - before[0], sum[1] + now[1] - before[1]}
	}
	t.last = last
}

// Restarted says that the table was made anew: what its counters say next is all new.
func (t *Tally) Restarted() { t.last = nil }

// Refused returns the sums by port and source.
func (t *Tally) Refused() []Refused {
	list := make([]Refused, 0, len(t.total))
	for key, sum := range t.total {
		key.Packets, key.Bytes = sum[0], sum[1]
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Use, b.Use))
	})
	return list
}
