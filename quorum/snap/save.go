package snap

import (
	"fmt"
	"hash/adler32"
	"path"

	"zkd/quorum/vfs"
)

// syncEveryBytes is how much of a file may be written before it is synced: a single sync at the
// end would keep the disk busy for seconds, and the log's syncs waiting behind it.
const syncEveryBytes = 1 << 20

// Options say how a snapshot is written.
type Options struct {
	Compression Compression
	// Progress, nil for none, hears of the writing and then, beginning at 0 again, of the reading
	// back.
	Progress Progress
	// Overlap lets the disk write one part while the next is encoded, on a goroutine that ends with the call. Without it
	// each part waits for the disk, which leaves room for others.
	Overlap bool
}

// Save writes src into dir, reads it back and only then gives it its name, durably. It needs
// memory for one node and some buffers. After an error dir is as it was, but for a file that
// [Purge] removes if Save could not, or, where only the sync of dir failed, the whole snapshot.
//
// Errors: the file system's, that of progress or of src, or *CorruptError if the file reads back
// as something else.
func Save(fsys vfs.FS, dir string, src Source, o Options) (Info, error) {
	name := FileName(src.Zxid(), o.Compression)
	tmp := path.Join(dir, "tmp."+name)
	info, err := saveTmp(fsys, tmp, src, o)
	if err == nil {
		err = fsys.Rename(tmp, path.Join(dir, name))
	}
	if err != nil {
		// The error that matters is the first. A file left behind has a name nobody loads.
		_ = fsys.Remove(tmp)
		return Info{}, fmt.Errorf("snap: save %s: %w", path.Join(dir, name), err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return Info{}, fmt.Errorf("snap: sync %s: %w", dir, err)
	}
	info.Name, info.Zxid = name, src.Zxid()
	return info, nil
}

// saveTmp writes, syncs and verifies the file called tmp.
func saveTmp(fsys vfs.FS, tmp string, src Source, o Options) (Info, error) {
	f, err := fsys.Create(tmp)
	if err != nil {
		return Info{}, err
	}
	wrote, err := writeFile(f, src, o)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return Info{}, err
	}
	info, err := Verify(fsys, tmp, o.Progress)
	if err == nil && (info.Nodes != wrote.nodes || info.PlainBytes != wrote.bytes ||
		info.DigestZxid != src.Zxid() || info.LastProcessed != src.Zxid()) {
		err = &CorruptError{Name: tmp, Err: fmt.Errorf("wrote %d nodes in %d bytes at %v, read back %d nodes in %d bytes at %v",
			wrote.nodes, wrote.bytes, src.Zxid(), info.Nodes, info.PlainBytes, info.LastProcessed)}
	}
	return info, err
}

func writeFile(f vfs.File, src Source, o Options) (*encoder, error) {
	disk := &syncingWriter{f: f, overlap: o.Overlap}
	defer disk.wait()
	compressed, err := compressor(disk, o.Compression)
	if err != nil {
		return nil, err
	}
	e := newEncoder(compressed, adler32.New(), o.Progress)
	if err := e.file(src); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return e, disk.wait()
}

// syncingWriter syncs a file each time syncEveryBytes were written.
type syncingWriter struct {
	f        vfs.File
	overlap  bool
	unsynced int
	syncing  chan error // of a sync under way, nil if there is none
}

func (w *syncingWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.unsynced += n
	if err != nil || w.unsynced < syncEveryBytes {
		return n, err
	}
	w.unsynced = 0
	if !w.overlap {
		return n, w.f.Datasync()
	}
	if err := w.wait(); err != nil {
		return n, err
	}
	done := make(chan error, 1)
	w.syncing = done
	go func() { done <- w.f.Datasync() }()
	return n, nil
}

// wait returns once no sync is under way.
func (w *syncingWriter) wait() error {
	if w.syncing == nil {
		return nil
	}
	err := <-w.syncing
	w.syncing = nil
	return err
}
