package firewall

import (
	"fmt"
	"strconv"
	"strings"
)

// Text returns the table in the syntax of nft.
func (rs Ruleset) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n", rs.Table)
	for _, s := range rs.Sets {
		fmt.Fprintf(&b, "\tset %s {\n\t\ttype %s\n", s.Name, s.Kind)
		if s.Kind != Ports {
			b.WriteString("\t\tflags interval\n")
		}
		if e := s.Elements(); len(e) > 0 {
			fmt.Fprintf(&b, "\t\telements = { %s }\n", strings.Join(e, ", "))
		}
		b.WriteString("\t}\n\n")
	}
	for i, c := range rs.Chains {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "\tchain %s {\n", c.Name)
		if c.Base {
			fmt.Fprintf(&b, "\t\ttype filter hook input priority %d; policy accept;\n", Priority)
		}
		if c.Other != "" {
			fmt.Fprintf(&b, "\t\t# not zkd's: %s\n", c.Other)
		}
		for _, r := range c.Rules {
			fmt.Fprintf(&b, "\t\t%s\n", r)
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// Script returns what makes rs the whole content of its table, whether there is one or not, in one
// transaction: for `nft -f`.
func (rs Ruleset) Script() string {
	return fmt.Sprintf("table inet %s\ndelete table inet %[1]s\n%s", rs.Table, rs.Text())
}

// Elements returns the elements of s as nft writes them.
func (s Set) Elements() []string {
	var list []string
	for _, p := range s.Ports {
		list = append(list, strconv.Itoa(int(p)))
	}
	for _, r := range s.Ranges {
		list = append(list, r.String())
	}
	return list
}

// String returns the rule as nft writes it, without what its counter counted.
func (r Rule) String() string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if r.Loopback {
		add("iiftype loopback")
	}
	if r.PortSet != "" {
		add("tcp dport @%s", r.PortSet)
	}
	if r.Port != 0 {
		add("tcp dport %d", r.Port)
	}
	family, protocol := "ip", "ipv4"
	if r.Family == IPv6 {
		family, protocol = "ip6", "ipv6"
	}
	if r.To.IsValid() {
		add("%s daddr %s", family, r.To)
	}
	if r.From != "" {
		add("%s saddr @%s", family, r.From)
	}
	if r.Family != "" && r.From == "" && !r.To.IsValid() {
		add("meta nfproto %s", protocol)
	}
	if r.PerMinute != 0 {
		add("limit rate %d/minute burst %d packets", r.PerMinute, r.Burst)
	}
	if r.Log != "" {
		add("log prefix %q level info", r.Log)
	}
	if r.Count {
		add("counter")
	}
	switch {
	case r.Verdict == Jump:
		add("jump %s", r.Target)
	case r.Verdict != Continue:
		add("%s", r.Verdict)
	}
	if r.Comment != "" {
		add("comment %q", r.Comment)
	}
	if r.Other != "" {
		add("# not zkd's: %s", r.Other)
	}
	return strings.Join(words, " ")
}
