//go:build java

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// makeLead returns when a given one of three servers leads, under load: of the other two, one leads, and is killed, and the other is
// away meanwhile, so that its history is the shorter one. Its connections break, so that it is back as soon as it may.
func (e *ensemble) makeLead(t testing.TB, l *ensembleLoad, wanted int) {
	t.Helper()
	leader := e.awaitAll(t)
	if leader == wanted {
		return
	}
	other := e.others(leader, wanted)
	e.part(t, reset, other, []int{leader, wanted})
	l.awaitProgress(t)
	e.kill(t, leader)
	e.heal(t)
	if got := e.await(t, wanted, other[0]); got != wanted {
		t.Fatalf("server %d leads, and server %d has the longer history", got, wanted)
	}
	e.launch(t, leader)
	e.awaitAll(t)
}

// zkd and Apache ZooKeeper share an ensemble: whoever leads, whoever is killed, and whatever history one has to send to
// the other.
func TestMixedEnsembles(t *testing.T) {
	zkd := selectedTarget(t)
	for _, members := range [][]target{
		{zkd, apache38, zkd},
		{apache386, zkd, apache39},
		{apache39, zkd, zkd},
	} {
		var names []string
		for _, member := range members {
			names = append(names, member.name)
		}
		t.Run(strings.Join(names, ", "), func(t *testing.T) {
			r := newEnsembleRun(t, members)
			for _, id := range r.all {
				f := fault{fmt.Sprintf("server %d, %s, leads and is killed", id, names[id-1]), true,
					func(t testing.TB, e *ensemble, l *ensembleLoad, _, _ int) {
						e.makeLead(t, l, id)
						l.awaitProgress(t)
						e.kill(t, id)
						l.awaitProgress(t)
					}}
				if !t.Run(f.name, func(t *testing.T) { r.round(t, f) }) {
					return
				}
			}
			for _, name := range []string{"all are killed", "the leader is cut off", "a follower stands still"} {
				f := faultNamed(t, name)
				if !t.Run(name, func(t *testing.T) { r.round(t, f) }) {
					return
				}
			}
		})
	}
}

// An ensemble of Apache ZooKeeper becomes one of zkd host by host, on the same directories and by the
// same zoo.cfg, and goes back, while clients work: no session ends, and no acknowledged write is lost.
func TestMigration(t *testing.T) {
	for _, java := range []target{apache386, apache39} {
		t.Run(java.name, func(t *testing.T) {
			r := newEnsembleRun(t, repeat(3, java))
			migrate := func(to target) fault {
				return fault{"to " + to.name, true, func(t testing.TB, e *ensemble, l *ensembleLoad, _, _ int) {
					for _, id := range e.all {
						s := e.servers[id]
						e.signal(t, id, syscall.SIGTERM)
						<-s.exited
						s.target = to
						s.launch(t)
						e.awaitAll(t)
						l.awaitProgress(t)
					}
				}}
			}
			for _, f := range []fault{migrate(selectedTarget(t)), migrate(java)} {
				if !t.Run(f.name, func(t *testing.T) { r.round(t, f) }) {
					return
				}
			}
		})
	}
}

// With ZKD_SOAK, faults strike an ensemble of five, of all kinds, as long as told.
func TestMixedKillLoop(t *testing.T) {
	zkd := selectedTarget(t)
	newEnsembleRun(t, []target{zkd, apache386, zkd, apache39, zkd}).soak(t)
}
