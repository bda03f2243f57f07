package sim

import (
	"math"
	"slices"

	"zkd/quorum/election"
	"zkd/quorum/replica"
	"zkd/quorum/stats"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// audit asks what would be if the power failed everywhere now and any quorum came back: whoever of it is elected
// must have all that was ever acknowledged, and can lead with it.
//
// Whom an election and discovery let lead is known without them: the one with the highest currentEpoch, then the
// longest log, then the highest id. So it is enough to start each server by itself and to look at every quorum.
func (w *World) audit() {
	w.counts["audits"]++
	type survivor struct {
		id      zk.ServerID
		current zk.Epoch
		last    zk.Zxid
		lacks   string // what was acknowledged and is not there
	}
	var all []survivor
	for _, s := range w.servers {
		if s.observer {
			continue
		}
		if s.java != nil {
			current, last, t, err := s.javaSurvivor()
			if err != nil {
				w.fail("audit: server %d (Java): %v", s.id, err)
				return
			}
			all = append(all, survivor{s.id, current, last, w.checks.lacks(t, math.MaxInt64)})
			continue
		}
		disk := s.disk.CrashClone(w.rng.Uint64())
		cfg := w.config4(&life{s: s, w: w, stats: new(stats.Server)}, disk)
		cfg.Peers, cfg.Logger = nobody{}, nil
		m, err := replica.StartManual(cfg)
		if err != nil {
			if !w.checks.faulted[s.id] {
				w.fail("audit: after a loss of power server %d could not start: %v", s.id, err)
				return
			}
			continue
		}
		f := m.Facts()
		if f.Accepted < f.Current || f.Current < f.Logged.Epoch() {
			w.fail("audit: server %d: acceptedEpoch %d, currentEpoch %d, log ends at %v", s.id, f.Accepted, f.Current, f.Logged)
		}
		lacks := ""
		m.Read(func(v *replica.View) { lacks = w.checks.lacks(v.Tree(), math.MaxInt64) })
		all = append(all, survivor{s.id, f.Current, f.Logged, lacks})
		m.Close()
	}
	for set := 1; set < 1<<len(all); set++ {
		in := func(id zk.ServerID) bool {
			for i, s := range all {
				if s.id == id {
					return set&(1<<i) != 0
				}
			}
			return false
		}
		if !w.view.HasQuorum(in) {
			continue
		}
		best := -1
		for i, s := range all {
			if set&(1<<i) == 0 {
				continue
			}
			if best < 0 || s.current > all[best].current || s.current == all[best].current && s.last >= all[best].last {
				best = i
			}
		}
		if s := all[best]; s.lacks != "" {
			w.fail("audit: if the power failed now, and of the voters the set %b came back, server %d would lead (epoch %d, %v), but it lacks %s",
				set, s.id, s.current, s.last, s.lacks)
			return
		}
	}
}

// javaSurvivor returns what a loss of power would leave of a Java server.
func (s *server) javaSurvivor() (current zk.Epoch, last zk.Zxid, t *tree.Tree, err error) {
	d := *s.java
	if s.life != nil && s.release.careless() {
		if j, ok := s.life.m.(*java); ok {
			d.log = slices.Concat(d.log, j.queued)
		}
	}
	t, err = d.load()
	return max(d.current, d.last().Epoch()), d.last(), t, err
}

// nobody is the network of a server that is only looked at.
type nobody struct{}

func (nobody) Attach(*replica.Replica) {}
func (nobody) Do(election.Action)      {}
func (nobody) Lead(replica.Term) (replica.Port, error) {
	return nil, errUnreachable
}
func (nobody) Follow(replica.Term, zk.ServerID, <-chan struct{}) (replica.Link, error) {
	return nil, errUnreachable
}
