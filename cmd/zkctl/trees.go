package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/client"
	"zkd/quorum/zk"
)

func newLs(a *app) *cobra.Command {
	var withStat, watch, recursive bool
	cmd := newPathCommand(a, "ls [-s] [-w] [-R] path", "List the children of a znode", cobra.RangeArgs(1, 2),
		func(ctx context.Context, c *client.Client, path string, rest []string) error {
			watch = a.oldWatch("ls [-w]", rest) || watch
			if recursive {
				return walkBroad(ctx, c, path, func(n *found) error {
					return a.emit(nodeJSON{Path: n.path, Stat: jsonStat(n.stat)}, n.path+"\n")
				})
			}
			names, stat, err := c.Children(ctx, path, watch)
			if err != nil {
				return err
			}
			plain := text.List(names)
			if withStat {
				plain += text.Stat(stat, time.Local)
			}
			if names == nil {
				names = []string{}
			}
			return a.emit(nodeJSON{Path: path, Children: &names, Stat: jsonStat(stat)}, plain)
		})
	f := cmd.Flags()
	f.BoolVarP(&withStat, "stat", "s", false, "print the stat as well")
	f.BoolVarP(&watch, "watch", "w", false, "watch the node for one change of its children")
	f.BoolVarP(&recursive, "recursive", "R", false, "list the paths of all nodes below, too")
	return cmd
}

func newTree(a *app) *cobra.Command {
	var depth int
	var sizes bool
	cmd := newPathCommand(a, "tree [-L depth] [-s] path", "Draw the znodes at and below a path", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			enter := func(n *found) bool { return depth <= 0 || n.depth < depth }
			var above []string // what is drawn left of each level
			nodes := 0
			err := walk(ctx, c, path, enter, func(n *found) error {
				nodes++
				if a.json {
					return a.emit(treeJSON{n.path, n.depth, n.stat.DataLength, n.stat.EphemeralOwner != zk.OwnerNone, len(n.names)}, "")
				}
				return a.emit(nil, treeLine(n, &above, sizes))
			})
			if err != nil || a.json {
				return err
			}
			a.printf("\n%s\n", counted(nodes, "znode"))
			return nil
		})
	cmd.Flags().IntVarP(&depth, "depth", "L", 0, "go this many levels down; 0 is all")
	cmd.Flags().BoolVarP(&sizes, "sizes", "s", false, "print how many bytes of data each node has, and which are ephemeral")
	return cmd
}

type treeJSON struct {
	Path        string `json:"path"`
	Depth       int    `json:"depth"`
	DataLength  int32  `json:"data_length"`
	Ephemeral   bool   `json:"ephemeral"`
	NumChildren int    `json:"num_children"`
}

// treeLine draws a node. above has the bars of the levels above it, and gets those for what is below.
func treeLine(n *found, above *[]string, sizes bool) string {
	var b strings.Builder
	if n.depth > 0 {
		*above = (*above)[:n.depth-1]
		b.WriteString(strings.Join(*above, ""))
		if n.last {
			b.WriteString("└── ")
			*above = append(*above, "    ")
		} else {
			b.WriteString("├── ")
			*above = append(*above, "│   ")
		}
	}
	b.WriteString(n.name)
	if sizes {
		fmt.Fprintf(&b, "  (%d)", n.stat.DataLength)
		if n.stat.EphemeralOwner != zk.OwnerNone {
			b.WriteString(" ephemeral")
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func newDeleteAll(a *app) *cobra.Command {
	var batch int
	cmd := newPathCommand(a, "deleteall path [-b batch size]", "Remove a znode and all below it", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			if batch < 1 {
				return usagef("the batch size must be at least 1")
			}
			if path == "/" {
				return usagef("the root cannot be removed: name what is below it")
			}
			n, err := deleteAll(ctx, c, path, batch)
			if err != nil {
				return err
			}
			return a.emit(deletedJSON{path, n}, "")
		})
	cmd.Flags().IntVarP(&batch, "batch", "b", 1000, "how many nodes to remove in one transaction")
	return cmd
}

// maxMultiBytes bounds a multi well below the limit of a frame, a byte less than 1 MiB by default.
const maxMultiBytes = 512 << 10

// deleteAll removes a subtree, children before their parents, in transactions of at most batch nodes. It
// returns how many it removed.
func deleteAll(ctx context.Context, c *client.Client, path string, batch int) (deleted int, err error) {
	var operations []client.Operation
	err = walk(ctx, c, path, nil, func(n *found) error {
		operations = append(operations, client.DeleteOp(n.path, client.AnyVersion))
		return nil
	})
	if err != nil {
		return 0, err
	}
	slices.Reverse(operations)
	for len(operations) > 0 {
		next := operations[:multiLength(operations, batch)]
		operations = operations[len(next):]
		err := c.Multi(ctx, next)
		if !client.IsCode(err, zk.ErrNoNode) {
			if err != nil {
				return deleted, err
			}
			deleted += len(next)
			continue
		}
		for _, o := range next { // somebody else removes, too: one by one
			switch err := c.Delete(ctx, o.Path, client.AnyVersion); {
			case err == nil:
				deleted++
			case !client.IsCode(err, zk.ErrNoNode):
				return deleted, err
			}
		}
	}
	return deleted, nil
}

// multiLength returns how many of the operations fit into one multi: at least one, at most batch.
func multiLength(operations []client.Operation, batch int) int {
	bytes := 0
	for i, o := range operations {
		bytes += o.Size()
		if i == batch || i > 0 && bytes > maxMultiBytes {
			return i
		}
	}
	return len(operations)
}
