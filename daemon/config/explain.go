package config

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"zkd/quorum/zk"
)

// Setting is the effective value of one key.
type Setting struct {
	Key   string
	Value string // as TOML; "(secret)" for what should not be on a screen
	// Source is "default", "file:line", or where else the value comes from.
	Source string
}

const hidden = "(secret)"

// Explain lists the effective value of every key and where it came from, in the order of [Keys].
func (c Config) Explain() []Setting {
	var list []Setting
	for _, f := range fields() {
		s := Setting{f.Name, f.text(&c), c.sources[f.Name].String()}
		if f.secret && s.Value != `""` {
			s.Value = hidden
		}
		list = append(list, s)
		if f.Name == "firewall.table" {
			list = append(list, c.explain(c.fromSettings())...)
		}
	}
	return append(list, c.explain(c.members())...)
}

// Changes returns the keys whose effective values differ, in the order of [Keys]: those that a running server
// can follow, and those that wait for its restart.
func Changes(before, after Config) (live, waiting []string) {
	isLive := make(map[string]bool)
	for _, k := range Keys() {
		isLive[k.Name] = k.Live
	}
	values := func(c *Config) (list []memberSetting) {
		for _, f := range fields() { // not as Explain has them: secrets can change, too
			table, name, _ := cutLast(f.Name)
			list = append(list, memberSetting{table, name, f.text(c)})
		}
		return slices.Concat(list, c.fromSettings(), c.members())
	}
	old := values(&before)
	now := values(&after)
	note := func(s memberSetting) {
		name := strings.TrimPrefix(s.table+"."+s.name, ".")
		if isLive[name] || isLive[s.table+".N"] {
			live = append(live, name)
		} else {
			waiting = append(waiting, name)
		}
	}
	for _, s := range now {
		if !slices.Contains(old, s) {
			note(s)
		}
	}
	for _, s := range old {
		if !slices.ContainsFunc(now, func(n memberSetting) bool { return n.table == s.table && n.name == s.name }) {
			note(s)
		}
	}
	return live, waiting
}

func (c *Config) explain(members []memberSetting) []Setting {
	var list []Setting
	for _, m := range members {
		list = append(list, Setting{m.table + "." + m.name, m.value, c.sources[m.table+"."+m.name].String()})
	}
	return list
}

// memberSetting is one entry of [firewall.from], [ensemble.groups], [ensemble.weights] or [servers].
type memberSetting struct{ table, name, value string }

func (c *Config) fromSettings() []memberSetting {
	var list []memberSetting
	for _, id := range sortedIDs(c.Firewall.From) {
		list = append(list, memberSetting{fromTable, idText(id), quoteAll(c.Firewall.From[id])})
	}
	return list
}

func (c *Config) members() []memberSetting {
	var list []memberSetting
	for _, n := range slices.Sorted(maps.Keys(c.Ensemble.Groups)) {
		ids := make([]string, len(c.Ensemble.Groups[n]))
		for i, id := range c.Ensemble.Groups[n] {
			ids[i] = strconv.FormatInt(int64(id), 10)
		}
		list = append(list, memberSetting{groupsTable, strconv.FormatInt(n, 10), "[" + strings.Join(ids, ", ") + "]"})
	}
	for _, id := range sortedIDs(c.Ensemble.Weights) {
		list = append(list, memberSetting{weightsTable, idText(id), strconv.FormatInt(c.Ensemble.Weights[id], 10)})
	}
	for _, s := range c.Servers {
		list = append(list, memberSetting{serversTable, idText(s.ID), quote(s.String())})
	}
	return list
}

func sortedIDs[V any](m map[zk.ServerID]V) []zk.ServerID { return slices.Sorted(maps.Keys(m)) }

func idText(id zk.ServerID) string { return strconv.FormatInt(int64(id), 10) }

// ToTOML returns a zkd.toml that gives c again: every key that is not left to its default, with the
// line it came from in a comment. Secrets are written out. An id that stands in a myid file stays
// there.
func (c Config) ToTOML() string {
	var b strings.Builder
	table := ""
	write := func(in, name, value string, s Source) {
		if in != table {
			table = in
			fmt.Fprintf(&b, "\n[%s]\n", in)
		}
		fmt.Fprintf(&b, "%s = %s", name, value)
		switch {
		case s.Key != "":
			fmt.Fprintf(&b, " # %s %s", s, s.Key)
		case s.Note != "":
			fmt.Fprintf(&b, " # %s", s)
		}
		b.WriteByte('\n')
	}
	standard := Default()
	for _, f := range fields() {
		s := c.sources[f.Name]
		if s.Key == "myid" && s.File == path.Join(c.DataDir, "myid") || f.text(&c) == f.text(&standard) && s == (Source{}) || c.derived(f.Name) {
			continue
		}
		in, name, _ := cutLast(f.Name)
		write(in, name, f.text(&c), s)
	}
	for _, m := range slices.Concat(c.fromSettings(), c.members()) {
		write(m.table, m.name, m.value, c.sources[m.table+"."+m.name])
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// derived reports whether the value of a key follows from others and need not be written.
func (c *Config) derived(name string) bool {
	switch name {
	case "session.min_timeout":
		return !c.given(name) && c.Session.MinTimeout == minTimeoutTicks*c.Session.TickTime
	case "session.max_timeout":
		return !c.given(name) && c.Session.MaxTimeout == maxTimeoutTicks*c.Session.TickTime
	}
	return false
}
