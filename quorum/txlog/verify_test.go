package txlog

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

func TestVerifyReportsEveryRecordAndChangesNothing(t *testing.T) {
	m := vfs.NewMem()
	put(t, m, "log.1", image(4096, 1, 2, 3, 2))
	put(t, m, "log.4", image(0, 4))
	put(t, m, "log.5", nil)
	readOnly := vfs.NewFault(m, func(op vfs.Op) error {
		if op.Kind.Changes() {
			t.Errorf("%s %s", op.Kind, op.Path)
		}
		return nil
	})
	var zxids []zk.Zxid
	sum, err := Verify(readOnly, dir, 0, func(e Entry) error {
		if !bytes.Equal(e.Payload, payload(e.Zxid, sizeOf(e.Zxid))) || !strings.HasPrefix(e.File, dir+"/log.") {
			t.Errorf("entry %+v", e)
		}
		if b := content(t, m, e.File[len(dir)+1:]); !bytes.Equal(b[e.Offset+frameHead:][:len(e.Payload)], e.Payload) {
			t.Errorf("entry %v is not at %d", e.Zxid, e.Offset)
		}
		if e.Duplicate != (len(zxids) == 3) {
			t.Errorf("entry %v: duplicate %t", e.Zxid, e.Duplicate)
		}
		zxids = append(zxids, e.Zxid)
		return nil
	})
	check(t, err)
	if len(zxids) != 5 || sum.Files != 3 || sum.Records != 4 || sum.Duplicates != 1 || sum.First != 1 || sum.Last != 4 {
		t.Errorf("zxids %v, summary %+v", zxids, sum)
	}
	if !sum.OK() || len(sum.Findings) != 1 || !sum.Findings[0].Harmless {
		t.Errorf("findings %v", sum.Findings)
	}
}

func TestVerifyGoesOnBehindDamage(t *testing.T) {
	m := vfs.NewMem()
	b := image(100, 1, 2, 3)
	b[headerBytes+20] ^= 1
	put(t, m, "log.1", b)
	put(t, m, "log.4", image(100, 4, 5, 9))
	put(t, m, "log.b", []byte("what is this file doing here?"))
	put(t, m, "log.c", image(100, 12)[:60])
	sum, err := Verify(m, dir, 0, nil)
	check(t, err)
	var all []string
	for _, f := range sum.Findings {
		all = append(all, f.String())
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{
		"log.1: byte 16, behind zxid 0x0: the checksum differs (damage)",
		"log.4: byte ", "behind zxid 0x5: zxid 0x9 does not follow 0x5: txns are missing (damage)",
		"log.b: byte 0, behind zxid 0x9: the file begins with",
		"log.c: byte 16, behind zxid 0x9: the record ends before its trailer; torn by a crash (harmless)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("findings lack %q:\n%s", want, text)
		}
	}
	if sum.OK() || len(sum.Findings) != 4 || sum.Files != 4 {
		t.Errorf("%+v", sum)
	}
}

func TestVerifyOfOneFile(t *testing.T) {
	m := vfs.NewMem()
	put(t, m, "log.4", image(100, 4, 5, 4, 6))
	put(t, m, "copy-of-a-log", image(100, 4, 5, 4, 6))
	for _, name := range []string{"log.4", "copy-of-a-log"} {
		sum, err := Verify(m, dir+"/"+name, 0, nil)
		if err != nil || !sum.OK() || sum.Records != 3 || sum.Duplicates != 1 || sum.Last != 6 {
			t.Errorf("%s: %+v, %v", name, sum, err)
		}
	}
	stop := errors.New("enough")
	if _, err := Verify(m, dir, 0, func(Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	if _, err := Verify(m, dir+"/none", 0, nil); err == nil {
		t.Error("verified nothing")
	}
}

func TestVerifySaysThatALogEndsBelowItsMark(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	add(t, l, 1, 3)
	check(t, l.Close())
	put(t, m, "log.1", image(0, 1, 2))
	sum, err := Verify(m, dir, 0, nil)
	if err != nil || len(sum.Findings) != 1 || !strings.Contains(sum.Findings[0].Reason, "durable up to 0x3") {
		t.Errorf("%+v, %v", sum, err)
	}
}

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
