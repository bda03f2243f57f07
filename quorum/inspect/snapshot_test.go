package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path"
	"strings"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// -rewrite replaces the expected output in testdata; a person reads the diff.
var rewrite = flag.Bool("rewrite", false, "replace the expected output in testdata")

// recordings is where snapshots and logs of Apache ZooKeeper are: see package snap.
const recordings = "../snap/testdata/"

// golden compares output with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = path.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// checkJSON checks that each line is an object with a kind.
func checkJSON(t *testing.T, output string) {
	t.Helper()
	for line := range strings.Lines(output) {
		var record struct{ Kind string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Kind == "" {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// frozen returns an FS that fails the test if anything would be changed.
func frozen(t *testing.T, fsys vfs.FS) vfs.FS {
	return vfs.NewFault(fsys, func(op vfs.Op) error {
		if op.Kind.Changes() {
			t.Errorf("%s %s", op.Kind, op.Path)
		}
		return nil
	})
}

type inspection func(vfs.FS, string, *bytes.Buffer, Options) error

func run(t *testing.T, fsys vfs.FS, name string, o Options, what inspection) (string, error) {
	t.Helper()
	var b bytes.Buffer
	err := what(frozen(t, fsys), name, &b, o)
	if o.JSON {
		checkJSON(t, b.String())
	}
	return b.String(), err
}

func dumpSnapshot(f vfs.FS, n string, b *bytes.Buffer, o Options) error {
	return DumpSnapshot(f, n, b, o)
}
func verifySnapshots(f vfs.FS, n string, b *bytes.Buffer, o Options) error {
	return VerifySnapshot(f, n, b, o)
}
func dumpLog(f vfs.FS, n string, b *bytes.Buffer, o Options) error   { return DumpLog(f, n, b, o) }
func verifyLog(f vfs.FS, n string, b *bytes.Buffer, o Options) error { return VerifyLog(f, n, b, o) }

func TestDumpOfARecordedSnapshot(t *testing.T) {
	for _, test := range []struct {
		golden, file string
		o            Options
	}{
		{"snapshot.txt", "java-3.8/snapshot.32", Options{}},
		{"snapshot.txt", "java-3.8/snapshot.32.gz", Options{}},
		{"snapshot.txt", "java-3.8", Options{}},
		{"snapshot.json", "java-3.9/snapshot.32.snappy", Options{JSON: true, MaxDataBytes: 16}},
	} {
		output, err := run(t, vfs.OS(), recordings+test.file, test.o, dumpSnapshot)
		if err != nil {
			t.Fatal(err)
		}
		// The last line names the file and its size.
		at := strings.LastIndexByte(strings.TrimSuffix(output, "\n"), '\n') + 1
		golden(t, test.golden, output[:at])
		if want := "snapshot.32"; !strings.Contains(output[at:], want) {
			t.Errorf("the last line %q lacks %s", output[at:], want)
		}
	}
}

func TestVerifyOfRecordedSnapshots(t *testing.T) {
	for _, dir := range []string{"java-3.8", "java-3.9"} {
		for _, o := range []Options{{}, {JSON: true}} {
			output, err := run(t, vfs.OS(), recordings+dir, o, verifySnapshots)
			if err != nil || strings.Count(output, "\n") != 4 || strings.Contains(output, "problem") {
				t.Errorf("%s: %v\n%s", dir, err, output)
			}
		}
	}
}

// fakeView is a small tree, of which a test may lie.
type fakeView struct {
	*tree.View
	digest uint64
	nodes  func(f func(path, data []byte, aclID int64, s *proto.StatPersisted) error) error
}

func (v fakeView) Digest() uint64 { return v.digest }

func (v fakeView) Nodes(f func(path, data []byte, aclID int64, s *proto.StatPersisted) error) error {
	if v.nodes != nil {
		return v.nodes(f)
	}
	return v.View.Nodes(f)
}

// saved returns a disk with the snapshot of an empty tree at zxid 7, changed by lie.
func saved(t *testing.T, lie func(*fakeView)) *vfs.Mem {
	t.Helper()
	empty := tree.New(tree.Options{})
	empty.SetLastZxid(7)
	view := fakeView{View: empty.Freeze(), digest: empty.Digest()}
	defer view.Release()
	if lie != nil {
		lie(&view)
	}
	disk := vfs.NewMem()
	if _, err := snap.Save(disk, "/", view, snap.Options{}); err != nil {
		t.Fatal(err)
	}
	return disk
}

// rewriteFile changes a file.
func rewriteFile(t *testing.T, disk vfs.FS, from, to string, change func([]byte) []byte) {
	t.Helper()
	f, err := disk.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, err = disk.Create(to); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(change(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestVerifySnapshotVerdicts(t *testing.T) {
	same := func(b []byte) []byte { return b }
	tests := map[string]struct {
		disk func(t *testing.T) *vfs.Mem
		ok   bool
		want []string
	}{
		"a whole one": {func(t *testing.T) *vfs.Mem { return saved(t, nil) }, true,
			[]string{`verdict ok=true file="snapshot.7" zxid=0x7`, "digest_zxid=0x7", "nodes=4"}},
		"one whose znodes are not those of its digest": {func(t *testing.T) *vfs.Mem {
			return saved(t, func(v *fakeView) { v.digest++ })
		}, false, []string{"ok=false", "its znodes have the digest"}},
		"a fuzzy one, whose digest counts later": {func(t *testing.T) *vfs.Mem {
			disk := saved(t, func(v *fakeView) { v.digest++ })
			rewriteFile(t, disk, "/snapshot.7", "/snapshot.6", same)
			if err := disk.Remove("/snapshot.7"); err != nil {
				t.Fatal(err)
			}
			return disk
		}, true, []string{"ok=true", "after the log was replayed to 0x7"}},
		"one with a changed byte": {func(t *testing.T) *vfs.Mem {
			disk := saved(t, nil)
			rewriteFile(t, disk, "/snapshot.7", "/snapshot.7", func(b []byte) []byte { b[40]++; return b })
			return disk
		}, false, []string{"ok=false", "/snapshot.7 is damaged at byte"}},
		"one of two cut short": {func(t *testing.T) *vfs.Mem {
			disk := saved(t, nil)
			rewriteFile(t, disk, "/snapshot.7", "/snapshot.8.gz", func(b []byte) []byte { return b[:100] })
			return disk
		}, false, []string{"verdict ok=false file=\"snapshot.8.gz\"", "ends too early", "verdict ok=true file=\"snapshot.7\""}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			output, err := run(t, test.disk(t), "/", Options{}, verifySnapshots)
			if errors.Is(err, ErrDamaged) == test.ok || (err == nil) != test.ok {
				t.Error(err)
			}
			for _, want := range test.want {
				if !strings.Contains(output, want) {
					t.Errorf("%s lacks %s", output, want)
				}
			}
		})
	}
}

func TestDumpOfADamagedSnapshotShowsWhatThereIs(t *testing.T) {
	disk := saved(t, nil)
	rewriteFile(t, disk, "/snapshot.7", "/snapshot.7", func(b []byte) []byte { return b[:len(b)-80] })
	output, err := run(t, disk, "/snapshot.7", Options{}, dumpSnapshot)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(output, `node path="/zookeeper" `) || strings.Contains(output, "\nend ") {
		t.Errorf("%v:\n%s", err, output)
	}
}

func TestDataIsShownAsTextOrHexAndCutBetweenCharacters(t *testing.T) {
	tests := map[string]struct {
		data []byte
		max  int
		want string
	}{
		"absent":             {nil, 0, "data=null"},
		"empty":              {[]byte{}, 0, `data=""`},
		"text":               {[]byte("a\n\"ж"), 0, `data="a\n\"ж"`},
		"binary":             {[]byte{0xff, 0}, 0, "data_hex=ff00"},
		"cut text":           {[]byte("жжж"), 3, `data="ж" data_bytes=6`},
		"cut between":        {[]byte("жжж"), 4, `data="жж" data_bytes=6`},
		"cut binary":         {[]byte{0xff, 0xfe, 0xfd}, 2, "data_hex=fffe data_bytes=3"},
		"just short enough":  {[]byte("abc"), 3, `data="abc"`},
		"only continuations": {bytes.Repeat([]byte{0x80}, 20), 10, "data_hex=808080808080 data_bytes=20"},
	}
	for name, test := range tests {
		p := newPrinter(&bytes.Buffer{}, Options{MaxDataBytes: test.max})
		p.begin("x")
		p.data(test.data)
		if got := string(p.line); got != "x "+test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestACLCannotBreakALine(t *testing.T) {
	p := newPrinter(&bytes.Buffer{}, Options{})
	p.begin("x")
	p.acl([]proto.ACL{{Perms: 1 | 64, ID: proto.ID{Scheme: "digest", ID: "a b\nc"}}, {Perms: zk.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}})
	if got := string(p.line); got != `x acl="digest:a b\nc:r+64",world:anyone:cdrwa` {
		t.Error(got)
	}
}

// full is a writer on a full disk.
type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorIsReturned(t *testing.T) {
	for name, err := range map[string]error{
		"dump of a snapshot": DumpSnapshot(vfs.OS(), recordings+"java-3.9/snapshot.32", full{}, Options{}),
		"its verification":   VerifySnapshot(vfs.OS(), recordings+"java-3.9", full{}, Options{}),
		"dump of a log":      DumpLog(vfs.OS(), recordings+"java-3.9", full{}, Options{}),
		"its verification ":  VerifyLog(vfs.OS(), recordings+"java-3.9", full{}, Options{}),
	} {
		if !errors.Is(err, errFull) || errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMissingFilesAreNoDamage(t *testing.T) {
	disk := vfs.NewMem()
	for name, what := range map[string]inspection{"dump snapshot": dumpSnapshot, "verify snapshot": verifySnapshots, "dump log": dumpLog, "verify log": verifyLog} {
		for _, file := range []string{"/snapshot.7", "/"} {
			if output, err := run(t, disk, file, Options{}, what); err == nil || errors.Is(err, ErrDamaged) || output != "" {
				t.Errorf("%s %s: %v %s", name, file, err, output)
			}
		}
	}
}
