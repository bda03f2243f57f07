package sim

import (
	"flag"
	"os"
	"testing"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed only, and print its trace")
	simSeeds = flag.Uint64("sim.seeds", 300, "how many seeds to run")
	simFirst = flag.Uint64("sim.first", 1, "the first of them")
	simSteps = flag.Int("sim.steps", 6000, "how many things happen before all faults end")
)

func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		if failure := Run(Options{Seed: *simSeed, Steps: *simSteps, Trace: os.Stdout}); failure != "" {
			t.Fatal(failure)
		}
		return
	}
	for seed := *simFirst; seed < *simFirst+*simSeeds; seed++ {
		if failure := Run(Options{Seed: seed, Steps: *simSteps}); failure != "" {
			t.Errorf("seed %d: %s\ngo test ./quorum/sim -run TestSimulation -sim.seed=%d -sim.steps=%d -v", seed, failure, seed, *simSteps)
		}
	}
}
