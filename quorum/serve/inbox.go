package serve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// readBytes is how much one read takes at most, and the size of pooled buffers.
const readBytes = 64 << 10

var readBuffers = sync.Pool{New: func() any { return new([readBytes]byte) }}

// errFrameLength says that a frame announces a length that is negative or over the limit.
var errFrameLength = errors.New("frame length out of range")

// inbox collects the bytes of a connection into frames. It holds a buffer only while it holds bytes:
// an idle connection costs none. Owned by the connection's goroutine.
type inbox struct {
	nc       net.Conn
	raw      syscall.RawConn // nil where nc has no file descriptor of its own
	maxFrame int
	limit    string // what maxFrame is, for errors

	pooled     *[readBytes]byte // what buf views, or nil if buf is a larger one of its own
	buf        []byte
	begin, end int   // unread bytes
	read       int64 // bytes that came in; its reader sets it back

	attempt func(fd uintptr) bool // bound once, so that reading does not allocate
	n       int
	err     error
}

func (in *inbox) init(nc net.Conn, maxFrame int, limit string) {
	in.nc, in.maxFrame, in.limit = nc, maxFrame, limit
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			in.raw = raw
			in.attempt = in.tryRead
		}
	}
}

// fill reads once, at least one byte, blocking until there are some.
func (in *inbox) fill() error {
	if in.raw == nil {
		in.room()
		n, err := in.nc.Read(in.buf[in.end:])
		in.end += n
		in.read += int64(n)
		if n > 0 {
			return nil
		}
		return err
	}
	in.n, in.err = 0, nil
	if err := in.raw.Read(in.attempt); err != nil {
		return err
	}
	if in.err != nil {
		return in.err
	}
	if in.n == 0 {
		return io.EOF
	}
	in.end += in.n
	in.read += int64(in.n)
	return nil
}

// tryRead reads without blocking. While there is nothing to read it gives the buffer back.
func (in *inbox) tryRead(fd uintptr) (done bool) {
	in.room()
	for {
		n, err := unix.Read(int(fd), in.buf[in.end:])
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			in.release()
			return false
		}
		in.n, in.err = max(n, 0), err
		return true
	}
}

// room makes sure that there is space to read into: moves a partial frame to the front, or into a
// buffer of its own if it is too large for a pooled one.
func (in *inbox) room() {
	if in.buf == nil {
		in.pooled = readBuffers.Get().(*[readBytes]byte)
		in.buf = in.pooled[:]
		in.begin, in.end = 0, 0
		return
	}
	need := 0
	if in.end-in.begin >= 4 {
		if length, err := in.frameLength(); err == nil {
			need = 4 + length
		}
	}
	if need > len(in.buf) {
		larger := make([]byte, need)
		in.end = copy(larger, in.buf[in.begin:in.end])
		in.begin = 0
		in.giveBack()
		in.buf = larger
		return
	}
	if in.end == len(in.buf) || need > len(in.buf)-in.begin {
		in.end = copy(in.buf, in.buf[in.begin:in.end])
		in.begin = 0
	}
}

// release gives the buffer back if it holds nothing.
func (in *inbox) release() {
	if in.begin == in.end {
		in.giveBack()
		in.begin, in.end = 0, 0
	}
}

func (in *inbox) giveBack() {
	if in.pooled != nil {
		readBuffers.Put(in.pooled)
	}
	in.pooled, in.buf = nil, nil
}

func (in *inbox) frameLength() (int, error) {
	length := int32(binary.BigEndian.Uint32(in.buf[in.begin:]))
	if length < 0 || int(length) > in.maxFrame {
		return 0, fmt.Errorf("%w: %d bytes, at most %d are allowed (%s)", errFrameLength, length, in.maxFrame, in.limit)
	}
	return int(length), nil
}

// buffered returns the unread bytes as a view, valid until the next fill.
func (in *inbox) buffered() []byte { return in.buf[in.begin:in.end] }

// next takes the next complete frame's body as a view, valid until the next fill; nil if there is no
// complete one.
func (in *inbox) next() ([]byte, error) {
	if in.end-in.begin < 4 {
		return nil, nil
	}
	length, err := in.frameLength()
	if err != nil {
		return nil, err
	}
	if in.end-in.begin < 4+length {
		return nil, nil
	}
	body := in.buf[in.begin+4 : in.begin+4+length : in.begin+4+length]
	in.begin += 4 + length
	return body, nil
}

// frames calls f with the op of each complete frame, without taking it, until f returns false.
func (in *inbox) frames(f func(op int32) bool) {
	for at := in.begin; in.end-at >= 4; {
		length := int(int32(binary.BigEndian.Uint32(in.buf[at:])))
		if length < 8 || length > in.end-at-4 {
			return
		}
		if !f(int32(binary.BigEndian.Uint32(in.buf[at+8:]))) {
			return
		}
		at += 4 + length
	}
}
