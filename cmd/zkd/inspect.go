package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/quorum/inspect"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// inspection is one of package inspect's functions.
type inspection func(fsys vfs.FS, name string, w io.Writer, o inspect.Options) error

func newLog() *cobra.Command {
	var o inspect.Options
	dump := newInspection("dump", "Print the transactions of log files", inspect.DumpLog, &o)
	dump.Flags().Var(zxidFlag{&o.From}, "from", "leave out transactions before this zxid, in hexadecimal")
	dump.Flags().Var(zxidFlag{&o.To}, "to", "leave out transactions behind this zxid, in hexadecimal")
	addMaxData(dump, &o)
	return newGroup("log", "Look at the transaction log, without a server", dump,
		newLogVerify(), newLogRepair())
}

// newLogVerify is an inspection that knows how long a record the server whose log it is reads back.
func newLogVerify() *cobra.Command {
	var file string
	var o inspect.Options
	cmd := newInspection("verify", "Check that log files are whole", inspect.VerifyLog, &o)
	cmd.Long += " The longest record that a server takes\ndepends on client.max_frame (jute.maxbuffer) in its configuration."
	cmd.Flags().StringVar(&file, "config", "", "configuration `file` of the server whose log it is (default "+defaultConfigFile+" if there is one)")
	verify := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		cfg, err := hostConfig(file)
		switch {
		case err == nil:
			o.MaxTxnBytes = maxPayload(cfg)
		case file != "":
			return err
		default: // a log can be looked at on a host whose own configuration is nobody's business
		}
		return verify(cmd, paths)
	}
	return cmd
}

func newSnapshot() *cobra.Command {
	var o inspect.Options
	dump := newInspection("dump", "Print what a snapshot holds", inspect.DumpSnapshot, &o)
	addMaxData(dump, &o)
	return newGroup("snapshot", "Save, restore, compare and look at snapshots", dump,
		newInspection("verify", "Check that snapshots are whole", inspect.VerifySnapshot, new(inspect.Options)),
		newSnapshotDiff(), newSnapshotSave(), newSnapshotRestore())
}

func addMaxData(cmd *cobra.Command, o *inspect.Options) {
	cmd.Flags().IntVar(&o.MaxDataBytes, "max-data", 0, "show at most this many `bytes` of a znode's data; 0 for all")
}

func newInspection(verb, short string, run inspection, o *inspect.Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " path ...",
		Short: short,
		Long:  short + ". A path is a file, or a directory for all of its files; a data directory will do.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			var all []error
			p := newProgress(cmd.ErrOrStderr())
			defer p.done()
			o.Progress = p.read
			for _, path := range paths {
				err := run(vfs.OS(), versionDir(path), cmd.OutOrStdout(), *o)
				if errors.Is(err, inspect.ErrDamaged) {
					err = &daemon.Error{Code: daemon.ExitData, Err: err}
				}
				all = append(all, err)
			}
			return errors.Join(all...)
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print JSON, an object on each line")
	return cmd
}

// versionDir returns the directory with the files where path is a data directory, else path.
func versionDir(path string) string {
	inner := filepath.Join(path, "version-2")
	if info, err := os.Stat(inner); err == nil && info.IsDir() {
		return inner
	}
	return path
}

// zxidFlag is a zxid as the logs and file names have it: hexadecimal, with or without 0x.
type zxidFlag struct{ to *zk.Zxid }

func (f zxidFlag) Type() string { return "zxid" }

func (f zxidFlag) String() string {
	if f.to == nil || *f.to == 0 {
		return ""
	}
	return f.to.String()
}

func (f zxidFlag) Set(text string) error {
	digits := text
	if len(text) > 2 && text[:2] == "0x" {
		digits = text[2:]
	}
	n, err := strconv.ParseInt(digits, 16, 64)
	if err != nil {
		return fmt.Errorf("%q is no zxid: write it in hexadecimal, such as 0x100000004", text)
	}
	*f.to = zk.Zxid(n)
	return nil
}
