package txlog

import (
	"bytes"
	"errors"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// A single server refuses and names zkd log repair.
func TestRepairGivesUpWhatFollowsDamageAndKeepsIt(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	for _, first := range []zk.Zxid{1, 11, 21} {
		check(t, l.Roll())
		add(t, l, first, first+9)
	}
	check(t, l.Close())
	whole := content(t, m, "log.b")
	b := bytes.Clone(whole)
	at := headerBytes
	for z := zk.Zxid(11); z < 15; z++ {
		at += sizeOf(z) + frameSize
	}
	b[at+30] ^= 1
	put(t, m, "log.b", b)

	done, err := Repair(m, dir, 20, 0)
	if err != nil || done.Damage != nil || len(done.Kept) != 0 || done.Last != 30 {
		t.Fatalf("behind a snapshot at 20: %+v, %v", done, err)
	}
	done, err = Repair(m, dir, 3, 0)
	if err != nil || done.Damage == nil || done.Damage.After != 14 || done.Last != 14 || len(done.Kept) != 2 {
		t.Fatalf("behind a snapshot at 3: %+v, %v", done, err)
	}
	if kept := content(t, m, done.Kept[1][len(dir)+1:]); !bytes.Equal(kept, b[at:]) {
		t.Error("the rest of the file was not kept")
	}
	l, rec := mustOpen(t, m, small)
	if rec.Last != 14 || !rec.BelowMark || rec.Mark != 30 {
		t.Errorf("recovery %+v", rec)
	}
	expect(t, l, 1, 14)
	add(t, l, 15, 16)
	expect(t, l, 1, 16)
	check(t, l.Close())
}

func TestRepairNeverOverwritesWhatItKept(t *testing.T) {
	m := vfs.NewMem()
	for range 3 {
		put(t, m, "log.1", image(0, 1, 2))
		put(t, m, "log.5", image(0, 5))
		if done, err := Repair(m, dir, 0, 0); err != nil || done.Last != 2 || done.Damage == nil {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	if got := names(t, m); len(got) != 4 {
		t.Errorf("files %q", got)
	}
}

func TestARepairThatFailsCanBeRepeated(t *testing.T) {
	for n := int64(1); ; n++ {
		m := vfs.NewMem()
		b := image(100, 1, 2, 3)
		b[headerBytes+sizeOf(1)+30] ^= 1
		put(t, m, "log.1", b)
		put(t, m, "log.4", image(0, 4))
		fault := vfs.NewFault(m, vfs.FailNth(n, nil, errors.New("no")))
		_, err := Repair(fault, dir, 0, 0)
		if fault.Injected() == 0 {
			check(t, err)
			return
		}
		if err == nil {
			t.Fatalf("operation %d failed and nobody said so", n)
		}
		if done, err := Repair(m, dir, 0, 0); err != nil || done.Last != 1 {
			t.Fatalf("operation %d: %+v, %v", n, done, err)
		}
	}
}
