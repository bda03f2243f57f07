package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"zkd/firewall"
	"zkd/firewall/keeper"
	"zkd/firewall/nft"
)

func newFirewallShow(file *string) *cobra.Command {
	var asText bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the rules in force: who may reach what, and what was refused",
		Long:  "Show the rules in force: who may reach what, and what was refused.\n\nExit status: 0 the rules are in force, 1 there are none, 77 permission denied.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := firewallPlan(cmd, *file, new(nft.Netfilter))
			if err != nil {
				return err
			}
			state, err := new(nft.Netfilter).Read(cmd.Context(), plan.Ruleset.Table)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if !state.Exists {
				fmt.Fprintf(out, "there is no table inet %s: zkd's ports are open to whom the host lets through\n", plan.Ruleset.Table)
				return errFirewall
			}
			if asText {
				fmt.Fprint(out, state.Ruleset.Text())
				return nil
			}
			return printRules(out, plan, state)
		},
	}
	cmd.Flags().BoolVar(&asText, "nft", false, "print the rules themselves, in the syntax of nft")
	return cmd
}

func printRules(out io.Writer, plan keeper.Plan, state firewall.State) error {
	fmt.Fprintf(out, "table inet %s is in force", state.Ruleset.Table)
	if !firewall.Diff(plan.Ruleset, state.Ruleset).None() {
		fmt.Fprint(out, ", and is not what the configuration asks for: see zkd firewall diff")
	}
	fmt.Fprint(out, "\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tMAY REACH\tMAY NOT")
	for _, s := range showSources(plan) {
		var may, not []string
		for _, port := range plan.Policy.Ports() {
			if reaches(plan.Policy, state.Ruleset, s, port) {
				may = append(may, fmt.Sprint(port))
			} else {
				not = append(not, fmt.Sprint(port))
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.name, column(may), column(not))
	}
	fmt.Fprint(w, "\nREFUSED\tPORT\tPACKETS\tBYTES\n")
	var tally firewall.Tally
	tally.Add(state.Counts)
	for _, r := range tally.Refused() {
		fmt.Fprintf(w, "%s\t%d %s\t%d\t%d\n", r.Source, r.Port, r.Use, r.Packets, r.Bytes)
	}
	return w.Flush()
}

// column writes the items of one, which is never empty.
func column(items []string) string {
	if len(items) == 0 {
		return "-"
	}
	return strings.Join(items, " ")
}

type showSource struct {
	name     string
	addr     netip.Addr
	loopback bool
}

// showSources are those whose fate is worth a line.
func showSources(plan keeper.Plan) []showSource {
	out := []showSource{{"loopback", netip.IPv6Loopback(), true}}
	for _, m := range plan.Members {
		for _, s := range m.Addresses {
			if p, ok := parsePrefix(s); ok {
				out = append(out, showSource{fmt.Sprintf("member %s, %s", m.Name, s), p.Addr(), false})
			}
		}
	}
	v4, v6, err := firewall.Merge(plan.Policy.Clients)
	if err == nil {
		for _, r := range slices.Concat(v4, v6) {
			addr := r.From
			if addr != r.To {
				addr = addr.Next() // the first address of a subnet is no host
			}
			out = append(out, showSource{"clients, " + r.String(), sample(r, addr, plan.Policy.Members), false})
		}
	}
	// Addresses for documentation, RFC 5737 and RFC 3849: nobody's.
	return append(out, showSource{"strangers, IPv4", netip.MustParseAddr("192.0.2.1"), false},
		showSource{"strangers, IPv6", netip.MustParseAddr("2001:db8::1"), false})
}

// sample is an address of r from addr on that is no member's, if there is one near.
func sample(r firewall.Range, addr netip.Addr, members []netip.Prefix) netip.Addr {
	for a, tries := addr, 0; tries < 1000 && a.IsValid() && r.Contains(a); a, tries = a.Next(), tries+1 {
		if !slices.ContainsFunc(members, func(m netip.Prefix) bool { return m.Contains(a) }) {
			return a
		}
	}
	return addr
}

func parsePrefix(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil
}

// reaches reports whether s gets to a port at one address at least: that the server listens there, and that the rules
// let it through.
func reaches(p firewall.Policy, rules firewall.Ruleset, s showSource, port uint16) bool {
	listen := slices.Concat(p.ClientPorts, p.PeerPorts, p.ElectionPorts, p.AdminPorts)
	return slices.ContainsFunc(listen, func(l netip.AddrPort) bool {
		dest := l.Addr().Unmap()
		switch {
		case l.Port() != port:
			return false
		case s.loopback:
			return true
		case !dest.IsValid() || dest.IsUnspecified():
			dest = netip.Addr{}
		case dest.IsLoopback() || dest.Is4() != s.addr.Is4():
			return false // no packet from another host gets there, with or without rules
		}
		through, _ := rules.Judge(firewall.Packet{Source: s.addr, Dest: dest, Port: port})
		return through
	})
}
