package txlog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// origin is who wrote a log and how it was left: what is allowed at its end depends on that.
type origin struct {
	name  string
	write func(t *testing.T, last zk.Zxid) *vfs.Mem // txns 1..last in log.1
}

func origins() []origin {
	written := func(stop func(t *testing.T, l *Log)) func(t *testing.T, last zk.Zxid) *vfs.Mem {
		return func(t *testing.T, last zk.Zxid) *vfs.Mem {
			m := vfs.NewMem()
			l, _ := mustOpen(t, m, small)
			add(t, l, 1, last)
			stop(t, l)
			return m
		}
	}
	return []origin{
		{"closed in good order", written(func(t *testing.T, l *Log) { check(t, l.Close()) })},
		{"killed with a fresh mark", written(func(_ *testing.T, l *Log) { l.bg.writeMark(l) })},
		{"killed with no mark yet", written(func(*testing.T, *Log) {})},
		{"written by ZooKeeper", func(t *testing.T, last zk.Zxid) *vfs.Mem {
			m := vfs.NewMem()
			put(t, m, "log.1", image(5000, sequence(1, last)...))
			return m
		}},
	}
}

// lastRecord returns where the record of the last txn of log.1 begins and ends.
func lastRecord(b []byte, last zk.Zxid) (start, end int) {
	end = len(bytes.TrimRight(b, "\x00"))
	return end - frameSize - sizeOf(last), end
}

func TestTornTailIsCutAtEveryByteOfTheLastRecord(t *testing.T) {
	const last = 9
	for _, from := range origins() {
		for _, torn := range []string{"cut", "zeroed"} {
			t.Run(from.name+", "+torn, func(t *testing.T) {
				whole := content(t, from.write(t, last), "log.1")
				start, end := lastRecord(whole, last)
				for at := start; at < end; at++ {
					m := from.write(t, last)
					b := slices.Clone(whole)
					if torn == "cut" {
						b = b[:at]
					} else {
						clear(b[at:])
					}
					put(t, m, "log.1", b)
					foreseen, err := Foresee(m, dir, 0)
					if err != nil || foreseen.Last != last-1 {
						t.Fatalf("byte %d: foreseen %+v, %v", at-start, foreseen, err)
					}
					l, rec := mustOpen(t, m, small)
					if rec.Last != last-1 {
						t.Fatalf("byte %d: recovery %+v", at-start, rec)
					}
					// The first bytes of a checksum are zeros: nothing to cut.
					if cut := rec.CutFile != ""; cut != (at > start+4) || cut && (rec.CutFile != "log.1" || rec.CutOffset != int64(start) || rec.CutBytes < int64(at-start-8)) {
						t.Fatalf("byte %d: recovery %+v", at-start, rec)
					}
					if b := content(t, m, "log.1"); rec.CutFile != "" && len(b) != start {
						t.Fatalf("byte %d: file has %d bytes, want %d", at-start, len(b), start)
					}
					if rec.BelowMark != (rec.Mark == last) {
						t.Fatalf("byte %d: recovery %+v", at-start, rec)
					}
					add(t, l, last, last+1)
					expect(t, l, 1, last+1)
					check(t, l.Close())
				}
			})
		}
	}
}

// Each byte class of a record in the middle and of the last one.
func TestAFlippedBitIsDamageAndChangesNothing(t *testing.T) {
	const last = 9
	classes := map[string]func(size int) int{
		"high checksum": func(int) int { return 1 },
		"checksum":      func(int) int { return 6 },
		"high length":   func(int) int { return 8 },
		"length":        func(int) int { return 10 },
		"low length":    func(int) int { return 11 },
		"client":        func(int) int { return frameHead + 3 },
		"zxid":          func(int) int { return frameHead + zxidOffset + 7 },
		"type":          func(int) int { return frameHead + 31 },
		"body":          func(size int) int { return frameHead + size - 1 },
		"trailer":       func(size int) int { return frameHead + size },
	}
	for _, from := range origins() {
		if from.name == "killed with no mark yet" {
			continue // all of it may be one torn batch: see the next test
		}
		whole := content(t, from.write(t, last), "log.1")
		offsets := map[zk.Zxid]int{}
		at := headerBytes
		for z := zk.Zxid(1); z <= last; z++ {
			offsets[z] = at
			at += sizeOf(z) + frameSize
		}
		for class, position := range classes {
			for _, z := range []zk.Zxid{1, 5, last} {
				for bit := range 8 {
					name := fmt.Sprintf("%s: bit %d of %s of txn %d", from.name, bit, class, z)
					m := from.write(t, last)
					b := slices.Clone(whole)
					b[offsets[z]+position(sizeOf(z))] ^= 1 << bit
					put(t, m, "log.1", b)
					before := slices.Clone(names(t, m))
					_, _, err := Open(m, dir, small)
					var corrupt *CorruptError
					if !errors.As(err, &corrupt) {
						t.Fatalf("%s: opened, %v", name, err)
					}
					if corrupt.File != dir+"/log.1" || corrupt.Offset != int64(offsets[z]) || corrupt.After != z-1 ||
						!strings.Contains(err.Error(), "zkd log verify "+dir) || !strings.Contains(err.Error(), "zkd log repair") {
						t.Fatalf("%s: %+v", name, corrupt)
					}
					if !bytes.Equal(content(t, m, "log.1"), b) || !slices.Equal(names(t, m), before) {
						t.Fatalf("%s: the log was changed", name)
					}
				}
			}
		}
	}
}

// A power loss keeps any subset of the sectors of the batch that was being synced, whole records
// behind a hole included. Only the mark tells this from damage.
func TestAnythingMayFollowTheMarkButNotForLongerThanABatch(t *testing.T) {
	write := func() (*vfs.Mem, []byte, int) {
		m := vfs.NewMem()
		l, _ := mustOpen(t, m, small)
		add(t, l, 1, 5)
		l.bg.writeMark(l)
		at := int(l.active.end)
		for z := zk.Zxid(6); z <= 30; z++ {
			check(t, l.Append(z, payload(z, sizeOf(z))))
		}
		check(t, l.Sync())
		return m, content(t, m, "log.1"), at
	}
	_, whole, at := write()
	_, end := lastRecord(whole, 30)
	for hole := at; hole+512 < end; hole += 97 {
		m, b, _ := write()
		clear(b[hole : hole+512])
		put(t, m, "log.1", b)
		l, rec := mustOpen(t, m, small)
		if rec.CutFile != "log.1" || rec.BelowMark || rec.Last < 5 || rec.CutBytes != int64(end)-rec.CutOffset {
			t.Fatalf("hole at %d: recovery %+v", hole, rec)
		}
		expect(t, l, 1, rec.Last)
		check(t, l.Close())
	}
	t.Run("below the mark", func(t *testing.T) {
		m, b, _ := write()
		clear(b[at-100 : at-50])
		put(t, m, "log.1", b)
		var corrupt *CorruptError
		if _, _, err := Open(m, dir, small); !errors.As(err, &corrupt) || corrupt.After != 4 || !strings.Contains(corrupt.Reason, "once durable") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("too far behind it", func(t *testing.T) {
		m, b, _ := write()
		b[at+20] ^= 1
		put(t, m, "log.1", append(append(b, make([]byte, batchBytes)...), 1))
		var corrupt *CorruptError
		if _, _, err := Open(m, dir, small); !errors.As(err, &corrupt) || corrupt.After != 5 {
			t.Errorf("error %v", err)
		}
	})
}

func TestALogThatEndsBelowItsMarkSaysSoUntilItHasPassedIt(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	add(t, l, 1, 9)
	check(t, l.Close())
	b := content(t, m, "log.1")
	start, _ := lastRecord(b, 9)
	put(t, m, "log.1", b[:start]) // a disk that lied
	for range 2 {
		l, rec := mustOpen(t, m, small)
		if rec.Last != 8 || rec.Mark != 9 || !rec.BelowMark {
			t.Fatalf("recovery %+v", rec)
		}
		check(t, l.Close())
	}
	l, _ = mustOpen(t, m, small)
	add(t, l, 9, 10)
	check(t, l.Close())
	if _, rec := mustOpen(t, m, small); rec.Last != 10 || rec.BelowMark {
		t.Errorf("recovery %+v", rec)
	}
	check(t, m.Remove(dir+"/log.1"))
	check(t, m.Remove(dir+"/log.9"))
	if _, rec := mustOpen(t, m, small); rec.Last != 0 || !rec.BelowMark || rec.Mark != 10 {
		t.Errorf("without files: recovery %+v", rec)
	}
}

// Source: ZOOKEEPER-2332, R10.
func TestAnEmptyLastFileIsRemoved(t *testing.T) {
	contents := map[string][]byte{
		"without a byte":              {},
		"shorter than its header":     fileHeader()[:7],
		"with a header only":          fileHeader(),
		"with a header and zeros":     append(fileHeader(), make([]byte, 70000)...),
		"of zeros":                    make([]byte, 5000),
		"with a torn first record":    append(image(0, 6)[:60], make([]byte, 512)...),
		"with part of a first record": image(0, 6)[:60],
	}
	for name, b := range contents {
		m := vfs.NewMem()
		put(t, m, "log.1", image(1000, 1, 2, 3, 4, 5))
		put(t, m, "log.6", b)
		l, rec, err := Open(m, dir, small)
		if err != nil || rec.Last != 5 || !slices.Equal(rec.EmptyFilesRemoved, []string{"log.6"}) {
			t.Errorf("%s: recovery %+v, %v", name, rec, err)
			continue
		}
		add(t, l, 6, 7)
		expect(t, l, 1, 7)
		check(t, l.Close())
	}
}

func TestAFileThatIsNoLogIsDamage(t *testing.T) {
	version3 := image(0, 1)
	version3[7] = 3
	for name, b := range map[string][]byte{
		"text":          []byte("not a log at all, but long enough"),
		"short text":    []byte("text"),
		"version":       version3,
		"other name":    image(0, 2),
		"gap":           image(0, 1, 3),
		"going back":    image(0, 1, 2, 1<<33|1, 7),
		"short payload": append(fileHeader(), 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 'B'),
	} {
		m := vfs.NewMem()
		put(t, m, "log.1", b)
		var corrupt *CorruptError
		if _, _, err := Open(m, dir, small); !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARecordOverTheLimitNamesTheLimit(t *testing.T) {
	m := vfs.NewMem()
	put(t, m, "log.1", append(image(0, 1), appendFrame(nil, payload(2, 5000))...))
	_, _, err := Open(m, dir, Options{MaxPayload: 4000, Inline: true})
	if err == nil || !strings.Contains(err.Error(), "jute.maxbuffer") || !strings.Contains(err.Error(), "5000") {
		t.Errorf("error %v", err)
	}
}

func TestDamageInOlderFilesIsMetByWhoReadsThem(t *testing.T) {
	m := vfs.NewMem()
	l, _ := mustOpen(t, m, small)
	add(t, l, 1, 9)
	check(t, l.Roll())
	add(t, l, 10, 19)
	check(t, l.Roll())
	add(t, l, 20, 29)
	check(t, l.Close())
	b := content(t, m, "log.a")
	b[200] ^= 4
	put(t, m, "log.a", b)
	l, rec := mustOpen(t, m, small)
	if rec.Last != 29 {
		t.Errorf("recovery %+v", rec)
	}
	expect(t, l, 20, 29)
	var corrupt *CorruptError
	got, err := readFrom(t, l, 5)
	if !errors.As(err, &corrupt) || corrupt.File != dir+"/log.a" || got[len(got)-1] != corrupt.After {
		t.Errorf("read %v, %v", got, err)
	}
}
