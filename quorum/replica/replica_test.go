package replica

import (
	"context"
	"errors"
	"fmt"

	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/auth"
	"zkd/quorum/prep"
	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/stats"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

func config(t *testing.T, fs vfs.FS) Config {
	t.Helper()
	a, err := auth.New(auth.Config{DigestEnabled: true, DigestAlg: "SHA1"})
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		ID: 1, FS: fs, SnapDir: "/data/version-2", LogDir: "/data/version-2",
		Tick: time.Second, MaxTxnBytes: 1 << 20, SnapCount: 100000, PreallocBytes: 64 << 10, FsyncWarning: time.Minute,
		PurgeInterval: time.Hour, PurgeRetain: 3, Auth: a, Stats: new(stats.Server), Logger: zap.NewNop(),
	}
}

func start(t *testing.T, cfg Config) *Replica {
	t.Helper()
	r, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Stop() })
	return r
}

// client submits requests and collects their outcomes in order.
type client struct {
	r       *Replica
	session zk.SessionID
	results chan Outcome
	closed  chan struct{}
}

func (c *client) Applied(_ *View, o *Outcome) bool {
	kept := *o
	if o.Result != nil {
		result := *o.Result
		kept.Result = &result
	}
	c.results <- kept
	return true
}
func (c *client) Flush()                 {}
func (c *client) Lost()                  {}
func (c *client) LastHeardMillis() int64 { return c.r.NowMillis() }
func (c *client) SessionClosed()         { close(c.closed) }

func connect(t *testing.T, r *Replica) *client {
	t.Helper()
	c := &client{r: r, results: make(chan Outcome, 1<<14), closed: make(chan struct{})}
	r.Submit([]Request{{Request: prep.Request{Op: zk.OpCreateSession, TimeoutMillis: 10000}, Origin: c, Owner: c, Term: r.Serving()}})
	o, err := c.next()
	if err != nil || o.Err != zk.OK {
		t.Fatalf("create session: %v, %v", o.Err, err)
	}
	c.session = o.Session
	return c
}

func (c *client) submit(op zk.Op, body []byte) {
	c.r.Submit([]Request{{Request: prep.Request{Session: c.session, Op: op, Body: body}, Origin: c, Term: c.r.Serving()}})
}

func (c *client) next() (Outcome, error) {
	select {
	case o := <-c.results:
		return o, nil
	case <-c.r.Done():
		select {
		case o := <-c.results:
			return o, nil
		default:
			return Outcome{}, ErrStopped
		}
	}
}

func createBody(path string, data []byte, mode zk.CreateMode) []byte {
	r := proto.CreateRequest{Path: path, Data: data, ACL: proto.OpenACL, Mode: mode}
	return r.Append(nil, zk.OpCreate)
}

func (c *client) create(path string) (Outcome, error) {
	c.submit(zk.OpCreate, createBody(path, []byte(path), zk.ModePersistent))
	return c.next()
}

func exists(r *Replica, path string) (found bool) {
	r.Read(func(v *View) { _, found = v.Tree().Find(path) })
	return found
}

// Whenever the power fails, all that was acknowledged is there after the restart, with an equal
// digest, and the epoch grows. Snapshots are taken all the while.
func TestAcknowledgedWritesSurviveAPowerLoss(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			disk := vfs.NewMem()
			acked := make(map[string]bool)
			lastEpoch := zk.Epoch(0)
			for life := range 4 {
				cfg := config(t, disk)
				cfg.SnapCount = 10
				r, err := Start(cfg)
				if err != nil {
					t.Fatalf("life %d: %v", life, err)
				}
				for path := range acked {
					if !exists(r, path) {
						t.Fatalf("life %d: %s was acknowledged and is gone", life, path)
					}
				}
				if s := r.Status(); s.Epoch <= lastEpoch {
					t.Fatalf("life %d: epoch %d after %d", life, s.Epoch, lastEpoch)
				} else {
					lastEpoch = s.Epoch
				}
				c := connect(t, r)
				for i := range random.IntN(60) {
					p := fmt.Sprintf("/n%d-%d", life, i)
					if o, err := c.create(p); err != nil || o.Err != zk.OK {
						t.Fatalf("create %s: %v %v", p, o.Err, err)
					}
					acked[p] = true
					if random.IntN(10) == 0 {
						if _, err := r.Snapshot(context.Background()); err != nil && !errors.Is(err, ErrSnapshotBusy) {
							t.Fatal(err)
						}
					}
				}
				c.submit(zk.OpCreate, createBody(fmt.Sprintf("/late%d", life), nil, zk.ModePersistent)) // not waited for
				crashed := disk.CrashClone(random.Uint64())
				r.Stop()
				if mismatches := cfg.Stats.DigestMismatches.Load(); mismatches != 0 {
					t.Fatalf("life %d: %d digest mismatches", life, mismatches)
				}
				disk = crashed
			}
		})
	}
}

// R22: the first failed write or sync of the log ends the replica, and nothing of that batch is
// acknowledged; what was acknowledged before survives.
func TestR22AFailedLogEndsTheReplica(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
		for n := int64(1); n < 12; n++ {
			disk := vfs.NewMem()
			armed := false
			var count int64
			var mu sync.Mutex
			faulty := vfs.NewFault(disk, func(op vfs.Op) error {
				mu.Lock()
				defer mu.Unlock()
				if base := path.Base(op.Path); !armed || op.Kind != vfs.OpWrite && op.Kind != vfs.OpSync || base == "zkd.mark" {
					return nil
				}
				if count++; count >= n {
					return fault
				}
				return nil
			})
			r, err := Start(config(t, faulty))
			if err != nil {
				t.Fatal(err)
			}
			c := connect(t, r)
			mu.Lock()
			armed = true
			mu.Unlock()
			var acked []string
			failed := false
			for i := range 50 {
				p := fmt.Sprintf("/n%d", i)
				o, err := c.create(p)
				if err != nil {
					failed = true
					break
				}
				if o.Err != zk.OK {
					t.Fatalf("%v: create: %v", fault, o.Err)
				}
				acked = append(acked, p)
			}
			if !failed {
				t.Fatalf("%v from operation %d on: 50 writes acknowledged", fault, n)
			}
			<-r.Done()
			if !errors.Is(r.Err(), fault) {
				t.Errorf("%v: replica ended with %v", fault, r.Err())
			}
			again := start(t, config(t, disk.CrashClone(uint64(n))))
			for _, p := range acked {
				if !exists(again, p) {
					t.Fatalf("%v from operation %d on: %s was acknowledged and is gone", fault, n, p)
				}
			}
		}
	}
}

// Design 3.8: with the disk nearly full writes are refused, while deletes, sessions and reads go on.
func TestANearlyFullDiskRefusesWritesButServes(t *testing.T) {
	disk := vfs.NewMem()
	cfg := config(t, disk)
	cfg.MinFreeBytes = 1 << 20
	disk.SetCapacity(16 << 20)
	r := start(t, cfg)
	c := connect(t, r)
	if o, _ := c.create("/before"); o.Err != zk.OK {
		t.Fatal(o.Err)
	}
	low := func(want bool) {
		t.Helper()
		if err := r.Call(r.checkDisk); err != nil {
			t.Fatal(err)
		}
		if r.Status().DiskLow != want {
			t.Fatalf("disk low: %v, want %v", !want, want)
		}
	}
	disk.SetCapacity(1 << 20)
	low(true)
	before := r.Status().Applied
	if o, _ := c.create("/refused"); o.Err != zk.ErrSystem {
		t.Errorf("create on a full disk: %v", o.Err)
	}
	if r.Status().Applied != before {
		t.Error("a refused write took a zxid")
	}
	disk.SetCapacity(16 << 20)
	low(false)
	if o, _ := c.create("/after"); o.Err != zk.OK {
		t.Errorf("create with room again: %v", o.Err)
	}
}

// Fault rows 7 and 8: without the newest snapshot an older one and the log serve; without any, a log
// that does not reach back to the beginning is refused, and nothing is changed.
func TestMissingSnapshots(t *testing.T) {
	disk := vfs.NewMem()
	cfg := config(t, disk)
	cfg.PurgeInterval = 0
	r := start(t, cfg)
	c := connect(t, r)
	for i := range 30 {
		c.create(fmt.Sprintf("/n%d", i))
		if i%10 == 9 {
			if _, err := r.Snapshot(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.Stop()
	remove := func(all bool) {
		found, err := snap.List(disk, cfg.SnapDir)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range found {
			if i == 0 || all {
				if err := disk.Remove(path.Join(cfg.SnapDir, path.Base(s.Name))); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	remove(false)
	again, err := Start(config(t, disk))
	if err != nil {
		t.Fatal(err)
	}
	if !exists(again, "/n29") {
		t.Error("a write is missing after the newest snapshot is gone")
	}
	again.Stop()
	remove(true)
	// The log begins with the session of epoch 1, so it does reach back; without its first file it does not.
	names, err := disk.List(cfg.LogDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "log.") {
			if err := disk.Remove(path.Join(cfg.LogDir, name)); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	var refused *snap.HistoryError
	if _, err := Start(config(t, disk)); !errors.As(err, &refused) {
		t.Errorf("a log without its beginning: %v", err)
	}
}

func TestASecondProcessIsKeptOut(t *testing.T) {
	disk := vfs.NewMem()
	start(t, config(t, disk))
	if _, err := Start(config(t, disk)); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("second start: %v", err)
	}
}

// Design 3.12: an ephemeral without its session goes by a txn, not by silent repair.
func TestR17OrphansGoByATxn(t *testing.T) {
	disk := vfs.NewMem()
	cfg := config(t, disk)
	r := start(t, cfg)
	c := connect(t, r)
	c.submit(zk.OpCreate, createBody("/mine", nil, zk.ModeEphemeral))
	if o, _ := c.next(); o.Err != zk.OK {
		t.Fatal(o.Err)
	}
	r.Stop()

	// Rewrite the snapshot as a buggy server would have left it: the ephemeral, but no session.
	if _, err := disk.Stat("/data/version-2/acceptedEpoch"); err != nil {
		t.Fatal(err)
	}
	orphaned := start(t, config(t, disk))
	saved, err := snap.Save(disk, cfg.SnapDir, withoutSessions{orphaned}, snap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	orphaned.Stop()
	again := start(t, config(t, disk))
	before := saved.Zxid
	if o, _ := connect(t, again).create("/fence"); o.Err != zk.OK {
		t.Fatal(o.Err)
	}
	if exists(again, "/mine") {
		t.Error("the orphan is still there")
	}
	if s := again.Status(); s.Applied.Counter() < 3 || s.Applied <= before {
		t.Errorf("zxid %v: the removal took none", s.Applied)
	}
}

type withoutSessions struct{ r *Replica }

func (w withoutSessions) freeze(f func(src snap.Source) error) (err error) {
	callErr := w.r.Call(func() {
		view := w.r.tree.Freeze()
		defer view.Release()
		err = f(view)
	})
	return errors.Join(err, callErr)
}

func (w withoutSessions) Zxid() zk.Zxid  { return w.r.Status().Applied }
func (w withoutSessions) Digest() uint64 { return w.r.Status().Digest }
func (w withoutSessions) NodeCount() int { return w.r.Status().Znodes }
func (w withoutSessions) Sessions(func(zk.SessionID, int32) error) error {
	return nil
}
func (w withoutSessions) ACLs(f func(int64, []proto.ACL) error) error {
	return w.freeze(func(src snap.Source) error { return src.ACLs(f) })
}
func (w withoutSessions) Nodes(f func([]byte, []byte, int64, *proto.StatPersisted) error) error {
	return w.freeze(func(src snap.Source) error { return src.Nodes(f) })
}

// A barrier is answered behind all writes submitted before it.
func TestABarrierWaitsForTheWritesBeforeIt(t *testing.T) {
	r := start(t, config(t, vfs.NewMem()))
	c := connect(t, r)
	var batch []Request
	for i := range 100 {
		batch = append(batch, Request{Request: prep.Request{Session: c.session, Op: zk.OpCreate,
			Body: createBody(fmt.Sprintf("/n%d", i), nil, zk.ModePersistent)}, Origin: c, Term: r.Serving()})
	}
	batch = append(batch, Request{Kind: Barrier, Request: prep.Request{Session: c.session, Op: zk.OpSync}, Origin: c, Term: r.Serving()})
	r.Submit(batch)
	for i := range 101 {
		o, err := c.next()
		if err != nil || o.Err != zk.OK {
			t.Fatal(o.Err, err)
		}
		if isBarrier := o.Kind == Barrier; isBarrier != (i == 100) {
			t.Fatalf("outcome %d: barrier %v", i, isBarrier)
		}
	}
}

// A snapshot larger than all the batches that travel between reading and building, together.
func TestALargeSnapshotLoads(t *testing.T) {
	disk := vfs.NewMem()
	r := start(t, config(t, disk))
	c := connect(t, r)
	data := make([]byte, 64<<10)
	const znodes = 2 * (loadAhead + 2) * loadBatchBytes / (64 << 10)
	for i := range znodes {
		c.submit(zk.OpCreate, createBody(fmt.Sprintf("/n%d", i), data, zk.ModePersistent))
		if o, err := c.next(); err != nil || o.Err != zk.OK {
			t.Fatal(o.Err, err)
		}
	}
	if _, err := r.Snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := r.Status().Digest
	r.Stop()
	again := start(t, config(t, disk))
	if got := again.Status().Digest; got != want {
		t.Errorf("digest %d, want %d", got, want)
	}
}

// R13: where the log ends below the newest snapshot, an older one plus the log would skip what is
// between, unseen once the next epoch has begun. It is set aside, and without the newest one the start
// is refused.
func TestASnapshotBehindAGapIsNotStartedFrom(t *testing.T) {
	disk := vfs.NewMem()
	cfg := config(t, disk)
	cfg.PurgeInterval = 0
	r := start(t, cfg)
	c := connect(t, r)
	for i := range 20 {
		if o, err := c.create(fmt.Sprintf("/n%d", i)); err != nil || o.Err != zk.OK {
			t.Fatal(o.Err, err)
		}
		if i == 9 || i == 19 {
			if _, err := r.Snapshot(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.Stop()
	// The log file behind the older snapshot is lost.
	names, err := disk.List(cfg.LogDir)
	if err != nil {
		t.Fatal(err)
	}
	lost := ""
	for _, name := range names {
		if strings.HasPrefix(name, "log.") {
			lost = name // the last one
		}
	}
	if err := disk.Remove(path.Join(cfg.LogDir, lost)); err != nil {
		t.Fatal(err)
	}
	again := start(t, config(t, disk))
	if !exists(again, "/n19") {
		t.Error("the newest snapshot was not loaded")
	}
	if o, err := connect(t, again).create("/next"); err != nil || o.Err != zk.OK {
		t.Fatal(o.Err, err)
	}
	again.Stop()
	found, err := snap.List(disk, cfg.SnapDir)
	if err != nil || len(found) != 1 {
		t.Fatalf("snapshots to start from: %v, %v", found, err)
	}
	if err := disk.Remove(path.Join(cfg.SnapDir, found[0].Name)); err != nil {
		t.Fatal(err)
	}
	var refused *snap.HistoryError
	if _, err := Start(config(t, disk)); !errors.As(err, &refused) {
		t.Errorf("start without the newest snapshot: %v", err)
	}
}

// What is refused without a txn is answered in its place, also in front of a sync that can be answered at once.
func TestARefusalBeforeASyncIsAnsweredBeforeIt(t *testing.T) {
	cfg := config(t, vfs.NewMem())
	cfg.MinFreeBytes = 1 << 62 // the disk is always nearly full
	r := start(t, cfg)
	c := connect(t, r)
	r.Submit([]Request{
		{Request: prep.Request{Session: c.session, Cxid: 1, Op: zk.OpCreate, Body: createBody("/a", nil, zk.ModePersistent)}, Origin: c, Term: r.Serving()},
		{Kind: Barrier, Request: prep.Request{Session: c.session, Cxid: 2, Op: zk.OpSync}, Origin: c, Term: r.Serving()},
	})
	for cxid := int32(1); cxid <= 2; cxid++ {
		if o, err := c.next(); err != nil || o.Cxid != cxid {
			t.Fatalf("outcome %+v, %v; want that of %d", o, err, cxid)
		}
	}
}

// Under steady load there is always something in flight; what was delivered goes all the same.
func TestWhatIsDeliveredIsNotKept(t *testing.T) {
	r := start(t, config(t, vfs.NewMem()))
	c := connect(t, r)
	set := proto.SetDataRequest{Path: "/", Version: -1}
	body := set.Append(nil)
	for range 8 {
		c.submit(zk.OpSetData, body)
	}
	most := 0
	for range 5000 {
		if _, err := c.next(); err != nil {
			t.Fatal(err)
		}
		c.submit(zk.OpSetData, body)
		if err := r.Call(func() { most = max(most, len(r.inflight)) }); err != nil {
			t.Fatal(err)
		}
	}
	if most > 1000 {
		t.Errorf("%d proposals kept with 8 in flight", most)
	}
}
