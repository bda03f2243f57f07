package quorum

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/election"
	"zkd/quorum/peer"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/stats"
	"zkd/quorum/zk"
)

// electionBindRetries is how often a busy election port is tried again. Source:
// zookeeper.electionPortBindRetry.
const electionBindRetries = 3

// peers joins quorum/peer to quorum/replica: it is the replica's way to the other members.
type peers struct {
	cfg      *Config
	log      *zap.Logger
	stats    *stats.Server
	network  peer.Network
	own      proto.QuorumServer
	misnamed bool // the own name leads to loopback: listen on all addresses
	election *peer.Election
	members  []peer.Member
	waiting  []net.Listener // of the election port, until Attach
	replica  *replica.Replica

	mu       sync.Mutex
	port     *peer.LeaderPort       // the newest
	mirrored map[peer.Mishap]uint64 // of the election port, and of port, as it was counted last
}

// countMishaps brings the server's counters up to what the two ports have seen.
func (p *peers) countMishaps(st *stats.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range peer.Mishaps() {
		seen := p.election.Count(m)
		if p.port != nil {
			seen += p.port.Count(m)
		}
		st.PeerMishaps[m].Add(int64(seen - p.mirrored[m]))
		p.mirrored[m] = seen
	}
}

// renew makes port the newest: what the one before has seen is counted already.
func (p *peers) renew(port *peer.LeaderPort) {
	p.countMishaps(p.stats)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range peer.Mishaps() {
		p.mirrored[m] = p.election.Count(m)
	}
	p.port = port
}

// newPeers opens the election port. It is not served before Attach.
func newPeers(cfg *Config, st *stats.Server, log *zap.Logger) (*peers, error) {
	p := &peers{cfg: cfg, log: log, stats: st, network: cfg.Network, mirrored: make(map[peer.Mishap]uint64)}
	if p.network.Dial == nil {
		p.network = peer.TCP(0)
	}
	var members []peer.Member
	for _, s := range cfg.Ensemble.Servers {
		m := peer.Member{ID: s.ID}
		for _, a := range s.Addrs {
			m.Addrs = append(m.Addrs, a.Election())
		}
		if s.ID == cfg.ID {
			p.own = s
		}
		members = append(members, m)
	}
	if len(p.own.Addrs) == 0 {
		return nil, fmt.Errorf("quorum: server %d is not among the members of its ensemble", cfg.ID)
	}
	p.network = p.network.From(literals(p.own), log)
	p.checkName()
	ctx, cancel := context.WithTimeout(context.Background(), (electionBindRetries+1)*peer.ListenRetryPause+time.Second)
	defer cancel()
	for _, a := range p.listenOn(proto.PeerAddr.Election) {
		l, err := p.network.ListenRetrying(ctx, a, electionBindRetries, log)
		if err != nil {
			p.closeListeners()
			return nil, fmt.Errorf("election port: %w", err)
		}
		p.waiting = append(p.waiting, l)
	}
	var own []proto.HostPort
	for _, a := range p.own.Addrs {
		own = append(own, a.Election())
	}
	p.election = peer.NewElection(peer.ElectionConfig{
		Self: cfg.ID, Addrs: own, Network: p.network, Receiver: p, Logger: log.Named("election"), ConnectTimeout: cfg.ElectionTimeout,
	})
	p.members = members
	return p, nil
}

// literals are the addresses of a server that are not names.
func literals(s proto.QuorumServer) (list []netip.Addr) {
	for _, a := range s.Addrs {
		if addr, err := netip.ParseAddr(a.Host); err == nil {
			list = append(list, addr.Unmap())
		}
	}
	return list
}

func (p *peers) closeListeners() { closeAll(p.waiting) }

// listenOn returns where one of the two ports listens: on the own addresses as the others know them.
func (p *peers) listenOn(port func(proto.PeerAddr) proto.HostPort) (addrs []string) {
	for _, a := range p.own.Addrs {
		hp := port(a)
		if p.cfg.ListenOnAllIPs || p.misnamed {
			addrs = append(addrs, net.JoinHostPort("", strconv.Itoa(int(hp.Port))))
		} else {
			addrs = append(addrs, hp.String())
		}
	}
	return addrs
}

// checkName finds out whether the own name leads to loopback. Debian's installer writes a host's name into
// /etc/hosts with 127.0.1.1; who listens there is heard by nobody, which has cost many an evening.
func (p *peers) checkName() {
	for _, a := range p.own.Addrs {
		if p.leadsToLoopback(a.Host) {
			p.misnamed = true
			p.log.Warn("the own name leads to loopback on this host, where no other member could connect (see /etc/hosts): listening on all addresses",
				zap.String("name", a.Host))
		}
	}
}

// leadsToLoopback reports whether a name, and not an address or localhost itself, has loopback addresses only,
// while there are members elsewhere.
func (p *peers) leadsToLoopback(name string) bool {
	if isLoopback(name) || net.ParseIP(name) != nil {
		return false
	}
	elsewhere := slices.ContainsFunc(p.cfg.Ensemble.Servers, func(s proto.QuorumServer) bool {
		return s.ID != p.cfg.ID && !isLoopback(s.Addrs[0].Host)
	})
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupHost(ctx, name)
	return elsewhere && err == nil && len(ips) > 0 && !slices.ContainsFunc(ips, func(ip string) bool { return !isLoopback(ip) })
}

// isLoopback reports whether host is localhost, or an address of loopback.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// resolveTimeout bounds the look at the own name; what listens asks again, and for longer.
const resolveTimeout = 2 * time.Second

// Attach implements replica.Peers.
func (p *peers) Attach(r *replica.Replica) {
	p.replica = r
	for _, l := range p.waiting {
		p.election.Serve(l)
	}
	p.waiting = nil
	p.election.SetMembers(p.members)
}

// Do implements replica.Peers.
func (p *peers) Do(a election.Action) { p.election.Do(a) }

// Deliver implements peer.ElectionReceiver.
func (p *peers) Deliver(ev election.Event) {
	p.replica.ElectionEvent(ev)
}

// Failed implements peer.ElectionReceiver.
func (p *peers) Failed(err error) { p.replica.ElectionFailed(err) }

func (p *peers) limits() peer.LinkLimits {
	return peer.LinkLimits{
		MaxPacketBytes: max(peer.DefaultMaxPacketBytes, 3*p.cfg.MaxFrameBytes),
		MaxQueueBytes:  linkQueueBytes,
		WriteTimeout:   p.cfg.TickTime * time.Duration(p.cfg.SyncLimit),
	}
}

// linkQueueBytes is more than a leader ever holds back for one learner.
const linkQueueBytes = 96 << 20

// Lead implements replica.Peers.
func (p *peers) Lead(term replica.Term) (replica.Port, error) {
	var members []zk.ServerID
	for _, m := range p.members {
		members = append(members, m.ID)
	}
	port := peer.NewLeaderPort(peer.LeaderConfig{
		Receiver: leaderSide{p.replica, term}, Logger: p.log.Named("peer"), Limits: p.limits(), Members: members,
		HandshakeTimeout: p.cfg.ElectionTimeout,
	})
	var listeners []net.Listener
	for _, a := range p.listenOn(proto.PeerAddr.Quorum) {
		l, err := p.network.Listen(context.Background(), a)
		if err != nil {
			closeAll(listeners)
			port.Close()
			return nil, fmt.Errorf("peer port: %w", err)
		}
		listeners = append(listeners, l)
	}
	p.renew(port)
	for _, l := range listeners {
		port.Serve(l)
	}
	return port, nil
}

// leaderSide takes the reports of a leader's port to the replica.
type leaderSide struct {
	r    *replica.Replica
	term replica.Term
}

func (s leaderSide) Received(l *peer.Link, packets []proto.QuorumPacket) {
	s.r.Received(s.term, l, packets)
}
func (s leaderSide) Down(l *peer.Link, err error) { s.r.Down(s.term, l, err) }
func (s leaderSide) Streamed(l *peer.Link)        { s.r.Streamed(s.term, l) }
func (s leaderSide) Failed(err error)             { s.r.PortFailed(s.term, err) }
func (s leaderSide) Joined(l *peer.Link) {
	info, observer := l.Learner()
	s.r.Joined(s.term, l, info, observer)
}

// learnerSide takes the reports of a learner's link to the replica.
type learnerSide struct {
	r    *replica.Replica
	term replica.Term
}

func (s learnerSide) Received(l *peer.Link, packets []proto.QuorumPacket) {
	s.r.Received(s.term, l, packets)
}
func (s learnerSide) Down(l *peer.Link, err error) { s.r.Down(s.term, l, err) }
func (s learnerSide) Snapshot(l *peer.Link, in io.Reader) error {
	return s.r.ReceiveSnapshot(s.term, l, in)
}

// followRetry is how long a leader that refuses is tried again. A Java server on a busy host may take that long
// from its election to its listening; where it turns out not to lead, the replica gives up before.
const followRetry = 3 * time.Second

// errUnknownLeader says that a server was elected that is in no configuration.
var errUnknownLeader = errors.New("quorum: the leader is not a member")

// Follow implements replica.Peers.
func (p *peers) Follow(term replica.Term, leader zk.ServerID, cancel <-chan struct{}) (replica.Link, error) {
	var addrs []proto.HostPort
	for _, s := range p.cfg.Ensemble.Servers {
		if s.ID == leader {
			for _, a := range s.Addrs {
				addrs = append(addrs, a.Quorum())
			}
		}
	}
	if len(addrs) == 0 {
		return nil, errUnknownLeader
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-cancel:
			stop()
		case <-done:
		}
	}()
	l, err := peer.DialLeader(ctx, peer.LearnerConfig{
		Network: p.network, Receiver: learnerSide{p.replica, term}, Logger: p.log.Named("peer"), Limits: p.limits(),
		Budget: p.cfg.TickTime * time.Duration(p.cfg.InitLimit), RetryFor: followRetry,
	}, addrs)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// close ends the election port. The replica must have ended.
func (p *peers) close() {
	p.closeListeners()
	p.election.Close()
}
