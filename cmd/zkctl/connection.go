package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/client"
	"zkd/quorum/zk"
)

// connection is the session of the process and what is needed to open it, again if need be.
type connection struct {
	servers        []string // as --server has them, perhaps with a chroot behind the last
	configFile     string
	timeout        time.Duration
	sessionTimeout time.Duration
	auths          []string // scheme:auth, of --auth
	added          []string // those of addauth, for the session after an expiry; not for other servers
	stderr         io.Writer
	closed         bool // by the command close

	current *client.Client

	mu    sync.Mutex
	sink  func(client.Event)
	quiet bool // events are not printed at the prompt
}

// closeTimeout bounds the good-bye to a server.
const closeTimeout = 2 * time.Second

// open returns the session, opened if there is none or if it has expired.
func (c *connection) open(ctx context.Context) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if c.current != nil {
		err := c.current.Connect(ctx)
		if !errors.Is(err, zk.ErrSessionExpired) {
			return c.current, err
		}
		fmt.Fprintln(c.stderr, "zkctl: the session expired, and its ephemerals and watches with it; this is a new one")
		c.close()
	}
	servers, chroot, err := c.targets()
	if err != nil {
		return nil, err
	}
	fresh, err := client.New(client.Config{
		Servers: servers, Chroot: chroot, SessionTimeout: c.sessionTimeout, OperationTimeout: c.timeout, OnEvent: c.event,
	})
	if err != nil {
		return nil, &codedError{code: exitUsage, err: err}
	}
	c.current, c.closed = fresh, false
	if err := fresh.Connect(ctx); err != nil {
		return nil, err
	}
	for _, auth := range slices.Concat(c.auths, c.added) {
		scheme, secret, _ := strings.Cut(auth, ":")
		if err := fresh.AddAuth(ctx, scheme, []byte(secret)); err != nil {
			c.close() // no command must run as somebody else than it was meant to
			return nil, err
		}
	}
	return fresh, nil
}

// close ends the session, with its ephemerals.
func (c *connection) close() {
	if c.current == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = c.current.Close(ctx) // an error leaves the session to its timeout, and there is nothing more to do about it
	c.current = nil
}

// listen makes f get the events until the returned function is called.
func (c *connection) listen(f func(client.Event)) (restore func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.sink
	c.sink = f
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sink = before
	}
}

func (c *connection) event(e client.Event) {
	c.mu.Lock()
	f := c.sink
	c.mu.Unlock()
	if f != nil {
		f(e)
	}
}

func (c *connection) watchesPrinted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.quiet
}

func (c *connection) setPrintWatches(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet = !on
}

// completeTimeout bounds what a person at the tab key waits.
const completeTimeout = 2 * time.Second

// complete returns the paths that prefix may become, without a word about errors.
func (c *connection) complete(ctx context.Context, prefix string) []string {
	slash := strings.LastIndexByte(prefix, '/')
	if slash < 0 {
		return []string{"/"}
	}
	parent := prefix[:max(slash, 1)]
	if text.CheckPath(parent) != nil || c.closed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	session, err := c.open(ctx)
	if err != nil {
		return nil
	}
	names, _, err := session.Children(ctx, parent, false)
	if err != nil {
		return nil
	}
	var paths []string
	for _, name := range names {
		if strings.HasPrefix(name, prefix[slash+1:]) {
			paths = append(paths, text.Child(parent, name))
		}
	}
	return paths
}
