package txlog

import (
	"errors"
	"io"
	"slices"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Source: R11.
func TestTruncateCutsExactlyBehindAnyTxn(t *testing.T) {
	const last = 30
	for to := zk.Zxid(1); to <= last; to++ {
		for _, reopened := range []bool{false, true} {
			m := vfs.NewMem()
			l, _ := mustOpen(t, m, small)
			add(t, l, 1, 10)
			check(t, l.Roll())
			add(t, l, 11, 20)
			check(t, l.Roll())
			add(t, l, 21, last)
			if reopened {
				check(t, l.Close())
				l, _ = mustOpen(t, m, small)
			}
			check(t, l.Truncate(to))
			expect(t, l, 1, to)
			if l.Durable() != to {
				t.Fatalf("durable %v, want %v", l.Durable(), to)
			}
			for seed := range uint64(3) {
				crashed, rec := mustOpen(t, m.CrashClone(seed), small)
				if rec.Last != to || rec.BelowMark {
					t.Fatalf("to %v: after a power loss recovery is %+v", to, rec)
				}
				expect(t, crashed, 1, to)
			}
			add(t, l, to+1, to+25)
			expect(t, l, 1, to+25)
			check(t, l.Close())
			l, rec := mustOpen(t, m, small)
			if rec.Last != to+25 {
				t.Fatalf("recovery %+v", rec)
			}
			expect(t, l, 1, to+25)
		}
	}
}

func TestTruncateDropsWhatWasAppendedAndNotSynced(t *testing.T) {
	l, _ := mustOpen(t, vfs.NewMem(), small)
	add(t, l, 1, 5)
	check(t, l.Append(6, payload(6, sizeOf(6))))
	check(t, l.Append(7, payload(7, sizeOf(7))))
	check(t, l.Truncate(6))
	expect(t, l, 1, 6)
	check(t, l.Truncate(6))
	add(t, l, 7, 9)
	expect(t, l, 1, 9)
}

// Source: R11; ZooKeeper keeps the first record above z.
func TestTruncateToAMissingTxnChangesNothing(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	if err := l.Truncate(1); !errors.Is(err, ErrNotInLog) {
		t.Errorf("empty log: %v", err)
	}
	add(t, l, 0x100000005, 0x100000009)
	add(t, l, 0x200000001, 0x200000003)
	for _, to := range []zk.Zxid{0, 1, 0x100000004, 0x10000000a, 0x200000000, 0x200000004, 0x300000001} {
		if err := l.Truncate(to); !errors.Is(err, ErrNotInLog) {
			t.Errorf("to %v: %v", to, err)
		}
	}
	if got, err := readFrom(t, l, 0); err != nil || len(got) != 8 {
		t.Errorf("read %v, %v", got, err)
	}
	check(t, l.Truncate(0x100000009))
	add(t, l, 0x300000001, 0x300000002)
}

func TestAReaderEndsWhenTheLogIsTruncated(t *testing.T) {
	l, _ := mustOpen(t, vfs.NewMem(), small)
	add(t, l, 1, 9)
	r, err := l.Read(1)
	check(t, err)
	defer r.Close()
	for z := zk.Zxid(1); z <= 9; z++ {
		if got, _, err := r.Next(); err != nil || got != z {
			t.Fatal(got, err)
		}
	}
	check(t, l.Truncate(5))
	if _, _, err := r.Next(); !errors.Is(err, ErrTruncated) {
		t.Errorf("error %v", err)
	}
}

func TestPurgeKeepsWhatASnapshotNeeds(t *testing.T) {
	build := func() *Log {
		l, _ := mustOpen(t, vfs.NewMem(), small)
		for _, first := range []zk.Zxid{1, 11, 21, 31} {
			check(t, l.Roll())
			add(t, l, first, first+9)
		}
		return l
	}
	for keep, want := range map[zk.Zxid][]string{
		0: nil, 5: nil, 9: nil,
		10: {"log.1"}, 11: {"log.1"}, 19: {"log.1"},
		20:  {"log.1", "log.b"},
		30:  {"log.1", "log.b", "log.15"},
		100: {"log.1", "log.b", "log.15"},
	} {
		l := build()
		removed, err := l.PurgeBelow(keep)
		if err != nil || !slices.Equal(removed, want) {
			t.Errorf("keep %v: removed %q, %v, want %q", keep, removed, err, want)
		}
		if keep < 40 {
			expect(t, l, keep+1, 40)
		}
		add(t, l, 41, 45)
		check(t, l.Truncate(43))
		expect(t, l, max(keep+1, 31), 43)
		check(t, l.Close())
	}
}

func TestAReaderOutlivesThePurgeOfItsFile(t *testing.T) {
	l, _ := mustOpen(t, vfs.NewMem(), small)
	add(t, l, 1, 10)
	check(t, l.Roll())
	add(t, l, 11, 20)
	r, err := l.Read(4)
	check(t, err)
	defer r.Close()
	for z := zk.Zxid(4); ; z++ {
		got, _, err := r.Next()
		if err == io.EOF && z == 21 {
			break
		}
		if err != nil || got != z {
			t.Fatalf("read %v, %v, want %v", got, err, z)
		}
		if z == 6 {
			if removed, err := l.PurgeBelow(15); err != nil || len(removed) != 1 {
				t.Fatal(removed, err)
			}
		}
	}
}

func TestPurgeOfFilesFromBeforeIsAsExact(t *testing.T) {
	m := vfs.NewMem()
	put(t, m, "log.1", image(100, 1, 2, 3, 4, 5))
	put(t, m, "log.6", image(100, 6, 7))
	put(t, m, "log.8", image(100, 8))
	l, _ := mustOpen(t, m, small)
	if removed, err := l.PurgeBelow(6); err != nil || !slices.Equal(removed, []string{"log.1"}) {
		t.Fatalf("removed %q, %v", removed, err)
	}
	expect(t, l, 7, 8)
	check(t, l.Close())
	if got := names(t, m); !slices.Equal(got, []string{"log.6", "log.8"}) {
		t.Errorf("files %q", got)
	}
}
