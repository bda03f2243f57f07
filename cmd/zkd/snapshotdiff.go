package main

import (
	"errors"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/quorum/inspect"
	"zkd/quorum/vfs"
)

// errDiffer is a verdict that has been printed: it only needs its exit code.
var errDiffer = saidError{daemon.Errorf(daemon.ExitFailure, "the snapshots differ")}

func newSnapshotDiff() *cobra.Command {
	var o inspect.Options
	var contents bool
	cmd := &cobra.Command{
		Use:   "diff path path",
		Short: "Say what differs between two snapshots",
		Long: "Print a line for each znode and session that only the second snapshot has (added), only the first has (removed), or that differs\n" +
			"(changed: in its data, acl, owner or stat), then a verdict. A path is a file, or a directory for the newest snapshot in it.\n\n" +
			"Exit status: 0 nothing differs, 1 something does, 74 a snapshot is damaged.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, paths []string) error {
			p := newProgress(cmd.ErrOrStderr())
			defer p.done()
			o.Progress = p.read
			differ, err := inspect.DiffSnapshots(vfs.OS(), versionDir(paths[0]), versionDir(paths[1]), cmd.OutOrStdout(), !contents, o)
			switch {
			case errors.Is(err, inspect.ErrDamaged):
				return &daemon.Error{Code: daemon.ExitData, Err: err}
			case err != nil:
				return err
			case differ:
				return errDiffer
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print JSON, an object on each line")
	cmd.Flags().BoolVar(&contents, "contents", false, "compare data and ACLs alone, not the zxids, times and versions, which differ between ensembles")
	return cmd
}
