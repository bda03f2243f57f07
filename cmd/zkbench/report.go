package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// row is what a workload found on each server.
type row struct {
	workload
	runs map[string][]measured
}

// report is all that was found.
type report struct {
	options
	versions  map[string]string
	rows      []row
	peakBytes map[string]int64
	held      map[string]*capacity
	failures  []string
}

func (r *report) fail(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// of returns the median of a field over the runs on one server.
func (r row) of(server string, field func(measured) float64) figure {
	runs := r.runs[server]
	if len(runs) == 0 {
		return math.NaN()
	}
	var values []float64
	for _, run := range runs {
		values = append(values, field(run))
	}
	return median(values)
}

func opsOf(m measured) float64   { return m.perSecond }
func p50Of(m measured) float64   { return micros(m.p50) }
func p99Of(m measured) float64   { return micros(m.p99) }
func cpuOf(m measured) float64   { return micros(m.cpuPerOp) }
func noiseOf(m measured) float64 { return m.noise }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// write prints the report as Markdown.
func (r *report) write(to io.Writer) error {
	var b strings.Builder
	r.writeHead(&b)
	r.writeWorkloads(&b)
	r.writeCeiling(&b)
	r.writeCapacity(&b)
	for _, failure := range r.failures {
		fmt.Fprintf(&b, "\nFAILED: %s\n", failure)
	}
	_, err := io.WriteString(to, b.String())
	return err
}

func (r *report) writeHead(b *strings.Builder) {
	for _, name := range []string{zkdName, apacheName} {
		if version := r.versions[name]; version != "" {
			fmt.Fprintf(b, "%s: %s\n", name, version)
		}
	}
	if r.apache == "" {
		b.WriteString("Apache ZooKeeper was not measured: no class path was given and Debian's is not installed.\n")
	}
	if r.zkd == "" {
		b.WriteString("zkd was not measured.\n")
	}
}

func (r *report) writeWorkloads(b *strings.Builder) {
	if len(r.rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\nRounds in turn: %d of %v each; cells are medians, zkd / Apache = ratio.\n", r.rounds, r.duration)
	b.WriteString("cN dM: N connections with M requests outstanding each.\n" +
		"Spread: from the lowest to the highest p50 of the rounds, as a share of their median.\n" +
		fmt.Sprintf("Noise: the share of the machine that other programs used meanwhile; above %s no aim is judged.\n\n", percent(noiseLimit)))
	t := table{{"work", "ops/s", "p50 µs", "p99 µs", "server CPU µs/op", "spread", "noise", "aim"}}
	for _, row := range r.rows {
		pair := func(field func(measured) float64) string {
			return versus(row.of(zkdName, field), row.of(apacheName, field))
		}
		shares := func(of func(name string) figure) string {
			return percent(of(zkdName)) + " / " + percent(of(apacheName))
		}
		t = append(t, []string{row.title, pair(opsOf), pair(p50Of), pair(p99Of), pair(cpuOf),
			shares(row.spread), shares(func(name string) figure { return row.of(name, noiseOf) }), row.verdict()})
	}
	t.write(b)
}

// spread is how far apart the p50 of the rounds are on one server, NaN for less than two rounds.
func (r row) spread(server string) figure {
	runs := r.runs[server]
	if len(runs) < 2 {
		return math.NaN()
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, run := range runs {
		low, high = min(low, p50Of(run)), max(high, p50Of(run))
	}
	return (high - low) / r.of(server, p50Of)
}

// verdict is the aim of the row and, in words, what of it was missed.
func (r row) verdict() string {
	ratio := func(field func(measured) float64) figure { return r.of(zkdName, field) / r.of(apacheName, field) }
	var all, missed []string
	demand := func(what string, aim, got figure, atLeast bool) {
		if aim == 0 {
			return
		}
		sign, met := "≤", got <= aim
		if atLeast {
			sign, met = "≥", got >= aim
		}
		all = append(all, what+" "+sign+" "+exact(aim))
		if !met && !math.IsNaN(got) {
			missed = append(missed, what)
		}
	}
	demand("ops", r.aim.ops, ratio(opsOf), true)
	demand("p99", r.aim.p99, ratio(p99Of), false)
	demand("CPU", r.aim.cpu, ratio(cpuOf), false)
	return judged(strings.Join(all, ", "), missed, r.of(zkdName, noiseOf), r.of(apacheName, noiseOf))
}

// noiseLimit is the share of the machine that others may use at most, with either server, for a time to
// be judged: what they take differs from run to run, so it can make an aim met as well as missed.
const noiseLimit = 0.1

// judged adds to the text of an aim what of it was missed, or that the noises forbid to say so.
func judged(aim string, missed []string, noises ...float64) string {
	for _, noise := range noises {
		if noise > noiseLimit {
			return aim + "; not judged: noise"
		}
	}
	if len(missed) == 0 {
		return aim
	}
	return aim + "; **missed: " + strings.Join(missed, ", ") + "**"
}

func (r *report) writeCeiling(b *strings.Builder) {
	t := table{{"work", "zkd / ceiling, ops/s", "p50 µs", "p99 µs", "server CPU µs/op", "aim"}}
	for _, row := range r.rows {
		if len(row.runs[echoName]) == 0 || len(row.runs[zkdName]) == 0 {
			continue
		}
		cell := func(field func(measured) float64) string {
			return versus(row.of(zkdName, field), row.of(echoName, field))
		}
		aim := ""
		if share := row.aim.ofEcho; share > 0 {
			var missed []string
			if row.of(zkdName, opsOf) < share*row.of(echoName, opsOf) {
				missed = []string{"ops"}
			}
			aim = judged("ops ≥ "+exact(share), missed, row.of(zkdName, noiseOf), row.of(echoName, noiseOf))
		}
		t = append(t, []string{row.title, cell(opsOf), cell(p50Of), cell(p99Of), cell(cpuOf), aim})
	}
	if len(t) > 1 {
		b.WriteString("\nThe ceiling is a server that keeps nothing and answers every request with the same reply.\n\n")
		t.write(b)
	}
}
