package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/socket"
	"zkd/quorum/inspect"
	"zkd/quorum/snap"
	"zkd/quorum/vfs"
)

func newSnapshotSave() *cobra.Command {
	var o operators
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "save file",
		Short: "Have the server on this host write a snapshot, and keep a copy of it",
		Long: "Have the server on this host write a snapshot, copy it into a file, or, by its own name, into a directory, and read the copy back.\n" +
			"The server goes on serving. A file that is there already is not replaced. The copy can be put back by zkd snapshot restore,\n" +
			"and by the name snapshot.<zxid> started from by ZooKeeper. It holds all data, whoever may read it: keep it as safe as that.\n\n" +
			"Exit status: 0 the copy is whole and durable, 3 no server runs, 4 it does not serve, 74 the copy is damaged.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			p := newProgress(cmd.ErrOrStderr())
			defer p.done()
			name, info, err := saveSnapshot(cmd.Context(), c, args[0], p)
			p.done()
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(cmd.OutOrStdout(), map[string]any{"file": name, "zxid": info.Zxid.String(), "bytes": info.SizeBytes, "nodes": info.Nodes})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: the state at zxid %v, %d znodes, %d bytes, read back and whole\n", name, info.Zxid, info.Nodes, info.SizeBytes)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	o.addFlags(cmd)
	return cmd
}

// saveSnapshot writes the copy under another name, and gives it its own once it is durable and was read back.
func saveSnapshot(ctx context.Context, c *socket.Client, to string, p *progress) (name string, info snap.Info, err error) {
	inDir := false
	if stat, err := os.Stat(to); err == nil && stat.IsDir() {
		inDir = true
	} else if err == nil {
		return "", info, daemon.Errorf(daemon.ExitFailure, "%s is there already: name another file", to)
	}
	own, size, content, err := c.SaveSnapshot(ctx)
	if err != nil {
		return "", info, explain(err)
	}
	defer content.Close()
	if _, _, ok := snap.ParseFileName(own); !ok {
		return "", info, fmt.Errorf("the server names its snapshot %q", own)
	}
	if name = to; inDir {
		name = filepath.Join(to, own)
	}
	// By its own name the copy is known to be of that zxid, and its znodes are compared with its digest.
	dir, err := os.MkdirTemp(filepath.Dir(name), ".zkd-snapshot-*")
	if err != nil {
		return "", info, err
	}
	defer os.RemoveAll(dir)
	tmp, err := os.OpenFile(filepath.Join(dir, own), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600) // only its owner may read it
	if err != nil {
		return "", info, err
	}
	n, err := io.Copy(tmp, &saying{content, p, own, size, 0})
	if err == nil && n != size {
		err = fmt.Errorf("the server sent %d bytes of %d", n, size)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return "", info, fmt.Errorf("copy %s: %w", own, err)
	}
	var note string
	info, note, err = inspect.CheckSnapshot(vfs.OS(), tmp.Name(), inspect.Options{Progress: p.read})
	if errors.Is(err, inspect.ErrDamaged) {
		return "", info, &daemon.Error{Code: daemon.ExitData, Err: fmt.Errorf("the copy of %s reads back as something else: %w", own, err)}
	} else if err == nil && note != "" {
		err = fmt.Errorf("the server gave a snapshot that cannot be checked: %s", note)
	}
	if err != nil {
		return "", info, err
	}
	if err := giveName(tmp.Name(), name); errors.Is(err, fs.ErrExist) {
		return "", info, daemon.Errorf(daemon.ExitFailure, "%s is there already: name another file", name)
	} else if err != nil {
		return "", info, err
	}
	return name, info, vfs.OS().SyncDir(filepath.Dir(name))
}

// giveName calls the file tmp name, which must not be there. A link, unlike a renaming, does not replace what came in
// the meantime; file systems of other worlds have no links.
func giveName(tmp, name string) error {
	err := os.Link(tmp, name)
	if !errors.Is(err, syscall.EPERM) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if _, err := os.Lstat(name); err == nil {
		return fs.ErrExist
	}
	return os.Rename(tmp, name)
}

// saying tells how much was read.
type saying struct {
	r    io.Reader
	p    *progress
	name string
	size int64
	n    int64
}

func (s *saying) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.n += int64(n)
	s.p.say("copying %s: %d of %d MiB", s.name, s.n>>20, s.size>>20)
	return n, err
}
