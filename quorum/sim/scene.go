package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"zkd/quorum/zk"
)

// Scene is a short story of three servers that goes the same way each time, so that it can be interrupted at each of
// its points: an operation of a disk, or a packet sent.
type Scene struct {
	Name     string
	begin    func(w *World) // what comes before
	story    func(w *World) // what is interrupted
	prealloc int64          // of the logs
}

// Crash is where a scene is interrupted, and what comes then.
type Crash struct {
	At      int   // the point, from 1; 0 for none
	Crashed []int // servers that lose power there, beside the one whose point it is
	Quorum  []int // servers that are up afterwards, until they serve; then the others come back
	Seed    uint64
}

// Scenes are all there are.
func Scenes() []Scene {
	together := func(w *World) {
		w.startAll(1, 2, 3)
		w.serve(1, 2, 3)
	}
	late := func(w *World) {
		w.startAll(1, 2)
		w.serve(1, 2)
		w.put(2, "later")
		w.startAll(3)
		w.serve(1, 2, 3)
	}
	return []Scene{
		{"the first epoch of all", func(*World) {}, together, 0},
		{"the one with a tail leads", (*World).tailAtThree, together, 0},
		{"the one with a tail leads, logs allocated ahead", (*World).tailAtThree, together, 4096},
		{"the one with a tail comes late, and is cut", (*World).tailAtThree, late, 0},
		{"the one with a tail comes late, and is cut, logs allocated ahead", (*World).tailAtThree, late, 4096},
		{"one with an empty disk gets a snapshot", func(w *World) {
			w.startAll(1, 2)
			w.serve(1, 2)
			w.put(2, "one")
			w.put(1, "two")
			w.put(2, "three")
		}, func(w *World) {
			w.startAll(3)
			w.serve(1, 2, 3)
		}, 0},
		{"one that slept through an epoch gets the log", func(w *World) {
			w.startAll(1, 2, 3)
			w.serve(1, 2, 3)
			w.put(3, "one")
			w.server(3).life.die("for the story")
			w.serve(1, 2)
			w.put(2, "two")
			w.put(1, "three")
		}, func(w *World) {
			w.startAll(3)
			w.serve(1, 2, 3)
		}, 0},
	}
}

// tailAtThree: all have the first txns, 1 lacks the last that is committed, 3 alone has one that is not.
func (w *World) tailAtThree() {
	w.startAll(1, 2, 3)
	w.serve(1, 2, 3)
	if w.server(3).life.m.Facts().LeaderEpoch == 0 {
		w.fail("server 3 was to lead")
	}
	w.put(3, "one")
	w.put(3, "two")
	w.cutOff(1)
	w.put(3, "three")
	w.cutOff(1, 2)
	w.ask(3, "tail")
	w.until(func() bool { return w.server(3).life.m.Facts().Durable > w.checks.acked })
	for _, s := range w.servers {
		s.life.die("for the story")
	}
	w.reunite()
}

func newSceneWorld(seed uint64, prealloc int64, o Options) (*World, error) {
	w, err := emptyWorld(o)
	if err != nil {
		return nil, err
	}
	w.scripted = true
	w.rng = rand.New(rand.NewPCG(seed, 0x7363656e65))
	w.temper = temper{
		latency: 2 * time.Millisecond, diskLatency: time.Millisecond, streamLatency: time.Millisecond,
		snapCount: 100_000, queueBytes: 1 << 20, prealloc: prealloc,
	}
	return w, w.populate(3, 0)
}

// Play plays a scene with a crash, and returns how many points it has and what was wrong, or "".
func (s Scene) Play(c Crash, o Options) (points int, failure string) {
	w, err := newSceneWorld(1, s.prealloc, o)
	if err != nil {
		return 0, err.Error()
	}
	s.begin(w)
	if w.failure != "" {
		return 0, "before the story: " + w.failure
	}
	w.counting, w.crash = true, c
	s.story(w)
	w.counting = false
	switch {
	case w.failure != "":
	case c.At > 0 && !w.hit:
		w.fail("the story has no point %d", c.At)
	case c.At > 0:
		w.recover(c.Quorum)
	}
	return w.points, w.failure
}

// point is where a process may be interrupted.
func (w *World) point(l *life, what string) {
	if !w.scripted {
		if !w.healed && w.chance(w.temper.crashOdds) {
			l.die("at " + what)
		}
		return
	}
	if !w.counting || w.hit {
		return
	}
	if w.points++; w.points != w.crash.At {
		return
	}
	w.hit = true
	w.rng = rand.New(rand.NewPCG(w.crash.Seed, 0x7363656e65))
	l.die(fmt.Sprintf("at point %d, %s", w.points, what))
	for _, id := range w.crash.Crashed {
		if other := w.server(zk.ServerID(id)).life; other != nil {
			other.die("at the same time")
		}
	}
}

// recover lets a quorum come back and serve, then the others.
func (w *World) recover(quorum []int) {
	if len(w.crash.Crashed) < 2 { // those that did not crash go on for a while
		w.hit = false
		w.pass(time.Second)
	}
	in := make(map[zk.ServerID]bool)
	for _, id := range quorum {
		in[zk.ServerID(id)] = true
	}
	for _, s := range w.servers {
		if s.life != nil && !in[s.id] {
			s.life.die("and stays away")
		}
	}
	w.hit = false
	w.startAll(quorum...)
	w.serve(quorum...)
	w.put(quorum[0], "after")
	w.startAll(1, 2, 3)
	w.serve(1, 2, 3)
	w.until(w.agree)
	w.holdAll()
}

// until lets time pass until something is so. Nothing is, once the story was interrupted.
func (w *World) until(so func() bool) {
	for deadline := w.now + patience; w.failure == "" && !w.hit && !so(); w.step() {
		if w.now > deadline {
			w.fail("the story does not go on: %s", w.whoServes())
		}
	}
}

// pass lets time pass.
func (w *World) pass(d time.Duration) {
	for end := w.now + d; w.failure == "" && len(w.queue) > 0 && w.queue[0].at < end; {
		w.step()
	}
}

func (w *World) startAll(ids ...int) {
	for _, id := range ids {
		if !w.hit {
			w.server(zk.ServerID(id)).start()
		}
	}
}

// serve waits until servers serve, all with the same leader.
func (w *World) serve(ids ...int) {
	w.until(func() bool {
		leads := false
		for _, id := range ids {
			l := w.server(zk.ServerID(id)).life
			if l == nil || l.m == nil || l.m.Serving() == 0 {
				return false
			}
			leads = leads || l.m.Facts().LeaderEpoch != 0
		}
		return leads
	})
}

// ask lets the client of a server ask for a znode, under a name that is used once.
func (w *World) ask(id int, name string) (k *clientConn) {
	for len(w.clients) < len(w.servers) {
		w.clients = append(w.clients, &client{w: w, id: len(w.clients) + 1, stopped: true})
	}
	c := w.clients[id-1]
	w.until(func() bool {
		if k = c.conn; k == nil || k.over {
			c.connect(w.server(zk.ServerID(id)).life)
			k = c.conn
		}
		return k != nil && k.ready && !k.over
	})
	if w.hit || w.failure != "" {
		return nil
	}
	path := c.name(name)
	k.submit(wish{op: zk.OpCreate, path: path, kept: true}, 0, createBody(path, path, zk.ModePersistent))
	k.l.settle()
	return k
}

// put is ask, and waits for the answer.
func (w *World) put(id int, name string) {
	if k := w.ask(id, name); k != nil {
		w.until(func() bool { return len(k.queue) == 0 || k.over })
	}
}

// cutOff cuts servers off from all others.
func (w *World) cutOff(ids ...int) {
	for _, id := range ids {
		for _, other := range w.servers {
			if other.id != zk.ServerID(id) {
				w.net.block(other.id, zk.ServerID(id))
				w.net.block(zk.ServerID(id), other.id)
			}
		}
	}
}

// holdAll: every server has all that was acknowledged.
func (w *World) holdAll() {
	for _, s := range w.servers {
		if w.failure == "" {
			w.checks.holdsAll(s.life)
		}
	}
}
