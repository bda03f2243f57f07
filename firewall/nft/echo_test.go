package nft

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// echo is a connection that gives back what it gets.
type echo struct{ net.Conn }

func (h hosts) echo(t *testing.T, source, address string) echo {
	t.Helper()
	var l net.Listener
	var c net.Conn
	var err error
	h.zkd.Do(func() { l, err = net.Listen("tcp", address) })
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s, err := l.Accept(); err == nil {
			_, _ = io.Copy(s, s)
			s.Close()
		}
	}()
	h.lan.Do(func() {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(source), 0)), Timeout: 10 * time.Second}
		c, err = d.Dial("tcp", address)
	})
	if err != nil {
		l.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.zkd.Nft("flush ruleset") // or the end of the connection does not get through
		c.Close()
		l.Close()
		<-done
	})
	return echo{c}
}

// ask sends text and waits for it to come back.
func (e echo) ask(text string, within time.Duration) error {
	if err := e.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := io.WriteString(e, text); err != nil {
		return err
	}
	_, err := io.ReadFull(e, make([]byte, len(text)))
	return err
}
