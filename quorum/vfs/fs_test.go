package vfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"

	"zkd/quorum/vfs"
)

// each runs a test against every FS: they must not differ in what programs see.
func each(t *testing.T, test func(t *testing.T, fsys vfs.FS, dir string)) {
	t.Run("os", func(t *testing.T) { test(t, vfs.OS(), t.TempDir()) })
	t.Run("mem", func(t *testing.T) { test(t, vfs.NewMem(), "/") })
	t.Run("fault", func(t *testing.T) {
		test(t, vfs.NewFault(vfs.NewMem(), func(vfs.Op) error { return nil }), "/")
	})
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, fsys vfs.FS, name, content string) {
	t.Helper()
	f := must(fsys.Create(name))(t)
	_, err := f.Write([]byte(content))
	check(t, errors.Join(err, f.Sync(), f.Close()))
}

func read(t *testing.T, fsys vfs.FS, name string) string {
	t.Helper()
	f := must(fsys.Open(name))(t)
	defer f.Close()
	return string(must(io.ReadAll(f))(t))
}

func TestFilesReadBackWhatWasWritten(t *testing.T) {
	each(t, func(t *testing.T, fsys vfs.FS, dir string) {
		sub := dir + "/a/b"
		check(t, fsys.MkdirAll(sub))
		check(t, fsys.MkdirAll(sub))
		write(t, fsys, sub+"/one", "hello")
		f := must(fsys.OpenReadWrite(sub + "/one"))(t)
		must(f.WriteAt([]byte("J"), 0))(t)
		must(f.WriteAt([]byte("!"), 7))(t)
		check(t, errors.Join(f.Datasync(), f.Close()))
		if got := read(t, fsys, sub+"/one"); got != "Jello\x00\x00!" {
			t.Errorf("read %q", got)
		}
		check(t, fsys.Rename(sub+"/one", sub+"/two"))
		check(t, fsys.SyncDir(sub))
		if names := must(fsys.List(sub))(t); !slices.Equal(names, []string{"two"}) {
			t.Errorf("names %q", names)
		}
		if info := must(fsys.Stat(sub + "/two"))(t); info.Size() != 8 || info.Name() != "two" {
			t.Errorf("stat %v %v", info.Name(), info.Size())
		}
		if info := must(fsys.Stat(sub))(t); !info.IsDir() {
			t.Error("a directory is not one")
		}
		check(t, fsys.Remove(sub+"/two"))
		for _, err := range []error{
			fsys.Remove(sub + "/two"),
			second(fsys.Open(sub + "/two")), second(fsys.OpenReadWrite(sub + "/two")),
			second(fsys.Stat(sub + "/two")), second(fsys.Create(dir + "/none/x")),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("error %v, want ErrNotExist", err)
			}
		}
		if names := must(fsys.List(dir + "/a"))(t); !slices.Equal(names, []string{"b"}) {
			t.Errorf("names %q", names)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestReadAtTheEndIsEOF(t *testing.T) {
	each(t, func(t *testing.T, fsys vfs.FS, dir string) {
		write(t, fsys, dir+"/f", "abc")
		f := must(fsys.Open(dir + "/f"))(t)
		defer f.Close()
		b := make([]byte, 4)
		if n, err := f.ReadAt(b, 1); n != 2 || err != io.EOF {
			t.Errorf("read %d, %v across the end", n, err)
		}
		if n, err := f.ReadAt(b, 3); n != 0 || err != io.EOF {
			t.Errorf("read %d, %v behind the end", n, err)
		}
		if at := must(f.Seek(-1, io.SeekEnd))(t); at != 2 {
			t.Errorf("position %d", at)
		}
		if rest := must(io.ReadAll(f))(t); string(rest) != "c" {
			t.Errorf("rest %q", rest)
		}
		if _, err := f.Write([]byte("x")); err == nil {
			t.Error("a file opened for reading was written")
		}
	})
}

func TestAllocateAddsZerosAndChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, fsys vfs.FS, dir string) {
		f := must(fsys.Create(dir + "/f"))(t)
		defer f.Close()
		must(f.Write([]byte("data")))(t)
		check(t, f.Allocate(0, 3<<20))
		check(t, f.Allocate(1, 2))
		check(t, f.Sync())
		want := make([]byte, 3<<20)
		copy(want, "data")
		if got := read(t, fsys, dir+"/f"); got != string(want) {
			t.Errorf("%d bytes, starting with %q", len(got), got[:min(8, len(got))])
		}
		check(t, f.Truncate(2))
		if got := read(t, fsys, dir+"/f"); got != "da" {
			t.Errorf("read %q after truncation", got)
		}
		check(t, f.Truncate(4))
		if got := read(t, fsys, dir+"/f"); got != "da\x00\x00" {
			t.Errorf("read %q after lengthening", got)
		}
	})
}

func TestSecondLockNamesTheHolder(t *testing.T) {
	each(t, func(t *testing.T, fsys vfs.FS, dir string) {
		l := must(fsys.Lock(dir + "/zkd.lock"))(t)
		_, err := fsys.Lock(dir + "/zkd.lock")
		if !errors.Is(err, vfs.ErrLocked) {
			t.Fatalf("error %v, want ErrLocked", err)
		}
		if holder := err.Error(); !bytes.Contains([]byte(holder), []byte("process")) {
			t.Errorf("message %q", holder)
		}
		check(t, l.Close())
		check(t, must(fsys.Lock(dir+"/zkd.lock"))(t).Close())
	})
}

func TestFreeBytesIsPositive(t *testing.T) {
	each(t, func(t *testing.T, fsys vfs.FS, dir string) {
		if free := must(fsys.FreeBytes(dir))(t); free <= 0 {
			t.Errorf("%d bytes free", free)
		}
	})
}
