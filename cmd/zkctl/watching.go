package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"zkd/quorum/client"
	"zkd/quorum/zk"
)

const (
	persistent          = "PERSISTENT"
	persistentRecursive = "PERSISTENT_RECURSIVE"
)

func watchMode(name string) (zk.AddWatchMode, error) {
	switch name {
	case persistent:
		return zk.WatchPersistent, nil
	case persistentRecursive:
		return zk.WatchPersistentRecursive, nil
	}
	return 0, usagef("mode %q: must be %s or %s", name, persistent, persistentRecursive)
}

func newAddWatch(a *app) *cobra.Command {
	var mode string
	cmd := newPathCommand(a, "addWatch [-m mode] path", "Watch a znode, and all below it, until removewatches", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			m, err := watchMode(mode)
			if err != nil {
				return err
			}
			return c.AddWatch(ctx, path, m)
		})
	cmd.Flags().StringVarP(&mode, "mode", "m", persistentRecursive, "`mode`: "+persistent+" is for the node and its children, "+persistentRecursive+" for all below it")
	return cmd
}

func newRemoveWatches(a *app) *cobra.Command {
	var children, data, anyKind, local bool
	cmd := newPathCommand(a, "removewatches path [-c|-d|-a] [-l]", "Remove watches of this session", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			kind := zk.WatcherAny
			switch {
			case children:
				kind = zk.WatcherChildren
			case data:
				kind = zk.WatcherData
			}
			return c.RemoveWatches(ctx, path, kind, local)
		})
	f := cmd.Flags()
	f.BoolVarP(&children, "children", "c", false, "those of ls -w")
	f.BoolVarP(&data, "data", "d", false, "those of get -w and stat -w")
	f.BoolVarP(&anyKind, "any", "a", false, "all (the default)")
	f.BoolVarP(&local, "local", "l", false, "also if the server cannot be asked")
	cmd.MarkFlagsMutuallyExclusive("children", "data", "any")
	return cmd
}

func newWatch(a *app) *cobra.Command {
	var mode string
	var count int
	cmd := newPathCommand(a, "watch [-m mode] [-n count] path", "Print changes at and below a path as they happen", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			m, err := watchMode(mode)
			if err != nil {
				return err
			}
			w := watcher{a: a, path: path, mode: m, left: count, events: make(chan client.Event)}
			// Handed over one by one: who reads slowly makes the session read slowly, and no list grows.
			done, stop := context.WithCancel(ctx)
			restore := a.conn.listen(func(e client.Event) {
				select {
				case w.events <- e:
				case <-done.Done():
				}
			})
			defer restore()
			defer stop()
			return w.run(ctx, c)
		})
	cmd.Flags().StringVarP(&mode, "mode", "m", persistentRecursive, "`mode`: "+persistent+" is for the node and its children, "+persistentRecursive+" for all below it")
	cmd.Flags().IntVarP(&count, "count", "n", 0, "end after this many changes; 0 goes on")
	return cmd
}

// watcher is the command watch at work.
type watcher struct {
	a      *app
	path   string
	mode   zk.AddWatchMode
	left   int // 0 is no bound
	events chan client.Event
}

func (w *watcher) run(ctx context.Context, c *client.Client) error {
	if err := w.begin(ctx, c); err != nil {
		return err
	}
	for {
		select {
		case e := <-w.events:
			switch {
			case e.Type != zk.EventNone:
				if err := w.print(e); err != nil {
					return err
				}
				if w.left--; w.left == 0 {
					return w.end(ctx, c)
				}
			case e.State == client.Expired:
				if err := w.note(e, "the session expired: changes may have been missed"); err != nil {
					return err
				}
				var err error
				if c, err = w.a.conn.open(ctx); err != nil {
					return err
				}
				if err := w.begin(ctx, c); err != nil {
					return err
				}
			case e.State == client.Disconnected:
				if err := w.note(e, "the connection to "+c.Server()+" is lost"); err != nil {
					return err
				}
			case e.State == client.SyncConnected:
				if err := w.note(e, "connected to "+c.Server()+" again: changes in between may have been missed"); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			_ = w.end(context.WithoutCancel(ctx), c) // what is told is the interrupt
			return ctx.Err()
		}
	}
}

// begin sets the watch. The events of its own that come meanwhile, such as that of a new connection, are
// taken so that the session does not wait for us.
func (w *watcher) begin(ctx context.Context, c *client.Client) error {
	set := make(chan error, 1)
	go func() { set <- c.AddWatch(ctx, w.path, w.mode) }()
	for {
		select {
		case err := <-set:
			if err == nil {
				err = w.note(client.Event{Type: zk.EventNone, State: client.SyncConnected, Path: w.path}, "watching "+w.path)
			}
			return err
		case e := <-w.events:
			if e.Type != zk.EventNone { // of an earlier watch, at the prompt
				if err := w.print(e); err != nil {
					return err
				}
			}
		}
	}
}

// end removes the watch, so that a prompt goes on without it.
func (w *watcher) end(ctx context.Context, c *client.Client) error {
	if w.a.prompt == nil {
		return nil
	}
	removed := make(chan error, 1)
	kind := zk.WatcherPersistentRecursive
	if w.mode == zk.WatchPersistent {
		kind = zk.WatcherPersistent
	}
	go func() { removed <- c.RemoveWatches(ctx, w.path, kind, true) }()
	for {
		select {
		case err := <-removed:
			return err
		case <-w.events:
		}
	}
}

func (w *watcher) print(e client.Event) error {
	plain := client.EventName(e.Type) + " " + e.Path
	if e.Zxid > 0 {
		plain += " " + e.Zxid.String()
	}
	return w.a.write(jsonEvent(e), plain+"\n")
}

// note tells about the connection: a program among the events, a reader beside them.
func (w *watcher) note(e client.Event, words string) error {
	if w.a.json {
		return w.a.write(jsonEvent(e), "")
	}
	_, err := fmt.Fprintln(w.a.stderr, "zkctl: "+words)
	return err
}
