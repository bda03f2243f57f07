package txlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

const dir = "/data/version-2"

// small makes every kind of background work happen within a few records.
var small = Options{PreallocBytes: 4096, Inline: true}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// payload returns a txn of at least 32 bytes whose contents depend on its zxid, without zeros in the
// body.
func payload(zxid zk.Zxid, size int) []byte {
	b := make([]byte, max(size, minPayload))
	for i := range b {
		b[i] = byte(int(zxid)*7+i)%255 + 1
	}
	binary.BigEndian.PutUint64(b[zxidOffset:], uint64(zxid))
	return b
}

// sizeOf varies the size of records.
func sizeOf(zxid zk.Zxid) int { return 40 + int(zxid*37)%300 }

func mustOpen(t testing.TB, fsys vfs.FS, o Options) (*Log, Recovery) {
	t.Helper()
	l, rec, err := Open(fsys, dir, o)
	check(t, err)
	return l, rec
}

// add appends the txns from..to and syncs after each.
func add(t testing.TB, l *Log, from, to zk.Zxid) {
	t.Helper()
	for z := from; z <= to; z++ {
		check(t, l.Append(z, payload(z, sizeOf(z))))
		check(t, l.Sync())
	}
}

// readFrom returns the zxids that a reader delivers, having checked the payloads.
func readFrom(t testing.TB, l *Log, from zk.Zxid) ([]zk.Zxid, error) {
	t.Helper()
	r, err := l.Read(from)
	check(t, err)
	defer r.Close()
	var got []zk.Zxid
	for {
		zxid, b, err := r.Next()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		if !bytes.Equal(b, payload(zxid, sizeOf(zxid))) {
			t.Fatalf("payload of %v is not what was appended", zxid)
		}
		got = append(got, zxid)
	}
}

// expect checks that the log holds exactly from..to.
func expect(t testing.TB, l *Log, from, to zk.Zxid) {
	t.Helper()
	got, err := readFrom(t, l, from)
	check(t, err)
	want := sequence(from, to)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("log holds %v, want %v", got, want)
	}
	if l.Last() != to {
		t.Fatalf("last is %v, want %v", l.Last(), to)
	}
}

func sequence(from, to zk.Zxid) []zk.Zxid {
	var s []zk.Zxid
	for z := from; z <= to; z++ {
		s = append(s, z)
	}
	return s
}

// content returns the bytes of a file.
func content(t testing.TB, fsys vfs.FS, name string) []byte {
	t.Helper()
	f, err := fsys.Open(dir + "/" + name)
	check(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	check(t, err)
	return b
}

// put replaces a file of the log directory, durably.
func put(t testing.TB, fsys vfs.FS, name string, b []byte) {
	t.Helper()
	check(t, fsys.MkdirAll(dir))
	f, err := fsys.Create(dir + "/" + name)
	check(t, err)
	_, err = f.Write(b)
	check(t, errors.Join(err, f.Sync(), f.Close(), fsys.SyncDir(dir)))
}

// image returns the bytes of a log file with the given txns, as ZooKeeper writes it.
func image(padding int, zxids ...zk.Zxid) []byte {
	b := fileHeader()
	for _, z := range zxids {
		b = appendFrame(b, payload(z, sizeOf(z)))
	}
	return append(b, make([]byte, padding)...)
}

// names returns the names in the log directory but for the mark.
func names(t testing.TB, fsys vfs.FS) []string {
	t.Helper()
	all, err := fsys.List(dir)
	check(t, err)
	var logs []string
	for _, n := range all {
		if n != MarkName {
			logs = append(logs, n)
		}
	}
	return logs
}
