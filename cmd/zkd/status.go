package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/daemon/probe"
)

func newStatus() *cobra.Command {
	var file string
	var t probe.Target
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what the server on this host does, in the words of zkServer.sh status",
		Long: "Ask the server on this host how it is: its admin port first, then, with the word srvr, its client port.\n" +
			"A member of an ensemble also says how the others are; where it does not answer, they are asked.\n\n" +
			"Exit status: 0 it serves, 3 it does not run, 4 it runs and does not serve, 1 this could not be found out.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(t.Admin) == 0 && len(t.Client) == 0 {
				cfg, err := statusConfig(file)
				if err != nil {
					return err
				}
				t.Client, t.Others = cfg.Client.Listen, daemon.OtherClients(cfg)
				if cfg.Admin.Enabled {
					t.Admin = cfg.Admin.Listen
				}
			}
			a := probe.Ask(cmd.Context(), t)
			fmt.Fprint(cmd.OutOrStdout(), a.Text)
			switch a.State {
			case probe.Serving:
				return nil
			case probe.NotServing:
				return saidError{daemon.Errorf(daemon.ExitNoQuorum, "%s", a.Reason)}
			case probe.NotRunning:
				return daemon.Errorf(daemon.ExitNotRunning, "%s", a.Reason)
			default:
				return daemon.Errorf(daemon.ExitFailure, "%s", a.Reason)
			}
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "configuration `file` that names the ports (default "+defaultConfigFile+" if there is one)")
	f.StringSliceVar(&t.Admin, "admin", nil, "`host:port` of the admin port, in place of the configured ones")
	f.StringSliceVar(&t.Client, "client", nil, "`host:port` of the client port, in place of the configured ones")
	f.DurationVar(&t.Timeout, "timeout", 5*time.Second, "how long each port may take to answer")
	return cmd
}

// statusConfig finds out which ports to ask: those of the file, or of the usual file if there is one,
// or the built-in ones.
func statusConfig(file string) (config.Config, error) {
	if file == "" {
		if _, err := os.Stat(defaultConfigFile); errors.Is(err, fs.ErrNotExist) {
			return config.Default(), nil
		}
		file = defaultConfigFile
	}
	cfg, _, err := loadConfig(file)
	return cfg, err
}
