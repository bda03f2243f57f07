package load

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"zkd/cmd/zkbench/wire"
	"zkd/quorum/jute"
	"zkd/quorum/proto"
)

// fake is a server in memory that answers every request with a bare OK after what delay says of it,
// in order. Its numbers may be read once all is quiet: after synctest.Wait.
type fake struct {
	delay func(n int) time.Duration
	// most is the highest number of requests that were ever unanswered.
	most, answered int
}

// request is what the fake has read and not yet answered.
type request struct {
	xid int32
	due time.Time
}

// serve reads and answers until the client closes the connection.
func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	queue := make(chan request, 1<<16)
	read, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		for r := range queue {
			time.Sleep(time.Until(r.due))
			f.most = max(f.most, len(queue)+1)
			f.answered++
			reply := jute.AppendInt(nil, proto.ReplyHeaderBytes)
			if _, err := conn.Write(proto.ReplyHeader{Xid: r.xid, Zxid: 1}.Append(reply)); err != nil {
				return
			}
		}
	}()
	head := make([]byte, 8)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			break
		}
		body := make([]byte, binary.BigEndian.Uint32(head)-4)
		if _, err := io.ReadFull(conn, body); err != nil {
			break
		}
		queue <- request{int32(binary.BigEndian.Uint32(head[4:])), time.Now().Add(f.delay(read))}
		read++
	}
	close(queue)
	<-done
}

// stream returns a Stream to the fake with work that accepts every reply.
func (f *fake) stream(t *testing.T) Stream {
	t.Helper()
	client, server := net.Pipe()
	go f.serve(server)
	conn := wire.New(client, 4096)
	t.Cleanup(conn.Abort)
	return Stream{Conn: conn, Work: &counting{}}
}

// counting is work that notes how much of it there was; it refuses reply number failAt, if that is
// not 0.
type counting struct {
	issued, checked []int64
	failAt          int64
}

var errRefused = errors.New("refused by the test")

func (w *counting) Issue(c *wire.Conn, n int64) {
	w.issued = append(w.issued, n)
	c.Get([]byte("/a"), false)
}

func (w *counting) Check(_ *wire.Reply, n int64) error {
	w.checked = append(w.checked, n)
	if w.failAt > 0 && n == w.failAt {
		return errRefused
	}
	return nil
}

func immediately(int) time.Duration { return 0 }
