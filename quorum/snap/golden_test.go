package snap

import (
	"bytes"
	"os"
	"path"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// The files in testdata were written by Apache ZooKeeper 3.8.0 and 3.9.4 for the znodes of
// javaServer.populate, and listing.txt is what the server told a client of them: see
// TestSnapshotsOfJava, which also replaces them.
var recordings = []string{"testdata/java-3.8", "testdata/java-3.9"}

func TestRecordedSnapshotsHoldWhatTheServerListed(t *testing.T) {
	for _, dir := range recordings {
		listing, err := os.ReadFile(path.Join(dir, "listing.txt"))
		if err != nil {
			t.Fatal(err)
		}
		candidates, skipped, err := Candidates(vfs.OS(), dir)
		if err != nil || len(skipped) > 0 || len(candidates) != 4 {
			t.Fatalf("candidates %v, skipped %v, error %v", candidates, skipped, err)
		}
		for _, c := range candidates[:3] {
			t.Run(path.Join(path.Base(dir), c.Name), func(t *testing.T) {
				read := newState()
				info, err := LoadInto(vfs.OS(), path.Join(dir, c.Name), read, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := read.listing(); got != string(listing) {
					t.Errorf("read:\n%s\nlisted:\n%s", got, listing)
				}
				if !info.HasDigest || info.DigestZxid != c.Zxid || info.Digest != read.Digest() {
					t.Errorf("%+v, but the nodes' digest is %#x", info, read.Digest())
				}
				if info.Compression != c.Compression || info.Zxid != c.Zxid || info.Nodes != int64(len(read.nodes)) {
					t.Errorf("%+v for %+v", info, c)
				}
				if has39 := dir == recordings[1]; info.HasLastProcessed != has39 || has39 && info.LastProcessed != c.Zxid {
					t.Errorf("last processed zxid: %+v", info)
				}
			})
		}
	}
}

func TestRecordedFirstSnapshotHasNoDigest(t *testing.T) {
	for _, dir := range recordings {
		read := newState()
		info, err := LoadInto(vfs.OS(), path.Join(dir, "snapshot.0"), read, nil)
		if err != nil || info.HasDigest || info.Zxid != 0 || info.Nodes != 4 {
			t.Errorf("%s: %+v, %v", dir, info, err)
		}
	}
}

// recorded returns the state that a recording holds, and the plain file it was in.
func recorded(t testing.TB, dir string) (*state, []byte) {
	t.Helper()
	newest, ok, err := Newest(vfs.OS(), dir)
	if err != nil || !ok || newest.Compression != Plain {
		t.Fatalf("newest %+v, %v, %v", newest, ok, err)
	}
	file, err := os.ReadFile(path.Join(dir, newest.Name))
	if err != nil {
		t.Fatal(err)
	}
	s := newState()
	if _, err := LoadInto(vfs.OS(), path.Join(dir, newest.Name), s, nil); err != nil {
		t.Fatal(err)
	}
	s.zxid = newest.Zxid
	return s, file
}

func TestSaveWritesTheBytesThatZooKeeper39Writes(t *testing.T) {
	s, want := recorded(t, recordings[1])
	disk := vfs.NewMem()
	info, err := Save(disk, "/", s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, disk, "/"+info.Name); !bytes.Equal(got, want) {
		t.Errorf("wrote\n%x\nZooKeeper wrote\n%x", got, want)
	}
}

func TestWriteStreamWritesTheSectionsOfTheFileAndTheSignature(t *testing.T) {
	s, file := recorded(t, recordings[1])
	want := append(bytes.Clone(file[headerBytes:len(file)-sealBytes-digestBytes-sealBytes-8-sealBytes]), "\x00\x00\x00\x0aBenWasHere"...)
	var got bytes.Buffer
	if err := WriteStream(&got, s, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("wrote\n%x\nwant\n%x", got.Bytes(), want)
	}
}

// readFile returns a file's contents.
func readFile(t testing.TB, fsys vfs.FS, name string) []byte {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// writeTestFile makes a file, durably.
func writeTestFile(t testing.TB, fsys vfs.FS, name string, contents []byte) {
	t.Helper()
	f, err := fsys.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(contents); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		t.Fatal(err)
	}
}

// save saves a state of a root and one node whose data is text.
func save(t testing.TB, fsys vfs.FS, dir string, zxid zk.Zxid, c Compression, text string) Info {
	t.Helper()
	info, err := Save(fsys, dir, small(zxid, text), Options{Compression: c})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// small returns a state of a root and one node whose data is text.
func small(zxid zk.Zxid, text string) *state {
	return &state{zxid: zxid, nodes: []node{{path: "", aclID: OpenACLID}, {path: "/a", data: []byte(text), aclID: OpenACLID}}}
}
