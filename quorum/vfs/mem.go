package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Mem is a disk in memory that knows what a power loss would leave of it (see [Mem.CrashClone]).
// It is safe for concurrent use.
//
// Directories made by MkdirAll are durable at once. Files carry no times.
type Mem struct {
	mu       sync.Mutex
	dirs     map[string]*memDir
	locks    map[string]bool
	capacity int64 // bytes, 0 for no bound
}

// memDir is one directory: its entries as programs see them, as the disk holds them, and the
// changes that lead from the one to the other.
type memDir struct {
	entries map[string]*memInode
	durable map[string]*memInode
	pending []dirChange
}

// dirChange is one unsynced change of a directory, atomic in itself: at most one name gone and at
// most one name set.
type dirChange struct {
	gone string // "" for none
	name string // "" for none
	node *memInode
}

// NewMem returns an empty disk that holds the directories "/" and ".".
func NewMem() *Mem {
	return &Mem{
		dirs:  map[string]*memDir{"/": newMemDir(), ".": newMemDir()},
		locks: map[string]bool{},
	}
}

func newMemDir() *memDir {
	return &memDir{entries: map[string]*memInode{}, durable: map[string]*memInode{}}
}

// SetCapacity bounds the sum of all file sizes: what would pass it fails with ENOSPC, and
// FreeBytes counts down to it. 0 is no bound.
func (m *Mem) SetCapacity(sizeBytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = sizeBytes
}

// free returns how many bytes may still be written.
func (m *Mem) free() int64 {
	if m.capacity == 0 {
		return 1 << 40
	}
	left := m.capacity
	for _, d := range m.dirs {
		for _, node := range d.entries {
			left -= int64(len(node.data))
		}
	}
	return max(left, 0)
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// lookup returns the directory of name, its last element, and the file there if there is one.
func (m *Mem) lookup(name string) (d *memDir, base string, node *memInode) {
	name = path.Clean(name)
	d, base = m.dirs[path.Dir(name)], path.Base(name)
	if d == nil {
		return nil, base, nil
	}
	return d, base, d.entries[base]
}

// Create makes or empties a file.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, node := m.lookup(name)
	switch {
	case d == nil:
		return nil, pathError("create", name, fs.ErrNotExist)
	case m.dirs[path.Clean(name)] != nil:
		return nil, pathError("create", name, syscall.EISDIR)
	case node == nil:
		node = newMemInode(nil)
		d.entries[base] = node
		d.pending = append(d.pending, dirChange{name: base, node: node})
	default:
		node.truncate(0)
	}
	return &memFile{m: m, name: name, node: node, writable: true}, nil
}

// Open opens a file for reading.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenReadWrite opens an existing file for reading and writing.
func (m *Mem) OpenReadWrite(name string) (File, error) { return m.open(name, true) }

func (m *Mem) open(name string, writable bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _, node := m.lookup(name)
	if node == nil {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	return &memFile{m: m, name: name, node: node, writable: writable}, nil
}

// Rename replaces newName by oldName. Both must be in the same directory: what a power loss leaves
// of a move between directories is not modelled.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, oldBase, node := m.lookup(oldName)
	to, newBase, _ := m.lookup(newName)
	if node == nil || to == nil {
		return pathError("rename", oldName, fs.ErrNotExist)
	}
	if from != to {
		return pathError("rename", oldName, syscall.EXDEV)
	}
	delete(from.entries, oldBase)
	from.entries[newBase] = node
	from.pending = append(from.pending, dirChange{gone: oldBase, name: newBase, node: node})
	return nil
}

// Remove removes a file. Open files go on.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, node := m.lookup(name)
	if node == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	delete(d.entries, base)
	d.pending = append(d.pending, dirChange{gone: base})
	return nil
}

// MkdirAll makes dir and its parents.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for d := path.Clean(dir); m.dirs[d] == nil; d = path.Dir(d) {
		if _, _, node := m.lookup(d); node != nil {
			return pathError("mkdir", d, syscall.ENOTDIR)
		}
		m.dirs[d] = newMemDir()
	}
	return nil
}

// List returns the names of the files and directories in dir, sorted.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = path.Clean(dir)
	d := m.dirs[dir]
	if d == nil {
		return nil, pathError("list", dir, fs.ErrNotExist)
	}
	names := slices.Collect(maps.Keys(d.entries))
	for sub := range m.dirs {
		if sub != dir && path.Dir(sub) == dir {
			names = append(names, path.Base(sub))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Stat describes a file or directory.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[path.Clean(name)] != nil {
		return memInfo{name: path.Base(name), dir: true}, nil
	}
	_, base, node := m.lookup(name)
	if node == nil {
		return nil, pathError("stat", name, fs.ErrNotExist)
	}
	return memInfo{name: base, size: int64(len(node.data))}, nil
}

// SyncDir makes the entries of dir durable.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dirs[path.Clean(dir)]
	if d == nil {
		return pathError("syncdir", dir, fs.ErrNotExist)
	}
	d.durable = maps.Clone(d.entries)
	d.pending = nil
	return nil
}

// Lock locks name within this Mem; the file itself is not made.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	if m.locks[name] {
		return nil, fmt.Errorf("vfs: %s: %w: this process", name, ErrLocked)
	}
	m.locks[name] = true
	return memLock{m, name}, nil
}

type memLock struct {
	m    *Mem
	name string
}

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.name)
	return nil
}

// FreeBytes returns what SetCapacity has left.
func (m *Mem) FreeBytes(dir string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[path.Clean(dir)] == nil {
		return 0, pathError("statfs", dir, fs.ErrNotExist)
	}
	return m.free(), nil
}

type memInfo struct {
	name string
	size int64
	dir  bool
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) IsDir() bool        { return i.dir }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) Sys() any           { return nil }

func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | dirPerm
	}
	return filePerm
}
