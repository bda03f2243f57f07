package sim

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var simJavaSeeds = flag.Uint64("sim.java.seeds", 40, "how many seeds to run with each set of Java servers")

// TestJavaPeers runs ensembles of which one or two of three servers are models of Java ones: these may follow or
// lead, are mostly one or the other, and say when they are made to do what Java servers break of.
func TestJavaPeers(t *testing.T) {
	for _, java := range [][]Release{{Java380}, {Java386}, {Java393}, {Java395}, {Java395, Java395}} {
		for _, leads := range []bool{false, true} {
			name := fmt.Sprintf("%s leads=%v", strings.ReplaceAll(strings.Trim(fmt.Sprint(java), "[]"), " ", "+"), leads)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				o := Options{Steps: *simSteps, Voters: 3, Java: java, JavaLeads: leads}
				if *simSeed != 0 {
					o.Seed, o.Trace = *simSeed, os.Stdout
					if r := Run(o); r.Failure != "" {
						t.Error(r.Failure)
					}
					return
				}
				for o.Seed = range seeds(*simJavaSeeds) {
					if r := Run(o); r.Failure != "" {
						t.Errorf("seed %d: %s\ngo test ./quorum/sim -run '^%s$' -sim.seed=%d -sim.steps=%d -v", o.Seed, r.Failure, t.Name(), o.Seed, *simSteps)
					}
				}
			})
		}
	}
}
