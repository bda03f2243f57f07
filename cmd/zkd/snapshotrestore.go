package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/quorum/inspect"
	"zkd/quorum/restore"
	"zkd/quorum/vfs"
)

// restoring is one restore, or its undoing.
type restoring struct {
	config, dataDir, logDir string
	undo, all, fuzzy        bool
}

func newSnapshotRestore() *cobra.Command {
	var r restoring
	cmd := &cobra.Command{
		Use:   "restore file",
		Short: "Put a snapshot in the place of the data of the server on this host, which is stopped",
		Long: `Put a snapshot in the place of the data of the server on this host, which must be stopped. The snapshot is copied and read back
first; then all that the data directory and the log hold is set aside in version-2.before-restore-<time>, and nothing of it is
deleted. --undo puts it back, and sets aside what was made since. The epochs of the server do not go back, so that clients can go on.

What was written after the snapshot was taken is not in it: that is what is given up.

Members of an ensemble take the history of their leader, so all of them are restored or none. Stop all of them, restore each from
the same file with --whole-ensemble, then start them. A single member whose data is damaged or lost needs no restore: zkd log repair
--resync has it take what the others have.

Exit status: 0 it is done, 74 the file is damaged, 75 the server runs, 77 permission denied.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if r.undo {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := r.target(cmd.Context())
			if err != nil {
				return err
			}
			if r.undo {
				return runUndo(t, cmd.OutOrStdout())
			}
			p := newProgress(cmd.ErrOrStderr())
			defer p.done()
			res, err := t.Restore(args[0], restore.Options{Fuzzy: r.fuzzy, Progress: p.read})
			p.done()
			if err != nil {
				return r.explain(t, err)
			}
			printRestored(cmd.OutOrStdout(), res)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.config, "config", "", "configuration `file` of the server (default "+defaultConfigFile+" if there is one)")
	f.StringVar(&r.dataDir, "data-dir", "", "data `directory` of the server, in place of the configured one, without a look at the configuration")
	f.StringVar(&r.logDir, "log-dir", "", "`directory` of its log, with --data-dir, where that is another one")
	f.BoolVar(&r.undo, "undo", false, "put back what the last restore has set aside")
	f.BoolVar(&r.all, "whole-ensemble", false, "all members are stopped, and all are restored from this file")
	f.BoolVar(&r.fuzzy, "fuzzy", false, "take a snapshot of ZooKeeper's that needs its log to be a state that ever was")
	return cmd
}

// target finds the data, and makes sure that nobody serves from it.
func (r *restoring) target(ctx context.Context) (restore.Target, error) {
	t := restore.Target{FS: vfs.OS(), DataDir: r.dataDir, LogDir: r.logDir, Stamp: time.Now().UTC().Format("20060102T150405Z")}
	if r.dataDir == "" {
		cfg, err := hostConfig(r.config)
		if err != nil {
			return t, err
		}
		t.DataDir, t.LogDir = cfg.DataDir, cfg.LogDir
		if err := r.ensemble(ctx, cfg); err != nil {
			return t, err
		}
	}
	owner, err := ownerOf(t.DataDir)
	if err != nil {
		return t, err
	}
	t.Adopt = owner
	return t, nil
}

// ensemble refuses to restore one member beside others that go on.
func (r *restoring) ensemble(ctx context.Context, cfg config.Config) error {
	if err := stopped(ctx, cfg); err != nil {
		return err
	}
	if len(cfg.Servers) < 2 {
		return nil
	}
	if !r.all {
		return daemon.Errorf(daemon.ExitFailure, "this server is one of %d: its leader would put its own history in the place of what is restored. "+
			"Stop all members and give --whole-ensemble on each; to mend this one alone, run zkd log repair --resync", len(cfg.Servers))
	}
	if up, _ := others(ctx, cfg); len(up) > 0 {
		return daemon.Errorf(daemon.ExitBusy, "stop all members first: %s still runs", strings.Join(up, ", "))
	}
	return nil
}

// answers reports whether somebody takes connections there.
func answers(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// ownerOf returns what gives a file to the owner of the data directory. Only root can, and only root needs to.
func ownerOf(dir string) (func(name string) error, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, daemon.Errorf(daemon.ExitFailure, "there is no data directory %s: make it first, for the user of the server", dir)
	} else if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("%s: its owner is not known", dir)
	}
	return func(name string) error { return os.Chown(name, int(st.Uid), int(st.Gid)) }, nil
}

// explain says where things stand after an error.
func (r *restoring) explain(t restore.Target, err error) error {
	if errors.Is(err, inspect.ErrDamaged) {
		err = &daemon.Error{Code: daemon.ExitData, Err: err}
	}
	if fuzzy := (*restore.FuzzyError)(nil); errors.As(err, &fuzzy) {
		err = fmt.Errorf("%w; copy its logs with it, or take it all the same with --fuzzy", err)
	}
	if t.Unfinished() {
		return fmt.Errorf("%w; the restore is not finished, and the server does not start: run this again, or with --undo", err)
	}
	return fmt.Errorf("%w; nothing was changed", err)
}

func runUndo(t restore.Target, out io.Writer) error {
	res, err := t.Undo()
	if err != nil {
		if t.Unfinished() {
			return fmt.Errorf("%w; it is not finished, and the server does not start: run this again", err)
		}
		return err
	}
	if res.Resumed {
		fmt.Fprintln(out, "a restore, or its undoing, that was cut short is undone: the data is as it was before that")
		return nil
	}
	fmt.Fprintln(out, "the data from before the restore is back")
	for _, dir := range res.Aside {
		fmt.Fprintf(out, "what was made since is kept: %s\n", dir)
	}
	fmt.Fprintf(out, "the server goes on from epoch %d at least\n", res.Accepted)
	return nil
}

func printRestored(out io.Writer, res restore.Result) {
	if res.Resumed {
		fmt.Fprintln(out, "an earlier restore, which was cut short, was undone first")
	}
	fmt.Fprintf(out, "restored: the state at zxid %v, %d znodes, %d sessions\n", res.Zxid, res.Info.Nodes, res.Info.Sessions)
	if res.Note != "" {
		fmt.Fprintf(out, "note: %s\n", res.Note)
	}
	fmt.Fprintf(out, "the server goes on from epoch %d at least\n", res.Accepted)
	for _, dir := range res.Aside {
		fmt.Fprintf(out, "what was there before is kept: %s\n", dir)
	}
	fmt.Fprintln(out, "to go back: stop the server, then run zkd snapshot restore --undo with the same --config or --data-dir")
}
