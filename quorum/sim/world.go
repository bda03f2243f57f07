package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"zkd/quorum/auth"
	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Options say what to simulate.
type Options struct {
	Seed  uint64
	Steps int       // events before all faults stop
	Trace io.Writer // nil for none
	// Voters and Observers there are; 0 voters leaves both to the seed.
	Voters, Observers int
	// Bug is a known bug to be had by the ensemble, so that the checks can be checked.
	Bug Bug
	// Java are the releases of which the first voters are models; the others are servers of ours.
	Java []Release
	// JavaLeads says that a model is the one that is mostly elected.
	JavaLeads bool
}

// tick is the tickTime of the simulated ensemble, and its limits in ticks.
const (
	tick      = 200 * time.Millisecond
	initLimit = 5
	syncLimit = 4
)

// auditEvery is how many events there are between two audits. Others come after some of the crashes.
const auditEvery = 500

// minFree is a MinFreeBytes.
const minFree = 64 << 10

// World is an ensemble, its clients, and all that may happen to them.
type World struct {
	o   Options
	rng *rand.Rand

	now   time.Duration
	seq   uint64
	queue queue
	steps int

	temper  temper
	auth    *auth.Auth
	members election.Members
	config  string
	view    zk.View
	servers []*server // by id, from 1
	net     network
	clients []*client
	checks  checks

	healed    bool
	calmSince time.Duration // all serve, 0 before
	failure   string

	// Of a scene.
	scripted bool // nothing happens by chance
	counting bool
	points   int
	crash    Crash
	hit      bool // the crash has happened

	counts map[string]int // what happened how often
}

// Result is what became of a run.
type Result struct {
	Failure string // "" for none
	// Counts say what happened how often, so that it can be seen that a set of seeds reaches what it is for.
	Counts map[string]int
}

// temper is what kind of world a seed makes: in a calm one much gets committed, in others little lasts.
type temper struct {
	faultEvery    time.Duration // between two faults
	crashOdds     int           // one in so many disk operations is the last before a crash; 0 for none
	lossOdds      int           // one in so many notifications is lost; 0 for none
	latency       time.Duration // of links, at most
	diskLatency   time.Duration // of a sync, at most
	slow          zk.ServerID   // whose disk is ten times slower
	clientPause   time.Duration // between two things that a client does, at most
	snapCount     int
	prealloc      int64
	logBytes      int64
	snapshots     int // one in so many faults is a snapshot instead
	queueBytes    int // of a link; tiny ones overflow
	diskFaults    bool
	minFree       int64 // what the configuration asks for
	grouped       bool  // five voters are in groups
	shareEphem    int   // of 10 nodes made, how many are ephemeral
	streamLatency time.Duration
}

func emptyWorld(o Options) (*World, error) {
	w := &World{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0x73696d)), counts: make(map[string]int)}
	w.net.init(w)
	w.checks.init(w)
	a, err := auth.New(auth.Config{DigestEnabled: true, DigestAlg: "SHA1"})
	w.auth = a
	return w, err
}

func newWorld(o Options) (*World, error) {
	w, err := emptyWorld(o)
	if err != nil {
		return nil, err
	}
	w.temper = w.drawTemper()
	voters, observers := pick(w, 3, 3, 3, 5), w.rng.IntN(2)
	if o.Voters > 0 {
		voters, observers = o.Voters, o.Observers
	}
	if err := w.populate(voters, observers); err != nil {
		return nil, err
	}
	for i, v := range o.Java {
		s := w.servers[i]
		if o.JavaLeads {
			s = w.servers[voters-1-i] // the highest id is elected among equals
		}
		s.java, s.release = new(javaDisk), v
	}
	w.temper.slow = w.servers[w.rng.IntN(len(w.servers))].id
	for _, s := range w.servers {
		s.start()
	}
	for i := range 2 + w.rng.IntN(3) {
		c := &client{w: w, id: i}
		w.clients = append(w.clients, c)
		c.act()
	}
	w.after(w.temper.faultEvery, w.fault)
	return w, nil
}

// populate makes the servers, which are down.
func (w *World) populate(voters, observers int) (err error) {
	var config proto.QuorumConfig
	for i := range voters + observers {
		s := newServer(w, zk.ServerID(i+1), i >= voters)
		w.servers = append(w.servers, s)
		config.Servers = append(config.Servers, proto.QuorumServer{
			ID: s.id, Observer: s.observer, Addrs: []proto.PeerAddr{{Host: fmt.Sprintf("server%d", s.id), QuorumPort: 2888, ElectionPort: 3888}},
		})
	}
	if w.temper.grouped && voters == 5 {
		config.Groups = []zk.Group{
			{ID: 1, Members: []zk.Weight{{ID: 1, Weight: 1}, {ID: 2, Weight: 1}, {ID: 3, Weight: 1}}},
			{ID: 2, Members: []zk.Weight{{ID: 4, Weight: 2}}},
			{ID: 3, Members: []zk.Weight{{ID: 5, Weight: 1}}},
		}
	}
	w.config = config.String()
	if w.view, err = config.View(); err == nil {
		w.members, err = election.NewMembers(config, nil)
	}
	return err
}

func (w *World) drawTemper() temper {
	const ms = time.Millisecond
	return temper{
		faultEvery:    pick(w, 200*ms, 800*ms, 2500*ms),
		crashOdds:     pick(w, 0, 150, 600, 3000),
		lossOdds:      pick(w, 0, 20, 4),
		latency:       pick(w, 2*ms, 20*ms, 150*ms),
		diskLatency:   pick(w, 1*ms, 10*ms, 100*ms),
		clientPause:   pick(w, 10*ms, 50*ms, 400*ms),
		snapCount:     pick(w, 8, 40, 100_000),
		prealloc:      pick(w, int64(0), 4096),
		logBytes:      pick(w, int64(0), 2048),
		snapshots:     pick(w, 0, 3, 10),
		queueBytes:    pick(w, 1<<20, 1<<20, 4096),
		diskFaults:    w.rng.IntN(3) == 0,
		minFree:       pick(w, 0, int64(minFree)),
		shareEphem:    pick(w, 0, 3, 7),
		grouped:       w.rng.IntN(3) == 0,
		streamLatency: pick(w, 5*ms, 300*ms),
	}
}

// server returns the server with an id.
func (w *World) server(id zk.ServerID) *server { return w.servers[id-1] }

func (w *World) tracing() bool { return w.o.Trace != nil }

func (w *World) trace(format string, args ...any) {
	if w.o.Trace != nil {
		fmt.Fprintf(w.o.Trace, "%9.3f %s\n", w.now.Seconds(), fmt.Sprintf(format, args...))
	}
}

// fail ends the run: something that must always be true is not. The first failure counts.
func (w *World) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
		w.trace("FAILURE: %s", w.failure)
	}
}

// Run simulates.
func Run(o Options) Result {
	w, err := newWorld(o)
	if err != nil {
		return Result{Failure: err.Error()}
	}
	w.run()
	if w.failure == "" {
		w.heal()
	}
	for _, s := range w.servers {
		if s.life != nil {
			w.tally(s.life)
		}
	}
	w.counts["acknowledged writes"] = w.checks.grants
	w.counts["reigns"] = len(w.checks.leaders)
	return Result{w.failure, w.counts}
}

func (w *World) run() {
	for w.steps < w.o.Steps && w.failure == "" {
		w.steps++
		w.step()
		if w.steps%auditEvery == 0 && w.failure == "" {
			w.audit()
		}
	}
}

// tally counts what a process has done in its life.
func (w *World) tally(l *life) {
	w.counts["snapshots"] += int(l.stats.Snapshots.Load())
	w.counts["snapshots received"] += int(l.stats.SnapsReceived.Load())
	w.counts["files purged"] += int(l.stats.PurgedFiles.Load())
	w.counts["sessions expired"] += int(l.stats.SessionsExpired.Load())
	w.counts["sessions moved"] += int(l.stats.Revalidations.Load())
}
