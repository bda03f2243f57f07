// Package sock sends on a connection as much as its socket takes at once, without waiting and without a switch of
// goroutines, and pools the buffers of what is sent. Who waits for the rest, and for how long, is for its users to
// say: quorum/serve and quorum/peer.
package sock

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Writer makes non-blocking writes to one connection. It is for one goroutine at a time.
type Writer struct {
	raw     syscall.RawConn       // nil where the connection has no file descriptor of its own
	attempt func(fd uintptr) bool // bound once, so that writing does not allocate
	pending []byte                // what attempt writes
	n       int
	err     error
}

// Init makes w the writer of a connection.
func (w *Writer) Init(nc net.Conn) {
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw, w.attempt = raw, w.try
		}
	}
}

// CanTry reports whether the connection has a file descriptor: otherwise Try takes nothing.
func (w *Writer) CanTry() bool { return w.raw != nil }

// Try writes what the socket takes of b at once, and returns how much that was. A socket that takes nothing is no
// error.
func (w *Writer) Try(b []byte) (int, error) {
	if w.raw == nil {
		return 0, nil
	}
	w.pending, w.n, w.err = b, 0, nil
	err := w.raw.Write(w.attempt)
	w.pending = nil
	if err == nil {
		err = w.err
	}
	return w.n, err
}

func (w *Writer) try(fd uintptr) (done bool) {
	for {
		n, err := unix.Write(int(fd), w.pending)
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return true
		}
		w.n, w.err = max(n, 0), err
		return true
	}
}

// Buffer is pooled output.
type Buffer struct{ B []byte }

// Pool holds buffers of at most Keep bytes for later.
type Pool struct {
	Keep int
	pool sync.Pool
}

// Get returns an empty buffer.
func (p *Pool) Get() *Buffer {
	if b, ok := p.pool.Get().(*Buffer); ok {
		return b
	}
	return &Buffer{make([]byte, 0, 4<<10)}
}

// Put gives a buffer back.
func (p *Pool) Put(b *Buffer) {
	if cap(b.B) <= p.Keep {
		b.B = b.B[:0]
		p.pool.Put(b)
	}
}
