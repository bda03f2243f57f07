package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/socket"
)

func newSession() *cobra.Command {
	var o operators
	list, kill := newSessionList(&o), newSessionKill(&o)
	o.addFlags(list, kill)
	return newGroup("session", "List the sessions of clients, and end some", list, kill)
}

func newSessionList(o *operators) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all sessions, with the connection that holds each",
		Long: "List all sessions of the ensemble: the timeout, the client if it is connected with the server that is asked, how many ephemeral\n" +
			"znodes go with the session, and, where a leader is asked, when it ends unless it is heard of. With --json, the znodes too.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			all, err := c.Sessions(cmd.Context())
			switch {
			case err != nil:
				return explain(err)
			case asJSON:
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printSessions(cmd.OutOrStdout(), all, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printSessions(out io.Writer, all socket.Sessions, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SESSION\tTIMEOUT\tENDS IN\tEPHEMERALS\tCLIENT")
	for _, s := range all.Sessions {
		ends, client := "-", "-"
		if s.ExpiresAt != nil {
			ends = s.ExpiresAt.Sub(now).Round(time.Second).String()
		}
		if s.Client != "" {
			client = s.Client
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", s.ID, time.Duration(s.TimeoutMillis)*time.Millisecond, ends, len(s.Ephemerals), client)
	}
	return w.Flush()
}

func newSessionKill(o *operators) *cobra.Command {
	return &cobra.Command{
		Use:   "kill id ...",
		Short: "End sessions, as if their clients had closed them",
		Long: "End sessions, as if their clients had closed them: their ephemeral znodes go, and their clients hear that the session has\n" +
			"expired. The end is replicated; any server that serves can be asked.\n\nExit status: 0 all have ended, 1 there is no such session.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			done, err := c.KillSessions(cmd.Context(), ids...)
			if err != nil {
				return explain(err)
			}
			for _, id := range done.Killed {
				fmt.Fprintln(cmd.OutOrStdout(), "ended", id)
			}
			var missing []error
			for _, id := range done.Unknown {
				missing = append(missing, daemon.Errorf(daemon.ExitFailure, "there is no session %s", id))
			}
			return errors.Join(missing...)
		},
	}
}
