package zab

import (
	"fmt"
	"slices"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// ticksPerTickTime: a Tick is half a tickTime.
const ticksPerTickTime = 2

// LeaderConfig says who leads, whom, and from which history. All fields are required unless they say
// otherwise.
type LeaderConfig struct {
	Self zk.ServerID
	View zk.View // Self votes in it

	// What the epoch files hold.
	Accepted, Current zk.Epoch
	// History is the server's log. All of it is durable, and applied to the tree.
	History History

	ConfigVersion int64  // of the committed configuration
	ConfigText    []byte // of the last seen configuration, for NEWLEADER

	InitLimit, SyncLimit int // tickTimes, at least 1

	// BacklogBytes bounds the txns held back for one learner while it syncs.
	BacklogBytes int64

	// YieldAfterTicks is how long this leader does not give way to a voter that has accepted a later
	// epoch, and so cannot join. It is what is left of the minute since this server last did so.
	YieldAfterTicks int
}

// leaderPhase is how far a leader has come. It only ever advances.
type leaderPhase uint8

const (
	gatherEpochs   leaderPhase = iota // waits for FOLLOWERINFO of a quorum
	savingAccepted                    // epoch fixed, not yet durable
	gatherAcks                        // waits for ACKEPOCH of a quorum
	savingCurrent                     // history agreed on, currentEpoch not yet durable
	gatherSynced                      // waits for ACK of NEWLEADER of a quorum
	active                            // established
	ended
)

// Leader is the state of one server while it leads: discovery, synchronization of each learner, and
// broadcast, for one epoch. It is not safe for concurrent use.
type Leader struct {
	cfg   LeaderConfig
	phase leaderPhase
	epoch zk.Epoch // of this reign, once fixed

	links     []*link  // in the order of their coming
	followers []LinkID // live ones
	observers []LinkID // live ones

	highestAccepted zk.Epoch // of all that ever connected, in this reign

	last      zk.Zxid // newest zxid given out by Propose
	proposed  zk.Zxid // newest handed in by Broadcast; epoch<<32 before the first
	durable   zk.Zxid // end of the own durable log
	delivered zk.Zxid // newest applied here: committed and durable
	announced zk.Zxid // newest committed that the live learners were told of
	tally     tally
	window    window // txns above delivered, or still held back for a syncing learner

	now       int       // ticks
	deadline  int       // tick at which the phase has failed
	lostSince int       // tick at which voters of a quorum were last connected
	marks     []zk.Zxid // marks[t % len] is proposed at tick t

	round     uint64 // newest round of PINGs that is to confirm the leadership
	confirmed uint64 // newest round that a quorum answered
	barriers  []barrier

	out     []Action             // of this Step
	packets []proto.QuorumPacket // memory of what is in out
}

// Lead returns a leader at the beginning of its reign. Start gives its first actions.
func Lead(cfg LeaderConfig) *Leader {
	if !cfg.View.Contains(cfg.Self) {
		panic(fmt.Sprintf("zab: server %d does not vote in %v and cannot lead", cfg.Self, cfg.View.Voters()))
	}
	if cfg.InitLimit < 1 || cfg.SyncLimit < 1 {
		panic(fmt.Sprintf("zab: initLimit %d and syncLimit %d must be at least 1", cfg.InitLimit, cfg.SyncLimit))
	}
	end := cfg.History.Last()
	return &Leader{
		cfg: cfg, highestAccepted: cfg.Accepted,
		durable: end, delivered: end,
		deadline: cfg.InitLimit * ticksPerTickTime,
		marks:    make([]zk.Zxid, cfg.SyncLimit*ticksPerTickTime+1),
	}
}

// Start begins the reign.
func (l *Leader) Start() []Action {
	l.begin()
	l.tryFixEpoch()
	return l.out
}

// Step folds one event into the leader and returns, in order, what the caller must do. It never
// blocks, never fails and never reads a clock. After End it returns nothing. An event that cannot
// be, which is a bug of the caller, panics.
func (l *Leader) Step(ev Event) []Action {
	l.begin()
	if l.phase == ended {
		return nil
	}
	switch ev := ev.(type) {
	case Received:
		l.receive(ev)
	case Broadcast:
		l.broadcast(ev.Txns)
	case Synced:
		l.synced(ev.Upto)
	case Tick:
		l.tick()
	case Barrier:
		l.barrier(ev)
	case Streamed:
		l.streamed(ev.Link)
	case Progress:
		if k := l.link(ev.Link); k != nil {
			l.progressed(k)
		}
	case LinkDown:
		if k := l.link(ev.Link); k != nil {
			k.gone = true
		}
	case AcceptedDurable:
		l.acceptedDurable(ev.Epoch)
	case CurrentDurable:
		l.currentDurable(ev.Epoch)
	default:
		panic(fmt.Sprintf("zab: a leader knows no event %T", ev))
	}
	l.settle()
	return l.out
}

// begin makes room for the actions of a Step. What the last Step's actions refer to is over.
func (l *Leader) begin() {
	clear(l.out)
	l.out = l.out[:0]
	clear(l.packets)
	l.packets = l.packets[:0]
	l.trimWindow()
}

// settle draws the conclusions that an event may have made possible.
func (l *Leader) settle() {
	l.forgetGone()
	l.startSyncs()
	if l.phase == active {
		l.advance()
		l.forgetGone()
	}
}

func (l *Leader) do(a Action) { l.out = append(l.out, a) }

func (l *Leader) end(reason Reason, format string, args ...any) {
	if l.phase != ended {
		l.phase = ended
		l.do(End{Reason: reason, Detail: detail(format, args...)})
	}
}

// Epoch returns the epoch of the reign, 0 before it is fixed.
func (l *Leader) Epoch() zk.Epoch { return l.epoch }

// Active reports whether the leader is established.
func (l *Leader) Active() bool { return l.phase == active }

// Last returns the zxid of the newest proposal, or the epoch's zxid 0 before the first.
func (l *Leader) Last() zk.Zxid { return l.last }

// Propose takes the zxid of the next proposal, which Broadcast then must hand in. ok is false when
// the epoch's zxids are spent: the next Tick ends the reign, so that a new epoch begins; and after
// the end. Before Activate it panics.
func (l *Leader) Propose() (zxid zk.Zxid, ok bool) {
	switch l.phase {
	case active:
	case ended:
		return 0, false
	default:
		panic("zab: proposal by a leader that is not established")
	}
	next, ok := l.last.Next()
	if !ok {
		return 0, false
	}
	l.last = next
	return next, true
}

// newLeaderZxid is the zxid of NEWLEADER and of its acknowledgement.
func (l *Leader) newLeaderZxid() zk.Zxid { return zk.MakeZxid(l.epoch, 0) }

// receive takes what a learner sent.
func (l *Leader) receive(ev Received) {
	packets := ev.Packets
	k := l.link(ev.Link)
	if k == nil && len(packets) > 0 {
		if k = l.connect(ev.Link, &packets[0]); k == nil {
			return
		}
		packets = packets[1:]
	}
	for i := 0; i < len(packets); i++ {
		if k.gone || l.phase == ended {
			return
		}
		k.heard = l.now
		p := &packets[i]
		switch p.Type {
		case proto.PacketAckEpoch:
			l.ackEpoch(k, p)
		case proto.PacketAck:
			l.ack(k, p.Zxid)
		case proto.PacketPing:
			l.pong(k, p)
		case proto.PacketRequest, proto.PacketRevalidate:
			first := i
			for i+1 < len(packets) && forwarded(packets[i+1].Type) {
				i++
			}
			l.forward(k, packets[first:i+1])
		default:
			l.closeLink(k, ReasonUnexpected, "%v", p.Type)
		}
	}
}

func forwarded(t proto.PacketType) bool {
	return t == proto.PacketRequest || t == proto.PacketRevalidate
}

// forward hands up requests. Only a learner that serves has clients to send any for.
func (l *Leader) forward(k *link, packets []proto.QuorumPacket) {
	if k.state != LinkLive {
		l.closeLink(k, ReasonUnexpected, "%v before UPTODATE", packets[0].Type)
		return
	}
	l.do(Forward{Link: k.id, Server: k.server, Packets: packets})
}

// send queues one packet on one link.
func (l *Leader) send(k *link, p proto.QuorumPacket) {
	l.sendAll([]LinkID{k.id}, func() { l.packets = append(l.packets, p) })
}

// sendAll queues the packets that fill appends to l.packets on all of to. The memory of a slice that
// append outgrows stays as it was, so that earlier actions keep theirs.
func (l *Leader) sendAll(to []LinkID, fill func()) {
	first := len(l.packets)
	fill()
	if len(to) > 0 && len(l.packets) > first {
		l.do(Send{To: to, Packets: slices.Clip(l.packets[first:])})
	}
}

// LearnerStatus is what a leader knows of one learner.
type LearnerStatus struct {
	Link     LinkID
	Server   zk.ServerID
	Observer bool
	Votes    bool
	State    LinkState
	Mode     SyncMode // of its sync, 0 before it is decided
	Acked    zk.Zxid  // newest proposal of this epoch that is durable there, as far as is known; 0 for none
	Silent   int      // ticks since something came
}

// Learners returns the learners in the order of their coming.
func (l *Leader) Learners() []LearnerStatus {
	all := make([]LearnerStatus, len(l.links))
	for i, k := range l.links {
		all[i] = LearnerStatus{k.id, k.server, k.observer, k.votes, k.state, k.mode, k.acked, l.now - k.heard}
	}
	return all
}

func packet(t proto.PacketType, z zk.Zxid) proto.QuorumPacket {
	return proto.QuorumPacket{Type: t, Zxid: z}
}

func packetInt(t proto.PacketType, z zk.Zxid, n int32) proto.QuorumPacket {
	return proto.QuorumPacket{Type: t, Zxid: z, Data: jute.AppendInt(nil, n)}
}
