package sim

import (
	"bytes"
	"flag"
	"fmt"
	"iter"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed only, and print its trace")
	simSeeds = flag.Uint64("sim.seeds", 300, "how many seeds to run")
	simFirst = flag.Uint64("sim.first", 1, "the first of them")
	simFor   = flag.Duration("sim.for", 0, "how long to go on with seeds, instead of how many")
	simFind  = flag.Uint64("sim.find", 0, "look through so many seeds for those that catch each known bug")
	simBug   = flag.String("sim.bug", "", "the known bug to run -sim.seed with")
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
		if r := Run(Options{Seed: *simSeed, Steps: *simSteps, Trace: os.Stdout, Bug: Bug(*simBug)}); r.Failure != "" {
			t.Fatal(r.Failure)
		}
		return
	}
	counts := make(map[string]int)
	for seed := range seeds(*simSeeds) {
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

// seeds yields so many seeds, or as many as there is time for.
func seeds(n uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		began := time.Now()
		for seed := *simFirst; *simFor > 0 && time.Since(began) < *simFor || *simFor == 0 && seed < *simFirst+n; seed++ {
			if !yield(seed) {
				return
			}
		}
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

// caughtBy lists seeds by which each known bug was caught when they were last looked for, with -sim.find.
var caughtBy = map[Bug][]uint64{
	Bug1549: {95, 110},
	Bug2678: {1, 9, 13},
	Bug2845: {19, 26, 34},
	Bug3023: {11, 13, 27},
	Bug3642: {1, 2, 3},
	Bug4394: {4, 84, 112},
	Bug4643: {19, 33, 55},
	Bug4646: {13, 30, 33},
	Bug4685: {1, 2, 4},
	Bug4712: {40},
	Bug4882: {55, 67, 83},
	Bug5094: {26, 40, 55},
}

// searchSeeds is how many seeds are tried where none of the list catches a bug any more: any change of a replica
// shifts them.
const searchSeeds = 400

// The checks see what they are there to see: with a known bug some seed fails.
func TestSimulationCatches(t *testing.T) {
	for _, bug := range Bugs() {
		t.Run(string(bug), func(t *testing.T) {
			t.Parallel()
			if *simFind > 0 {
				for seed := uint64(1); seed <= *simFind; seed++ {
					if failure := runBroken(bug, seed); failure != "" {
						t.Logf("%s is caught by seed %d: %s", bug, seed, failure)
					}
				}
				return
			}
			seeds := caughtBy[bug]
			for seed := uint64(1); seed <= searchSeeds; seed++ {
				seeds = append(seeds, seed)
			}
			for _, seed := range seeds {
				if failure := runBroken(bug, seed); failure != "" {
					t.Logf("%s is caught by seed %d: %s", bug, seed, failure)
					return
				}
			}
			t.Errorf("no seed catches it")
		})
	}
}

// runBroken runs an ensemble with a bug. A panic is a catch too: a replica may be told what cannot be.
func runBroken(bug Bug, seed uint64) (failure string) {
	defer func() {
		if p := recover(); p != nil {
			failure = fmt.Sprint("panic: ", p)
		}
	}()
	return Run(Options{Seed: seed, Steps: *simSteps, Bug: bug}).Failure
}
