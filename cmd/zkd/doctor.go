package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/daemon/doctor"
	"zkd/daemon/doctor/gather"
)

// Verdicts that have been printed: they only need their exit codes.
var (
	errWarnings = saidError{daemon.Errorf(daemon.ExitFailure, "there are warnings")}
	errProblems = saidError{daemon.Errorf(daemon.ExitProblems, "there are problems")}
)

func newDoctor() *cobra.Command {
	var o gather.Options
	var local, asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with this host, its server and the way to the others",
		Long: `Look at the configuration, the host and the server on it, whether that runs or not, ask the other members, and say what is
wrong, worst first: a code, which zkd(8) explains, a sentence, and what to do. Nothing is changed. What only root may look
at is named where another user asks. --local asks no other host; --deep reads all of the transaction log.

Exit status: 0 nothing is wrong, 1 there are warnings, 2 there are problems.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.ConfigFile == "" {
				if _, err := os.Stat(defaultConfigFile); err == nil {
					o.ConfigFile = defaultConfigFile
				}
			}
			o.Load = func() (config.Config, []config.Notice, error) { return loadConfig(o.ConfigFile) }
			o.Others, o.Members = daemon.OtherClients, !local
			r := doctor.Judge(gather.Gather(cmd.Context(), o))
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
			} else {
				fmt.Fprint(cmd.OutOrStdout(), r.Text())
			}
			switch {
			case r.Problems > 0:
				return errProblems
			case r.Warnings > 0:
				return errWarnings
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.ConfigFile, "config", "", "configuration `file` of the server (default "+defaultConfigFile+" if there is one)")
	f.DurationVar(&o.Timeout, "timeout", 2*time.Second, "how long each question may take")
	f.BoolVar(&local, "local", false, "ask no other host")
	f.BoolVar(&o.Deep, "deep", false, "read all of the transaction log")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
