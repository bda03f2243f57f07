package quorum_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"

	"zkd/quorum/peer"
	"zkd/quorum/zk"
)

// switchboard is the network between the servers of an ensemble. It can lose what one sends to another, in
// one direction or both, as a broken cable does: nothing is reset, and nobody is told.
type switchboard struct {
	mu    sync.Mutex
	owner map[string]zk.ServerID // by listening address
	lost  map[[2]zk.ServerID]bool
	moved chan struct{} // closed when lost changes
}

func newSwitchboard() *switchboard {
	return &switchboard{owner: make(map[string]zk.ServerID), lost: make(map[[2]zk.ServerID]bool), moved: make(chan struct{})}
}

// network returns the network as server id has it.
func (s *switchboard) network(id zk.ServerID) peer.Network {
	tcp := peer.TCP(0)
	return peer.Network{
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			s.mu.Lock()
			to := s.owner[address]
			cut := s.lost[[2]zk.ServerID{id, to}] || s.lost[[2]zk.ServerID{to, id}]
			s.mu.Unlock()
			if cut {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			nc, err := tcp.Dial(ctx, address)
			if err != nil {
				return nil, err
			}
			// The accepting side learns by this byte who is there.
			if _, err := nc.Write([]byte{byte(id)}); err != nil {
				nc.Close()
				return nil, err
			}
			return &cable{Conn: nc, s: s, self: id, other: to, closed: make(chan struct{})}, nil
		},
		Listen: func(ctx context.Context, address string) (net.Listener, error) {
			l, err := tcp.Listen(ctx, address)
			if err != nil {
				return nil, err
			}
			s.mu.Lock()
			s.owner[address] = id
			s.mu.Unlock()
			return &socket{l, s, id}, nil
		},
	}
}

// lose sets which of the ways from one server to another lose everything: "1>2 2>1 3>1"; "" heals all.
func (s *switchboard) lose(ways string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.lost)
	for way := range strings.FieldsSeq(ways) {
		s.lost[[2]zk.ServerID{zk.ServerID(way[0] - '0'), zk.ServerID(way[2] - '0')}] = true
	}
	close(s.moved)
	s.moved = make(chan struct{})
}

// isolate cuts one server off from all others.
func (s *switchboard) isolate(id zk.ServerID, of int) {
	var ways []string
	for other := zk.ServerID(1); int(other) <= of; other++ {
		if other != id {
			a, b := string(rune('0'+id)), string(rune('0'+other))
			ways = append(ways, a+">"+b, b+">"+a)
		}
	}
	s.lose(strings.Join(ways, " "))
}

type socket struct {
	net.Listener
	s    *switchboard
	self zk.ServerID
}

func (l *socket) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &cable{Conn: nc, s: l.s, self: l.self, unknown: true, closed: make(chan struct{})}, nil
}

// cable is one end of a connection. What is lost is held, and comes when the way is healed, as TCP sends it
// again.
type cable struct {
	net.Conn
	s           *switchboard
	self, other zk.ServerID
	unknown     bool // other is still to be read
	once        sync.Once
	closed      chan struct{}
}

func (c *cable) Read(b []byte) (int, error) {
	if c.unknown {
		var who [1]byte
		if _, err := c.Conn.Read(who[:]); err != nil {
			return 0, err
		}
		c.other, c.unknown = zk.ServerID(who[0]), false
	}
	n, err := c.Conn.Read(b)
	for { // also the end of the connection
		c.s.mu.Lock()
		lost, moved := c.s.lost[[2]zk.ServerID{c.other, c.self}], c.s.moved
		c.s.mu.Unlock()
		if !lost {
			break
		}
		select {
		case <-moved:
		case <-c.closed:
			return 0, errors.Join(net.ErrClosed, syscall.ECONNRESET)
		}
	}
	return n, err
}

func (c *cable) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
