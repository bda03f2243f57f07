package snap

import (
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"path"

	"zkd/quorum/vfs"
)

// Load reads the newest snapshot in dir that is whole into a sink. newSink makes one for each
// snapshot that is tried: after a failure the last one holds rubbish.
//
// skipped says which newer snapshots were passed over, and why: for the log. Where the one that
// was loaded is not the newest, the log must reach back to it: see [HistoryError].
//
// Errors: *NoneError if no snapshot can be loaded, which for a new directory is as it should be;
// that of progress; or that of listing dir.
func Load[S Sink](fsys vfs.FS, dir string, newSink func() S, p Progress) (sink S, info Info, skipped []Skipped, err error) {
	candidates, skipped, err := Candidates(fsys, dir)
	if err != nil {
		return sink, Info{}, skipped, err
	}
	for _, c := range candidates {
		sink := newSink()
		info, err := LoadInto(fsys, path.Join(dir, c.Name), sink, p)
		if err == nil {
			return sink, info, newerThan(skipped, c), nil
		}
		if stopped := (*stoppedError)(nil); errors.As(err, &stopped) {
			return sink, Info{}, skipped, err
		}
		skipped = append(skipped, Skipped{c.Name, err})
	}
	return sink, Info{}, skipped, &NoneError{Dir: dir, Skipped: skipped}
}

// newerThan drops from skipped what failed the quick test but is older than loaded.
func newerThan(skipped []Skipped, loaded Candidate) []Skipped {
	var newer []Skipped
	for _, s := range skipped {
		if zxid, _, ok := ParseFileName(s.Name); ok && zxid >= loaded.Zxid {
			newer = append(newer, s)
		}
	}
	return newer
}

// LoadInto reads the snapshot in the file called name into sink, whatever its compression, and
// checks every checksum in it. A nil sink checks only.
//
// Errors: *CorruptError, also where sink refuses an item; that of progress; or the file system's.
func LoadInto(fsys vfs.FS, name string, sink Sink, p Progress) (Info, error) {
	info := Info{Name: path.Base(name), Zxid: -1}
	if zxid, _, ok := ParseFileName(info.Name); ok {
		info.Zxid = zxid
	}
	f, err := fsys.Open(name)
	if err != nil {
		return info, fmt.Errorf("snap: open %s: %w", name, err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return info, fmt.Errorf("snap: stat %s: %w", name, err)
	}
	info.SizeBytes, info.ModTime = stat.Size(), stat.ModTime()

	file := &fileReader{f: f}
	plain, compression, err := decompressor(file)
	info.Compression = compression
	if err == nil {
		err = newDecoder(plain, name, sink, adler32.New(), p, &info).file()
	} else {
		err = &CorruptError{Name: name, Err: err}
	}
	if file.err != nil {
		return info, fmt.Errorf("snap: read %s: %w", name, file.err)
	}
	return info, err
}

// fileReader remembers the file system's error, so that a disk that cannot be read is not taken
// for damaged contents.
type fileReader struct {
	f   vfs.File
	err error
}

func (r *fileReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// Verify reads the snapshot in the file called name to its end and checks every checksum, without
// building a tree. Errors are those of LoadInto.
func Verify(fsys vfs.FS, name string, p Progress) (Info, error) {
	return LoadInto(fsys, name, nil, p)
}
