package txlog

import "zkd/quorum/vfs"

// counting counts the bytes that are read from files, and tells: whoever waits for a long reading sees by it whether
// the disk moves.
type counting struct {
	vfs.FS
	bytes int64
	tell  func(bytes int64) // not nil
}

// countReads returns fsys itself where nobody wants to know.
func countReads(fsys vfs.FS, tell func(bytes int64)) vfs.FS {
	if tell == nil {
		return fsys
	}
	return &counting{FS: fsys, tell: tell}
}

// Open and OpenReadWrite return files whose readings count.
func (c *counting) Open(name string) (vfs.File, error) { return c.count(c.FS.Open(name)) }
func (c *counting) OpenReadWrite(name string) (vfs.File, error) {
	return c.count(c.FS.OpenReadWrite(name))
}

func (c *counting) count(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return countedFile{f, c}, nil
}

type countedFile struct {
	vfs.File
	c *counting
}

// ReadAt is the only way in which this package reads log files: readChunk, or a record, at a time.
func (f countedFile) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, offset)
	f.c.bytes += int64(n)
	f.c.tell(f.c.bytes)
	return n, err
}
