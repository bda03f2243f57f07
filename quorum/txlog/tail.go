package txlog

import (
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// tailKind says what stands behind the last good record of a file.
type tailKind uint8

const (
	tailClean tailKind = iota // zeros or nothing
	tailTorn                  // the beginning of a record, then zeros: its end was never written
	tailHole                  // zeros where a record should be, and something behind them
	tailBad                   // something else
)

// tail describes what stands behind the last good record of a file.
type tail struct {
	kind    tailKind
	offset  int64  // behind the last good record
	dataEnd int64  // behind the last byte that is not zero, at least offset
	later   bool   // a valid record with a later zxid follows somewhere
	reason  string // what is wrong with the record at offset
}

// readAt reads up to len(b) bytes; fewer only at the end of the file.
func readAt(f vfs.File, b []byte, offset int64) ([]byte, error) {
	n, err := f.ReadAt(b, offset)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("txlog: read %s: %w", f.Name(), err)
	}
	return b[:n], nil
}

// inspectTail looks at what follows the last good record of the file, where s stopped because of
// why. last is the zxid of that record.
func inspectTail(s *scanner, why stop, last zk.Zxid) (tail, error) {
	t := tail{offset: s.pos}
	var err error
	if t.dataEnd, err = dataEnd(s.f, s.pos, s.limit); err != nil {
		return t, err
	}
	if t.dataEnd == t.offset {
		return t, nil
	}
	length, ok, err := s.claimed()
	if err != nil {
		return t, err
	}
	switch {
	case !ok || t.dataEnd <= t.offset+frameHead:
		t.kind, t.reason = tailTorn, "the record ends inside its head"
	case why == stopEnd:
		t.kind, t.reason = tailHole, "more data follows a length of 0"
	case why == stopLength:
		t.kind = tailBad
		t.reason = fmt.Sprintf("the length is %d, allowed are %d to %d (see jute.maxbuffer)", length, minPayload, s.maxPayload)
	case t.dataEnd < t.offset+frameSize+length:
		t.kind, t.reason = tailTorn, "the record ends before its trailer"
	case why == stopTrailer:
		t.kind, t.reason = tailBad, "the record does not end with its trailer"
	default:
		t.kind, t.reason = tailBad, "the checksum differs"
	}
	if t.later, err = validAfter(s, t.dataEnd, last); err != nil {
		return t, err
	}
	if t.kind == tailTorn {
		// A length with a flipped bit can make a whole record look torn.
		whole, err := wholeButLength(s, t.dataEnd)
		if err != nil {
			return t, err
		}
		if whole {
			t.kind, t.reason = tailBad, "the length disagrees with trailer and checksum"
		} else if t.later {
			t.kind, t.reason = tailBad, t.reason+", but more records follow"
		}
	}
	return t, nil
}

// dataEnd returns the offset behind the last byte of from..to that is not zero, or from.
func dataEnd(f vfs.File, from, to int64) (int64, error) {
	buf := make([]byte, min(readChunk, max(to-from, 0)))
	for to > from {
		start := max(from, to-int64(len(buf)))
		b, err := readAt(f, buf[:to-start], start)
		if err != nil {
			return 0, err
		}
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != 0 {
				return start + int64(i) + 1, nil
			}
		}
		to = start
	}
	return from, nil
}

// validAfter reports whether a whole record with a zxid above last begins anywhere between the
// scanner's position and end.
func validAfter(s *scanner, end int64, last zk.Zxid) (bool, error) {
	buf := make([]byte, readChunk)
	probe := newScanner(s.f, 0, end, s.maxPayload)
	for at := s.pos + 1; at+frameSize+minPayload <= end; {
		b, err := readAt(s.f, buf[:min(int64(len(buf)), end-at)], at)
		if err != nil || len(b) < frameHead {
			return false, err
		}
		for i := 0; i+frameHead <= len(b); i++ {
			length := int64(int32(binary.BigEndian.Uint32(b[i+8:])))
			if binary.BigEndian.Uint32(b[i:]) != 0 || length < minPayload || length > int64(s.maxPayload) {
				continue
			}
			if end := i + frameHead + int(length); end < len(b) && b[end] != trailer {
				continue
			}
			probe.pos, probe.start, probe.buf = at+int64(i), at+int64(i), probe.buf[:0]
			r, why, err := probe.next()
			if err != nil {
				return false, err
			}
			if why == stopNone && r.zxid > last {
				return true, nil
			}
		}
		at += int64(len(b) - frameHead + 1)
	}
	return false, nil
}

// wholeButLength reports whether the bytes from the scanner's position to end are a record in all
// but the length it names.
func wholeButLength(s *scanner, end int64) (bool, error) {
	length := end - s.pos - frameSize
	if length < minPayload || length > int64(s.maxPayload) {
		return false, nil
	}
	b, err := s.peek(length + frameSize)
	if err != nil || int64(len(b)) < length+frameSize {
		return false, err
	}
	payload := b[frameHead : frameHead+length]
	return b[frameHead+length] == trailer &&
		binary.BigEndian.Uint64(b) == uint64(adler32.Checksum(payload)), nil
}

// checkHeader reads the file header. empty is true where the file ends inside it or is all zeros: a
// crash came between the making of the file and its first sync. bad says what else is wrong.
func checkHeader(f vfs.File, size int64) (empty bool, bad string, err error) {
	b, err := readAt(f, make([]byte, headerBytes), 0)
	if err != nil {
		return false, "", err
	}
	want := fileHeader()
	switch end, err := dataEnd(f, 0, size); {
	case err != nil:
		return false, "", err
	case end == 0, len(b) < headerBytes && string(b) == string(want[:len(b)]):
		return true, "", nil
	case len(b) < headerBytes:
		return false, "the file is shorter than its header and is none", nil
	case binary.BigEndian.Uint32(b) != fileMagic:
		return false, fmt.Sprintf("the file begins with %#x, not with ZKLG", binary.BigEndian.Uint32(b)), nil
	case binary.BigEndian.Uint32(b[4:]) != fileVersion:
		return false, fmt.Sprintf("the file has version %d, known is %d", binary.BigEndian.Uint32(b[4:]), fileVersion), nil
	}
	return false, "", nil
}
