package inspect

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// The format of a log file is drawn in package txlog. What is here reads one file as it is,
// damaged or not; what a server makes of it at its start is for txlog to say.
const (
	logPrefix      = "log."
	logMagic       = "ZKLG\x00\x00\x00\x02"
	logHeaderBytes = 16
	frameHeadBytes = 8 + 4
	frameTrailer   = 'B'

	// maxTxnBytes bounds a record, unless Options says more: more than most servers let through, little enough to allocate.
	maxTxnBytes = 64 << 20
)

// badRecordError says that there is no whole record at an offset of a log file, and something
// else than zeros.
type badRecordError struct {
	offset int64
	reason string
}

func (e *badRecordError) Error() string { return fmt.Sprintf("at byte %d: %s", e.offset, e.reason) }

// logReader reads the records of one log file.
type logReader struct {
	f      vfs.File
	r      *bufio.Reader
	offset int64 // of the next record
	buf    []byte

	mostBytes int // that a record may have
}

// openLog opens a log file and reads its header. A file that ends inside it, or is all zeros
// there, has no records: a crash came between its making and its first sync.
func openLog(fsys vfs.FS, name string) (*logReader, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	l := &logReader{f: f, r: bufio.NewReaderSize(f, 256<<10), mostBytes: maxTxnBytes}
	header := make([]byte, logHeaderBytes)
	got, err := io.ReadFull(l.r, header)
	header = header[:got]
	switch {
	case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF:
		return nil, errors.Join(fmt.Errorf("inspect: read %s: %w", name, err), f.Close())
	case allZero(header):
	case !strings.HasPrefix(string(header), logMagic[:min(got, len(logMagic))]):
		return nil, errors.Join(&badRecordError{0, "this is not the header of a log"}, f.Close())
	}
	l.offset = int64(got)
	return l, nil
}

func (l *logReader) close() error { return l.f.Close() }

// next returns the next payload, a view that the next call overwrites. Errors: io.EOF behind the
// last record, if there is nothing but zeros; *badRecordError; or the file system's.
func (l *logReader) next() ([]byte, error) {
	head, err := l.r.Peek(frameHeadBytes)
	if err != nil && err != io.EOF {
		return nil, l.failed(err)
	}
	if len(head) < frameHeadBytes {
		return nil, l.ended(head, "the file ends inside the head of a record")
	}
	sum, length := binary.BigEndian.Uint64(head), int32(binary.BigEndian.Uint32(head[8:]))
	switch {
	case length == 0:
		return nil, l.zeros()
	case length < proto.TxnHeaderBytes || int(length) > l.mostBytes:
		return nil, l.bad(fmt.Sprintf("a record cannot have %d bytes", length))
	}
	frame, err := l.frame(frameHeadBytes + int(length) + 1)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, l.bad("the file ends inside a record")
	} else if err != nil {
		return nil, l.failed(err)
	}
	payload := frame[frameHeadBytes : frameHeadBytes+int(length)]
	if frame[len(frame)-1] != frameTrailer {
		return nil, l.bad("the record does not end in its trailer")
	}
	if uint64(adler32.Checksum(payload)) != sum {
		return nil, l.bad("the checksum differs")
	}
	l.offset += int64(len(frame))
	return payload, nil
}

// frame reads n bytes, claiming memory only as they arrive.
func (l *logReader) frame(n int) ([]byte, error) {
	l.buf = l.buf[:0]
	for len(l.buf) < n {
		step := min(n-len(l.buf), 1<<20)
		l.buf = slices.Grow(l.buf, step)
		got, err := io.ReadFull(l.r, l.buf[len(l.buf):len(l.buf)+step])
		l.buf = l.buf[:len(l.buf)+got]
		if err != nil {
			return nil, err
		}
	}
	return l.buf, nil
}

// zeros reads what is behind the last record.
func (l *logReader) zeros() error {
	at := l.offset
	for {
		b, err := l.r.Peek(l.r.Size())
		if i := slices.IndexFunc(b, func(c byte) bool { return c != 0 }); i >= 0 {
			return l.bad(fmt.Sprintf("zeros stand here, but more follows at byte %d", at+int64(i)))
		}
		if err == io.EOF {
			return io.EOF
		} else if err != nil && err != bufio.ErrBufferFull {
			return l.failed(err)
		}
		at += int64(len(b))
		if _, err := l.r.Discard(len(b)); err != nil {
			return l.failed(err)
		}
	}
}

// ended says whether the last few bytes of a file are its zero fill.
func (l *logReader) ended(rest []byte, reason string) error {
	if allZero(rest) {
		return io.EOF
	}
	return l.bad(reason)
}

func (l *logReader) bad(reason string) error { return &badRecordError{l.offset, reason} }

func (l *logReader) failed(err error) error {
	return fmt.Errorf("inspect: read %s: %w", l.f.Name(), err)
}

func allZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}

// logName is the name of a log file.
type logName struct {
	name  string // with its directory
	first zk.Zxid
}

// logFiles returns name itself, or, if it is a directory, the log files in it in their order.
func logFiles(fsys vfs.FS, name string) (files []logName, dir string, err error) {
	stat, err := fsys.Stat(name)
	if err != nil {
		return nil, "", fmt.Errorf("inspect: %w", err)
	}
	if !stat.IsDir() {
		first, _ := parseLogName(path.Base(name))
		return []logName{{name, first}}, "", nil
	}
	names, err := fsys.List(name)
	if err != nil {
		return nil, "", fmt.Errorf("inspect: list %s: %w", name, err)
	}
	for _, base := range names {
		if first, ok := parseLogName(base); ok {
			files = append(files, logName{path.Join(name, base), first})
		}
	}
	if len(files) == 0 {
		return nil, "", fmt.Errorf("inspect: there is no log in %s", name)
	}
	slices.SortFunc(files, func(a, b logName) int { return cmp.Compare(a.first, b.first) })
	return files, name, nil
}

func parseLogName(base string) (first zk.Zxid, ok bool) {
	digits, ok := strings.CutPrefix(base, logPrefix)
	if !ok {
		return 0, false
	}
	value, err := strconv.ParseInt(digits, 16, 64)
	return zk.Zxid(value), err == nil && value >= 0
}
