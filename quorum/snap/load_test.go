package snap

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

func TestFileNames(t *testing.T) {
	tests := map[string]struct {
		zxid zk.Zxid
		c    Compression
		ok   bool
	}{
		"snapshot.0":                 {0, Plain, true},
		"snapshot.10000000a":         {0x10000000a, Plain, true},
		"snapshot.1f.gz":             {0x1f, Gzip, true},
		"snapshot.1f.snappy":         {0x1f, Snappy, true},
		"snapshot.1f.":               {},
		"snapshot.1f.zst":            {},
		"snapshot.1f.gz.tmp":         {},
		"snapshot.1f.tmp":            {},
		"tmp.snapshot.1f":            {},
		"snapshot.":                  {},
		"snapshot.-1":                {},
		"snapshot.ffffffffffffffff":  {},
		"snapshot.fffffffffffffffff": {},
		"log.1":                      {},
	}
	for name, want := range tests {
		zxid, c, ok := ParseFileName(name)
		if zxid != want.zxid || c != want.c || ok != want.ok {
			t.Errorf("%s: %v %q %v", name, zxid, c, ok)
		}
		if ok && FileName(zxid, c) != name {
			t.Errorf("%s becomes %s", name, FileName(zxid, c))
		}
	}
}

// damage rewrites a file.
func damage(t *testing.T, disk vfs.FS, name string, change func([]byte) []byte) {
	t.Helper()
	writeTestFile(t, disk, name, change(readFile(t, disk, name)))
}

func TestLoadTakesTheNewestWholeSnapshotAndNamesTheOthers(t *testing.T) {
	disk := vfs.NewMem()
	for zxid := zk.Zxid(1); zxid <= 6; zxid++ {
		save(t, disk, "/", zxid, Plain, fmt.Sprint(int64(zxid)))
	}
	damage(t, disk, "/snapshot.6", func(b []byte) []byte { return b[:len(b)-20] })
	damage(t, disk, "/snapshot.5", func(b []byte) []byte { return nil })
	damage(t, disk, "/snapshot.4", func(b []byte) []byte { b[40]++; return b })
	damage(t, disk, "/snapshot.1", func(b []byte) []byte { return nil })
	save(t, disk, "/", 5, Gzip, "five")
	damage(t, disk, "/snapshot.5.gz", func(b []byte) []byte { return b[:len(b)/2] })

	got, info, skipped, err := Load(disk, "/", newState, nil)
	if err != nil || info.Zxid != 3 || string(got.nodes[1].data) != "3" {
		t.Fatalf("%+v, %v", info, err)
	}
	var names []string
	for _, s := range skipped {
		names = append(names, s.Name)
		if !strings.Contains(s.String(), s.Name) {
			t.Errorf("%q does not name its file", s)
		}
	}
	slices.Sort(names)
	if want := []string{"snapshot.4", "snapshot.5", "snapshot.5.gz", "snapshot.6"}; !reflect.DeepEqual(names, want) {
		t.Errorf("skipped %v, want %v", skipped, want)
	}
}

func TestUnreadableSnapshotIsPassedOverAndSaysSo(t *testing.T) {
	disk := vfs.NewMem()
	save(t, disk, "/", 5, Plain, "old")
	save(t, disk, "/", 9, Plain, "new")
	onNewest := func(op vfs.Op) bool { return op.Path == "/snapshot.9" }
	for n := int64(1); ; n++ {
		faulty := vfs.NewFault(disk, vfs.FailFrom(n, onNewest, syscall.EIO))
		_, info, skipped, err := Load(faulty, "/", newState, nil)
		if faulty.Injected() == 0 {
			if err != nil || info.Zxid != 9 {
				t.Fatal(info, err)
			}
			return
		}
		if err != nil || info.Zxid != 5 || len(skipped) != 1 || !errors.Is(skipped[0].Err, syscall.EIO) || isCorrupt(skipped[0].Err) {
			t.Fatalf("operation %d: %+v, skipped %v, %v", n, info, skipped, err)
		}
	}
}

// refusing is a sink that takes no node below the root, as a tree does whose parent is missing.
type refusing struct{ state }

var errRefused = errors.New("its parent is missing")

func (r *refusing) Node(path, data []byte, aclID int64, stat *proto.StatPersisted) error {
	if len(path) > 0 {
		return errRefused
	}
	return nil
}

func TestWhatTheSinkRefusesIsDamage(t *testing.T) {
	disk := vfs.NewMem()
	save(t, disk, "/", 5, Plain, "old")
	_, _, skipped, err := Load(disk, "/", func() *refusing { return &refusing{} }, nil)
	var none *NoneError
	if !errors.As(err, &none) || !errors.Is(err, ErrNone) || len(none.Skipped) != 1 || !errors.Is(none.Skipped[0].Err, errRefused) {
		t.Errorf("%v, skipped %v", err, skipped)
	}
}

func TestNewDirectoryHasNoSnapshot(t *testing.T) {
	disk := vfs.NewMem()
	_, _, skipped, err := Load(disk, "/", newState, nil)
	if !errors.Is(err, ErrNone) || len(skipped) > 0 {
		t.Errorf("%v, skipped %v", err, skipped)
	}
	if _, _, _, err := Load(disk, "/missing", newState, nil); err == nil || errors.Is(err, ErrNone) {
		t.Errorf("a directory that is not there: %v", err)
	}
	if _, ok, err := Newest(disk, "/"); ok || err != nil {
		t.Error(ok, err)
	}
}

func TestAtMostHundredCandidatesAreTried(t *testing.T) {
	disk := vfs.NewMem()
	for zxid := zk.Zxid(1); zxid <= 130; zxid++ {
		writeTestFile(t, disk, fmt.Sprintf("/snapshot.%x", int64(zxid)), []byte("rubbish that ends in a seal\x00\x00\x00\x01/"))
	}
	loads := 0
	_, _, skipped, err := Load(disk, "/", func() *state { loads++; return newState() }, nil)
	if !errors.Is(err, ErrNone) || loads != 100 || len(skipped) != 100 || skipped[0].Name != "snapshot.82" {
		t.Errorf("%d loads, %d skipped, %v", loads, len(skipped), err)
	}
}

func TestCutAtAnyByteIsRefused(t *testing.T) {
	for _, dir := range recordings {
		candidates, err := List(vfs.OS(), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range candidates {
			whole := readFile(t, vfs.OS(), path.Join(dir, c.Name))
			want := newState()
			if _, err := LoadInto(vfs.OS(), path.Join(dir, c.Name), want, nil); err != nil {
				t.Fatal(err)
			}
			for n := range whole {
				disk := vfs.NewMem()
				writeTestFile(t, disk, "/"+c.Name, whole[:n])
				got, _, _, err := Load(disk, "/", newState, nil)
				if err == nil && c.Compression == Plain && endsInSealBeforeOptionalSections(len(whole), n, dir) {
					if !reflect.DeepEqual(got, want) {
						t.Fatalf("%s cut at %d of %d: another state", c.Name, n, len(whole))
					}
				} else if !errors.Is(err, ErrNone) {
					t.Fatalf("%s cut at %d of %d: %v", c.Name, n, len(whole), err)
				}
			}
		}
	}
}

// endsInSealBeforeOptionalSections is where a cut leaves what another writer could have written,
// with all nodes in it.
func endsInSealBeforeOptionalSections(size, cut int, dir string) bool {
	if dir == recordings[1] {
		if cut == size-8-sealBytes {
			return true
		}
		size -= 8 + sealBytes
	}
	return cut == size-digestBytes-sealBytes
}

func TestFlippedBitIsRefusedOrWithoutEffect(t *testing.T) {
	for _, dir := range recordings {
		candidates, err := List(vfs.OS(), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range candidates {
			whole := readFile(t, vfs.OS(), path.Join(dir, c.Name))
			want := newState()
			if _, err := LoadInto(vfs.OS(), path.Join(dir, c.Name), want, nil); err != nil {
				t.Fatal(err)
			}
			for at := range whole {
				for _, bit := range []byte{1, 0x80} {
					flipped := bytes.Clone(whole)
					flipped[at] ^= bit
					disk := vfs.NewMem()
					writeTestFile(t, disk, "/"+c.Name, flipped)
					got, _, _, err := Load(disk, "/", newState, nil)
					// Compressed files have bytes of no effect: times in the header, or which of several
					// equal earlier strings is repeated.
					if err == nil && c.Compression != Plain && reflect.DeepEqual(got, want) {
						continue
					}
					if !errors.Is(err, ErrNone) {
						t.Fatalf("%s with byte %d changed by %#x: %v", c.Name, at, bit, err)
					}
				}
			}
		}
	}
}

func TestTrailingSectionsAreToldApartByTheirLength(t *testing.T) {
	_, whole := recorded(t, recordings[1])
	const hi = 8 + sealBytes
	upToE := whole[:len(whole)-hi-digestBytes-sealBytes]
	sealed := func(b []byte, sections ...string) []byte {
		b = bytes.Clone(b)
		for _, s := range sections {
			b = sealedWith(append(b, s...))
		}
		return b
	}
	const (
		f   = "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x63"
		old = "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x02ab"
		new = "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x63"
		h   = "\x00\x00\x00\x00\x00\x00\x00\x08"
	)
	tests := map[string]struct {
		file            []byte
		digest, last    bool
		digestAt, after zk.Zxid
		damaged         bool
	}{
		"nothing":                          {file: upToE},
		"a digest":                         {file: sealed(upToE, f), digest: true, digestAt: 7},
		"the last zxid":                    {file: sealed(upToE, h), last: true, after: 8},
		"both":                             {file: sealed(upToE, f, h), digest: true, digestAt: 7, last: true, after: 8},
		"a digest of an older version":     {file: sealed(upToE, old), digest: false},
		"an older one and the last zxid":   {file: sealed(upToE, old, h), last: true, after: 8},
		"a digest of a later version":      {file: sealed(upToE, new)},
		"a later one and the last zxid":    {file: sealed(upToE, new, h), last: true, after: 8},
		"one byte too many":                {file: append(sealed(upToE, f, h), 0), damaged: true},
		"a section too many":               {file: sealed(upToE, f, h, h), damaged: true},
		"the last zxid before the digest":  {file: sealed(upToE, h, f), damaged: true},
		"a kilobyte too many":              {file: append(sealed(upToE, f, h), make([]byte, 1000)...), damaged: true},
		"a seal of what is before, only":   {file: sealedWith(upToE), damaged: true},
		"a digest with too many character": {file: sealed(upToE, old[:15]+"\x11abcdefghijklmnopq"), damaged: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			writeTestFile(t, disk, "/any", test.file)
			info, err := Verify(disk, "/any", nil)
			if isCorrupt(err) != test.damaged || err != nil && !test.damaged {
				t.Fatal(err)
			}
			if !test.damaged && (info.HasDigest != test.digest || info.DigestZxid != test.digestAt ||
				info.HasLastProcessed != test.last || info.LastProcessed != test.after || info.Zxid != -1) {
				t.Errorf("%+v", info)
			}
		})
	}
}

func TestHistoryErrorSaysWhatIsMissingAndWhatToDo(t *testing.T) {
	skipped := []Skipped{{"snapshot.5", errors.New("cut short")}}
	tests := map[string]struct {
		err  HistoryError
		want []string
	}{
		"no snapshot": {HistoryError{"/data/version-2", -1, 0x10, skipped},
			[]string{"no snapshot in /data/version-2", "begins only at 0x10", "snapshot.5: cut short", "put a snapshot"}},
		"a gap behind an old one": {HistoryError{"/data/version-2", 3, 0x10, skipped},
			[]string{"is at 0x3", "begins only at 0x10", "snapshot.5: cut short"}},
		"no log either": {HistoryError{"/data/version-2", -1, 0, skipped},
			[]string{"no snapshot in /data/version-2", "the log is empty"}},
	}
	for name, test := range tests {
		for _, want := range test.want {
			if got := test.err.Error(); !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", name, got, want)
			}
		}
	}
}
