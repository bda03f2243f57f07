package inspect

import (
	"io"
	"io/fs"
	"path"
	"slices"

	"zkd/quorum/vfs"
)

// discardFS lets code that repairs files run on files that must not change: it shows those of
// another file system, and of all changes to them keeps in mind only which are gone and where some
// were cut. What is written goes nowhere.
type discardFS struct {
	base vfs.FS
	// only, if not "", is the one file that is there.
	only string
	gone map[string]bool
	size map[string]int64 // of files that were cut
}

func newDiscardFS(base vfs.FS, only string) *discardFS {
	return &discardFS{base: base, only: only, gone: map[string]bool{}, size: map[string]int64{}}
}

func (d *discardFS) hidden(name string) bool {
	return d.gone[name] || d.only != "" && name != d.only
}

// Open opens a file as it would be after the changes.
func (d *discardFS) Open(name string) (vfs.File, error) {
	if d.hidden(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f, err := d.base.Open(name)
	if err != nil {
		return nil, err
	}
	return &discardFile{File: f, fs: d, name: name}, nil
}

// OpenReadWrite opens a file whose writes go nowhere.
func (d *discardFS) OpenReadWrite(name string) (vfs.File, error) { return d.Open(name) }

// Create returns a file that stays empty.
func (d *discardFS) Create(name string) (vfs.File, error) { return emptyFile{name: name}, nil }

// Rename does nothing.
func (d *discardFS) Rename(string, string) error { return nil }

// Remove hides a file.
func (d *discardFS) Remove(name string) error {
	if d.hidden(name) {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if _, err := d.base.Stat(name); err != nil {
		return err
	}
	d.gone[name] = true
	return nil
}

// MkdirAll does nothing.
func (d *discardFS) MkdirAll(string) error { return nil }

// List leaves out what is hidden.
func (d *discardFS) List(dir string) ([]string, error) {
	names, err := d.base.List(dir)
	return slices.DeleteFunc(names, func(name string) bool { return d.hidden(path.Join(dir, name)) }), err
}

// Stat describes a file.
func (d *discardFS) Stat(name string) (fs.FileInfo, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// SyncDir does nothing.
func (d *discardFS) SyncDir(string) error { return nil }

// Lock locks nothing: nothing is changed.
func (d *discardFS) Lock(string) (io.Closer, error) { return emptyFile{}, nil }

// FreeBytes returns what is free.
func (d *discardFS) FreeBytes(dir string) (int64, error) { return d.base.FreeBytes(dir) }

// discardFile is a file that ends where it was cut, and drops what is written to it.
type discardFile struct {
	vfs.File
	fs   *discardFS
	name string
}

// cut returns how much of n bytes at offset is before the end.
func (f *discardFile) cut(n int, offset int64) int {
	if size, ok := f.fs.size[f.name]; ok {
		return int(min(int64(n), max(size-offset, 0)))
	}
	return n
}

// Read reads what is left of the file.
func (f *discardFile) Read(p []byte) (int, error) {
	offset, err := f.File.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	keep := f.cut(len(p), offset)
	if keep == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return f.File.Read(p[:keep])
}

// ReadAt reads what is left of the file.
func (f *discardFile) ReadAt(p []byte, offset int64) (int, error) {
	keep := f.cut(len(p), offset)
	n, err := f.File.ReadAt(p[:keep], offset)
	if err == nil && keep < len(p) {
		err = io.EOF
	}
	return n, err
}

// Stat describes the file.
func (f *discardFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	if size, ok := f.fs.size[f.name]; ok && err == nil {
		return cutInfo{info, size}, nil
	}
	return info, err
}

// Truncate keeps the new end in mind.
func (f *discardFile) Truncate(size int64) error {
	info, err := f.Stat()
	if err == nil && size < info.Size() {
		f.fs.size[f.name] = size
	}
	return err
}

// Write drops p.
func (f *discardFile) Write(p []byte) (int, error) { return len(p), nil }

// WriteAt drops p.
func (f *discardFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// Sync does nothing.
func (f *discardFile) Sync() error { return nil }

// Datasync does nothing.
func (f *discardFile) Datasync() error { return nil }

// Allocate does nothing.
func (f *discardFile) Allocate(int64, int64) error { return nil }

// cutInfo describes a file that was cut.
type cutInfo struct {
	fs.FileInfo
	size int64
}

// Size returns where it was cut.
func (i cutInfo) Size() int64 { return i.size }

// emptyFile is a new file, which stays empty.
type emptyFile struct {
	vfs.File // nil: what is not below is not for new files
	name     string
}

func (f emptyFile) Name() string                         { return f.name }
func (emptyFile) Write(p []byte) (int, error)            { return len(p), nil }
func (emptyFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (emptyFile) Read([]byte) (int, error)               { return 0, io.EOF }
func (emptyFile) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (emptyFile) Truncate(int64) error                   { return nil }
func (emptyFile) Sync() error                            { return nil }
func (emptyFile) Datasync() error                        { return nil }
func (emptyFile) Allocate(int64, int64) error            { return nil }
func (emptyFile) Close() error                           { return nil }
