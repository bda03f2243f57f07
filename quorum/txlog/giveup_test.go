package txlog

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// A log that was given up says so until another history has taken its place, whatever is left of it.
func TestALogThatWasGivenUpSaysSoUntilItIsReplaced(t *testing.T) {
	for name, test := range map[string]struct{ marked, moved bool }{
		"untouched":            {marked: true},
		"moved away":           {marked: true, moved: true},
		"written by ZooKeeper": {},
	} {
		t.Run(name, func(t *testing.T) {
			m := vfs.NewMem()
			l, _ := mustOpen(t, m, small)
			add(t, l, 1, 9)
			check(t, l.Close())
			if !test.marked {
				check(t, m.Remove(dir+"/"+MarkName))
			}
			reached, err := Reached(m, dir, 0)
			if err != nil || reached != 9 {
				t.Fatalf("it reached %v, %v", reached, err)
			}
			check(t, GiveUp(m, dir, reached))
			check(t, GiveUp(m, dir, 5))
			if test.moved {
				_, err := SetAside(m, dir, "log.1")
				check(t, err)
			}
			for range 2 {
				l, rec := mustOpen(t, m, small)
				if !rec.GivenUp || !rec.BelowMark || rec.Mark < 9 {
					t.Fatalf("recovery %+v", rec)
				}
				check(t, l.Append(rec.Last+1, payload(rec.Last+1, 100))) // what one server alone does
				check(t, l.Close())
			}
			l, rec := mustOpen(t, m, small)
			if !rec.GivenUp {
				t.Errorf("recovery after more txns %+v", rec)
			}
			check(t, l.Truncate(rec.Last-1))
			check(t, l.Close())
			l, rec = mustOpen(t, m, small)
			if !rec.GivenUp {
				t.Errorf("recovery after a cut %+v", rec)
			}
			check(t, l.Replace(20))
			check(t, l.Close())
			if _, rec := mustOpen(t, m, small); rec.GivenUp || rec.Mark != 20 { // the snapshot reaches that
				t.Errorf("recovery after another history came %+v", rec)
			}
		})
	}
}

// How far a log has reached is known at least by its mark, its names, and what is whole of its last file.
func TestHowFarALogHasReached(t *testing.T) {
	damaged := image(0, 4, 5, 6)
	damaged[headerBytes+sizeOf(4)+frameSize+20] ^= 1
	for name, test := range map[string]struct {
		last []byte // log.4; nil for no such file
		mark zk.Zxid
		want zk.Zxid
	}{
		"a whole file":            {image(100, 4, 5, 6), 0, 6},
		"damage in the last file": {damaged, 0, 4},
		"damage, with a mark":     {damaged, 6, 6},
		"no record at all":        {[]byte("no log"), 0, 4},
		"nothing but a mark":      {nil, 3, 3},
		"nothing":                 {nil, 0, 0},
	} {
		m := vfs.NewMem()
		check(t, m.MkdirAll(dir))
		if test.last != nil {
			put(t, m, "log.1", image(0, 1, 2, 3))
			put(t, m, "log.4", test.last)
		}
		if test.mark != 0 {
			w, err := openMark(m, dir, 0)
			check(t, err)
			check(t, w.write(mark{zxid: test.mark}))
		}
		if got, err := Reached(m, dir, 0); err != nil || got != test.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, test.want)
		}
	}
}

// below writes txns 1..9 and cuts the last two off, behind the back of the log.
func below(t *testing.T) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	add(t, l, 1, 9)
	check(t, l.Close())
	put(t, m, "log.1", image(0, sequence(1, 7)...))
	return m
}

func TestForeseeSaysWhatOpenDoesAndChangesNothing(t *testing.T) {
	torn := below(t)
	put(t, torn, "log.1", append(image(0, 1, 2), 0, 0, 0, 0, 1, 2))
	put(t, torn, "log.3", nil)
	for name, m := range map[string]*vfs.Mem{"below its mark": below(t), "with a torn tail": torn} {
		readOnly := vfs.NewFault(m, func(op vfs.Op) error {
			if op.Kind.Changes() {
				t.Errorf("%s: %s %s", name, op.Kind, op.Path)
			}
			return nil
		})
		foreseen, err := Foresee(readOnly, dir, 0)
		check(t, err)
		if _, rec := mustOpen(t, m, small); fmt.Sprint(rec) != fmt.Sprint(foreseen) {
			t.Errorf("%s: foreseen %+v, found %+v", name, foreseen, rec)
		}
	}
	damaged := image(0, 1, 2, 3)
	damaged[headerBytes+20] ^= 1
	m := vfs.NewMem()
	put(t, m, "log.1", damaged)
	var corrupt *CorruptError
	if _, err := Foresee(m, dir, 0); !errors.As(err, &corrupt) {
		t.Errorf("damage: %v", err)
	}
}

func TestAnAcceptedEndIsTheEnd(t *testing.T) {
	m := below(t)
	rec, err := AcceptEnd(m, dir, 0)
	if err != nil || rec.Last != 7 || rec.Mark != 9 || !rec.BelowMark {
		t.Fatalf("%+v, %v", rec, err)
	}
	l, rec := mustOpen(t, m, small)
	if rec.BelowMark || rec.Last != 7 || rec.Mark != 7 {
		t.Errorf("recovery %+v", rec)
	}
	expect(t, l, 1, 7)
	add(t, l, 8, 9)
	check(t, l.Close())
}

// A power loss at any moment leaves the loss either known or accepted, and what the log holds untouched.
func TestPowerLossWhileAnEndIsAcceptedOrALogGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		run  func(fsys vfs.FS) error
		done func(rec Recovery) bool
	}{
		"accept":  {func(fsys vfs.FS) error { _, err := AcceptEnd(fsys, dir, 0); return err }, func(rec Recovery) bool { return !rec.BelowMark }},
		"give up": {func(fsys vfs.FS) error { return GiveUp(fsys, dir, 9) }, func(rec Recovery) bool { return rec.GivenUp }},
	} {
		m := below(t)
		var disks []*vfs.Mem
		check(t, test.run(vfs.NewFault(m, func(op vfs.Op) error {
			for seed := range uint64(8) {
				disks = append(disks, m.CrashClone(uint64(op.Seq)*8+seed))
			}
			return nil
		})))
		disks = append(disks, m.CrashClone(1))
		for i, disk := range disks {
			l, rec := mustOpen(t, disk, small)
			if rec.Last != 7 || !rec.BelowMark && !test.done(rec) {
				t.Fatalf("%s, moment %d: %+v", name, i, rec)
			}
			expect(t, l, 1, 7)
			check(t, l.Close())
			if i == len(disks)-1 && !test.done(rec) {
				t.Errorf("%s: at the end %+v", name, rec)
			}
		}
	}
}

func TestWhatIsSetAsideIsNeverOverwritten(t *testing.T) {
	m := vfs.NewMem()
	var kept []string
	for range 3 {
		put(t, m, "log.1", image(0, 1))
		aside, err := SetAside(m, dir, "log.1")
		check(t, err)
		kept = append(kept, aside)
	}
	if want := []string{dir + "/zkd.cut.log.1", dir + "/zkd.cut.log.1-2", dir + "/zkd.cut.log.1-3"}; !slices.Equal(kept, want) {
		t.Errorf("%q, want %q", kept, want)
	}
	if len(names(t, m)) != 3 {
		t.Errorf("files %q", names(t, m))
	}
}
