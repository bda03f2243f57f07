package sim

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	simJavaSeeds = flag.Uint64("sim.java.seeds", 40, "how many seeds to run with each release of Java")
)

// TestJavaPeers runs ensembles of which one server is a model of a Java one: it may follow or lead, is mostly one or
// the other, and breaks of what the Java server breaks of.
func TestJavaPeers(t *testing.T) {
	for _, release := range []Release{Java380, Java386, Java393, Java395} {
		for _, leads := range []bool{false, true} {
			name := fmt.Sprintf("%s leads=%v", release, leads)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				o := Options{Steps: *simSteps, Voters: 3, Java: []Release{release}, JavaLeads: leads}
				if *simSeed != 0 {
					o.Seed, o.Trace = *simSeed, os.Stdout
					if r := Run(o); r.Failure != "" {
						t.Error(r.Failure)
					}
					return
				}
				counts := make(map[string]int)
				for o.Seed = 1; o.Seed <= *simJavaSeeds; o.Seed++ {
					r := Run(o)
					if r.Failure != "" {
						t.Errorf("seed %d: %s\ngo test ./quorum/sim -run 'TestJavaPeers/%s' -sim.seed=%d -sim.steps=%d -v", o.Seed, r.Failure, release, o.Seed, *simSteps)
					}
					for what, n := range r.Counts {
						counts[what] += n
					}
				}
				t.Logf("%v", counts)
			})
		}
	}
}
