package serve

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// pair returns both ends of a TCP connection on loopback.
func pair(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); c.Close() })
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// Frames come out whole and in order however the bytes were cut, from empty ones up to the limit,
// and the inbox holds no buffer once it holds no bytes.
func TestInboxFindsFramesHoweverTheyAreCut(t *testing.T) {
	const maxFrame = 300 << 10
	random := rand.New(rand.NewPCG(3, 4))
	var bodies [][]byte
	var stream []byte
	for i := range 60 {
		size := random.IntN(200)
		switch {
		case i%20 == 7:
			size = maxFrame
		case i%10 == 3:
			size = random.IntN(maxFrame)
		}
		body := make([]byte, size)
		for j := range body {
			body[j] = byte(random.Uint32())
		}
		bodies = append(bodies, body)
		stream = append(stream, frame(body)...)
	}
	server, client := pair(t)
	go func() {
		for rest := stream; len(rest) > 0; {
			n := min(1+random.IntN(100<<10), len(rest))
			if n%3 == 0 {
				n = min(7, len(rest))
			}
			if _, err := client.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		client.Close()
	}()
	var in inbox
	in.init(server, maxFrame, "test")
	for i := 0; i < len(bodies); {
		if err := in.fill(); err != nil {
			t.Fatalf("after %d frames: %v", i, err)
		}
		for {
			body, err := in.next()
			if err != nil {
				t.Fatal(err)
			}
			if body == nil {
				break
			}
			if !bytes.Equal(body, bodies[i]) {
				t.Fatalf("frame %d differs", i)
			}
			i++
		}
		in.release()
	}
	if in.buf != nil {
		t.Error("a drained inbox holds a buffer")
	}
	if err := in.fill(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestInboxRefusesALengthOutOfRange(t *testing.T) {
	for name, length := range map[string]uint32{"negative": 0xffffffff, "over the limit": 1025, "HTTP": 0x47455420} {
		t.Run(name, func(t *testing.T) {
			server, client := pair(t)
			var in inbox
			in.init(server, 1024, "test")
			if _, err := client.Write(binary.BigEndian.AppendUint32(nil, length)); err != nil {
				t.Fatal(err)
			}
			if err := in.fill(); err != nil {
				t.Fatal(err)
			}
			if _, err := in.next(); !errors.Is(err, errFrameLength) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// frames looks ahead at complete frames only.
func TestInboxLooksAheadAtCompleteFrames(t *testing.T) {
	server, client := pair(t)
	var in inbox
	in.init(server, 1024, "test")
	stream := append(frame([]byte{0, 0, 0, 1, 0, 0, 0, 4}), frame([]byte{0, 0, 0, 2, 0, 0, 0, 5, 9, 9})...)
	stream = append(stream, frame([]byte{0, 0, 0, 3, 0, 0, 0, 6})[:9]...)
	if _, err := client.Write(stream); err != nil {
		t.Fatal(err)
	}
	for in.end < len(stream) {
		if err := in.fill(); err != nil {
			t.Fatal(err)
		}
	}
	var ops []int32
	in.frames(func(op int32) bool { ops = append(ops, op); return true })
	if len(ops) != 2 || ops[0] != 4 || ops[1] != 5 {
		t.Errorf("ops %v", ops)
	}
}
