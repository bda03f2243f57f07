package vfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"syscall"
)

// sectorBytes is the unit that a disk writes whole or not at all.
const sectorBytes = 512

// memInode is the content of one file. data is what programs read. The maps hold, for each sector
// that differs from the disk, what the disk still holds of it; a nil slice is a sector that the
// disk does not have.
//
// A sector is dirty from its first write until a sync. A sync that fails makes it lost: programs
// still read the new bytes and the next sync succeeds without writing them, as on Linux, where a
// failed write-back leaves its pages clean. Writing the sector again makes it dirty again.
type memInode struct {
	data        []byte
	dirty, lost map[int64][]byte
	durableSize int64
	sizeLost    bool // a failed sync was the last word on the size

	// cut is the smallest size below durableSize that the file was truncated to since the last
	// sync, or -1. A power loss undoes a truncation as a whole, with all that came behind it.
	cut int64
}

func newMemInode(data []byte) *memInode {
	return &memInode{
		data: data, durableSize: int64(len(data)), cut: -1,
		dirty: map[int64][]byte{}, lost: map[int64][]byte{},
	}
}

// touch notes that the sectors of [from, to) are about to change.
func (n *memInode) touch(from, to int64) {
	for s := from / sectorBytes; s*sectorBytes < to; s++ {
		if _, ok := n.dirty[s]; ok {
			continue
		}
		if old, ok := n.lost[s]; ok {
			n.dirty[s] = old
			delete(n.lost, s)
			continue
		}
		start := s * sectorBytes
		var old []byte
		if start < n.durableSize && start < int64(len(n.data)) {
			end := min(start+sectorBytes, int64(len(n.data)), n.durableSize)
			old = append(make([]byte, 0, sectorBytes), n.data[start:end]...)
		}
		n.dirty[s] = old
	}
}

func (n *memInode) writeAt(p []byte, offset int64) {
	end := offset + int64(len(p))
	n.touch(offset, end)
	if grow := end - int64(len(n.data)); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
	if end > n.durableSize {
		n.sizeLost = false // file systems set the size on the disk when the data beyond it have come there
	}
	copy(n.data[offset:], p)
}

func (n *memInode) truncate(size int64) {
	old := int64(len(n.data))
	n.sizeLost = false
	if size < old {
		n.touch(size, old)
		if size < n.durableSize && (n.cut < 0 || size < n.cut) {
			n.cut = size
		}
		n.data = n.data[:size:size]
		return
	}
	n.data = append(n.data, make([]byte, size-old)...)
}

func (n *memInode) sync() {
	clear(n.dirty)
	if !n.sizeLost {
		n.durableSize, n.cut = int64(len(n.data)), -1
	}
}

// failSync is what a write-back error leaves: everything counts as written, nothing is.
func (n *memInode) failSync() {
	maps.Copy(n.lost, n.dirty)
	clear(n.dirty)
	n.sizeLost = n.durableSize != int64(len(n.data))
}

// memFile is an open file of a [Mem].
type memFile struct {
	m        *Mem
	name     string
	node     *memInode
	pos      int64
	writable bool
	closed   bool
}

// begin locks the disk for one operation on an open file.
func (f *memFile) begin(op string, write bool) error {
	f.m.mu.Lock()
	err := error(nil)
	switch {
	case f.closed:
		err = pathError(op, f.name, fs.ErrClosed)
	case write && !f.writable:
		err = pathError(op, f.name, syscall.EBADF)
	}
	if err != nil {
		f.m.mu.Unlock()
	}
	return err
}

func (f *memFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *memFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.begin("read", false); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	if offset >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *memFile) WriteAt(p []byte, offset int64) (int, error) {
	if err := f.begin("write", true); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	if room := f.m.free() + int64(len(f.node.data)) - offset; int64(len(p)) > room {
		room = max(room, 0)
		f.node.writeAt(p[:room], offset)
		return int(room), pathError("write", f.name, syscall.ENOSPC)
	}
	f.node.writeAt(p, offset)
	return len(p), nil
}

func (f *memFile) Seek(offset int64, whence int) (int64, error) {
	if err := f.begin("seek", false); err != nil {
		return 0, err
	}
	defer f.m.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += int64(len(f.node.data))
	}
	if offset < 0 {
		return 0, pathError("seek", f.name, errors.New("negative position"))
	}
	f.pos = offset
	return offset, nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.begin("truncate", true); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	f.node.truncate(size)
	return nil
}

func (f *memFile) Sync() error {
	if err := f.begin("sync", false); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	f.node.sync()
	return nil
}

func (f *memFile) Datasync() error { return f.Sync() }

// failSync lets [Fault] leave the file as a failed sync leaves it.
func (f *memFile) failSync() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.node.failSync()
}

func (f *memFile) Allocate(offset, length int64) error {
	if err := f.begin("allocate", true); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	size := int64(len(f.node.data))
	grow := offset + length - size
	if grow <= 0 {
		return nil
	}
	if grow > f.m.free() {
		return pathError("allocate", f.name, syscall.ENOSPC)
	}
	f.node.writeAt(make([]byte, grow), size)
	return nil
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	if err := f.begin("stat", false); err != nil {
		return nil, err
	}
	defer f.m.mu.Unlock()
	return memInfo{name: path.Base(f.name), size: int64(len(f.node.data))}, nil
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) Close() error {
	if err := f.begin("close", false); err != nil {
		return err
	}
	defer f.m.mu.Unlock()
	f.closed = true
	return nil
}
