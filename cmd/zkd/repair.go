package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/quorum/inspect"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
)

// repair is what to do about a log that is damaged, or has lost something.
type repair struct {
	config, snapshots               string
	giveUp, resync, acceptLoss, yes bool
}

func newLogRepair() *cobra.Command {
	var r repair
	cmd := &cobra.Command{
		Use:   "repair [directory]",
		Short: "Bring back a server whose data is damaged or lost",
		Long: `Bring back a server whose data is damaged or lost. It must not run. Nothing is deleted: what is taken out
stays where it was, in files zkd.cut.*.

--resync is for a member of an ensemble, the one of the configuration: its log and its snapshots are set aside, its epochs
stay, and at its next start it takes everything from the others. Until a leader whom the others elected has given it that,
it neither stands for election nor votes. Do it to one member at a time.

A directory is for a single server, or where no other member holds the data: with --give-up the log is given up from the
first bad transaction on, so that the server can start from what is before it; acknowledged writes behind the damage
are lost. Without --give-up nothing is changed and the command says what would be lost.

--accept-loss is for a server that knows that it lost acknowledged writes, as zkd status says, and therefore does not
stand for election, where there will never be a quorum of others again. It says what is given up, asks, and lets
the server stand again with what it has. Compare first how far the log of each member reaches: those that reach furthest
are to stand, as many as a quorum needs. Without an answer, or --yes, nothing is changed.

Exit status: 0 it is done or there is nothing to do, 1 it was refused, 74 data is damaged, 75 the server runs, 77 permission
denied.`,
		Args: func(cmd *cobra.Command, args []string) error { return r.check(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := hostConfig(r.config)
			switch {
			case err != nil:
				return err
			case r.resync:
				return runResync(cmd, cfg)
			case r.acceptLoss:
				return runAcceptLoss(cmd, cfg, r.yes)
			}
			if r.snapshots == "" {
				r.snapshots = args[0]
			}
			return repairLog(cmd, versionDir(args[0]), versionDir(r.snapshots), r.giveUp, maxPayload(cfg))
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.config, "config", "", "configuration `file` of the server (default "+defaultConfigFile+" if there is one)")
	f.StringVar(&r.snapshots, "snapshots", "", "`directory` of the snapshots, where it is another one")
	f.BoolVar(&r.giveUp, "give-up", false, "do it: lose the writes behind the damage")
	f.BoolVar(&r.resync, "resync", false, "have a member take everything from the others again")
	f.BoolVar(&r.acceptLoss, "accept-loss", false, "let a server stand for election without what it has lost")
	f.BoolVar(&r.yes, "yes", false, "accept the loss without being asked")
	return cmd
}

// check refuses what does not go together.
func (r *repair) check(cmd *cobra.Command, args []string) error {
	modes := 0
	for _, mode := range []bool{r.giveUp, r.resync, r.acceptLoss} {
		if mode {
			modes++
		}
	}
	switch {
	case modes > 1:
		return errors.New("--give-up, --resync and --accept-loss do not go together")
	case r.yes && !r.acceptLoss:
		return errors.New("--yes goes with --accept-loss")
	case !r.resync && !r.acceptLoss:
		return cobra.ExactArgs(1)(cmd, args)
	case len(args) > 0 || r.snapshots != "":
		return errors.New("--resync and --accept-loss know the directories of the server from its configuration: name that by --config")
	}
	return nil
}

// maxPayload is the longest record that a server with this configuration reads back.
func maxPayload(cfg config.Config) int { return replica.MaxPayload(2 * int(cfg.Client.MaxFrame)) }

func repairLog(cmd *cobra.Command, dir, snapDir string, giveUp bool, maxPayload int) error {
	fsys := vfs.OS()
	lock, err := fsys.Lock(filepath.Join(filepath.Dir(snapDir), replica.LockName))
	if err != nil {
		return fmt.Errorf("stop the server first: %w", err)
	}
	defer lock.Close()
	out := cmd.OutOrStdout()
	if !giveUp {
		p := newProgress(cmd.ErrOrStderr())
		err := inspect.VerifyLog(fsys, dir, out, inspect.Options{Progress: p.read, MaxTxnBytes: maxPayload})
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
	done, err := txlog.Repair(fsys, dir, newest.Zxid, maxPayload)
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
