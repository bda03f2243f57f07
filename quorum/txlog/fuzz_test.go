package txlog

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"zkd/quorum/vfs"
)

// A log file may hold anything: no panic, no memory beyond MaxPayload, and what Open accepts can be
// foreseen, read and opened again.
func FuzzOpen(f *testing.F) {
	java, err := os.ReadFile(javaFile)
	check(f, err)
	f.Add(java, uint8(0))
	f.Add(image(100, 1, 2, 3), uint8(1))
	f.Add(image(100, 1, 2, 1, 2, 3), uint8(2))
	f.Add(image(0, 1, 2, 3)[:300], uint8(3))
	f.Add([]byte{}, uint8(0))
	f.Add(append(image(0, 1), 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1), uint8(1))
	o := Options{MaxPayload: 4096, Inline: true}
	f.Fuzz(func(t *testing.T, b []byte, marks uint8) {
		m := vfs.NewMem()
		put(t, m, "log.1", b)
		if marks&1 != 0 {
			slot := mark{open: marks&2 != 0, file: 1, offset: int64(marks >> 2), zxid: 1}.encode(1)
			put(t, m, MarkName, slot)
		}
		foreseen, foreseenErr := Foresee(m, dir, o.MaxPayload)
		l, rec, err := Open(m, dir, o)
		if fmt.Sprint(rec, err) != fmt.Sprint(foreseen, foreseenErr) {
			t.Fatalf("foreseen %+v, %v; found %+v, %v", foreseen, foreseenErr, rec, err)
		}
		var corrupt *CorruptError
		if err != nil && !errors.As(err, &corrupt) {
			t.Fatal(err)
		}
		if err != nil {
			done, err := Repair(m, dir, 0, o.MaxPayload)
			check(t, err)
			l, rec = mustOpen(t, m, o)
			if done.Last != rec.Last {
				t.Fatalf("repaired to %v, opened with %v", done.Last, rec.Last)
			}
		}
		r, err := l.Read(0)
		check(t, err)
		for {
			if _, _, err = r.Next(); err != nil {
				break
			}
		}
		check(t, errors.Join(r.Close(), l.Close()))
		if _, again := mustOpen(t, m, o); again.Last != rec.Last || again.CutFile != "" {
			t.Fatalf("recovery %+v, then %+v", rec, again)
		}
	})
}

func TestALengthInAFileAllocatesNothing(t *testing.T) {
	for _, length := range []byte{0x7f, 0x20} {
		m := vfs.NewMem()
		put(t, m, "log.1", append(image(0, 1), 0, 0, 0, 0, 1, 2, 3, 4, length, 0xff, 0xff, 0xff, 1, 2, 3))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Foresee(m, dir, 1<<30)
		runtime.ReadMemStats(&after)
		if corrupt := (*CorruptError)(nil); err != nil && !errors.As(err, &corrupt) {
			t.Error(err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
			t.Errorf("length 0x%x000000: %d bytes allocated", length, got)
		}
	}
}
