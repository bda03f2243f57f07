package inspect

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

func TestDumpOfARecordedLog(t *testing.T) {
	for name, o := range map[string]Options{
		"log.txt":  {MaxDataBytes: 16, From: 4},
		"log.json": {JSON: true, From: 0x26, To: 0x31},
	} {
		output, err := run(t, vfs.OS(), recordings+"java-3.9", o, dumpLog)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, output)
	}
}

func TestVerifyOfARecordedLog(t *testing.T) {
	for _, name := range []string{"java-3.8", "java-3.9", "java-3.9/log.1"} {
		for _, o := range []Options{{}, {JSON: true}} {
			output, err := run(t, vfs.OS(), recordings+name, o, verifyLog)
			if err != nil || strings.Count(output, "\n") != 2 || strings.Contains(output, "problem") {
				t.Errorf("%s: %v\n%s", name, err, output)
			}
		}
	}
}

// logDisk returns a disk with a log of files that zkd wrote and closed, of three txns each, from
// the given zxids on.
func logDisk(t *testing.T, firsts ...zk.Zxid) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	log, _, err := txlog.Open(disk, "/", txlog.Options{Inline: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range firsts {
		if err := errors.Join(log.Roll(), log.StartAfter(first-1)); err != nil {
			t.Fatal(err)
		}
		for zxid := first; zxid < first+3; zxid++ {
			if err := log.Append(zxid, setData(zxid)); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

func setData(zxid zk.Zxid) []byte {
	txn := proto.Txn{
		Header: proto.TxnHeader{ClientID: 1, Zxid: zxid, TimeMillis: 1e12, Type: zk.OpSetData},
		Body:   proto.TxnBody{Type: zk.OpSetData, Path: "/a", Data: []byte("x"), Version: int32(zxid)},
	}
	return txn.Append(nil)
}

// check is a txn that nobody can apply.
func check(zxid zk.Zxid) []byte {
	payload := setData(zxid)
	copy(payload[28:], "\x00\x00\x00\x0d")
	return payload
}

func TestVerifyLogVerdicts(t *testing.T) {
	const recordBytes = 8 + 4 + 32 + 6 + 5 + 4 + 1
	// With no mark the end may be one that a crash left.
	withoutMark := func(t *testing.T, disk *vfs.Mem) *vfs.Mem {
		t.Helper()
		if err := disk.Remove("/zkd.mark"); err != nil {
			t.Fatal(err)
		}
		return disk
	}
	change := func(t *testing.T, disk *vfs.Mem, name string, f func([]byte) []byte) *vfs.Mem {
		t.Helper()
		rewriteFile(t, disk, name, name, f)
		return disk
	}
	tests := map[string]struct {
		disk func(t *testing.T) *vfs.Mem
		name string
		o    Options
		ok   bool
		want []string
	}{
		"a whole one": {disk: func(t *testing.T) *vfs.Mem { return logDisk(t, 1, 4) }, ok: true,
			want: []string{`file name="log.1"`, "txns=3 first=0x1 last=0x3", "verdict ok=true files=2 txns=6 last=0x6\n"}},
		"a torn end": {disk: func(t *testing.T) *vfs.Mem {
			return change(t, withoutMark(t, logDisk(t, 1, 4)), "/log.4", func(b []byte) []byte { return b[:len(b)-5] })
		}, ok: true, want: []string{"verdict ok=true files=2 txns=5 last=0x5", "log.4 has an unfinished end", "bytes behind byte 136"}},
		"a torn end of what was durable": {disk: func(t *testing.T) *vfs.Mem {
			return change(t, logDisk(t, 1, 4), "/log.4", func(b []byte) []byte { return b[:len(b)-5] })
		}, ok: true, want: []string{"verdict ok=true", "the log once reached 0x6: what was behind its end is lost"}},
		"a torn end before the last file": {disk: func(t *testing.T) *vfs.Mem {
			return change(t, logDisk(t, 1, 4), "/log.1", func(b []byte) []byte { return b[:len(b)-5] })
		}, want: []string{"ok=false", `name="log.1"`, "ends inside a record", "txns are missing"}},
		"a changed byte in the middle": {disk: func(t *testing.T) *vfs.Mem {
			return change(t, logDisk(t, 1, 4), "/log.4", func(b []byte) []byte { b[16+recordBytes+30]++; return b })
		}, want: []string{"ok=false", "at byte 76: the checksum differs"}},
		"a changed byte in an earlier file": {disk: func(t *testing.T) *vfs.Mem {
			return change(t, logDisk(t, 1, 4), "/log.1", func(b []byte) []byte { b[16+recordBytes+30]++; return b })
		}, want: []string{"ok=false", `name="log.1"`, "at byte 76: the checksum differs"}},
		"an earlier file that is not asked for": {disk: func(t *testing.T) *vfs.Mem {
			return change(t, logDisk(t, 1, 4), "/log.1", func(b []byte) []byte { b[16+recordBytes+30]++; return b })
		}, o: Options{From: 4}, ok: true, want: []string{"verdict ok=true"}},
		"an empty last file": {disk: func(t *testing.T) *vfs.Mem {
			disk := logDisk(t, 1)
			rewriteFile(t, disk, "/log.1", "/log.4", func([]byte) []byte { return nil })
			return disk
		}, ok: true, want: []string{"verdict ok=true", "the next start removes log.4"}},
		"a gap between files": {disk: func(t *testing.T) *vfs.Mem { return logDisk(t, 1, 9) }, ok: true,
			want: []string{"verdict ok=true", "txns are missing before 0x9"}},
		"a file of another kind": {disk: func(t *testing.T) *vfs.Mem {
			return change(t, logDisk(t, 1), "/log.1", func(b []byte) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") })
		}, want: []string{"ok=false", "this is not the header of a log"}},
		"a txn that nobody can apply": {disk: func(t *testing.T) *vfs.Mem {
			disk := vfs.NewMem()
			log, _, err := txlog.Open(disk, "/", txlog.Options{Inline: true})
			if err == nil {
				err = errors.Join(log.Append(1, check(1)), log.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			return disk
		}, want: []string{"ok=false", "txn 0x1 cannot be applied", "check outside a multi"}},
		"one file of many": {disk: func(t *testing.T) *vfs.Mem { return logDisk(t, 1, 4, 7) }, name: "log.4", ok: true,
			want: []string{"verdict ok=true files=1 txns=3 last=0x6\n"}},
		"a copy by another name, cut": {disk: func(t *testing.T) *vfs.Mem {
			disk := logDisk(t, 1)
			rewriteFile(t, disk, "/log.1", "/copy", func(b []byte) []byte { return b[:len(b)-5] })
			return disk
		}, name: "copy", want: []string{"ok=false", "ends inside a record"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			disk := test.disk(t)
			output, err := run(t, disk, "/"+test.name, test.o, verifyLog)
			if errors.Is(err, ErrDamaged) == test.ok || (err == nil) != test.ok {
				t.Error(err)
			}
			for _, want := range test.want {
				if !strings.Contains(output, want) {
					t.Errorf("%s lacks %q", output, want)
				}
			}
		})
	}
}

func TestDumpOfADamagedLogGoesOnWithTheNextFile(t *testing.T) {
	disk := logDisk(t, 1, 4)
	rewriteFile(t, disk, "/log.1", "/log.1", func(b []byte) []byte { b[100]++; return b })
	output, err := run(t, disk, "/", Options{JSON: true}, dumpLog)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(output, `"kind":"damage","file":"log.1","offset":76`) ||
		strings.Count(output, `"kind":"txn"`) != 4 || !strings.Contains(output, `"zxid":"0x6"`) {
		t.Errorf("%v:\n%s", err, output)
	}
}

func TestDumpReadsOnlyTheFilesItNeeds(t *testing.T) {
	disk := logDisk(t, 1, 4, 7)
	for _, name := range []string{"/log.1", "/log.7"} {
		rewriteFile(t, disk, name, name, func(b []byte) []byte { return []byte("rubbish, of no concern") })
	}
	output, err := run(t, disk, "/", Options{From: 4, To: 5}, dumpLog)
	if err != nil || strings.Count(output, "\n") != 2 {
		t.Errorf("%v:\n%s", err, output)
	}
}

func TestUnreadableFilesAreNoDamage(t *testing.T) {
	for name, what := range map[string]inspection{"dump log": dumpLog, "verify log": verifyLog} {
		for n := int64(1); ; n++ {
			faulty := vfs.NewFault(logDisk(t, 1, 4), vfs.FailNth(n, nil, syscall.EIO))
			_, err := run(t, faulty, "/", Options{}, what)
			if faulty.Injected() == 0 {
				break
			}
			if !errors.Is(err, syscall.EIO) || errors.Is(err, ErrDamaged) {
				t.Errorf("%s, operation %d: %v", name, n, err)
			}
		}
	}
}

// FuzzLogFile: no file makes the reader panic; what it reads are the records of the file.
func FuzzLogFile(f *testing.F) {
	file, err := vfs.OS().Open(recordings + "java-3.9/log.1")
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:600])
	f.Add([]byte(logMagic))
	f.Fuzz(func(t *testing.T, contents []byte) {
		disk := vfs.NewMem()
		w, err := disk.Create("/log.1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(contents); err != nil {
			t.Fatal(err)
		}
		w.Close()
		l, err := openLog(disk, "/log.1")
		if err != nil {
			return
		}
		defer l.close()
		for end := int64(len(contents)); ; {
			at := l.offset
			payload, err := l.next()
			if err != nil {
				break
			}
			if l.offset > end || !bytes.Equal(contents[at+frameHeadBytes:l.offset-1], payload) {
				t.Fatalf("the record at %d is %x", at, payload)
			}
		}
		var output bytes.Buffer
		_ = VerifyLog(frozen(t, disk), "/", &output, Options{JSON: true})
		checkJSON(t, output.String())
	})
}
