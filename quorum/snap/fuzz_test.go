package snap

import (
	"bytes"
	"errors"
	"hash/adler32"
	"io"
	"path"
	"reflect"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/vfs"
)

// sealedWith returns b and a seal of it.
func sealedWith(b []byte) []byte {
	sum := adler32.Checksum(b)
	return jute.AppendString(jute.AppendLong(bytes.Clone(b), int64(sum)), endOfNodes)
}

// FuzzFile: no file makes the reader panic or allocate without bound; what it accepts, it
// describes truthfully, and saving that gives a file with the same contents.
func FuzzFile(f *testing.F) {
	for _, dir := range recordings {
		candidates, err := List(vfs.OS(), dir)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range candidates {
			f.Add(readFile(f, vfs.OS(), path.Join(dir, c.Name)))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		disk := vfs.NewMem()
		writeTestFile(t, disk, "/any", file)
		read := newState()
		info, err := LoadInto(disk, "/any", read, nil)
		if err != nil {
			if !isCorrupt(err) {
				t.Fatal(err)
			}
			return
		}
		checkSavedAgain(t, read, info)
	})
}

// FuzzContents puts the right seal behind sections A to D, so that contents get past the checksum.
func FuzzContents(f *testing.F) {
	for _, dir := range recordings {
		_, file := recorded(f, dir)
		f.Add(file[headerBytes : len(file)-100])
	}
	f.Fuzz(func(t *testing.T, contents []byte) {
		e := newEncoder(nil, nil, nil)
		e.header()
		disk := vfs.NewMem()
		writeTestFile(t, disk, "/any", sealedWith(append(e.chunk, contents...)))
		read := newState()
		if info, err := LoadInto(disk, "/any", read, nil); err == nil {
			checkSavedAgain(t, read, info)
		}
	})
}

func checkSavedAgain(t *testing.T, read *state, info Info) {
	t.Helper()
	if info.Nodes != int64(len(read.nodes)) || info.Sessions != int64(len(read.sessions)) || info.ACLs != int64(len(read.acls)) {
		t.Fatalf("%+v for %d nodes", info, len(read.nodes))
	}
	disk := vfs.NewMem()
	if _, err := Save(disk, "/", read, Options{}); err != nil {
		return // of fuzzy snapshots some cannot be saved before the log is replayed
	}
	again, _, _, err := Load(disk, "/", newState, nil)
	if err != nil || !reflect.DeepEqual(again, read) {
		t.Fatalf("saved and read again: %+v, %v", again, err)
	}
}

// FuzzStream: the same for what a peer sends, which must not be read beyond its end.
func FuzzStream(f *testing.F) {
	s, _ := recorded(f, recordings[1])
	var seed bytes.Buffer
	if err := WriteStream(&seed, s, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.Bytes())
	f.Fuzz(func(t *testing.T, wire []byte) {
		read := newState()
		info, err := ReadStream(bytes.NewReader(wire), read, nil)
		if err == nil && info.PlainBytes != int64(len(wire)) {
			t.Fatalf("of %d bytes, %+v", len(wire), info)
		} else if err != nil && !isCorrupt(err) {
			t.Fatal(err)
		}
	})
}

// FuzzXerial: the snappy framing gives back what was written, in whatever pieces, and no framing
// makes the reader panic.
func FuzzXerial(f *testing.F) {
	f.Add(noise(100), 7)
	f.Add(bytes.Repeat([]byte("ab"), xerialBlock), xerialBlock-1)
	f.Add([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x05\x03\x08abc"), 1)
	f.Fuzz(func(t *testing.T, plain []byte, piece int) {
		if r, _, err := decompressor(bytes.NewReader(plain)); err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		}
		var framed bytes.Buffer
		w, err := compressor(&framed, Snappy)
		if err != nil {
			t.Fatal(err)
		}
		for rest := plain; len(rest) > 0; {
			n := min(max(piece, 1), len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, c, err := decompressor(&framed)
		if err != nil || c != Snappy {
			t.Fatal(c, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes of %d, %v", len(got), len(plain), err)
		}
	})
}

func TestUnknownCompressionIsRefused(t *testing.T) {
	if _, err := ParseCompression("zstd"); err == nil {
		t.Error("zstd is not known to any ZooKeeper")
	}
	if _, err := Save(vfs.NewMem(), "/", small(1, ""), Options{Compression: "zstd"}); err == nil {
		t.Error("saved")
	}
	for _, name := range []string{"", "none"} {
		if c, err := ParseCompression(name); c != Plain || err != nil {
			t.Error(c, err)
		}
	}
	if _, _, err := decompressor(io.MultiReader(bytes.NewReader([]byte("ZK")), broken{})); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

// broken is a reader that fails.
type broken struct{}

var errBroken = errors.New("broken")

func (broken) Read([]byte) (int, error) { return 0, errBroken }
