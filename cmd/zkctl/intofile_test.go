package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func writes(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// As root, renaming a file over /dev/null would take the null device from the whole host.
func TestWhatIsNoRegularFileIsWrittenToAndStays(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pipe, link} {
		before, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // so that neither end waits for the other
		if err != nil {
			t.Fatal(err)
		}
		if err := intoFile(name, writes("text")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := make([]byte, 4)
		if after, err := os.Lstat(name); err != nil || !os.SameFile(before, after) {
			t.Fatalf("%s was replaced: %v", name, err)
		}
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != "text" {
			t.Errorf("%s got %q, %v", name, got, err)
		}
		reader.Close()
	}
	if err := intoFile(os.DevNull, writes("text")); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(os.DevNull); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Fatalf("%s is %v now", os.DevNull, info.Mode())
	}
}

func TestAFileIsReplacedWhereALinkLeads(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	file, link, dangling := filepath.Join(elsewhere, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "dangling")
	if err := os.WriteFile(file, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{link: file, dangling: filepath.Join(elsewhere, "none")} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	if err := intoFile(link, writes("text")); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "text" {
		t.Errorf("the file has %q, %v", text, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	for name, want := range map[string]string{dangling: "is a link to a file that is not there", dir: "is a directory"} {
		if err := intoFile(name, writes("text")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
