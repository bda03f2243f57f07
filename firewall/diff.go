package firewall

import (
	"fmt"
	"slices"
	"strings"
)

// Changes are what makes one ruleset into another.
type Changes struct {
	// Lines name what is to be added, with "+ ", and removed, with "- ", in the syntax of nft. None:
	// the two are equal.
	Lines []string
	// SetsOnly says that the same sets only have other elements, so that they can be changed in place
	// and no counter starts again.
	SetsOnly bool
}

// None reports whether there is nothing to change.
func (c Changes) None() bool { return len(c.Lines) == 0 }

// Diff returns what must change in have to make it want. The order of rules counts, that of sets and
// chains does not.
func Diff(want, have Ruleset) Changes {
	c := Changes{SetsOnly: true}
	if want.Table != have.Table {
		c.SetsOnly = false
		c.Lines = append(c.Lines, "- table inet "+have.Table, "+ table inet "+want.Table)
	}
	c.sets(want.Sets, have.Sets)
	c.chains(want.Chains, have.Chains)
	return c
}

func (c *Changes) sets(want, have []Set) {
	for _, h := range have {
		if !slices.ContainsFunc(want, func(w Set) bool { return w.Name == h.Name && w.Kind == h.Kind }) {
			c.SetsOnly = false
			c.Lines = append(c.Lines, fmt.Sprintf("- set %s { type %s }", h.Name, h.Kind))
		}
	}
	for _, w := range want {
		at := slices.IndexFunc(have, func(h Set) bool { return w.Name == h.Name && w.Kind == h.Kind })
		var old []string
		if at < 0 {
			c.SetsOnly = false
			c.Lines = append(c.Lines, fmt.Sprintf("+ set %s { type %s }", w.Name, w.Kind))
		} else {
			old = have[at].Elements()
		}
		now := w.Elements()
		for _, e := range old {
			if !slices.Contains(now, e) {
				c.Lines = append(c.Lines, fmt.Sprintf("- set %s: %s", w.Name, e))
			}
		}
		for _, e := range now {
			if !slices.Contains(old, e) {
				c.Lines = append(c.Lines, fmt.Sprintf("+ set %s: %s", w.Name, e))
			}
		}
	}
}

func (c *Changes) chains(want, have []Chain) {
	for _, h := range have {
		if !slices.ContainsFunc(want, func(w Chain) bool { return w.Name == h.Name }) {
			c.SetsOnly = false
			c.Lines = append(c.Lines, "- chain "+h.Name)
		}
	}
	for _, w := range want {
		at := slices.IndexFunc(have, func(h Chain) bool { return w.Name == h.Name })
		var h Chain
		if at >= 0 {
			h = have[at]
		}
		if at < 0 || h.Base != w.Base || h.Other != w.Other {
			c.SetsOnly = false
			if at >= 0 {
				c.Lines = append(c.Lines, strings.TrimRight("- chain "+h.Name+" "+h.Other, " "))
			}
			c.Lines = append(c.Lines, "+ chain "+w.Name)
		}
		if !slices.Equal(w.Rules, h.Rules) {
			c.SetsOnly = false
			c.rules(w.Name, w.Rules, h.Rules)
		}
	}
}

// rules leaves out what the two lists begin and end with.
func (c *Changes) rules(chain string, want, have []Rule) {
	for len(want) > 0 && len(have) > 0 && want[0] == have[0] {
		want, have = want[1:], have[1:]
	}
	for len(want) > 0 && len(have) > 0 && want[len(want)-1] == have[len(have)-1] {
		want, have = want[:len(want)-1], have[:len(have)-1]
	}
	for _, r := range have {
		c.Lines = append(c.Lines, fmt.Sprintf("- rule %s: %s", chain, r))
	}
	for _, r := range want {
		c.Lines = append(c.Lines, fmt.Sprintf("+ rule %s: %s", chain, r))
	}
}

// Wider reports whether have is want but for more addresses in its sets: a server remembers those that it has seen
// lately, of names and of its host, for a while.
func Wider(want, have Ruleset) bool {
	if !Diff(want, have).SetsOnly {
		return false
	}
	for _, s := range want.Sets {
		h := have.set(s.Name)
		if !slices.Equal(s.Ports, h.Ports) {
			return false
		}
		for _, r := range s.Ranges {
			if !slices.ContainsFunc(h.Ranges, func(x Range) bool { return x.Contains(r.From) && x.Contains(r.To) }) {
				return false
			}
		}
	}
	return true
}

// Changed returns the sets of want whose elements are others in have.
func Changed(want, have Ruleset) []Set {
	var list []Set
	for _, s := range want.Sets {
		h := have.set(s.Name)
		if !slices.Equal(s.Elements(), h.Elements()) {
			list = append(list, s)
		}
	}
	return list
}
