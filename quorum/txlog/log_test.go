package txlog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// testdata/java-3.8.0.log.1 is what Apache ZooKeeper 3.8.0 wrote for one session that created nodes of
// three kinds, set one and failed to delete one, without its 64 MiB of padding.
const javaFile = "testdata/java-3.8.0.log.1"

// Source: FileTxnLog and FileHeader of Apache ZooKeeper 3.9.
func TestTheHeaderIsZooKeepers(t *testing.T) {
	if got := hex.EncodeToString(fileHeader()); got != "5a4b4c47000000020000000000000000" {
		t.Errorf("header %s", got)
	}
}

func TestWritesTheBytesThatZooKeeperWrites(t *testing.T) {
	want, err := os.ReadFile(javaFile)
	check(t, err)
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	java := vfs.NewMem()
	put(t, java, "log.1", want)
	recorded, _ := mustOpen(t, java, small)
	r, err := recorded.Read(0)
	check(t, err)
	for {
		z, b, err := r.Next()
		if err == io.EOF {
			break
		}
		check(t, errors.Join(err, l.Append(z, b), l.Sync()))
	}
	check(t, errors.Join(r.Close(), recorded.Close()))
	if l.Last() != 7 {
		t.Fatalf("read up to %v", l.Last())
	}
	if got := content(t, m, "log.1"); !bytes.HasPrefix(got, want) || len(bytes.TrimRight(got, "\x00")) != len(want) {
		t.Errorf("while open the file holds %x", got)
	}
	check(t, l.Close())
	if got := content(t, m, "log.1"); !bytes.Equal(got, want) {
		t.Errorf("after Close the file holds %x", got)
	}
}

func TestReadsTheBytesThatZooKeeperWrites(t *testing.T) {
	written, err := os.ReadFile(javaFile)
	check(t, err)
	for name, padding := range map[string]int{"cut": 0, "padded": 1 << 20} {
		m := vfs.NewMem()
		put(t, m, "log.1", append(written[:len(written):len(written)], make([]byte, padding)...))
		l, rec := mustOpen(t, m, small)
		if fmt.Sprint(rec) != fmt.Sprint(Recovery{Last: 7}) {
			t.Errorf("%s: recovery %+v", name, rec)
		}
		r, err := l.Read(0)
		check(t, err)
		for want := zk.Zxid(1); want <= 7; want++ {
			if zxid, b, err := r.Next(); err != nil || zxid != want || payloadZxid(b) != want {
				t.Errorf("%s: read %v, %v, want %v", name, zxid, err, want)
			}
		}
		check(t, r.Close())
		check(t, l.Close())
	}
}

func TestEveryOpenAndRollStartsAFileNamedByItsFirstTxn(t *testing.T) {
	m := vfs.NewMem()
	l, rec := mustOpen(t, m, small)
	if rec.Last != 0 || l.Last() != 0 || l.Durable() != 0 {
		t.Errorf("a new log ends with %v", rec.Last)
	}
	check(t, l.Roll())
	add(t, l, 1, 4)
	check(t, l.Append(5, payload(5, sizeOf(5))))
	check(t, l.Roll()) // 5 is not synced and belongs to the first file
	check(t, l.Roll())
	if l.SinceRollTxns() != 0 || l.SinceRollBytes() != 0 {
		t.Error("counters go on over a roll")
	}
	add(t, l, 6, 20)
	if l.SinceRollTxns() != 15 || l.SinceRollBytes() == 0 {
		t.Errorf("%d txns, %d bytes since the roll", l.SinceRollTxns(), l.SinceRollBytes())
	}
	expect(t, l, 1, 20)
	check(t, l.Close())
	check(t, l.Close())
	l, rec = mustOpen(t, m, small)
	if rec.Last != 20 || rec.Mark != 20 || rec.BelowMark || rec.CutFile != "" {
		t.Errorf("recovery %+v", rec)
	}
	add(t, l, 21, 22)
	expect(t, l, 1, 22)
	infos, err := l.Files()
	check(t, err)
	if len(infos) != 3 || infos[0].Name != "log.1" || infos[1].First != 6 || infos[2].Name != "log.15" {
		t.Errorf("files %v", infos)
	}
	check(t, l.Close())
	if got := names(t, m); !slices.Equal(got, []string{"log.1", "log.15", "log.6"}) {
		t.Errorf("files %q", got)
	}
}

func TestAppendRefusesWhatCouldNotBeReadBack(t *testing.T) {
	l, _ := mustOpen(t, vfs.NewMem(), Options{Inline: true, MaxPayload: 1000})
	add(t, l, 0x100000005, 0x100000006)
	for name, err := range map[string]error{
		"gap":           l.Append(0x100000008, payload(0x100000008, 50)),
		"repetition":    l.Append(0x100000006, payload(0x100000006, 50)),
		"going back":    l.Append(0x100000005, payload(0x100000005, 50)),
		"epoch not 1st": l.Append(0x200000002, payload(0x200000002, 50)),
		"other zxid":    l.Append(0x100000007, payload(0x100000009, 50)),
		"no header":     l.Append(0x100000007, make([]byte, 31)),
		"too long":      l.Append(0x100000007, payload(0x100000007, 1001)),
	} {
		if err == nil {
			t.Errorf("%s: appended", name)
		}
	}
	add(t, l, 0x100000007, 0x100000007)
	add(t, l, 0x200000001, 0x200000002)
	if l.Last() != 0x200000002 || l.Durable() != 0x200000002 {
		t.Errorf("last %v, durable %v", l.Last(), l.Durable())
	}
	check(t, l.Close())
	for _, err := range []error{l.Append(0x200000003, payload(0x200000003, 50)), l.Sync(), l.Roll(), l.Truncate(5)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestAppendIsDurableAfterSyncOnly(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	add(t, l, 1, 3)
	check(t, l.Append(4, payload(4, sizeOf(4))))
	if l.Last() != 4 || l.Durable() != 3 {
		t.Errorf("last %v, durable %v", l.Last(), l.Durable())
	}
	expectRead(t, l, 1, 3)
	check(t, l.Sync())
	expect(t, l, 1, 4)
	check(t, l.Sync()) // nothing to do
}

func expectRead(t *testing.T, l *Log, from, to zk.Zxid) {
	t.Helper()
	got, err := readFrom(t, l, from)
	check(t, err)
	if !slices.Equal(got, sequence(from, to)) {
		t.Fatalf("read %v, want %v to %v", got, from, to)
	}
}

func TestAReaderFollowsTheLog(t *testing.T) {
	l, _ := mustOpen(t, vfs.NewMem(), small)
	r, err := l.Read(2)
	check(t, err)
	for z := zk.Zxid(1); z <= 40; z++ {
		add(t, l, z, z)
		if z%7 == 0 {
			check(t, l.Roll())
		}
		got, _, err := r.Next()
		if z == 1 && err == nil || z > 1 && (err != nil || got != z) {
			t.Fatalf("behind %v read %v, %v", z, got, err)
		}
	}
	check(t, r.Close())
}

func TestReadStartsAtOrAboveTheZxidAskedFor(t *testing.T) {
	l, _ := mustOpen(t, vfs.NewMem(), small)
	add(t, l, 5, 9)
	check(t, l.Roll())
	add(t, l, 10, 12)
	for from := zk.Zxid(0); from <= 14; from++ {
		got, err := readFrom(t, l, from)
		check(t, err)
		if !slices.Equal(got, sequence(max(from, 5), 12)) {
			t.Errorf("from %v read %v", from, got)
		}
	}
}

func TestLargeBatchesAreSplitAndReadBack(t *testing.T) {
	l, _ := mustOpen(t, vfs.NewMem(), Options{PreallocBytes: 64 << 20, Inline: true})
	const size = 1 << 20
	for z := zk.Zxid(1); z <= 11; z++ {
		check(t, l.Append(z, payload(z, size)))
	}
	check(t, l.Sync())
	r, err := l.Read(1)
	check(t, err)
	defer r.Close()
	for z := zk.Zxid(1); z <= 11; z++ {
		got, b, err := r.Next()
		if err != nil || got != z || !slices.Equal(b, payload(z, size)) {
			t.Fatalf("read %v, %d bytes, %v", got, len(b), err)
		}
	}
}

func TestStartAfterASnapshotLeavesAGapThatNobodyReadsAcross(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	add(t, l, 1, 5)
	if err := l.StartAfter(4); err == nil {
		t.Error("started below the end")
	}
	check(t, l.StartAfter(5))
	check(t, l.StartAfter(20))
	if l.Last() != 20 || l.Durable() != 20 {
		t.Errorf("last %v, durable %v", l.Last(), l.Durable())
	}
	add(t, l, 21, 23)
	expect(t, l, 21, 23)
	var corrupt *CorruptError
	if got, err := readFrom(t, l, 3); !errors.As(err, &corrupt) || !slices.Equal(got, sequence(3, 5)) || corrupt.After != 5 {
		t.Errorf("read %v, %v", got, err)
	}
	check(t, l.Close())
	_, rec := mustOpen(t, m, small)
	if rec.Last != 23 || rec.BelowMark {
		t.Errorf("recovery %+v", rec)
	}
}

func TestClosingBehindASnapshotIsNotALoss(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	add(t, l, 1, 5)
	check(t, l.StartAfter(20))
	check(t, l.Close())
	if _, rec := mustOpen(t, m, small); rec.BelowMark || rec.Last != 5 {
		t.Errorf("recovery %+v", rec)
	}
}

func TestAppendDoesNotWaitForSync(t *testing.T) {
	release := make(chan struct{})
	syncing := make(chan struct{}, 1)
	armed := false
	fault := vfs.NewFault(vfs.NewMem(), func(op vfs.Op) error {
		if armed && op.Kind == vfs.OpSync {
			syncing <- struct{}{}
			<-release
		}
		return nil
	})
	l, _ := mustOpen(t, fault, Options{Inline: true})
	add(t, l, 1, 1)
	armed = true
	check(t, l.Append(2, payload(2, sizeOf(2))))
	done := make(chan error)
	go func() { done <- l.Sync() }()
	<-syncing
	check(t, l.Append(3, payload(3, sizeOf(3))))
	if l.Last() != 3 || l.Durable() != 1 {
		t.Errorf("last %v, durable %v during a sync", l.Last(), l.Durable())
	}
	armed = false
	close(release)
	check(t, <-done)
	if l.Durable() != 2 {
		t.Errorf("durable %v: Sync covers what was appended before it", l.Durable())
	}
	check(t, l.Sync())
	expect(t, l, 1, 3)
}

func TestTheMarkFollowsWithinASecondAndCostsSyncNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		l, _ := mustOpen(t, m, Options{PreallocBytes: 4096})
		at := func() zk.Zxid {
			got, _, ok, err := readMark(m, dir)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			return got.zxid
		}
		add(t, l, 1, 100)
		if got := at(); got != 0 {
			t.Errorf("mark %v before its time", got)
		}
		time.Sleep(markInterval)
		synctest.Wait()
		if got := at(); got != 100 {
			t.Errorf("mark %v, want 100", got)
		}
		add(t, l, 101, 102)
		time.Sleep(markInterval)
		synctest.Wait()
		if got := at(); got != 102 {
			t.Errorf("mark %v, want 102", got)
		}
		check(t, l.Close())
	})
}

func TestSyncWritesIntoAllocatedBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		l, _ := mustOpen(t, m, Options{PreallocBytes: 8192})
		for z := zk.Zxid(1); z <= 300; z++ {
			synctest.Wait() // the background goroutine keeps up
			if z > 1 {
				infos, err := l.Files()
				check(t, err)
				if room := infos[len(infos)-1].SizeBytes - l.active.end; room < int64(sizeOf(z))+frameSize {
					t.Fatalf("only %d bytes are allocated before %v", room, z)
				}
			}
			add(t, l, z, z)
			if z == 150 {
				check(t, l.Roll())
			}
		}
		expect(t, l, 1, 300)
		check(t, l.Close())
		if got := names(t, m); len(got) != 2 {
			t.Errorf("files %q", got)
		}
	})
}

func TestNoSyncSyncsNothingOnItsOwn(t *testing.T) {
	syncs, opened := 0, false
	fault := vfs.NewFault(vfs.NewMem(), func(op vfs.Op) error {
		if opened && (op.Kind == vfs.OpSync || op.Kind == vfs.OpSyncDir) {
			syncs++
		}
		return nil
	})
	l, _ := mustOpen(t, fault, Options{PreallocBytes: 4096, NoSync: true, Inline: true})
	opened = true
	add(t, l, 1, 50)
	expect(t, l, 1, 50)
	check(t, l.Close())
	if syncs != 0 {
		t.Errorf("%d syncs", syncs)
	}
	l, rec := mustOpen(t, fault, small)
	if rec.BelowMark {
		t.Errorf("recovery %+v", rec)
	}
	expect(t, l, 1, 50)
}
