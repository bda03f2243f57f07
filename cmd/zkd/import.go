package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
)

func newImport() *cobra.Command {
	return &cobra.Command{
		Use:   "import zoo.cfg",
		Short: "Print the zkd.toml that says the same as a zoo.cfg of ZooKeeper",
		Long: `Print the zkd.toml that says the same as a zoo.cfg of ZooKeeper, with an account of what became of each line of it.
Warnings go to standard error as well. Nothing is written; the data directory and its myid stay where they are.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := args[0]
			text, err := os.ReadFile(file)
			if err != nil {
				return &daemon.Error{Code: codeOfUnreadable(err), Err: err}
			}
			if !config.IsZooCfg(file, text) {
				return daemon.Errorf(daemon.ExitConfig, "%s is no zoo.cfg: it does not end in .cfg or .properties and sets no key of ZooKeeper's", file)
			}
			cfg, notices, err := thisHost().Parse(file, text, os.ReadFile)
			if err == nil {
				err = daemon.Supported(cfg)
			}
			for _, n := range notices {
				if n.Severity == config.Warning {
					fmt.Fprintln(cmd.ErrOrStderr(), n)
				}
			}
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), config.Imported(file, text, cfg, notices))
			return nil
		},
	}
}
