package peer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
)

// errForeign says which other protocol a connection begins with.
type errForeign string

func (e errForeign) Error() string { return "peer: the other side speaks " + string(e) }

// greet reads the hello of an accepted connection and does what the rule of the larger id says.
func (t *Election) greet(nc net.Conn) {
	hello, err := readHello(nc)
	if !t.gate.entered(nc) {
		nc.Close()
		return
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		t.complain.handshake(nc, err)
		nc.Close()
		return
	}
	r := t.remoteOf(hello, nc.RemoteAddr())
	switch {
	case r == nil:
		nc.Close()
	case hello.ServerID > t.cfg.Self:
		t.install(r, nc)
	default:
		t.challenge(r, nc)
	}
}

// readHello reads a hello and not a byte more, since messages follow.
func readHello(nc net.Conn) (proto.ElectionHello, error) {
	var buf [proto.MaxHelloBytes]byte
	for n := 0; ; {
		if name := foreign(electionPort, buf[:min(n, foreignBytes)]); name != "" {
			return proto.ElectionHello{}, errForeign(name)
		}
		size, whole, err := proto.HelloSize(buf[:n])
		if err != nil {
			return proto.ElectionHello{}, err
		}
		if whole {
			return proto.DecodeElectionHello(buf[:size])
		}
		got, err := nc.Read(buf[n:size])
		if n += got; got == 0 && err != nil {
			if n > 0 {
				err = fmt.Errorf("after %d bytes: %w", n, err)
			}
			return proto.ElectionHello{}, err
		}
	}
}

// handshake complains of a connection that did not say who it is as it should. One that said nothing
// at all and went away, as a port scan or a health check does, is no mishap.
func (c *complaints) handshake(nc net.Conn, err error) {
	var other errForeign
	m := BadHello
	switch {
	case err == io.EOF:
		return
	case errors.As(err, &other):
		m = Foreign
	case errors.Is(err, os.ErrDeadlineExceeded):
		m = SilentPeer
	case errors.Is(err, proto.ErrPacketTooLong):
		m = BadLength
	}
	c.add(m, zap.Stringer("peer_address", nc.RemoteAddr()), zap.Error(err))
}

// remoteOf returns who has said hello, nil if it is nobody to talk to.
func (t *Election) remoteOf(hello proto.ElectionHello, from net.Addr) *remote {
	id := hello.ServerID
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.checkOwner(hello, from)
	r := t.remotes[id]
	switch {
	case id == t.cfg.Self:
		t.complain.add(OwnID, zap.Stringer("peer_address", from), logAddrs(hello.Addrs))
		return nil
	case r != nil:
		r.said = hello.Addrs
		return r
	case id == proto.AnonymousObserver:
		t.anonymous--
		id = t.anonymous
	case id < 0 || id > maxStrangeID:
		t.complain.add(StrangeID, zap.Stringer("peer_address", from), zap.Int64("peer", int64(id)))
		return nil
	}
	t.makeRoom()
	r = t.newRemote(id)
	r.said = hello.Addrs
	return r
}

// checkOwner notes that the address that hello names is, by the configuration, another server's. mu is
// held.
func (t *Election) checkOwner(hello proto.ElectionHello, from net.Addr) {
	for id, r := range t.remotes {
		if !r.member || id == hello.ServerID || !slices.ContainsFunc(r.addrs, func(a proto.HostPort) bool { return slices.Contains(hello.Addrs, a) }) {
			continue
		}
		t.complain.add(OtherID, zap.Stringer("peer_address", from), zap.Int64("peer", int64(id)),
			zap.Int64("says_it_is", int64(hello.ServerID)), logAddrs(hello.Addrs))
		if !r.reach.Linked && r.reach.Class != WrongID {
			r.reach.Class, r.reach.Since = WrongID, time.Now()
			r.reach.Error = fmt.Sprintf("the server at its address says that it is server %d", hello.ServerID)
		}
	}
}

// makeRoom sees to it that one more stranger has room: the one silent for longest goes. mu is held.
func (t *Election) makeRoom() {
	var oldest *remote
	strangers := 0
	for _, r := range t.remotes {
		if r.member {
			continue
		}
		strangers++
		if oldest == nil || r.heard.Before(oldest.heard) {
			oldest = r
		}
	}
	if strangers >= maxStrangers {
		t.complain.add(TooMany, zap.String("kind", "servers that are not in the configuration"), zap.Int64("peer", int64(oldest.id)))
		t.forget(oldest)
	}
}

// challenge answers the hello of a smaller id: this server connects instead. What connection there
// was is of no use any more to the other side, or it would not have asked for another.
func (t *Election) challenge(r *remote, nc net.Conn) {
	defer nc.Close()
	r.order.Lock()
	defer r.order.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || r.gone {
		return
	}
	if r.link != nil {
		r.link.nc.Close()
		r.link = nil // so its end is not reported
	}
	t.ensureDial(r)
	signal(r.kick)
}
