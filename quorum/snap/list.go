package snap

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

const (
	namePrefix = "snapshot."
	// tmpPrefix makes the name of a file that is being written one that ZooKeeper does not look at:
	// it takes everything that begins with "snapshot." for a candidate.
	tmpPrefix = "tmp.snapshot."
	// javaTmpSuffix is at the end of the names that ZooKeeper gives while it writes.
	javaTmpSuffix = ".tmp"

	// maxCandidates bounds how many snapshots a start tries. Source: FileSnap.deserialize.
	maxCandidates = 100
)

// FileName returns the name of the snapshot at zxid.
func FileName(zxid zk.Zxid, c Compression) string {
	name := namePrefix + strconv.FormatUint(uint64(zxid), 16)
	if c != Plain {
		name += "." + string(c)
	}
	return name
}

// ParseFileName is the inverse of FileName; ok is false for any other name.
func ParseFileName(name string) (zxid zk.Zxid, c Compression, ok bool) {
	rest, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return 0, Plain, false
	}
	digits, suffix, dotted := strings.Cut(rest, ".")
	c = Compression(suffix)
	if dotted != (c == Gzip || c == Snappy) {
		return 0, Plain, false
	}
	value, err := strconv.ParseInt(digits, 16, 64)
	if err != nil || value < 0 {
		return 0, Plain, false
	}
	return zk.Zxid(value), c, true
}

// Candidate is a file that by its name is a snapshot.
type Candidate struct {
	Name        string
	Zxid        zk.Zxid
	Compression Compression
}

// List returns the snapshots in dir by their names alone, newest first. Of several at one zxid the
// least compressed is first: it is read fastest.
func List(fsys vfs.FS, dir string) ([]Candidate, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("snap: list %s: %w", dir, err)
	}
	var found []Candidate
	for _, name := range names {
		if zxid, c, ok := ParseFileName(name); ok {
			found = append(found, Candidate{name, zxid, c})
		}
	}
	order := func(c Compression) int { return slices.Index([]Compression{Plain, Snappy, Gzip}, c) }
	slices.SortFunc(found, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Zxid, a.Zxid), cmp.Compare(order(a.Compression), order(b.Compression)))
	})
	return found, nil
}

// Candidates returns the snapshots in dir that are worth loading, newest first and at most 100:
// those that pass the same quick test as in ZooKeeper, which reads a few bytes of each and finds
// most of what was cut short. The others are in skipped, with the reason.
func Candidates(fsys vfs.FS, dir string) (found []Candidate, skipped []Skipped, err error) {
	all, err := List(fsys, dir)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range all {
		if len(found) == maxCandidates {
			break
		}
		if err := quickTest(fsys, path.Join(dir, c.Name), c.Compression); err != nil {
			skipped = append(skipped, Skipped{c.Name, err})
		} else {
			found = append(found, c)
		}
	}
	return found, skipped, nil
}

// Newest returns the newest snapshot that passes the quick test; ok is false if there is none.
func Newest(fsys vfs.FS, dir string) (newest Candidate, ok bool, err error) {
	found, _, err := Candidates(fsys, dir)
	if err != nil || len(found) == 0 {
		return Candidate{}, false, err
	}
	return found[0], true, nil
}

// quickTest looks at the magic of a compressed file and at the last five bytes of a plain one,
// which are those of a seal. Source: SnapStream.isValidSnapshot.
func quickTest(fsys vfs.FS, name string, c Compression) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	switch c {
	case Gzip:
		return beginsWith(f, gzipMagic)
	case Snappy:
		return beginsWith(f, xerialMagic)
	}
	stat, err := f.Stat()
	if err != nil {
		return err
	}
	end := make([]byte, 4+len(endOfNodes))
	if stat.Size() < int64(2*len(end)) {
		return fmt.Errorf("too short: %d bytes", stat.Size())
	}
	if _, err := f.ReadAt(end, stat.Size()-int64(len(end))); err != nil && err != io.EOF {
		return err
	}
	if string(end) != "\x00\x00\x00\x01"+endOfNodes {
		return errors.New("cut short: it does not end in a seal")
	}
	return nil
}

func beginsWith(f vfs.File, magic string) error {
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(f, start); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("cut short: it has no header")
	} else if err != nil {
		return err
	}
	if string(start) != magic {
		return errors.New("its first bytes are not those of its compression")
	}
	return nil
}
