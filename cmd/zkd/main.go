// Command zkd is a coordination server that takes the place of Apache ZooKeeper, with everything that
// an operator does on its host. The commands only read flags and turn errors into exit codes; what
// they do is in the daemon and quorum rooms.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"zkd/daemon"
)

// version is that of the release; the Makefile has the linker set it.
var version = "0.0.0-dev"

func main() {
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns the exit code of the process.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var began bool
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return daemon.ExitOK
	}
	if !began { // the line itself was wrong
		fmt.Fprintf(stderr, "zkd: %v\nzkd: see zkd help, or zkd(8)\n", err)
		return daemon.ExitUsage
	}
	var said saidError
	if !errors.As(err, &said) {
		fmt.Fprintf(stderr, "zkd: %v\n", err)
	}
	return daemon.ExitCode(err)
}

// saidError wraps an error that the user has been told already.
type saidError struct{ error }

func (e saidError) Unwrap() error { return e.error }

func newRoot() *cobra.Command {
	root := newGroup("zkd", "A coordination server in the place of Apache ZooKeeper",
		newRun(), newStatus(), newWait(), newCheckConfig(), newImport(), newInit(), newFirewall(),
		newDoctor(), newSession(), newConnections(), newLeader(), newLog(), newSnapshot(), newVersion())
	root.SilenceErrors, root.SilenceUsage = true, true
	return root
}

// newGroup makes a command that only has commands below it: by itself it shows its help, and it
// refuses what is none of them.
func newGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(commands...)
	return group
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the program",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			b := daemon.BuildOf(version)
			fmt.Fprintf(cmd.OutOrStdout(), "zkd %s", b.Version)
			if b.Revision != "" {
				fmt.Fprintf(cmd.OutOrStdout(), " (%s)", b.Revision)
			}
			fmt.Fprintf(cmd.OutOrStdout(), ", %s\n", b.GoVersion)
		},
	}
}
