package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/quorum/inspect"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
)

func newLogRepair() *cobra.Command {
	var snapshots string
	var giveUp bool
	cmd := &cobra.Command{
		Use:   "repair directory",
		Short: "Give up a damaged log from the first bad transaction on",
		Long: `Give up a damaged log from the first bad transaction on, so that a server can start from what is before it.
Acknowledged writes behind the damage are lost: where other members of an ensemble hold them, remove
this server's data instead. Without --give-up nothing is changed and the command says what would be lost.
What is taken out stays beside the log in files zkd.cut.*. The server must not run.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := versionDir(args[0])
			if snapshots == "" {
				snapshots = args[0]
			}
			return repairLog(cmd, dir, versionDir(snapshots), giveUp)
		},
	}
	cmd.Flags().StringVar(&snapshots, "snapshots", "", "`directory` of the snapshots, where it is another one")
	cmd.Flags().BoolVar(&giveUp, "give-up", false, "do it: lose the writes behind the damage")
	return cmd
}

func repairLog(cmd *cobra.Command, dir, snapDir string, giveUp bool) error {
	fsys := vfs.OS()
	lock, err := fsys.Lock(filepath.Join(filepath.Dir(snapDir), replica.LockName))
	if err != nil {
		return fmt.Errorf("stop the server first: %w", err)
	}
	defer lock.Close()
	out := cmd.OutOrStdout()
	if !giveUp {
		p := newProgress(cmd.ErrOrStderr())
		err := inspect.VerifyLog(fsys, dir, out, inspect.Options{Progress: p.read})
		p.done()
		if errors.Is(err, inspect.ErrDamaged) {
			fmt.Fprintln(out, "nothing was changed: --give-up gives up what stands behind the damage")
			return &daemon.Error{Code: daemon.ExitData, Err: err}
		}
		return err
	}
	newest, _, err := snap.Newest(fsys, snapDir)
	if err != nil {
		return err
	}
	done, err := txlog.Repair(fsys, dir, newest.Zxid, 0)
	for _, name := range done.Kept {
		fmt.Fprintln(out, "kept what was taken out:", name)
	}
	if err != nil {
		return err
	}
	if done.Damage == nil {
		fmt.Fprintln(out, "the log needs no repair")
		return nil
	}
	fmt.Fprintf(out, "given up from offset %d of %s on: %s\nthe log now ends at zxid %v\n",
		done.Damage.Offset, done.Damage.File, done.Damage.Reason, done.Last)
	return nil
}
