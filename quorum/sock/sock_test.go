package sock

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// tcpPair returns both ends of a connection over loopback.
func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if near, err = net.Dial("tcp", port.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = port.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestTryTakesWhatFitsAndNeverWaits(t *testing.T) {
	near, far := tcpPair(t)
	var w Writer
	w.Init(near)
	if !w.CanTry() {
		t.Fatal("a TCP connection has no file descriptor")
	}
	block, sent := make([]byte, 64<<10), 0
	for {
		n, err := w.Try(block)
		if err != nil {
			t.Fatal(err)
		}
		if sent += n; n < len(block) { // nobody reads: some time the socket is full
			break
		}
	}
	if n, err := w.Try(block); n == len(block) || err != nil {
		t.Errorf("a full socket took all of %d bytes, %v", n, err)
	}
	if _, err := io.CopyN(io.Discard, far, int64(sent)); err != nil {
		t.Error(err)
	}
}

func TestTryTellsOfABrokenConnection(t *testing.T) {
	near, _ := tcpPair(t)
	var w Writer
	w.Init(near)
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Try([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d, %v", n, err)
	}
	near, far := tcpPair(t)
	w = Writer{}
	w.Init(near)
	if err := far.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	far.Close() // resets
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	if n, err := w.Try([]byte("x")); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestConnectionWithoutDescriptorTakesNothing(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	var w Writer
	w.Init(near)
	if n, err := w.Try([]byte("x")); w.CanTry() || n != 0 || err != nil {
		t.Errorf("%v, %d, %v", w.CanTry(), n, err)
	}
}

func TestPoolKeepsSmallBuffersOnly(t *testing.T) {
	p := Pool{Keep: 8 << 10}
	large := &Buffer{make([]byte, 1, 8<<10+1)}
	p.Put(large)
	if got := p.Get(); got == large || len(got.B) != 0 {
		t.Errorf("got %d bytes of %d", len(got.B), cap(got.B))
	}
}
