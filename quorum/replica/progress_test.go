package replica

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// slowDisk reads 64 KiB a second.
type slowDisk struct{ *vfs.Mem }

func (d slowDisk) Open(name string) (vfs.File, error) { return d.slow(d.Mem.Open(name)) }

func (d slowDisk) OpenReadWrite(name string) (vfs.File, error) {
	return d.slow(d.Mem.OpenReadWrite(name))
}

func (d slowDisk) slow(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return slowFile{f}, nil
}

type slowFile struct{ vfs.File }

func (f slowFile) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, offset)
	<-time.After(time.Duration(n) * time.Second / (64 << 10))
	return n, err
}

// systemd ends a start of which it hears nothing: a long one says something new all the time, also where one txn takes
// seconds to read, and where the log holds much that the snapshot has already.
func TestARecoveryFromASlowDiskNeverFallsSilent(t *testing.T) {
	const (
		txns  = 40
		bytes = 200 << 10 // of each txn
		quiet = 15 * time.Second
	)
	for name, snapshotAt := range map[string]int{"an empty snapshot": 0, "a snapshot near the end of the log": txns - 1} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			cfg := config(t, slowDisk{disk})
			log, _, err := txlog.Open(disk, cfg.LogDir, txlog.Options{Inline: true})
			if err != nil {
				t.Fatal(err)
			}
			state := tree.New(tree.Options{})
			save := func() {
				view := state.Freeze()
				defer view.Release()
				if _, err := snap.Save(disk, cfg.SnapDir, view, snap.Options{}); err != nil {
					t.Fatal(err)
				}
			}
			save()
			for i := range txns {
				z := first + zk.Zxid(i)
				payload := txnOf(z, proto.TxnBody{Type: zk.OpCreate, Path: "/" + strings.Repeat("a", i+1), ACL: proto.OpenACL,
					ParentCversion: int32(i + 1), Data: make([]byte, bytes)})
				var txn proto.Txn
				if err := errors.Join(log.Append(z, payload), proto.DecodeTxn(payload, &txn)); err != nil {
					t.Fatal(err)
				}
				if err := state.Replay(&txn); err != nil {
					t.Fatal(err)
				}
				if i+1 == snapshotAt {
					save()
				}
			}
			if err := errors.Join(log.Sync(), log.Close()); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				last, at := "", time.Now()
				var said []string
				cfg.Progress = func(text string) {
					if text == last {
						return
					}
					if gap := time.Since(at); gap > quiet {
						t.Errorf("%v between %q and %q", gap, last, text)
					}
					last, at = text, time.Now()
					if kind, _, _ := strings.Cut(text, ":"); !slices.Contains(said, kind) {
						said = append(said, kind)
					}
				}
				r, err := Start(cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Stop()
				if gap := time.Since(at); gap > quiet {
					t.Errorf("%v from %q to the end", gap, last)
				}
				for _, kind := range []string{"looking for the end of the log", "replaying the log"} {
					if !slices.Contains(said, kind) {
						t.Errorf("nothing was said of %s: %q", kind, said)
					}
				}
			})
		})
	}
}
