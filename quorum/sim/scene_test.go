package sim

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var simPoint = flag.String("sim.point", "", "play the scene of TestCrashPoints with this crash only, point/crashed/quorum, and print its trace")

// subsets of the other two servers that crash with one, and quorums that come back.
var (
	crashed = [][]int{{}, {1}, {2}, {3}, {1, 2, 3}}
	quorums = [][]int{{1, 2}, {1, 3}, {2, 3}, {1, 2, 3}}
)

// TestCrashPoints interrupts discovery, synchronization and the first broadcast of an epoch at every operation of a
// disk and every packet: one server loses power there, or with another, or all do. Then each quorum comes back. Each
// time it must serve, with all that was acknowledged, and the others must come to the same state.
func TestCrashPoints(t *testing.T) {
	for _, scene := range Scenes() {
		t.Run(scene.Name, func(t *testing.T) {
			t.Parallel()
			if *simPoint != "" {
				var at, c, q int
				if _, err := fmt.Sscanf(*simPoint, "%d/%d/%d", &at, &c, &q); err != nil {
					t.Fatal(err)
				}
				if _, failure := scene.Play(crashAt(at, c, q), Options{Trace: os.Stdout}); failure != "" {
					t.Error(failure)
				}
				return
			}
			points, failure := scene.Play(Crash{}, Options{})
			if failure != "" {
				t.Fatalf("without a crash: %s", failure)
			}
			t.Logf("%d points", points)
			for at := 1; at <= points; at++ {
				for c := range crashed {
					for q := range quorums {
						if _, failure := scene.Play(crashAt(at, c, q), Options{}); failure != "" {
							t.Errorf("%s\ngo test ./quorum/sim -run 'TestCrashPoints/^%s$' -sim.point=%d/%d/%d -v", failure, scene.Name, at, c, q)
						}
					}
				}
			}
		})
	}
}

func crashAt(at, c, q int) Crash {
	return Crash{At: at, Crashed: crashed[c], Quorum: quorums[q], Seed: uint64(at*100 + c*10 + q)}
}
