package peer

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
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
	Limits   LinkLimits // of each link

	// Members are those for whom others make room when there are too many learners; none if it is empty.
	Members []zk.ServerID

	// HandshakeTimeout is how long a learner may take to introduce itself; 0 is 5 s.
	HandshakeTimeout time.Duration
}

// maxLearners bounds the links of a port. It is more than an ensemble has members.
const maxLearners = 256

// errMadeRoom says why the link of a learner that is no member was ended.
var errMadeRoom = errors.New("peer: too many learners: one that is no member made room for a member")

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

// admit makes nc a link; nil if there is no room for one. Whoever reaches the port can say to be a learner: those that
// are no members must not keep members out.
func (p *LeaderPort) admit(nc net.Conn, info proto.LearnerInfo, observer bool) *Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	if len(p.links) >= maxLearners {
		out := p.newestStranger()
		if out == nil || !p.isMember(info.ServerID) {
			p.complain.add(TooMany, zap.String("kind", "learners"), zap.Stringer("peer_address", nc.RemoteAddr()))
			return nil
		}
		p.complain.add(TooMany, zap.String("kind", "learners"), zap.Stringer("peer_address", out.RemoteAddr()))
		delete(p.links, out.id)
		p.running.Go(func() { out.end(errMadeRoom) }) // closing it may take a while
	}
	p.lastID++
	l := newLink(nc, p.lastID, p.cfg.Limits, &p.complain, p.cfg.Receiver)
	l.streamed, l.learner, l.observer = p.cfg.Receiver.Streamed, info, observer
	p.links[l.id] = l
	return l
}

func (p *LeaderPort) isMember(id zk.ServerID) bool { return slices.Contains(p.cfg.Members, id) }

// newestStranger returns the newest link of a learner that is no member, nil if there is none: an observer that is none,
// and was here before a crowd came, stays. mu is held.
func (p *LeaderPort) newestStranger() (newest *Link) {
	for _, l := range p.links {
		if !p.isMember(l.learner.ServerID) && (newest == nil || l.id > newest.id) {
			newest = l
		}
	}
	return newest
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
