package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"testing"
	"time"

	"zkd/quorum/zk"
)

// A fault is what is done to an ensemble under load. strike returns when the ensemble works in spite of it; what
// it has done to the network and to paused servers is undone after it, and servers that it has killed are
// started again.
type fault struct {
	name string
	// deposes says that a leader may live on that no longer leads.
	deposes bool
	strike  func(t testing.TB, e *ensemble, l *ensembleLoad, leader, follower int)
}

// comeback is longer than most servers need to serve again.
const comeback = time.Second

// The faults that an ensemble must survive with a minority of its servers away, or with all of them.
var faults = []fault{
	{"a follower is killed", false, func(t testing.TB, e *ensemble, l *ensembleLoad, _, follower int) {
		e.kill(t, follower)
		l.awaitProgress(t)
	}},
	{"the leader is killed", false, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
		e.kill(t, leader)
		l.awaitProgress(t)
	}},
	{"a follower is killed again and again as it comes back", false, func(t testing.TB, e *ensemble, l *ensembleLoad, _, follower int) {
		e.kill(t, follower)
		l.awaitProgress(t)
		for range 4 { // at any moment of its start, of its synchronization, or of what comes then
			e.launch(t, follower)
			moment := time.NewTimer(time.Duration(l.random.Int64N(int64(comeback))))
			<-moment.C
			e.kill(t, follower)
		}
	}},
	{"the leader is killed, and then the next", false, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
		e.kill(t, leader)
		next := e.await(t, e.others(leader)...)
		e.launch(t, leader)
		e.kill(t, next)
		e.await(t, e.others(next)...)
		l.awaitProgress(t)
	}},
	{"all are killed", false, func(t testing.TB, e *ensemble, _ *ensembleLoad, _, _ int) {
		e.kill(t, e.all...)
	}},
	{"the leader stands still", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
		e.pause(t, leader)
		l.awaitProgress(t)
		e.resume(t)
		e.awaitDeposed(t, leader)
	}},
	{"a follower stands still", false, func(t testing.TB, e *ensemble, l *ensembleLoad, _, follower int) {
		e.pause(t, follower)
		l.awaitProgress(t)
	}},
	{"the leader is cut off", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
		e.part(t, blackHole, []int{leader}, e.others(leader))
		e.awaitDeposed(t, leader)
		l.awaitProgress(t)
	}},
	{"the leader is cut off, and its connections break", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
		e.part(t, reset, []int{leader}, e.others(leader))
		e.awaitDeposed(t, leader)
		l.awaitProgress(t)
	}},
	{"the leader hears nobody", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
		e.cut(t, blackHole, e.others(leader), []int{leader})
		e.awaitDeposed(t, leader)
		l.awaitProgress(t)
	}},
	{"nobody hears the leader", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
		e.cut(t, blackHole, []int{leader}, e.others(leader))
		e.awaitDeposed(t, leader)
		l.awaitProgress(t)
	}},
	{"a follower is cut off", false, func(t testing.TB, e *ensemble, l *ensembleLoad, _, follower int) {
		e.part(t, blackHole, []int{follower}, e.others(follower))
		l.awaitProgress(t)
	}},
	{"a follower does not hear the leader", false, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, follower int) {
		e.cut(t, blackHole, []int{leader}, []int{follower})
		l.awaitProgress(t)
	}},
	{"the leader and a follower are cut from each other, and the rest reaches both", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, follower int) {
		e.part(t, blackHole, []int{leader}, []int{follower})
		l.awaitProgress(t)
	}},
	{"clients do not reach the leader", false, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
		e.part(t, blackHole, []int{testHost}, []int{leader})
		l.awaitProgress(t)
	}},
	{"a follower's link is slow", false, func(t testing.TB, e *ensemble, l *ensembleLoad, _, follower int) {
		e.slowDown(t, follower)
		l.awaitProgress(t)
	}},
	{"the leader's link is slow", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
		e.slowDown(t, leader)
		l.awaitProgress(t)
	}},
}

// An ensembleRun is one ensemble that goes through faults, each with a load of its own.
type ensembleRun struct {
	*ensemble
	random     *rand.Rand
	rounds     int
	smallDisks bool // servers may refuse writes for want of room
}

func newEnsembleRun(t testing.TB, targets []target, settings ...string) *ensembleRun {
	t.Helper()
	seed := loopSeed(t)
	t.Logf("repeat this load with ZKD_SEED=%d", seed)
	return &ensembleRun{
		// Small numbers, so that faults meet snapshots and histories that must be sent whole.
		ensemble: startEnsemble(t, targets, append([]string{"snapCount=300"}, settings...)...),
		random:   rand.New(rand.NewPCG(seed, 0)),
	}
}

// round lets one fault strike below a load and judges what is there when all is well again.
func (r *ensembleRun) round(t *testing.T, f fault) {
	t.Helper()
	leader := r.awaitAll(t)
	followers := r.others(leader)
	follower := followers[r.random.IntN(len(followers))]
	l := r.load(t, !f.deposes)
	l.awaitProgress(t)
	t.Logf("server %d leads, the fault is about follower %d", leader, follower)
	f.strike(t, r.ensemble, l, leader, follower)
	r.mend(t)
	l.awaitProgress(t)
	l.end(t)
	r.judge(t, l)
}

// load starts the clients of a round. Where no leader may live on undeposed, or all are zkd, syncs are
// barriers.
func (r *ensembleRun) load(t testing.TB, onlyLeader bool) *ensembleLoad {
	t.Helper()
	r.rounds++
	return startLoad(t, r.ensemble, fmt.Sprintf("/round-%d", r.rounds), onlyLeader || r.allAre("zkd"), r.smallDisks, r.random)
}

// mend undoes what a fault has done and waits until all servers serve.
func (r *ensembleRun) mend(t testing.TB) {
	t.Helper()
	r.resume(t)
	r.heal(t)
	for _, id := range r.all {
		if r.servers[id].ended() {
			r.launch(t, id)
		}
	}
	r.awaitAll(t)
}

// judge wants no session lost, a history that the promises allow, and one tree on all servers.
func (r *ensembleRun) judge(t testing.TB, l *ensembleLoad) {
	t.Helper()
	l.finish(t)
	l.checkHistory(t, r.checkTrees(t))
	if !t.Failed() {
		r.sweep(t, l.root)
	}
}

// sweep deletes what a round has left: trees are compared often, and a soak takes long.
func (r *ensembleRun) sweep(t testing.TB, root string) {
	t.Helper()
	c, err := newSessionClient(r.addrs(), ensembleSessionTimeout, r.random.Uint64())
	if err != nil {
		t.Fatal(err)
	}
	defer c.drop()
	for _, parent := range []string{path.Join(root, "queue"), root} {
		err := insist(r.allAre("zkd"), func() error {
			if err := c.sync(parent); err != nil {
				return err
			}
			names, _, err := c.children(parent, false)
			if errors.Is(err, zk.ErrNoNode) {
				return nil // deleted by a call without an answer
			}
			for _, name := range names {
				if err == nil {
					err = c.delete(path.Join(parent, name), -1)
				}
			}
			if err == nil {
				err = c.delete(parent, -1)
			}
			return err
		})
		if err != nil {
			t.Fatalf("sweep %s: %v", parent, err)
		}
	}
	if err := c.close(); err != nil && (r.allAre("zkd") || !errors.Is(err, errLost)) {
		t.Fatal(err)
	}
}

// A zkd ensemble goes through all faults, one after the other.
func TestEnsembleFaults(t *testing.T) {
	r := newEnsembleRun(t, repeat(3, selectedTarget(t)))
	for _, f := range faults {
		if !t.Run(f.name, func(t *testing.T) { r.round(t, f) }) {
			return
		}
	}
}

// Five servers go on with three of them, and stand still with two.
func TestEnsembleOfFive(t *testing.T) {
	r := newEnsembleRun(t, repeat(5, selectedTarget(t)))
	for _, f := range []fault{
		{"the leader and a follower are killed", false, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, follower int) {
			e.kill(t, leader, follower)
			l.awaitProgress(t)
		}},
		{"the leader is left with one follower", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, follower int) {
			e.part(t, blackHole, []int{leader, follower}, e.others(leader, follower))
			e.awaitDeposed(t, leader)
			l.awaitProgress(t)
		}},
		{"two followers reach the rest by one server only", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, follower int) {
			rest := e.others(leader, follower)
			e.part(t, blackHole, rest[:2], []int{leader, rest[2]})
			l.awaitProgress(t)
		}},
		{"three of five are killed", false, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, follower int) {
			third := e.others(leader, follower)[0]
			e.kill(t, leader, follower, third)
			eventually(t, electionLimit, "two of five serve nobody", func() bool {
				for _, mode := range e.modes() {
					if mode != "" {
						return false
					}
				}
				return true
			})
		}},
	} {
		if !t.Run(f.name, func(t *testing.T) { r.round(t, f) }) {
			return
		}
	}
}

// With ZKD_SOAK, faults strike in random order as long as told. The name is one that make soak runs.
func TestEnsembleKillLoop(t *testing.T) {
	newEnsembleRun(t, repeat(3, selectedTarget(t))).soak(t)
}

// soak lets faults strike in random order as long as ZKD_SOAK says, and once without it.
func (r *ensembleRun) soak(t *testing.T) {
	soak := soakTime(t)
	for began := time.Now(); r.rounds == 0 || time.Since(began) < soak; {
		f := faults[r.random.IntN(len(faults))]
		if !t.Run(fmt.Sprintf("round %d, %s", r.rounds, f.name), func(t *testing.T) { r.round(t, f) }) {
			return
		}
	}
}

// faultNamed returns one of faults.
func faultNamed(t testing.TB, name string) fault {
	t.Helper()
	i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
	if i < 0 {
		t.Fatalf("no fault %q", name)
	}
	return faults[i]
}
