package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newLeader() *cobra.Command {
	var o operators
	handOver := &cobra.Command{
		Use:   "hand-over",
		Short: "Make the server on this host, a leader, give way to another",
		Long: "Make the server on this host, which leads, give way to another that has the whole history, as before its host is restarted. Its\n" +
			"role ends, the others elect one of them, and it follows. Clients of the ensemble wait for as long as an election takes; writes\n" +
			"that are under way may get no answer. Nothing is changed where the others could make no quorum.\n\n" +
			"Exit status: 0 another server leads, 1 it does not lead or nobody could take over, 3 no server runs, 4 it does not serve.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			leader, err := c.HandOver(cmd.Context())
			if err != nil {
				return explain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "server %d leads\n", leader)
			return nil
		},
	}
	o.addFlags(handOver)
	return newGroup("leader", "Hand over leadership", handOver)
}
