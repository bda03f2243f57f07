package serve

import (
	"io"
	"net"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"

	"zkd/quorum/stats"
)

// slowConn is a connection with a client that reads nothing by itself.
func slowConn(s *Server) (c *conn, client net.Conn) {
	ours, client := net.Pipe()
	c = &conn{s: s, nc: ours, lost: make(chan struct{})}
	c.room.L = &c.mu
	c.out.init(ours)
	return c, client
}

// output gives a connection bytes to send.
func (c *conn) output(bytes int) {
	c.mu.Lock()
	if !c.ended {
		c.out.put(append(c.out.buffer(), make([]byte, bytes)...))
	}
	c.cutIfFull()
	c.mu.Unlock()
	c.Flush()
}

func TestAllConnectionsTogetherHaveABoundOnUnsentOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{log: zap.NewNop(), stats: new(stats.Server)}
		var conns []*conn
		var clients []net.Conn
		const each = outCut / 2
		for range unsentMost/each + 4 {
			c, client := slowConn(s)
			defer client.Close()
			conns, clients = append(conns, c), append(clients, client)
			c.output(outHigh) // goes to a goroutine
			c.output(each)
		}
		small, smallClient := slowConn(s)
		small.output(unsentStep)
		small.output(unsentStep)
		synctest.Wait()
		if n := s.unsent.Load(); n > unsentMost+2*each {
			t.Errorf("%d bytes wait", n)
		}
		cut := 0
		for _, c := range conns {
			c.mu.Lock()
			if c.ended {
				cut++
			}
			c.mu.Unlock()
		}
		if cut < 3 || cut > 6 || s.stats.SlowReadersCut.Load() != int64(cut) {
			t.Errorf("%d of %d clients were cut off, and %d counted", cut, len(conns), s.stats.SlowReadersCut.Load())
		}
		small.mu.Lock()
		if small.ended {
			t.Error("a client was cut off that leaves little unread")
		}
		small.mu.Unlock()

		for _, client := range append(clients, smallClient) { // they read after all
			go io.Copy(io.Discard, client)
		}
		synctest.Wait()
		if n := s.unsent.Load(); n != 0 {
			t.Errorf("%d bytes are counted, and all was sent", n)
		}
		for _, c := range append(conns, small) {
			c.cut()
		}
		synctest.Wait()
	})
}
