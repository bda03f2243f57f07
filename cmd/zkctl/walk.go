package main

import (
	"context"
	"slices"
	"sync"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// atOnce bounds the requests that are on their way together, and the nodes that wait to be looked at on
// each level of a tree.
const atOnce = 256

// each calls f for 0 to n-1 at the same time, n being at most atOnce, and waits for all.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// found is a node on a walk.
type found struct {
	path  string
	name  string
	names []string // of its children, sorted
	stat  proto.Stat
	depth int  // 0 where the walk began
	last  bool // of its siblings
	err   error
}

// walk visits the node at path and all below it: parents before children, siblings by name. A node that goes
// away meanwhile is left out; enter says whether to go below a node, nil is always.
func walk(ctx context.Context, c *client.Client, path string, enter func(*found) bool, visit func(*found) error) error {
	root := look(ctx, c, path)
	if root.err != nil {
		return root.err
	}
	root.name, root.last = path, true
	return descend(ctx, c, &root, enter, visit)
}

func look(ctx context.Context, c *client.Client, path string) found {
	n := found{path: path}
	n.names, n.stat, n.err = c.Children(ctx, path, false)
	return n
}

func descend(ctx context.Context, c *client.Client, n *found, enter func(*found) bool, visit func(*found) error) error {
	if err := visit(n); err != nil {
		return err
	}
	if enter != nil && !enter(n) {
		return nil
	}
	left := len(n.names)
	for names := range slices.Chunk(n.names, atOnce) {
		children := make([]found, len(names))
		each(len(names), func(i int) { children[i] = look(ctx, c, text.Child(n.path, names[i])) })
		left -= len(names)
		for i := range children {
			children[i].name, children[i].depth = names[i], n.depth+1
		}
		children = slices.DeleteFunc(children, func(child found) bool { return client.IsCode(child.err, zk.ErrNoNode) })
		for i := range children {
			child := &children[i]
			child.last = left == 0 && i == len(children)-1
			if child.err != nil {
				return child.err
			}
			if err := descend(ctx, c, child, enter, visit); err != nil {
				return err
			}
			child.names = nil
		}
	}
	return nil
}

// walkBroad visits the same nodes as walk does, level by level, which is the order of ZooKeeper's ls -R.
func walkBroad(ctx context.Context, c *client.Client, path string, visit func(*found) error) error {
	queue := []string{path}
	for first := true; len(queue) > 0; first = false {
		next := queue[:min(atOnce, len(queue))]
		nodes := make([]found, len(next))
		each(len(next), func(i int) { nodes[i] = look(ctx, c, next[i]) })
		queue = queue[len(next):]
		for i := range nodes {
			n := &nodes[i]
			switch {
			case n.err != nil && !first && client.IsCode(n.err, zk.ErrNoNode):
				continue
			case n.err != nil:
				return n.err
			}
			if err := visit(n); err != nil {
				return err
			}
			for _, name := range n.names {
				queue = append(queue, text.Child(n.path, name))
			}
		}
	}
	return nil
}
