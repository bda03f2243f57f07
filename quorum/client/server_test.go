package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// serve starts a server in this process and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	cfg := quorum.DefaultConfig()
	cfg.DataDir, cfg.ClientAddrs, cfg.ExtendedTypes, cfg.PreallocBytes = t.TempDir(), []string{"127.0.0.1:0"}, true, 1<<20
	s, err := quorum.Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s.ClientAddrs()[0]
}

// open returns a session that ends with the test.
func open(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	cfg.OperationTimeout = 30 * time.Second
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.WithoutCancel(t.Context())); err != nil && !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
	})
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, c *client.Client, path string, mode zk.CreateMode) string {
	t.Helper()
	created, _, err := c.Create(t.Context(), path, []byte("data"), proto.OpenACL, mode, 60_000)
	check(t, err)
	return created
}

func TestOperationsAgainstAServer(t *testing.T) {
	ctx, address := t.Context(), serve(t)
	c := open(t, client.Config{Servers: []string{address}})
	for mode, want := range map[zk.CreateMode]string{zk.ModePersistent: "/p", zk.ModeEphemeral: "/e", zk.ModeContainer: "/c", zk.ModePersistentTTL: "/t"} {
		if got := create(t, c, want, mode); got != want {
			t.Errorf("mode %d made %s, want %s", mode, got, want)
		}
	}
	if got := create(t, c, "/p/s-", zk.ModePersistentSequential); got != "/p/s-0000000000" {
		t.Errorf("sequential: %s", got)
	}
	stat, err := c.Set(ctx, "/p", nil, 0)
	check(t, err)
	data, again, err := c.Get(ctx, "/p", false)
	if err != nil || data != nil || again != stat || stat.Version != 1 {
		t.Errorf("get: %q, %+v, %v; set said %+v", data, again, err, stat)
	}
	if names, _, err := c.Children(ctx, "/", false); err != nil || !slices.Equal(names, []string{"c", "e", "p", "t", "zookeeper"}) {
		t.Errorf("children: %v, %v", names, err)
	}
	if n, err := c.AllChildrenNumber(ctx, "/p"); err != nil || n != 1 {
		t.Errorf("all children: %d, %v", n, err)
	}
	if paths, err := c.Ephemerals(ctx, "/"); err != nil || !slices.Equal(paths, []string{"/e"}) {
		t.Errorf("ephemerals: %v, %v", paths, err)
	}
	check(t, c.Sync(ctx, "/"))
	check(t, c.AddAuth(ctx, "digest", []byte("bob:secret")))
	infos, err := c.WhoAmI(ctx)
	if err != nil || !slices.Contains(infos, proto.ClientInfo{Scheme: "digest", User: "bob"}) {
		t.Errorf("whoami: %v, %v", infos, err)
	}
	acl := []proto.ACL{{Perms: zk.PermAll, ID: proto.ID{Scheme: "digest", ID: "bob:fyVmFCwVbTJYrznoSu1koqYEYF0="}}}
	_, err = c.SetACL(ctx, "/p", acl, 0)
	check(t, err)
	if got, stat, err := c.GetACL(ctx, "/p"); err != nil || !reflect.DeepEqual(got, acl) || stat.Aversion != 1 {
		t.Errorf("ACL: %v, %+v, %v", got, stat, err)
	}
	if _, _, err := c.Configuration(ctx, false); err != nil {
		t.Errorf("configuration: %v", err)
	}
	if _, _, err := c.Reconfig(ctx, "", "9", "", -1); !client.IsCode(err, zk.ErrReconfigDisabled) {
		t.Errorf("reconfig: %v", err)
	}
	for path, call := range map[string]func() error{
		"/none": func() error { return c.Delete(ctx, "/none", client.AnyVersion) },
		"/q":    func() error { _, _, err := c.Get(ctx, "/q", false); return err },
	} {
		var e *client.Error
		if err := call(); !client.IsCode(err, zk.ErrNoNode) || !errors.As(err, &e) || e.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
	other := open(t, client.Config{Servers: []string{address}})
	if _, _, err := other.Get(ctx, "/p", false); !client.IsCode(err, zk.ErrNoAuth) {
		t.Errorf("a stranger: %v", err)
	}
	check(t, c.Close(ctx))
	if _, err := other.Exists(ctx, "/e", false); !client.IsCode(err, zk.ErrNoNode) {
		t.Errorf("the ephemeral of a closed session: %v", err)
	}
}

func TestMultiIsAllOrNothingAndNamesTheCulprit(t *testing.T) {
	ctx := t.Context()
	c := open(t, client.Config{Servers: []string{serve(t)}})
	check(t, c.Multi(ctx, []client.Operation{
		client.CreateOp("/m", nil, proto.OpenACL, zk.ModePersistent, 0),
		client.CreateOp("/m/c", []byte("x"), proto.OpenACL, zk.ModeContainer, 0),
		client.SetOp("/m", []byte("new"), 0),
		client.DeleteOp("/m/c", client.AnyVersion),
		{Op: zk.OpCheck, Path: "/m", Version: 1},
	}))
	err := c.Multi(ctx, []client.Operation{
		client.SetOp("/m", []byte("never"), client.AnyVersion), client.DeleteOp("/none", client.AnyVersion), client.DeleteOp("/m", client.AnyVersion),
	})
	var e *client.Error
	var m *client.MultiError
	if !client.IsCode(err, zk.ErrNoNode) || !errors.As(err, &e) || e.Path != "/none" || !errors.As(err, &m) || m.Index != 1 {
		t.Errorf("got %v", err)
	}
	if data, _, err := c.Get(ctx, "/m", false); err != nil || string(data) != "new" {
		t.Errorf("data %q, %v", data, err)
	}
	check(t, c.Multi(ctx, nil))
}

// heard collects events and lets a test wait for them.
type heard struct {
	mu     sync.Mutex
	events []string
	more   chan struct{}
}

func newHeard() *heard { return &heard{more: make(chan struct{}, 1)} }

func (h *heard) add(e client.Event) {
	if e.Type == zk.EventNone {
		return
	}
	h.mu.Lock()
	h.events = append(h.events, client.EventName(e.Type)+" "+e.Path)
	h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
}

// want waits until there are as many events as wanted, and compares.
func (h *heard) want(t *testing.T, want ...string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		h.mu.Lock()
		got := slices.Clone(h.events)
		if len(got) >= len(want) {
			h.events = nil
		}
		h.mu.Unlock()
		if len(got) >= len(want) {
			if !slices.Equal(got, want) {
				t.Errorf("got events  %q\nwant %q", got, want)
			}
			return
		}
		select {
		case <-h.more:
		case <-limit:
			t.Fatalf("events %q, want %q", got, want)
		}
	}
}

func TestWatchesAgainstAServer(t *testing.T) {
	ctx, h := t.Context(), newHeard()
	c := open(t, client.Config{Servers: []string{serve(t)}, OnEvent: h.add})
	create(t, c, "/w", zk.ModePersistent)
	_, _, err := c.Get(ctx, "/w", true)
	check(t, err)
	_, err = c.Exists(ctx, "/w/new", true)
	if !client.IsCode(err, zk.ErrNoNode) {
		t.Fatal(err)
	}
	create(t, c, "/w/new", zk.ModePersistent)
	_, err = c.Set(ctx, "/w", nil, client.AnyVersion)
	check(t, err)
	h.want(t, "NodeCreated /w/new", "NodeDataChanged /w")
	if err := c.RemoveWatches(ctx, "/w", zk.WatcherAny, false); !client.IsCode(err, zk.ErrNoWatcher) {
		t.Errorf("a used watch is removed: %v", err)
	}
	_, _, err = c.Children(ctx, "/w", true)
	check(t, err)
	check(t, c.AddWatch(ctx, "/w", zk.WatchPersistentRecursive))
	check(t, c.Delete(ctx, "/w/new", client.AnyVersion))
	h.want(t, "NodeDeleted /w/new", "NodeChildrenChanged /w")
	_, _, err = c.Children(ctx, "/w", true)
	check(t, err)
	check(t, c.RemoveWatches(ctx, "/w", zk.WatcherChildren, false))
	h.want(t, "ChildWatchRemoved /w")
	check(t, c.RemoveWatches(ctx, "/w", zk.WatcherAny, false))
	h.want(t, "PersistentWatchRemoved /w")
}

func TestAChrootIsInvisible(t *testing.T) {
	ctx, address, h := t.Context(), serve(t), newHeard()
	root := open(t, client.Config{Servers: []string{address}})
	create(t, root, "/app", zk.ModePersistent)
	create(t, root, "/application", zk.ModePersistent)
	c := open(t, client.Config{Servers: []string{address}, Chroot: "/app/", OnEvent: h.add})
	check(t, c.AddWatch(ctx, "/", zk.WatchPersistentRecursive))
	for _, made := range []struct {
		path, want string
		mode       zk.CreateMode
	}{{"/x", "/x", zk.ModeEphemeral}, {"/", "/0000000001", zk.ModePersistentSequential}} {
		if got := create(t, c, made.path, made.mode); got != made.want {
			t.Errorf("created %s, want %s", got, made.want)
		}
	}
	h.want(t, "NodeCreated /x", "NodeCreated /0000000001")
	if paths, err := c.Ephemerals(ctx, "/"); err != nil || !slices.Equal(paths, []string{"/x"}) {
		t.Errorf("ephemerals %v, %v", paths, err)
	}
	if names, _, err := root.Children(ctx, "/app", false); err != nil || !slices.Equal(names, []string{"0000000001", "x"}) {
		t.Errorf("from outside: %v, %v", names, err)
	}
	if _, _, err := c.Configuration(ctx, false); err != nil {
		t.Errorf("the configuration is outside of every chroot: %v", err)
	}
	_, err := root.Set(ctx, "/application", nil, client.AnyVersion)
	check(t, err)
	_, err = c.Set(ctx, "/", []byte("mine"), client.AnyVersion)
	check(t, err)
	h.want(t, "NodeDataChanged /") // and nothing of a neighbour with a longer name
}

// Many goroutines with one session: requests are answered to whom they belong.
func TestManyCallersShareASession(t *testing.T) {
	c := open(t, client.Config{Servers: []string{serve(t)}})
	create(t, c, "/many", zk.ModePersistent)
	var wg sync.WaitGroup
	for i := range 600 { // more than may wait for an answer
		wg.Go(func() {
			path, want := fmt.Sprintf("/many/%d", i), fmt.Appendf(nil, "data %d", i)
			if _, _, err := c.Create(t.Context(), path, want, proto.OpenACL, zk.ModePersistent, 0); err != nil {
				t.Error(err)
			}
			if got, _, err := c.Get(t.Context(), path, false); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %q, %v", path, got, err)
			}
		})
	}
	wg.Wait()
	check(t, c.Multi(t.Context(), []client.Operation{client.DeleteOp("/many/0", 0)}))
}
