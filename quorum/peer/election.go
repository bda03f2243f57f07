package peer

import (
	"context"
	"encoding/binary"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// ElectionReceiver takes what the election port reports.
type ElectionReceiver interface {
	// Deliver takes an election.Received, Garbled, LinkUp or LinkDown. Those of one server come in
	// order, one at a time for each connection; others come at the same time from other goroutines. It
	// may wait, but not beyond [Election.Closing].
	Deliver(ev election.Event)
	// Failed says that the port accepts nobody any more: the role must end (rule R22).
	Failed(err error)
}

// ElectionConfig of an Election. All fields are required unless they say otherwise.
type ElectionConfig struct {
	Self zk.ServerID
	// Addrs are where others reach the own election port. The first is said in the hello: more of them only newer
	// servers understand, and each knows them from its configuration.
	Addrs []proto.HostPort

	Network  Network
	Receiver ElectionReceiver
	Logger   *zap.Logger

	// ConnectTimeout bounds a dial, and the writing of a message; 0 is 5 s. Source: zookeeper.cnxTimeout.
	ConnectTimeout time.Duration
	// HandshakeTimeout bounds a hello; 0 is ConnectTimeout. Source: zookeeper.quorumCnxnTimeoutMs.
	HandshakeTimeout time.Duration
}

const (
	defaultConnectTimeout = 5 * time.Second

	// The back-off between dials of a server that cannot be reached doubles from minBackoff to
	// maxBackoff; each pause is between half and all of it more.
	minBackoff = 50 * time.Millisecond
	maxBackoff = 2 * time.Second
	// returnGrace is how long the smaller id leaves it to the larger to connect anew. If both did at
	// once, the hello of the smaller would end the connection that the larger has just made.
	returnGrace = 200 * time.Millisecond

	// maxStrangers bounds the servers that are no members.
	maxStrangers = 16
	// maxStrangeID is the largest id of a server.
	maxStrangeID zk.ServerID = 255
)

// Member is another server to keep a connection with.
type Member struct {
	ID    zk.ServerID
	Addrs []proto.HostPort // of its election port
}

// Election is the election port of this server, and its connections with the others'. See the package
// comment. Its methods may be called by any goroutine, but Close not from within the receiver.
type Election struct {
	cfg      ElectionConfig
	hello    []byte
	complain complaints
	gate     gate
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	remotes   map[zk.ServerID]*remote
	anonymous zk.ServerID // the last id made up for an observer without one; they go down from -1
}

// remote is another server. Its fields, but order, are guarded by the Election's mu.
type remote struct {
	id zk.ServerID
	// order is held over a change of link and the report of it, so that reports are in order. It is
	// taken before mu.
	order sync.Mutex

	member bool
	gone   bool             // no longer among the remotes
	addrs  []proto.HostPort // as configured
	said   []proto.HostPort // as its last hello said

	link         *electionLink // nil if there is none
	queued, last []byte        // message that waits, message last sent
	heard        time.Time     // last message or connection

	dialing bool               // a goroutine is in dial
	kick    chan struct{}      // holds a token to cut the pause of dial short
	backoff time.Duration      // before the next dial
	cancel  context.CancelFunc // ends the dial under way
	greeted time.Time          // when the last own hello went to it, if it has the larger id

	reach Reach
}

// NewElection returns an Election that accepts on no listener and knows no member yet.
func NewElection(cfg ElectionConfig) *Election {
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = defaultConnectTimeout
	}
	if cfg.HandshakeTimeout <= 0 {
		cfg.HandshakeTimeout = cfg.ConnectTimeout
	}
	t := &Election{cfg: cfg, remotes: make(map[zk.ServerID]*remote)}
	hello := proto.ElectionHello{ServerID: cfg.Self, Addrs: cfg.Addrs}
	t.hello = hello.AppendV1(nil)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.complain.log = cfg.Logger
	t.gate = gate{
		timeout: cfg.HandshakeTimeout, complain: &t.complain, running: &t.running,
		closing: t.ctx.Done(), handshake: t.greet,
	}
	return t
}

// Serve accepts on l, which it owns from now on, until Close.
func (t *Election) Serve(l net.Listener) { t.gate.serve(l, t.cfg.Receiver.Failed) }

// Closing is closed when Close begins.
func (t *Election) Closing() <-chan struct{} { return t.ctx.Done() }

// Close ends all connections and waits for all goroutines. Nothing is delivered afterwards.
func (t *Election) Close() {
	t.mu.Lock()
	t.closed = true
	t.cancel()
	for _, r := range t.remotes {
		if r.link != nil {
			r.link.nc.Close()
		}
	}
	t.mu.Unlock()
	t.gate.close()
	t.running.Wait()
}

// SetMembers says with whom connections are kept; the server itself, if among them, is left out. One
// that is no longer a member keeps its connection while it lasts.
func (t *Election) SetMembers(members []Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	now := make(map[zk.ServerID]bool)
	for _, m := range members {
		if m.ID == t.cfg.Self {
			continue
		}
		now[m.ID] = true
		r := t.remotes[m.ID]
		if r == nil {
			r = t.newRemote(m.ID)
		}
		r.member, r.addrs = true, slices.Clone(m.Addrs)
		r.reach.Member = true
		if r.reach.Class == NotMember {
			r.reach.Class, r.reach.Error = "", ""
		}
		if r.link == nil {
			r.backoff = 0
			t.ensureDial(r)
		}
	}
	for id, r := range t.remotes {
		if now[id] {
			continue
		}
		r.member, r.reach.Member = false, false
		if r.link == nil {
			t.forget(r)
		} else {
			r.reach.Class = NotMember
		}
	}
}

// newRemote adds a remote. mu is held.
func (t *Election) newRemote(id zk.ServerID) *remote {
	r := &remote{id: id, kick: make(chan struct{}, 1), reach: Reach{Server: id}, heard: time.Now()}
	t.remotes[id] = r
	return r
}

// forget removes a remote and ends what it has. mu is held.
func (t *Election) forget(r *remote) {
	r.gone = true
	delete(t.remotes, r.id)
	if r.link != nil {
		r.link.nc.Close()
	}
	if r.cancel != nil {
		r.cancel()
	}
	signal(r.kick)
}

// Do performs an action of quorum/election that concerns the network, and reports whether it was one.
func (t *Election) Do(a election.Action) bool {
	switch a := a.(type) {
	case election.Send:
		t.Send([]zk.ServerID{a.To}, &a.Note)
	case election.Broadcast:
		t.Send(a.To, &a.Note)
	case election.Reconnect:
		t.Reconnect(a.To)
	default:
		return false
	}
	return true
}

// Send sends a notification to servers. It never waits: it takes the place of a message that waits to
// be sent to the same server, and is lost if the server is not known.
func (t *Election) Send(to []zk.ServerID, note *proto.Notification) {
	frame := note.Append(make([]byte, 4, 512))
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range to {
		r := t.remotes[id]
		if r == nil {
			continue
		}
		r.queued = frame // only read from now on: several may have it
		if r.link != nil {
			signal(r.link.wake)
		}
	}
}

// Reconnect dials servers without a connection now, whatever their back-off.
func (t *Election) Reconnect(to []zk.ServerID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range to {
		if r := t.remotes[id]; r != nil && r.link == nil && !t.closed {
			t.ensureDial(r)
			signal(r.kick)
		}
	}
}

// Reach says of each server, in ascending order, whether its election port can be reached.
func (t *Election) Reach() []Reach {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Reach
	for _, id := range slices.Sorted(maps.Keys(t.remotes)) {
		all = append(all, t.remotes[id].reach)
	}
	return all
}

// Count returns how often a mishap was seen.
func (t *Election) Count(m Mishap) uint64 { return t.complain.count[m].Load() }

// level is at which changes of the connection with r are logged: strangers cannot fill the log.
func (r *remote) level(normal zapcore.Level) zapcore.Level {
	if !r.member {
		return zapcore.DebugLevel
	}
	return normal
}

// reached notes a connection with r. mu is held.
func (t *Election) reached(r *remote) {
	if !r.reach.Linked {
		t.cfg.Logger.Log(r.level(zapcore.InfoLevel), "connected on the election port", zap.Int64("peer", int64(r.id)))
		r.reach.Since = time.Now()
	}
	r.reach.Linked, r.reach.Class, r.reach.Error = true, "", ""
	if !r.member {
		r.reach.Class = NotMember
	}
}

// unreached notes that there is no connection with r, and why. mu is held.
func (t *Election) unreached(r *remote, err error) {
	class := Classify(err)
	if class == NoAnswer && r.reach.Class == WrongID {
		class = WrongID // this is why
	}
	if r.reach.Linked || r.reach.Class != class {
		t.cfg.Logger.Log(r.level(zapcore.WarnLevel), "cannot reach the election port", zap.Int64("peer", int64(r.id)),
			zap.String("class", string(class)), zap.Error(err))
		r.reach.Since = time.Now()
	}
	r.reach.Linked, r.reach.Class, r.reach.Error = false, class, err.Error()
}

// signal puts a token into a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
