package peer

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
)

// LeaderReceiver takes what the port and the links of a leader report.
type LeaderReceiver interface {
	LinkReceiver
	// Joined hands over the link of a learner, before its first packets are received.
	Joined(l *Link)
	// Streamed says that a stream has been sent: all of it is in the hands of the network.
	Streamed(l *Link)
	// Failed says that the port accepts nobody any more: the role must end (rule R22).
	Failed(err error)
}

// LeaderConfig of a LeaderPort. All fields are required unless they say otherwise.
type LeaderConfig struct {
	Receiver LeaderReceiver
	Logger   *zap.Logger
	Limits   LinkLimits // at first, of each link

	// HandshakeTimeout is how long a learner may take to introduce itself; 0 is 5 s.
	HandshakeTimeout time.Duration
}

// maxLearners bounds the links of a port.
const maxLearners = 256

// maxInfoBytes bounds the first packet of a learner: 40 bytes, and room for what later versions add.
const maxInfoBytes = 4 << 10

// LeaderPort is the peer port of a server while it leads: it belongs to one role and ends with it. When
// this server does not lead there is none, so that learners who think otherwise are refused at once.
type LeaderPort struct {
	cfg      LeaderConfig
	complain complaints
	gate     gate
	closing  chan struct{}
	running  sync.WaitGroup // accept loops, handshakes and links

	mu     sync.Mutex
	closed bool
	links  map[uint64]*Link
	lastID uint64
}

// NewLeaderPort returns a LeaderPort that accepts on no listener yet.
func NewLeaderPort(cfg LeaderConfig) *LeaderPort {
	if cfg.HandshakeTimeout <= 0 {
		cfg.HandshakeTimeout = defaultConnectTimeout
	}
	p := &LeaderPort{cfg: cfg, closing: make(chan struct{}), links: make(map[uint64]*Link)}
	p.complain.log = cfg.Logger
	p.gate = gate{
		timeout: cfg.HandshakeTimeout, complain: &p.complain, running: &p.running,
		closing: p.closing, handshake: p.greet,
	}
	return p
}

// Serve accepts learners on l, which it owns from now on, until Close.
func (p *LeaderPort) Serve(l net.Listener) { p.gate.serve(l, p.cfg.Receiver.Failed) }

// Closing is closed when Close begins.
func (p *LeaderPort) Closing() <-chan struct{} { return p.closing }

// Links returns the links there are, in the order of their coming.
func (p *LeaderPort) Links() []*Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*Link
	for _, id := range slices.Sorted(maps.Keys(p.links)) {
		all = append(all, p.links[id])
	}
	return all
}

// Count returns how often a mishap was seen.
func (p *LeaderPort) Count(m Mishap) uint64 { return p.complain.count[m].Load() }

// Close stops accepting, ends all links and waits for all goroutines. Nothing is delivered afterwards.
func (p *LeaderPort) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	for _, l := range p.links {
		l.Drop()
	}
	p.mu.Unlock()
	p.gate.close()
	p.running.Wait()
}

// greet reads the first packet of an accepted connection and, if it is a learner's, is its link's
// goroutine from then on.
func (p *LeaderPort) greet(nc net.Conn) {
	in := packetBuffer{max: maxInfoBytes}
	first, err := readFirst(nc, &in)
	if !p.gate.entered(nc) {
		nc.Close()
		return
	}
	var info proto.LearnerInfo
	if err == nil {
		info, err = proto.DecodeLearnerInfo(first.Data)
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		p.complain.handshake(nc, err)
		nc.Close()
		return
	}
	l := p.admit(nc, info, first.Type == proto.PacketObserverInfo)
	if l == nil {
		nc.Close()
		return
	}
	first.Data = slices.Clone(first.Data) // a view of in
	in.max = l.in.max
	l.in = in
	p.cfg.Logger.Info("learner connected", zap.Int64("peer", int64(info.ServerID)), zap.Bool("observer", l.observer),
		zap.Uint64("link", l.id), zap.Stringer("peer_address", nc.RemoteAddr()))
	p.cfg.Receiver.Joined(l)
	p.cfg.Receiver.Received(l, []proto.QuorumPacket{first})
	l.run()
	p.mu.Lock()
	delete(p.links, l.id)
	p.mu.Unlock()
	p.cfg.Logger.Info("learner disconnected", zap.Int64("peer", int64(info.ServerID)), zap.Uint64("link", l.id), zap.Error(l.reason()))
}

// admit makes nc a link; nil if there is no room for one.
func (p *LeaderPort) admit(nc net.Conn, info proto.LearnerInfo, observer bool) *Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	if len(p.links) >= maxLearners {
		p.complain.add(TooMany, zap.String("kind", "learners"), zap.Stringer("peer_address", nc.RemoteAddr()))
		return nil
	}
	p.lastID++
	l := newLink(nc, p.lastID, p.cfg.Limits, &p.complain, p.cfg.Receiver)
	l.streamed, l.learner, l.observer = p.cfg.Receiver.Streamed, info, observer
	p.links[l.id] = l
	return l
}

// readFirst reads the packet by which a learner introduces itself. Its Data is a view of in.
func readFirst(nc net.Conn, in *packetBuffer) (proto.QuorumPacket, error) {
	for {
		if name := foreign(peerPort, in.buffered()); name != "" {
			return proto.QuorumPacket{}, errForeign(name)
		}
		packet, whole, err := in.next()
		switch {
		case err != nil:
			return packet, err
		case whole && packet.Type != proto.PacketFollowerInfo && packet.Type != proto.PacketObserverInfo:
			return packet, fmt.Errorf("peer: first packet is %v, not FOLLOWERINFO or OBSERVERINFO", packet.Type)
		case whole:
			return packet, nil
		}
		n, err := nc.Read(in.room())
		in.end += n
		if n == 0 && err != nil {
			if in.end > in.begin {
				err = fmt.Errorf("after %d bytes: %w", in.end-in.begin, err)
			}
			return packet, err
		}
	}
}
