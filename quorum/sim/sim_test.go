package sim

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"testing"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed only, and print its trace")
	simSeeds = flag.Uint64("sim.seeds", 300, "how many seeds to run")
	simFirst = flag.Uint64("sim.first", 1, "the first of them")
	simSteps = flag.Int("sim.steps", 6000, "how many things happen before all faults end")
)

// The garbage of thousands of small ensembles is collected less often than usual: it takes a third of the time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestSimulation runs ensembles through whatever can go wrong; see the package comment.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		if r := Run(Options{Seed: *simSeed, Steps: *simSteps, Trace: os.Stdout}); r.Failure != "" {
			t.Fatal(r.Failure)
		}
		return
	}
	counts := make(map[string]int)
	for seed := *simFirst; seed < *simFirst+*simSeeds; seed++ {
		r := Run(Options{Seed: seed, Steps: *simSteps})
		if r.Failure != "" {
			t.Errorf("seed %d: %s\ngo test ./quorum/sim -run TestSimulation -sim.seed=%d -sim.steps=%d -v", seed, r.Failure, seed, *simSteps)
		}
		for what, n := range r.Counts {
			counts[what] += n
		}
	}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%8d %s", counts[what], what)
	}
}

// The same seed gives the same run, or a failure could not be looked into.
func TestSimulationReplays(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		var first, second bytes.Buffer
		Run(Options{Seed: seed, Steps: 3000, Trace: &first})
		Run(Options{Seed: seed, Steps: 3000, Trace: &second})
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("seed %d gave two runs", seed)
		}
	}
}
