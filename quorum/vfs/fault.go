package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
)

// OpKind says what an operation does.
type OpKind string

// The kinds of operation. Seeking and closing cannot be failed.
const (
	OpCreate   OpKind = "create"
	OpOpen     OpKind = "open"
	OpRename   OpKind = "rename"
	OpRemove   OpKind = "remove"
	OpMkdir    OpKind = "mkdir"
	OpList     OpKind = "list"
	OpStat     OpKind = "stat"
	OpSyncDir  OpKind = "syncdir"
	OpLock     OpKind = "lock"
	OpFree     OpKind = "free"
	OpRead     OpKind = "read"
	OpWrite    OpKind = "write"
	OpTruncate OpKind = "truncate"
	OpSync     OpKind = "sync" // Sync and Datasync
	OpAllocate OpKind = "allocate"
)

// Changes reports whether the operation changes the disk or makes a change durable.
func (k OpKind) Changes() bool {
	switch k {
	case OpOpen, OpList, OpStat, OpRead, OpFree, OpLock:
		return false
	default:
		return true
	}
}

// Op is one operation about to be performed.
type Op struct {
	// Seq counts all operations of a [Fault], from 1.
	Seq  int64
	Kind OpKind
	// Path is the file or directory; of a rename the new name.
	Path string
	// Offset and Len are set for reads, writes and allocations, in bytes.
	Offset, Len int64
}

// An Injector is asked before each operation. nil lets it pass; any other error is what the
// operation fails with, without having been performed, but for these:
//   - a failed write or allocation has written the first half of its bytes;
//   - a failed sync leaves the file as Linux does after a write-back error, where the file is one
//     of a [Mem]: nothing more became durable, and the next sync would lie.
//
// It may be called from several goroutines at once.
type Injector func(op Op) error

// InjectedError wraps every error that an Injector caused, so that a test can tell by errors.As
// that it surfaced.
type InjectedError struct {
	Op  Op
	Err error
}

func (e *InjectedError) Error() string {
	return fmt.Sprintf("%s %s: injected at operation %d: %v", e.Op.Kind, e.Op.Path, e.Op.Seq, e.Err)
}

func (e *InjectedError) Unwrap() error { return e.Err }

// Fault passes operations on to another FS, but for those that its Injector fails.
type Fault struct {
	fs       FS
	injector Injector
	ops      atomic.Int64
	injected atomic.Int64
}

// NewFault returns fs with faults.
func NewFault(fs FS, injector Injector) *Fault { return &Fault{fs: fs, injector: injector} }

// Ops returns how many operations were asked for.
func (f *Fault) Ops() int64 { return f.ops.Load() }

// Injected returns how many of them were failed.
func (f *Fault) Injected() int64 { return f.injected.Load() }

func (f *Fault) check(kind OpKind, name string, offset, length int64) error {
	op := Op{Seq: f.ops.Add(1), Kind: kind, Path: name, Offset: offset, Len: length}
	if err := f.injector(op); err != nil {
		f.injected.Add(1)
		return &InjectedError{op, err}
	}
	return nil
}

// FailNth returns an injector that fails the n-th operation, from 1, for which match is true, with
// err. A nil match matches all.
func FailNth(n int64, match func(Op) bool, err error) Injector {
	return failing(match, func(seen int64) bool { return seen == n }, err)
}

// FailFrom returns an injector like [FailNth] that fails the n-th and all later ones: a disk that
// is full or dead for good.
func FailFrom(n int64, match func(Op) bool, err error) Injector {
	return failing(match, func(seen int64) bool { return seen >= n }, err)
}

func failing(match func(Op) bool, due func(seen int64) bool, err error) Injector {
	var mu sync.Mutex
	var seen int64
	return func(op Op) error {
		if match != nil && !match(op) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if seen++; due(seen) {
			return err
		}
		return nil
	}
}

func (f *Fault) file(kind OpKind, name string, open func(string) (File, error)) (File, error) {
	if err := f.check(kind, name, 0, 0); err != nil {
		return nil, err
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, fault: f}, nil
}

// Create implements [FS].
func (f *Fault) Create(name string) (File, error) { return f.file(OpCreate, name, f.fs.Create) }

// Open implements [FS].
func (f *Fault) Open(name string) (File, error) { return f.file(OpOpen, name, f.fs.Open) }

// OpenReadWrite implements [FS].
func (f *Fault) OpenReadWrite(name string) (File, error) {
	return f.file(OpOpen, name, f.fs.OpenReadWrite)
}

// Rename implements [FS].
func (f *Fault) Rename(oldName, newName string) error {
	if err := f.check(OpRename, newName, 0, 0); err != nil {
		return err
	}
	return f.fs.Rename(oldName, newName)
}

// Remove implements [FS].
func (f *Fault) Remove(name string) error {
	if err := f.check(OpRemove, name, 0, 0); err != nil {
		return err
	}
	return f.fs.Remove(name)
}

// MkdirAll implements [FS].
func (f *Fault) MkdirAll(dir string) error {
	if err := f.check(OpMkdir, dir, 0, 0); err != nil {
		return err
	}
	return f.fs.MkdirAll(dir)
}

// List implements [FS].
func (f *Fault) List(dir string) ([]string, error) {
	if err := f.check(OpList, dir, 0, 0); err != nil {
		return nil, err
	}
	return f.fs.List(dir)
}

// Stat implements [FS].
func (f *Fault) Stat(name string) (fs.FileInfo, error) {
	if err := f.check(OpStat, name, 0, 0); err != nil {
		return nil, err
	}
	return f.fs.Stat(name)
}

// SyncDir implements [FS].
func (f *Fault) SyncDir(dir string) error {
	if err := f.check(OpSyncDir, dir, 0, 0); err != nil {
		return err
	}
	return f.fs.SyncDir(dir)
}

// Lock implements [FS].
func (f *Fault) Lock(name string) (io.Closer, error) {
	if err := f.check(OpLock, name, 0, 0); err != nil {
		return nil, err
	}
	return f.fs.Lock(name)
}

// FreeBytes implements [FS].
func (f *Fault) FreeBytes(dir string) (int64, error) {
	if err := f.check(OpFree, dir, 0, 0); err != nil {
		return 0, err
	}
	return f.fs.FreeBytes(dir)
}

type faultFile struct {
	File
	fault *Fault
}

func (f *faultFile) Read(p []byte) (int, error) {
	if err := f.fault.check(OpRead, f.Name(), -1, int64(len(p))); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *faultFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.fault.check(OpRead, f.Name(), offset, int64(len(p))); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, offset)
}

func (f *faultFile) Write(p []byte) (int, error) {
	if err := f.fault.check(OpWrite, f.Name(), -1, int64(len(p))); err != nil {
		n, writeErr := f.File.Write(p[:len(p)/2])
		return n, errors.Join(err, writeErr)
	}
	return f.File.Write(p)
}

func (f *faultFile) WriteAt(p []byte, offset int64) (int, error) {
	if err := f.fault.check(OpWrite, f.Name(), offset, int64(len(p))); err != nil {
		n, writeErr := f.File.WriteAt(p[:len(p)/2], offset)
		return n, errors.Join(err, writeErr)
	}
	return f.File.WriteAt(p, offset)
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.fault.check(OpTruncate, f.Name(), size, 0); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Sync() error { return f.sync(f.File.Sync) }

func (f *faultFile) Datasync() error { return f.sync(f.File.Datasync) }

func (f *faultFile) sync(sync func() error) error {
	err := f.fault.check(OpSync, f.Name(), 0, 0)
	if err == nil {
		return sync()
	}
	if file, ok := f.File.(interface{ failSync() }); ok {
		file.failSync()
	}
	return err
}

func (f *faultFile) Allocate(offset, length int64) error {
	if err := f.fault.check(OpAllocate, f.Name(), offset, length); err != nil {
		return errors.Join(err, f.File.Allocate(offset, length/2))
	}
	return f.File.Allocate(offset, length)
}

func (f *faultFile) Stat() (fs.FileInfo, error) {
	if err := f.fault.check(OpStat, f.Name(), 0, 0); err != nil {
		return nil, err
	}
	return f.File.Stat()
}
