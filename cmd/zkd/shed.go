package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zkd/daemon/socket"
)

func newConnections() *cobra.Command {
	var o operators
	list, shed := newConnectionsList(&o), newConnectionsShed(&o)
	o.addFlags(list, shed)
	return newGroup("connections", "List the connections of clients, and move some to other servers", list, shed)
}

func newConnectionsList(o *operators) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the client connections of the server on this host",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			all, err := c.Connections(cmd.Context())
			switch {
			case err != nil:
				return explain(err)
			case asJSON:
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printConnections(cmd.OutOrStdout(), all, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printConnections(out io.Writer, all socket.Connections, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLIENT\tSESSION\tFOR\tRECEIVED\tSENT\tQUEUED\tLAST\tAVG MS\tMAX MS")
	for _, c := range all.Connections {
		session := c.Session
		if session == "" {
			session = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%.3f\t%.3f\n", c.Client, session, now.Sub(c.Established).Round(time.Second),
			c.Received, c.Sent, c.Queued, c.LastOp, c.AvgLatencyMs, c.MaxLatencyMs)
	}
	return w.Flush()
}

func newConnectionsShed(o *operators) *cobra.Command {
	return &cobra.Command{
		Use:   "shed percent",
		Short: "Close a share of the client connections, chosen at random",
		Long: "Close a share of the client connections of the server on this host, from 1 to 100 percent, chosen at random. Their clients keep\n" +
			"their sessions and go on with another server of their lists: so load is moved to a server that was started anew.",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return err
			}
			if n, err := strconv.Atoi(args[0]); err != nil || n < 1 || n > 100 {
				return fmt.Errorf("%q is no percentage from 1 to 100", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			percent, err := strconv.Atoi(args[0])
			if err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			closed, err := c.ShedConnections(cmd.Context(), percent)
			if err != nil {
				return explain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d connections closed\n", closed)
			return nil
		},
	}
}
