package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/doctor/gather"
	"zkd/firewall"
	"zkd/firewall/foreign"
	"zkd/firewall/keeper"
	"zkd/firewall/nft"
)

// errFirewall is a verdict that has been printed: it only needs its exit code.
var errFirewall = saidError{daemon.Errorf(daemon.ExitFailure, "the firewall is not as it should be")}

func newFirewall() *cobra.Command {
	var file string
	group := newGroup("firewall", "Show, apply and check the packet filter rules for zkd's own ports",
		newFirewallShow(&file), newFirewallRender(&file), newFirewallDiff(&file), newFirewallApply(&file),
		newFirewallRemove(&file), newFirewallCheck(&file))
	group.Long = `The rules are one table of nftables, inet zkd, about zkd's own ports and nothing else. They keep strangers out; what another
table drops they cannot let in: check finds it. All but render need CAP_NET_ADMIN.`
	for _, c := range group.Commands() {
		c.Flags().StringVar(&file, "config", "", "configuration `file` (default "+defaultConfigFile+" if there is one)")
	}
	return group
}

// askedWithin is how long the running server has to say where it listens.
const askedWithin = 2 * time.Second

// firewallPlan reads the configuration and makes the rules, for the table that the server has by that kernel and the
// ports that it has, if it runs; or without a kernel for its usual table and all ports.
func firewallPlan(cmd *cobra.Command, file string, kernel keeper.Reader) (keeper.Plan, error) {
	cfg, err := statusConfig(file)
	if err != nil {
		return keeper.Plan{}, err
	}
	planner := keeper.Planner{Resolver: net.DefaultResolver, Interfaces: keeper.SystemInterfaces}
	if kernel != nil {
		cfg = gather.AsServed(cmd.Context(), cfg, askedWithin)
	}
	f := daemon.FirewallConfig(cfg)
	if kernel != nil {
		f.Table = keeper.TableInForce(cmd.Context(), kernel, f)
	}
	plan, err := planner.Plan(cmd.Context(), f)
	for _, m := range plan.Members {
		if m.Error != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "zkd: member %s: %s\n", m.Name, m.Error)
		}
	}
	if plan.NoClients {
		fmt.Fprintln(cmd.ErrOrStderr(), "zkd: no other host may reach the client port: its addresses are in no subnet")
	}
	return plan, err
}

func newFirewallRender(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "render",
		Short: "Print the rules that the configuration asks for, for nft -f",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := firewallPlan(cmd, *file, nil)
			if err == nil {
				fmt.Fprint(cmd.OutOrStdout(), plan.Ruleset.Script())
			}
			return err
		},
	}
}

func newFirewallDiff(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "diff",
		Short: "Print what differs between the rules in force and those that the configuration asks for",
		Long:  "Print a line with + for what is missing, and with - for what is too much.\n\nExit status: 0 nothing differs, 1 something does, 77 permission denied.",
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
			if !state.Exists {
				fmt.Fprintf(cmd.OutOrStdout(), "+ table inet %s\n", plan.Ruleset.Table)
				state.Ruleset.Sets, state.Ruleset.Chains = nil, nil
			}
			c := firewall.Diff(plan.Ruleset, state.Ruleset)
			for _, line := range c.Lines {
				fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			if !state.Exists || !c.None() {
				return errFirewall
			}
			return nil
		},
	}
}

func newFirewallApply(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "apply",
		Short: "Put the rules that the configuration asks for in force, in one step",
		Long:  "Put the rules that the configuration asks for in force, in one step, in place of those that there are. Counters start again.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := firewallPlan(cmd, *file, new(nft.Netfilter))
			if err != nil {
				return err
			}
			n := new(nft.Netfilter)
			if err := n.Apply(cmd.Context(), plan.Ruleset); err != nil {
				return err
			}
			state, err := n.Read(cmd.Context(), plan.Ruleset.Table)
			if err != nil {
				return err
			}
			if c := firewall.Diff(plan.Ruleset, state.Ruleset); !state.Exists || !c.None() {
				return fmt.Errorf("the kernel took the rules and holds others:\n%s", strings.Join(c.Lines, "\n"))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "table inet %s is in force\n", plan.Ruleset.Table)
			return nil
		},
	}
}

func newFirewallRemove(file *string) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Remove the rules: the ports are open to whom the host lets through",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				return removeAllTables(cmd)
			}
			cfg, err := statusConfig(*file)
			if err != nil {
				return err
			}
			table := keeper.TableInForce(cmd.Context(), new(nft.Netfilter), daemon.FirewallConfig(cfg))
			if err := new(nft.Netfilter).Remove(cmd.Context(), table); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "table inet %s is removed\n", table)
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "remove the rules of every zkd on this host, without a configuration")
	return cmd
}

// removeAllTables removes what servers have left whose configuration is not there any more, or is wrong.
func removeAllTables(cmd *cobra.Command) error {
	n := new(nft.Netfilter)
	tables, err := n.Tables(cmd.Context())
	if err != nil {
		return err
	}
	var errs []error
	for _, table := range tables {
		if err := n.Remove(cmd.Context(), table); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(cmd.OutOrStdout(), "table inet %s is removed\n", table)
	}
	return errors.Join(errs...)
}

func newFirewallCheck(file *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find rules of other programs that shut zkd's ports, and say how to open them",
		Long: `Send imagined packets, those that zkd needs, through the rules of all other programs, and say which rule ends them, who
made it and the command that lets them through. Nothing is changed.

Exit status: 0 nothing shuts a port for certain, 1 something does, 77 permission denied.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := firewallPlan(cmd, *file, new(nft.Netfilter))
			if err != nil {
				return err
			}
			view, err := new(nft.Netfilter).Foreign(cmd.Context())
			if err != nil {
				return err
			}
			found := foreign.Check(view, plan.Flows())
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), found)
			} else {
				printFindings(cmd.OutOrStdout(), found)
				printEphemeral(cmd.OutOrStdout(), plan.Policy)
			}
			for _, f := range found {
				if f.Certain && err == nil {
					err = errFirewall
				}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeJSON(w io.Writer, list []foreign.Finding) error {
	if list == nil {
		list = []foreign.Finding{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(list)
}

func printFindings(w io.Writer, found []foreign.Finding) {
	if len(found) == 0 {
		fmt.Fprintln(w, "no rule of another program shuts a port of zkd")
	}
	for _, f := range found {
		fmt.Fprintf(w, "%s\n", f.Text)
		for _, command := range f.Fix {
			fmt.Fprintf(w, "  %s\n", command)
		}
		if f.Keep != "" {
			fmt.Fprintf(w, "  to keep it: %s\n", f.Keep)
		}
	}
}

// printEphemeral warns of ports that the kernel also gives to outgoing connections: the answers to such a
// connection come to a port of zkd's and are judged as if they were meant for zkd.
func printEphemeral(w io.Writer, p firewall.Policy) {
	r, ok := gather.PortRange()
	if !ok {
		return
	}
	for _, port := range p.Ports() {
		if r.Gives(int(port)) {
			fmt.Fprintf(w, "port %d is in the range %d-%d, from which the kernel takes ports for outgoing connections, whose answers zkd's rules would refuse\n"+
				"  sysctl -w net.ipv4.ip_local_reserved_ports=%d\n", port, r.Low, r.High, port)
		}
	}
}
