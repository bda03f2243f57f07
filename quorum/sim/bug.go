package sim

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/stats"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Bug is a known bug of Apache ZooKeeper that a simulated ensemble is given: by a disk, a link or a start that do
// what the broken part of a server did. They show that the checks see what they are there to see.
type Bug string

// The bugs, by the number of their issue. What a server of ours is made to do:
const (
	// Bug2678 and Bug4646: the history that a sync brings is acknowledged before it is on the disk, where it comes
	// with the next sync of the log after UPTODATE (2678), or a moment later (4646).
	Bug2678 Bug = "ZOOKEEPER-2678"
	Bug4646 Bug = "ZOOKEEPER-4646"
	// Bug3023: NEWLEADER is acknowledged before what came in front of it is looked at.
	Bug3023 Bug = "ZOOKEEPER-3023"
	// Bug4643: currentEpoch is on the disk before the history.
	Bug4643 Bug = "ZOOKEEPER-4643"
	// Bug4394: COMMITs come before UPTODATE, and the learner dies of them.
	Bug4394 Bug = "ZOOKEEPER-4394"
	// Bug4685: the acknowledgement of a txn overtakes that of NEWLEADER, and the leader then overlooks the latter.
	Bug4685 Bug = "ZOOKEEPER-4685"
	// Bug4712: proposals that a role had not logged are logged in the next one.
	Bug4712 Bug = "ZOOKEEPER-4712"
	// Bug4882 and Bug5094: after a role, or a sync by TRUNC that was cut short, the learner says that it has what it
	// had in memory.
	Bug4882 Bug = "ZOOKEEPER-4882"
	Bug5094 Bug = "ZOOKEEPER-5094"
	// Bug1549: a snapshot holds what is not committed and does not say so: TRUNC does not undo it.
	Bug1549 Bug = "ZOOKEEPER-1549"
	// Bug3642: the leader's snapshot is in memory only.
	Bug3642 Bug = "ZOOKEEPER-3642"
	// Bug2845: TRUNC does not reach the state in memory.
	Bug2845 Bug = "ZOOKEEPER-2845"
)

// Bugs lists all.
func Bugs() []Bug {
	return []Bug{Bug2678, Bug3023, Bug4643, Bug4646, Bug4394, Bug4685, Bug4712, Bug4882, Bug5094, Bug1549, Bug3642, Bug2845}
}

// bugState is what the bugs remember of a process.
type bugState struct {
	epoch   zk.Epoch // of the last LEADERINFO
	syncing bool     // the history of a leader is coming in
	memory  zk.Zxid  // newest committed txn that the process had in memory only
	zombies []proto.QuorumPacket
}

// endState is what they remember of a learner's end.
type endState struct {
	mode     proto.PacketType // DIFF, TRUNC or SNAP
	syncedTo bool             // NEWLEADER has come
	live     bool             // UPTODATE has come
	withheld []proto.QuorumPacket
	holding  bool
	doomed   bool // the sync will be cut short, and what it brings is in memory only
	faked    bool // an ACK was sent for it
}

// arrived looks at a packet that is about to reach a replica, and reports whether it is kept from it.
func (w *World) arrived(e *end, p *proto.QuorumPacket) (kept bool) {
	b := &e.l.bugs
	if e.leads {
		return w.o.Bug == Bug4685 && w.overlooked(e, p)
	}
	switch p.Type {
	case proto.PacketLeaderInfo:
		b.epoch = p.Zxid.Epoch()
	case proto.PacketDiff, proto.PacketTrunc, proto.PacketSnap:
		e.state.mode, b.syncing = p.Type, true
		if w.o.Bug == Bug4643 && p.Type != proto.PacketSnap {
			e.l.writeEpoch(b.epoch)
		}
		if w.o.Bug == Bug3023 && p.Type == proto.PacketDiff {
			e.state.holding = true
		}
		e.state.doomed = w.o.Bug == Bug5094 && p.Type == proto.PacketTrunc && w.chance(2)
	case proto.PacketNewLeader:
		e.state.syncedTo = true
		if e.state.holding {
			w.fakeAck(e, p.Zxid)
		}
		if e.state.doomed {
			e.l.later(0, func() { e.down(errBroken) })
			return true
		}
	case proto.PacketUpToDate:
		e.state.live, b.syncing = true, false
		e.l.later(0, e.l.logZombies)
	case proto.PacketCommit:
		if w.o.Bug == Bug4394 && e.state.syncedTo && !e.state.live {
			w.trace("%v dies of a COMMIT before UPTODATE", e.l)
			e.l.later(0, func() { e.down(errBroken) })
			return true
		}
	}
	if e.state.doomed && (p.Type == proto.PacketProposal || p.Type == proto.PacketCommit) {
		if p.Type == proto.PacketCommit {
			b.memory = max(b.memory, p.Zxid)
		}
		return true
	}
	if e.state.holding {
		e.state.withheld = append(e.state.withheld, *p)
		return true
	}
	return false
}

// fakeAck acknowledges NEWLEADER, and lets the learner see what led to it later.
func (w *World) fakeAck(e *end, z zk.Zxid) {
	e.state.faked = true
	e.out.flight = append(e.out.flight, item{packet: proto.QuorumPacket{Type: proto.PacketAck, Zxid: z}, at: w.now + w.net.latency()})
	e.out.kick()
	e.l.later(w.between(0, 300*time.Millisecond), func() {
		packets := e.state.withheld
		e.state.withheld, e.state.holding = nil, false
		if !e.over() {
			e.l.m.Received(e.term, e, packets)
		}
	})
}

// overlooked reports that a leader does not see the ACK of NEWLEADER, since it expected it before another one.
func (w *World) overlooked(e *end, p *proto.QuorumPacket) bool {
	first := p.Type == proto.PacketAck && p.Zxid.Counter() == 0 && !e.state.faked
	if first {
		e.state.faked = true
		return e.streamedTxns // the learner would have acknowledged one of these before
	}
	return false
}

// sending looks at a packet that a replica sends, and reports whether it is lost.
func (w *World) sending(e *end, p *proto.QuorumPacket) (lost bool) {
	switch {
	case e.leads:
	case p.Type == proto.PacketAck && w.o.Bug == Bug3023 && e.state.faked:
		e.state.faked = false
		return true
	case p.Type == proto.PacketAckEpoch && e.l.bugs.memory > p.Zxid:
		w.trace("%v says that it has %v, its disk has %v", e.l, e.l.bugs.memory, p.Zxid)
		p.Zxid = e.l.bugs.memory
	}
	return false
}

// reordered lets UPTODATE come behind what was proposed and committed before it, as a leader does that holds
// nothing back. It reports whether UPTODATE waits for more of that.
func (w *World) reordered(p *pipe) (waits bool) {
	if w.o.Bug != Bug4394 {
		return false
	}
	flight := p.flight
	for i := range flight {
		if !flight[i].isPacket() || flight[i].packet.Type != proto.PacketUpToDate {
			continue
		}
		committed := slices.ContainsFunc(flight[:i], func(f item) bool { return f.packet.Type == proto.PacketCommit })
		for j := i + 1; j < len(flight) && flight[j].isPacket(); j++ {
			flight[j-1].packet, flight[j].packet = flight[j].packet, flight[j-1].packet
			committed = committed || flight[j-1].packet.Type == proto.PacketCommit
		}
		e := p.from
		if committed || e.waited > 50 {
			return false
		}
		e.waited++
		flight[0].at = w.now + 10*time.Millisecond
		return true
	}
	return false
}

// ended looks at what a learner's role leaves behind.
func (w *World) ended(e *end) {
	if e.leads || w.o.Bug == "" || e.l.dead || e.other() == nil {
		return
	}
	b := &e.l.bugs
	b.syncing = false
	last := zk.Zxid(0)
	for _, i := range e.other().out.flight {
		switch p := i.packet; {
		case !i.isPacket():
		case p.Type == proto.PacketProposal && w.o.Bug == Bug4712 && e.state.live:
			b.zombies = append(b.zombies, p)
		case p.Type == proto.PacketCommit:
			last = p.Zxid
		}
	}
	if w.o.Bug == Bug4882 && e.state.live {
		b.memory = max(b.memory, last)
	}
}

// logZombies logs what an earlier role had left over.
func (l *life) logZombies() {
	zombies := l.bugs.zombies
	l.bugs.zombies = nil
	for i := range zombies {
		l.replica().LogBesides(zombies[i].Zxid, zombies[i].Data)
	}
}

// writeEpoch writes currentEpoch into the disk of a process, past it.
func (l *life) writeEpoch(e zk.Epoch) {
	if l.m.Facts().Current >= e {
		return
	}
	f, err := l.s.disk.Create(path.Join(dataDir, "currentEpoch"))
	if err != nil {
		return
	}
	f.Write(strconv.AppendInt(nil, int64(e), 10))
	f.Sync()
	f.Close()
	l.s.disk.SyncDir(dataDir)
}

// job does work beside the loop.
func (l *life) job() {
	l.jobDue = false
	if l.w.o.Bug == Bug3642 {
		l.replica().SkipJob()
		return
	}
	l.m.Job()
}

// dirty writes a snapshot that holds the whole log, as a Java server does that is about to lead, under the name of a
// txn that may be one of the last that are committed.
func (w *World) dirty(s *server) {
	cfg := w.config4(&life{s: s, w: w, stats: new(stats.Server)}, s.disk)
	cfg.Peers, cfg.Logger = nobody{}, nil
	m, err := replica.StartManual(cfg)
	if err != nil {
		return
	}
	m.Read(func(v *replica.View) {
		if back := 1 + w.rng.IntN(3); int(v.Zxid().Counter()) > back {
			v.Tree().SetLastZxid(v.Zxid() - zk.Zxid(back))
			view := v.Tree().Freeze()
			info, err := snap.Save(s.disk, dataDir, view, snap.Options{})
			view.Release()
			if err == nil {
				s.cutDigest(info)
			}
		}
	})
	m.Close()
}

// cutDigest takes the sections behind the first seal off a snapshot, as a server without digests writes it: they
// would tell what it holds.
func (s *server) cutDigest(info snap.Info) {
	const sections = 33 + 21
	f, err := s.disk.OpenReadWrite(path.Join(dataDir, info.Name))
	if err != nil {
		return
	}
	defer f.Close()
	if f.Truncate(info.SizeBytes-sections) == nil {
		f.Sync()
	}
}

// liar is a disk that does not do some syncs of the log.
type liar struct {
	vfs.FS
	l *life
}

func (f liar) Create(name string) (vfs.File, error)        { return f.file(f.FS.Create(name)) }
func (f liar) OpenReadWrite(name string) (vfs.File, error) { return f.file(f.FS.OpenReadWrite(name)) }

func (f liar) file(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return lyingFile{file, f.l}, nil
}

type lyingFile struct {
	vfs.File
	l *life
}

func (f lyingFile) Datasync() error { return f.sync(f.File.Datasync) }
func (f lyingFile) Sync() error     { return f.sync(f.File.Sync) }

func (f lyingFile) sync(sync func() error) error {
	l := f.l
	base := path.Base(f.Name())
	if !l.bugs.syncing || l.dead || strings.Contains(base, "Epoch") || strings.Contains(base, "snapshot") || strings.Contains(base, "switch") {
		return sync()
	}
	l.w.checks.faulted[l.s.id] = true
	switch l.w.o.Bug {
	case Bug2678:
		return nil
	case Bug4646:
		l.later(l.w.between(0, 200*time.Millisecond), func() { _ = f.File.Sync() })
		return nil
	}
	return sync()
}
