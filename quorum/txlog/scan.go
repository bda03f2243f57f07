package txlog

import (
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// readChunk is how much a scanner reads at once where records are smaller.
const readChunk = 256 << 10

// record is one record of a file. payload is a view that the scanner's next call overwrites.
type record struct {
	offset, end int64
	zxid        zk.Zxid
	payload     []byte
}

// stop says why a scanner found no record.
type stop uint8

const (
	stopNone     stop = iota // there is a record
	stopEnd                  // the readable part ends here, or the length is 0
	stopShort                // the readable part ends inside the record
	stopLength               // no payload has that length
	stopTrailer              // the trailer is not 'B'
	stopChecksum             // payload and checksum disagree
)

// scanner reads the records of one file in order. It keeps a buffer of readChunk bytes or one
// record, whichever is more; no length in a file makes it allocate more.
type scanner struct {
	f          vfs.File
	maxPayload int
	limit      int64 // bytes of the file that may be read; may grow between calls
	pos        int64 // where the next record begins

	buf   []byte // bytes start..start+len(buf) of the file
	start int64
}

func newScanner(f vfs.File, pos, limit int64, maxPayload int) *scanner {
	return &scanner{f: f, maxPayload: maxPayload, limit: limit, pos: pos, start: pos}
}

// peek returns the n bytes at pos, or as many as there are before the limit.
func (s *scanner) peek(n int64) ([]byte, error) {
	n = min(n, s.limit-s.pos)
	have := s.start + int64(len(s.buf)) - s.pos
	if n <= have {
		return s.buf[s.pos-s.start:][:max(n, 0)], nil
	}
	// Move what is left to the front and read as much as the buffer takes.
	if int64(cap(s.buf)) < n {
		buf := make([]byte, have, max(n, min(readChunk, s.limit-s.pos)))
		copy(buf, s.buf[s.pos-s.start:])
		s.buf = buf
	} else {
		s.buf = s.buf[:copy(s.buf, s.buf[s.pos-s.start:])]
	}
	s.start = s.pos
	want := s.buf[:min(int64(cap(s.buf)), s.limit-s.pos)]
	got, err := s.f.ReadAt(want[have:], s.pos+have)
	s.buf = want[:have+int64(got)]
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("txlog: read %s: %w", s.f.Name(), err)
	}
	return s.buf[:min(n, int64(len(s.buf)))], nil
}

// next returns the next record, or why there is none; then pos stays at it.
func (s *scanner) next() (record, stop, error) {
	head, err := s.peek(frameHead)
	if err != nil {
		return record{}, 0, err
	}
	if len(head) == 0 {
		return record{}, stopEnd, nil
	}
	if len(head) < frameHead {
		return record{}, stopShort, nil
	}
	sum, length := binary.BigEndian.Uint64(head), int64(int32(binary.BigEndian.Uint32(head[8:])))
	if length == 0 {
		return record{}, stopEnd, nil
	}
	if length < minPayload || length > int64(s.maxPayload) {
		return record{}, stopLength, nil
	}
	b, err := s.peek(length + frameSize)
	if err != nil {
		return record{}, 0, err
	}
	if int64(len(b)) < length+frameSize {
		return record{}, stopShort, nil
	}
	payload := b[frameHead : frameHead+length]
	if b[frameHead+length] != trailer {
		return record{}, stopTrailer, nil
	}
	if uint64(adler32.Checksum(payload)) != sum {
		return record{}, stopChecksum, nil
	}
	r := record{offset: s.pos, end: s.pos + length + frameSize, zxid: payloadZxid(payload), payload: payload}
	s.pos = r.end
	return r, stopNone, nil
}

// claimed returns the length field at pos, which may be anything, and whether there is one.
func (s *scanner) claimed() (length int64, ok bool, err error) {
	head, err := s.peek(frameHead)
	if err != nil || len(head) < frameHead {
		return 0, false, err
	}
	return int64(int32(binary.BigEndian.Uint32(head[8:]))), true, nil
}
