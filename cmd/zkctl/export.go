package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"zkd/cmd/zkctl/archive"
	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// systemRoot is the servers' own subtree: it is of one ensemble and means nothing in another.
const systemRoot = "/zookeeper"

func newExport(a *app) *cobra.Command {
	var noACL, always, quiet bool
	cmd := newPathCommand(a, "export [--no-acl] path [file]", "Write a subtree to a file", cobra.RangeArgs(1, 2),
		func(ctx context.Context, c *client.Client, path string, rest []string) error {
			e := exporter{a: a, c: c, root: path, noACL: noACL, lost: map[string]bool{}, p: newProgress(a.stderr, "exported", always, quiet)}
			if len(rest) == 0 || rest[0] == "-" || rest[0] == "/dev/stdout" {
				return e.write(ctx, a.stdout)
			}
			return intoFile(rest[0], func(w io.Writer) error { return e.write(ctx, w) })
		})
	f := cmd.Flags()
	f.BoolVar(&noACL, "no-acl", false, "leave out who may do what; an import then lets everybody do everything")
	f.BoolVar(&always, "progress", false, "say once a second how far it is, also where standard error is no terminal")
	f.BoolVar(&quiet, "quiet", false, "say nothing but errors")
	return cmd
}

// exporter is the command export at work.
type exporter struct {
	a     *app
	c     *client.Client
	root  string
	noACL bool
	p     *progress

	w          *archive.Writer
	waiting    []string        // paths whose data is still to be read, fewer than atOnce
	lost       map[string]bool // paths of nodes that went away, below which nothing has a place
	ephemerals int             // left out
	gone       int             // while the export ran
}

func (e *exporter) write(ctx context.Context, out io.Writer) error {
	if err := e.c.Sync(ctx, e.root); err != nil {
		return err
	}
	var err error
	if e.w, err = archive.NewWriter(out, archive.Header{Root: e.root, Zxid: e.c.LastZxid().String()}); err != nil {
		return err
	}
	// Behind a chroot it is a node like others.
	_, chroot, err := e.a.conn.targets()
	if err != nil {
		return err
	}
	leave := func(n *found) bool { return n.path == systemRoot && e.root != systemRoot && chroot == "" }
	enter := func(n *found) bool { return !leave(n) }
	err = walk(ctx, e.c, e.root, enter, func(n *found) error {
		switch {
		case leave(n):
			return nil
		case n.stat.EphemeralOwner != zk.OwnerNone:
			e.ephemerals++
			return nil
		}
		e.waiting = append(e.waiting, n.path)
		if len(e.waiting) < atOnce {
			return nil
		}
		return e.flush(ctx)
	})
	if err == nil {
		err = e.flush(ctx)
	}
	if err == nil {
		err = e.w.Close()
	}
	if err == nil {
		e.p.done(e.remarks()...)
	}
	return err
}

func (e *exporter) remarks() (remarks []string) {
	if e.ephemerals > 0 {
		remarks = append(remarks, "left out "+counted(e.ephemerals, "ephemeral znode"))
	}
	if e.gone > 0 {
		remarks = append(remarks, counted(e.gone, "znode")+" went away meanwhile")
	}
	return remarks
}

// flush reads what is waiting and writes it in order.
func (e *exporter) flush(ctx context.Context) error {
	nodes := make([]archive.Node, len(e.waiting))
	errs := make([]error, len(e.waiting))
	each(len(e.waiting), func(i int) { nodes[i], errs[i] = e.read(ctx, e.waiting[i]) })
	for i, path := range e.waiting {
		parent := path[:strings.LastIndexByte(path, '/')]
		switch {
		case client.IsCode(errs[i], zk.ErrNoNode) && path != e.root, e.lost[parent]:
			// Its children may still be there when they are read, made anew: they have no place without it.
			e.lost[path] = true
			e.gone++
			continue
		case errs[i] != nil:
			return errs[i]
		}
		if err := e.w.Add(nodes[i]); err != nil {
			return err
		}
		e.p.add(len(nodes[i].Data))
	}
	e.waiting = e.waiting[:0]
	return nil
}

func (e *exporter) read(ctx context.Context, path string) (archive.Node, error) {
	n := archive.Node{Path: strings.TrimPrefix(path, e.root)}
	if e.root == "/" && path != "/" {
		n.Path = path
	}
	var err error
	if n.Data, _, err = e.c.Get(ctx, path, false); err != nil || e.noACL {
		return n, err
	}
	if n.ACL, _, err = e.c.GetACL(ctx, path); err != nil {
		return n, err
	}
	if masked(n.ACL) {
		return n, failf(exitPermission, "%s: the server hides the hashes in its ACL from who has no admin permission there: "+
			"give --auth, or --no-acl to do without ACLs", path)
	}
	return n, nil
}

// masked reports whether the server has hidden a hash behind an x.
func masked(acl []proto.ACL) bool {
	for _, a := range acl {
		if a.ID.Scheme == "digest" && strings.HasSuffix(a.ID.ID, ":x") {
			return true
		}
	}
	return false
}
