package zab

import (
	"encoding/binary"
	"fmt"
	"slices"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// LearnerConfig says who learns, and from which history. All fields are required unless they say
// otherwise.
type LearnerConfig struct {
	Self     zk.ServerID
	Observer bool

	// What the epoch files hold.
	Accepted, Current zk.Epoch
	// Last is the end of the durable history. Nothing behind it is in memory either (R8).
	Last zk.Zxid

	ConfigVersion int64 // of the committed configuration

	InitLimit, SyncLimit int // tickTimes, at least 1

	// PendingBytes bounds what the leader may send before the sync has ended, beyond what is committed
	// before NEWLEADER.
	PendingBytes int64

	// ForceSnap asks for the leader's whole state (R12), as the End of the last Learner of the same leader said. A learner
	// that asks does not count for the quorum that elects the leader.
	ForceSnap bool
}

// learnerPhase is how far a learner has come. It only ever advances.
type learnerPhase uint8

const (
	awaitLeaderInfo learnerPhase = iota
	savingPromise                // acceptedEpoch
	awaitSync                    // ACKEPOCH sent: DIFF, TRUNC or SNAP must come
	syncing                      // until NEWLEADER
	committingSync               // history being made durable
	savingEpoch                  // currentEpoch
	awaitUpToDate                // NEWLEADER acknowledged
	live
	learnerEnded
)

// Learner is the state of one server while it follows or observes one leader over one connection. It
// is not safe for concurrent use.
type Learner struct {
	cfg   LearnerConfig
	phase learnerPhase
	epoch zk.Epoch // of the leader

	mode  SyncMode
	base  zk.Zxid // where what BeginSync named ends
	ready bool    // it is there

	received  zk.Zxid // newest proposal; before the first, base
	committed zk.Zxid // newest that the leader has said to be; before the first, base
	staged    zk.Zxid // newest handed out by Stage; before the first, base
	durable   zk.Zxid // in the own log
	delivered zk.Zxid // committed and durable, and handed out by Stage or Deliver
	pending   window  // received and not yet delivered

	syncs []zk.Zxid // a SYNC came when this was committed, and it is not delivered

	now, heard int // ticks
	out        []Action
	packets    []proto.QuorumPacket
}

// Learn returns a learner whose connection to the leader has just been made. Start gives its first
// actions.
func Learn(cfg LearnerConfig) *Learner {
	if cfg.InitLimit < 1 || cfg.SyncLimit < 1 {
		panic(fmt.Sprintf("zab: initLimit %d and syncLimit %d must be at least 1", cfg.InitLimit, cfg.SyncLimit))
	}
	return &Learner{cfg: cfg, durable: cfg.Last}
}

// Start introduces the learner to the leader.
func (f *Learner) Start() []Action {
	f.begin()
	t := proto.PacketFollowerInfo
	if f.cfg.Observer {
		t = proto.PacketObserverInfo
	}
	info := proto.LearnerInfo{ServerID: f.cfg.Self, ProtocolVersion: proto.QuorumProtocolVersion, ConfigVersion: f.cfg.ConfigVersion}
	f.send(proto.QuorumPacket{Type: t, Zxid: zk.MakeZxid(f.cfg.Accepted, 0), Data: info.Append(nil)})
	return f.out
}

// Step folds one event into the learner and returns, in order, what the caller must do. It never
// blocks, never fails and never reads a clock. After End it returns nothing. An event that cannot
// be, which is a bug of the caller, panics.
func (f *Learner) Step(ev Event) []Action {
	f.begin()
	if f.phase == learnerEnded {
		return nil
	}
	switch ev := ev.(type) {
	case Received:
		f.receive(ev.Packets)
	case Synced:
		f.synced(ev.Upto)
	case Tick:
		f.tick()
	case LinkDown:
		f.end(ReasonLinkDown, "")
	case Progress:
		f.heard = f.now
	case AcceptedDurable:
		f.acceptedDurable(ev.Epoch)
	case CurrentDurable:
		f.currentDurable(ev.Epoch)
	case SyncReady:
		f.syncReady(ev.At)
	case SyncRefused:
		f.syncRefused(ev.Why)
	case SyncCommitted:
		f.syncCommitted(ev.Last)
	default:
		panic(fmt.Sprintf("zab: a learner knows no event %T", ev))
	}
	return f.out
}

func (f *Learner) begin() {
	clear(f.out)
	f.out = f.out[:0]
	clear(f.packets)
	f.packets = f.packets[:0]
	f.pending.dropUpto(max(f.delivered, f.staged))
}

func (f *Learner) do(a Action) { f.out = append(f.out, a) }

func (f *Learner) send(p proto.QuorumPacket) {
	first := len(f.packets)
	f.packets = append(f.packets, p)
	f.do(Send{Packets: slices.Clip(f.packets[first:])})
}

func (f *Learner) end(reason Reason, format string, args ...any) {
	f.finish(End{Reason: reason, Detail: detail(format, args...)})
}

// endForSnap ends the role because this history and the leader's cannot be joined: the leader is to be asked again, for
// all of its state. Whoever leads next is told the truth, and may find a history that can be.
func (f *Learner) endForSnap(reason Reason, format string, args ...any) {
	f.finish(End{Reason: reason, Detail: detail(format, args...), ForceSnap: true})
}

func (f *Learner) finish(e End) {
	if f.phase == learnerEnded {
		return
	}
	if f.phase == syncing || f.phase == committingSync && !f.ready {
		f.do(AbandonSync{})
	}
	f.phase = learnerEnded
	f.do(e)
}

// Epoch returns the epoch of the leader, 0 before it is known.
func (f *Learner) Epoch() zk.Epoch { return f.epoch }

// Active reports whether the learner serves.
func (f *Learner) Active() bool { return f.phase == live }

// Received returns the zxid of the newest proposal, which may not be durable yet.
func (f *Learner) Received() zk.Zxid { return f.received }

// Committed returns the zxid up to which the leader has said that all is committed.
func (f *Learner) Committed() zk.Zxid { return f.committed }

// tick lets half a tickTime pass.
func (f *Learner) tick() {
	f.now++
	limit := f.cfg.InitLimit
	switch f.phase {
	case savingPromise, committingSync, savingEpoch:
		f.heard = f.now // it is our turn
	case awaitUpToDate, live:
		limit = f.cfg.SyncLimit
	}
	if quiet := f.now - f.heard; quiet >= limit*ticksPerTickTime {
		f.end(ReasonSilent, "%d ticks, %v", quiet, f.phase)
	}
}

// receive takes what the leader sent. What it brought is handed on as one: one Stage or Persist, one
// Deliver.
func (f *Learner) receive(packets []proto.QuorumPacket) {
	f.heard = f.now
	received := f.received
	for i := range packets {
		if f.receiveOne(&packets[i]); f.phase == learnerEnded {
			return
		}
		if packets[i].Type == proto.PacketUpToDate {
			received = f.received // goLive has handed on what was pending
		}
	}
	switch f.phase {
	case syncing:
		f.stage()
	case live:
		f.persistAbove(received)
		f.deliver()
	}
	if f.phase < live && f.pending.bytesAfter(f.staged) > f.cfg.PendingBytes {
		f.end(ReasonOverflow, "%d bytes", f.pending.bytesAfter(f.staged))
	}
}

func (f *Learner) receiveOne(p *proto.QuorumPacket) {
	switch p.Type {
	case proto.PacketLeaderInfo:
		f.leaderInfo(p)
	case proto.PacketDiff, proto.PacketTrunc, proto.PacketSnap:
		f.beginSync(p)
	case proto.PacketProposal:
		f.proposal(p.Zxid, p.Data)
	case proto.PacketCommit:
		f.commit(p.Zxid)
	case proto.PacketCommitAndActivate:
		f.commitConfig(p)
	case proto.PacketInform, proto.PacketInformAndActivate:
		f.inform(p)
	case proto.PacketNewLeader:
		f.newLeader(p)
	case proto.PacketUpToDate:
		f.upToDate(p)
	case proto.PacketPing:
		// A Java leader takes the first packet after NEWLEADER for its ACK: no other may overtake it
		// (ZOOKEEPER-4685). Java learners do not answer before UPTODATE either.
		if f.phase == live {
			f.do(AnswerPing{*p})
		}
	case proto.PacketRevalidate:
		if f.expect(p, live) {
			f.do(Revalidated{p.Data})
		}
	case proto.PacketSync:
		if f.expect(p, live) {
			f.syncs = append(f.syncs, f.committed)
		}
	default:
		f.end(ReasonUnexpected, "%v", p.Type)
	}
}

// expect ends the role unless the packet has its place between the first phase and the last.
func (f *Learner) expect(p *proto.QuorumPacket, first learnerPhase) bool {
	if f.phase < first {
		f.end(ReasonUnexpected, "%v, %v", p.Type, f.phase)
		return false
	}
	return true
}

// leaderInfo takes the epoch that the leader proposes.
func (f *Learner) leaderInfo(p *proto.QuorumPacket) {
	epoch := p.Zxid.Epoch()
	d := jute.NewDecoder(p.Data)
	version := d.Int()
	switch {
	case f.phase != awaitLeaderInfo:
		f.end(ReasonUnexpected, "%v, %v", p.Type, f.phase)
	case d.Err() != nil || version < proto.QuorumProtocolVersion || epoch < 0:
		f.end(ReasonMalformed, "LEADERINFO of epoch %d with %d bytes", epoch, len(p.Data))
	case epoch < f.cfg.Accepted:
		f.end(ReasonLeaderBehind, "epoch %d, accepted %d", epoch, f.cfg.Accepted)
	case epoch == f.cfg.Accepted:
		// The promise was made before, so that it must not be counted again.
		f.epoch = epoch
		f.sendAckEpoch(-1)
	default:
		f.epoch, f.phase = epoch, savingPromise
		f.do(SaveAccepted{epoch})
	}
}

// acceptedDurable: from now on no leader of an older epoch is followed, and the new one may rely on it.
func (f *Learner) acceptedDurable(e zk.Epoch) {
	f.mustBe(savingPromise, e)
	f.sendAckEpoch(int32(f.cfg.Current))
}

// sendAckEpoch tells where the durable history ends. To ask for a snapshot it says "nowhere", and
// does not count: a false position with a true epoch would blind the leader's check of who is ahead.
func (f *Learner) sendAckEpoch(current int32) {
	last := f.cfg.Last
	if f.cfg.ForceSnap {
		last, current = 0, -1
	}
	f.phase, f.heard = awaitSync, f.now
	f.send(packetInt(proto.PacketAckEpoch, last, current))
}

func (f *Learner) mustBe(p learnerPhase, e zk.Epoch) {
	if f.phase != p || f.epoch != e {
		panic(fmt.Sprintf("zab: epoch %d reported durable while the learner of epoch %d is %v", e, f.epoch, f.phase))
	}
}

// zxidOf returns the zxid in the header of a txn, at bytes 12..20 of the 32.
func zxidOf(data []byte) (zk.Zxid, bool) {
	if len(data) < proto.TxnHeaderBytes {
		return 0, false
	}
	return zk.Zxid(binary.BigEndian.Uint64(data[12:])), true
}
