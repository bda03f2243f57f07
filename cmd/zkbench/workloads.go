package main

import (
	"fmt"

	"zkd/cmd/zkbench/load"
)

// place is what a trial may know of where and when it runs.
type place struct {
	run  int  // a number of its own for each run on one server
	echo bool // the server is the one that keeps nothing
}

// trial is one prepared run of a workload on one server.
type trial interface {
	// run lasts as long as the window and returns the latency of every operation counted in it.
	run(w load.Window) (*load.Histogram, error)
	// close gives back what prepare took.
	close() error
}

// workload is one row of the table.
type workload struct {
	name    string // for --only
	title   string
	echo    bool // the ceiling is measured too
	aim     aim
	prepare func(addr string, on place) (trial, error)
}

// aim is what zkd must reach, as ratios to Apache ZooKeeper in the same run; 0 is no demand.
type aim struct {
	ops    float64 // at least
	p99    float64 // at most
	cpu    float64 // CPU per operation, at most
	ofEcho float64 // operations as a share of the ceiling's, at least
}

// workloads are those of the table, in its order. cN dM is N connections with M requests outstanding
// each.
func workloads() []workload {
	const conns, depth, many = 16, 100, 100
	openLoop := func(perSecond int) workload {
		return workload{
			name: fmt.Sprintf("get-%d", perSecond), title: fmt.Sprintf("get, %d a second", perSecond),
			aim: aim{p99: 0.5}, prepare: prepareGets(conns, 0, float64(perSecond)),
		}
	}
	return []workload{
		{"get", "get, c16 d100", true, aim{ops: 3.5, p99: 1, cpu: 0.25, ofEcho: 0.6}, prepareGets(conns, depth, 0)},
		{"get-1", "get, c1 d1", true, aim{ops: 3, p99: 1}, prepareGets(1, 1, 0)},
		openLoop(1000),
		openLoop(5000),
		{"set", "set, c16 d100", false, aim{ops: 3, p99: 1, cpu: 1.0 / 3}, prepareSets(conns, depth)},
		{"set-1", "set, c1 d1", false, aim{ops: 2.5, p99: 1}, prepareSets(1, 1)},
		{"create", "create, c16 d100", false, aim{ops: 3, p99: 1, cpu: 1.0 / 3}, prepareCreates(conns, depth)},
		{"create-1", "create, c1 d1", false, aim{ops: 2.5, p99: 1}, prepareCreates(1, 1)},
		{"connect", "connect and close, c100", false, aim{ops: 3, p99: 1}, prepareSessions(many, false)},
		{"ephemeral", "connect, ephemeral, close, c100", false, aim{ops: 3, p99: 1}, prepareSessions(many, true)},
		{"watch", "watch, 100 watchers (notifications)", false, aim{ops: 4, p99: 1}, prepareWatch(many)},
	}
}
