package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"zkd/cmd/zkctl/archive"
	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

func newImport(a *app) *cobra.Command {
	var im importer
	var always, quiet bool
	cmd := newCommand(a, "import [--overwrite | --skip-existing] file [path]", "Read a subtree from a file", cobra.RangeArgs(1, 2),
		func(ctx context.Context, args []string) error {
			im := im
			im.a, im.p = a, newProgress(a.stderr, "imported", always, quiet)
			if im.dryRun {
				im.p.verb = "checked"
			}
			if len(args) == 2 {
				if err := checkPath(args[1]); err != nil {
					return err
				}
				im.target = args[1]
			}
			return im.run(ctx, args[0])
		})
	f := cmd.Flags()
	f.BoolVar(&im.overwrite, "overwrite", false, "write data and ACL of nodes that are there already")
	f.BoolVar(&im.skip, "skip-existing", false, "leave nodes as they are that are there already")
	f.BoolVar(&im.parents, "parents", false, "create what is missing above the path")
	f.BoolVar(&im.dryRun, "dry-run", false, "read and check the file, and change nothing")
	f.BoolVar(&always, "progress", false, "say once a second how far it is, also where standard error is no terminal")
	f.BoolVar(&quiet, "quiet", false, "say nothing but errors")
	cmd.MarkFlagsMutuallyExclusive("overwrite", "skip-existing")
	return cmd
}

// importer is the command import at work.
type importer struct {
	a                                *app
	c                                *client.Client
	overwrite, skip, parents, dryRun bool
	target                           string // path of the root of the export; "" is where it came from
	p                                *progress

	waiting []archive.Node // with full paths; at most atOnce, and few bytes
	bytes   int
	skipped int
}

// run reads a file twice, so that nothing of a damaged one is written. Standard input can be read only once.
func (im *importer) run(ctx context.Context, name string) error {
	if name == "-" {
		return im.from(ctx, im.a.stdin, im.dryRun)
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := im.from(ctx, file, true); err != nil || im.dryRun {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("import: %w: give - and let it be standard input", err)
	}
	im.p.total = im.p.nodes
	im.p.nodes, im.p.bytes = 0, 0
	return im.from(ctx, file, false)
}

// from reads an export, and writes it unless that is only a check.
func (im *importer) from(ctx context.Context, in io.Reader, check bool) error {
	r, err := archive.NewReader(in)
	if err != nil {
		return err
	}
	if im.target == "" {
		im.target = r.Header.Root
	}
	if !check {
		if im.c, err = im.a.client(ctx); err != nil {
			return err
		}
		if im.parents {
			if err := im.makeParents(ctx); err != nil {
				return err
			}
		}
	}
	for {
		n, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			if check {
				if im.dryRun {
					im.p.done()
				}
				return nil
			}
			if err := im.flush(ctx); err != nil {
				return err
			}
			var remarks []string
			if im.skipped > 0 {
				remarks = append(remarks, "did not touch "+counted(im.skipped, "znode")+" already there")
			}
			im.p.done(remarks...)
			return nil
		case err != nil:
			return err
		case check:
			im.p.nodes++
			im.p.bytes += int64(len(n.Data))
			continue
		}
		if err := im.add(ctx, n); err != nil {
			return err
		}
	}
}

func (im *importer) makeParents(ctx context.Context) error {
	for i := 1; i < len(im.target); i++ {
		if im.target[i] == '/' {
			if err := createIfMissing(ctx, im.c, im.target[:i], nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (im *importer) add(ctx context.Context, n archive.Node) error {
	switch {
	case n.Path == "":
		n.Path = im.target
	case im.target != "/":
		n.Path = im.target + n.Path
	}
	if n.ACL == nil {
		n.ACL = proto.OpenACL
	}
	if n.Path == "/" && !im.overwrite { // it is always there, and not what is meant by existing nodes
		im.p.add(len(n.Data))
		return nil
	}
	size := client.CreateOp(n.Path, n.Data, n.ACL, zk.ModePersistent, 0).Size()
	if len(im.waiting) == atOnce || len(im.waiting) > 0 && im.bytes+size > maxMultiBytes {
		if err := im.flush(ctx); err != nil {
			return err
		}
	}
	im.waiting = append(im.waiting, n)
	im.bytes += size
	return nil
}

// flush writes what is waiting in one transaction, but for ACLs of nodes that are there already.
func (im *importer) flush(ctx context.Context) error {
	there := make([]bool, len(im.waiting))
	if im.overwrite || im.skip {
		errs := make([]error, len(im.waiting))
		each(len(im.waiting), func(i int) {
			_, err := im.c.Exists(ctx, im.waiting[i].Path, false)
			there[i] = err == nil
			if !client.IsCode(err, zk.ErrNoNode) {
				errs[i] = err
			}
		})
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	var operations []client.Operation
	for i, n := range im.waiting {
		switch {
		case !there[i]:
			operations = append(operations, client.CreateOp(n.Path, n.Data, n.ACL, zk.ModePersistent, 0))
		case im.overwrite:
			operations = append(operations, client.SetOp(n.Path, n.Data, client.AnyVersion))
		}
	}
	if len(operations) > 0 {
		if err := im.c.Multi(ctx, operations); err != nil {
			return err
		}
	}
	for i, n := range im.waiting {
		if there[i] && im.skip {
			im.skipped++
			continue
		}
		if there[i] {
			if _, err := im.c.SetACL(ctx, n.Path, n.ACL, client.AnyVersion); err != nil {
				return err
			}
		}
		im.p.add(len(n.Data))
	}
	im.waiting, im.bytes = im.waiting[:0], 0
	return nil
}
