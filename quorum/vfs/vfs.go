// Package vfs is the seam between zkd and its disk: all files of the data directory go through an
// [FS], so that tests can crash, tear and fail each operation.
//
// The operating system is [OS]; [Mem] is a disk in memory that can be crashed; [Fault] fails chosen
// operations of another FS.
package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// ErrLocked says that [FS].Lock found the file locked. The error that wraps it names the holder.
var ErrLocked = errors.New("locked by another process")

// FS is the part of a file system that zkd uses. Names are slash-separated paths. What each call
// promises about a later power loss is part of its contract. Errors wrap those of package io/fs
// (fs.ErrNotExist, ...) and the operating system's (syscall.ENOSPC, ...).
type FS interface {
	// Create makes name, or empties it, and opens it for reading and writing. Neither the file's
	// directory entry nor its contents are durable before SyncDir and File.Sync.
	Create(name string) (File, error)
	// Open opens name for reading.
	Open(name string) (File, error)
	// OpenReadWrite opens the existing file name for reading and writing.
	OpenReadWrite(name string) (File, error)
	// Rename replaces newName by oldName atomically; durable after SyncDir of the directory.
	Rename(oldName, newName string) error
	// Remove removes a file; durable after SyncDir of the directory.
	Remove(name string) error
	// MkdirAll makes dir and its parents with mode 0750 and syncs those it made.
	MkdirAll(dir string) error
	// List returns the names, without directory, of the entries of dir, sorted.
	List(dir string) ([]string, error)
	// Stat describes name.
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the entries of dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on the file name, made if absent, for as long as this process
	// lives or until Close. A lock held elsewhere is ErrLocked, with what is known of its holder.
	Lock(name string) (io.Closer, error)
	// FreeBytes returns how much an unprivileged process may still write below dir.
	FreeBytes(dir string) (int64, error)
}

// File is an open file.
type File interface {
	io.Reader
	io.Writer
	io.ReaderAt
	io.WriterAt
	io.Seeker
	io.Closer
	// Truncate sets the size; durable after Sync.
	Truncate(size int64) error
	// Sync makes contents and size durable (fsync). After an error nothing may be assumed of what was
	// written since the last success, and a retry may report a false success: the caller must give
	// the file up.
	Sync() error
	// Datasync makes contents durable (fdatasync). Where it writes only into blocks that Allocate
	// and Sync have made durable, it does not touch metadata.
	Datasync() error
	// Allocate makes sure that bytes offset..offset+length exist, as zeros where they are new, in
	// blocks of their own so that writing them needs no metadata. It changes no existing byte, and
	// is durable after Sync. Errors: ENOSPC.
	Allocate(offset, length int64) error
	// Stat describes the file.
	Stat() (fs.FileInfo, error)
	// Name returns the name it was opened by.
	Name() string
}
