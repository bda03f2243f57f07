package zab

import (
	"flag"
	"fmt"
	"testing"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run the simulation with this seed only, and print its trace")
	simSeeds = flag.Uint64("sim.seeds", 800, "how many seeds to run")
	simFind  = flag.Uint64("sim.find", 0, "look through so many seeds for those that catch each known bug: any change of the cores shifts them")
)

// simSteps is how many things happen before all faults end.
const simSteps = 5000

// simulate returns how a seed failed, or "".
func simulate(seed uint64, l lies, tracing bool) (failure, trace string) {
	w := newWorld(seed, l)
	w.tracing = tracing
	w.run(simSteps)
	if w.failure == "" {
		w.heal()
	}
	return w.failure, w.log.String()
}

// TestSimulation runs a few cores, with simulated disks and links, through crashes, power failures,
// broken links and disorderly elections. After each step: one leader per epoch, committed histories
// agree, nothing committed is on fewer disks than a quorum needs, currentEpoch is not above
// acceptedEpoch and not claimed without its history, histories have no gap, reads behind a sync see
// what was committed before it. Then all faults end, and the servers must agree and serve.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		failure, trace := simulate(*simSeed, lies{}, true)
		t.Logf("%s\n%s", trace, failure)
		if failure != "" {
			t.Error(failure)
		}
		return
	}
	for seed := uint64(1); seed <= *simSeeds; seed++ {
		if failure, _ := simulate(seed, lies{}, false); failure != "" {
			t.Fatalf("seed %d: %s\ngo test ./quorum/zab -run TestSimulation -sim.seed=%d -v", seed, failure, seed)
		}
	}
}

// The same seed gives the same run, or a failure could not be looked into.
func TestSimulationReplays(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		_, first := simulate(seed, lies{}, true)
		if _, second := simulate(seed, lies{}, true); first != second {
			t.Errorf("seed %d gave two runs", seed)
		}
	}
}

// The checks see what they are there to see: with a shell that has one of the known bugs, these seeds
// fail.
func TestSimulationCatches(t *testing.T) {
	tests := map[string]struct {
		lies  lies
		seeds []uint64
	}{
		"an ACK before the fsync (ZOOKEEPER-4646, -3023)":                    {lies{ackBeforeSync: true}, []uint64{2, 6, 8}},
		"currentEpoch before the synced history (ZOOKEEPER-4643, -2678)":     {lies{epochBeforeHistory: true}, []uint64{11, 18, 27}},
		"a synced state in memory only (ZOOKEEPER-3642, -5094)":              {lies{snapshotInMemory: true}, []uint64{2, 3, 4}},
		"the state in memory taken for that on disk (ZOOKEEPER-4882, -2845)": {lies{keepMemory: true}, []uint64{6, 11, 26}},
		"a log that is written after its role (ZOOKEEPER-4712)":              {lies{zombieWriter: true}, []uint64{15, 29, 35}},
		"a log with a hole as evidence (ZOOKEEPER-2099, -4925)":              {lies{forgetFloor: true}, []uint64{63, 1065, 1265}},
		"a snapshot with a tail that TRUNC does not undo (ZOOKEEPER-1549)":   {lies{dirtySnapshot: true}, []uint64{161, 239, 305}},
		"a promise that is not durable (rule R2)":                            {lies{acceptedInMemory: true}, []uint64{120, 596, 617}},
		"a server that believes it is alone":                                 {lies{loneView: true}, []uint64{2, 3, 4}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= *simFind; seed++ {
				if simulateLiar(seed, tc.lies) != "" {
					t.Logf("caught by seed %d", seed)
				}
			}
			for _, seed := range tc.seeds {
				if simulateLiar(seed, tc.lies) == "" {
					t.Errorf("seed %d passes", seed)
				}
			}
		})
	}
}

// simulateLiar also takes a panic of a core for a catch: it may be told what cannot be.
func simulateLiar(seed uint64, l lies) (failure string) {
	defer func() {
		if p := recover(); p != nil {
			failure = fmt.Sprint("panic: ", p)
		}
	}()
	failure, _ = simulate(seed, l, false)
	return failure
}
