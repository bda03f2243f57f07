package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
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

// figure is one number of the table, NaN where nothing was measured.
type figure = float64

// of returns the median of a field over the runs on one server.
func (r row) of(server string, field func(measured) float64) figure {
	runs := r.runs[server]
	if len(runs) == 0 {
		return math.NaN()
	}
	return field(median(runs, field))
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
		"Noise: the share of the machine that other programs used meanwhile; rows with much of it say little.\n\n")
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
	return judged(strings.Join(all, ", "), missed)
}

// judged adds to the text of an aim what of it was missed.
func judged(aim string, missed []string) string {
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
			aim = judged("ops ≥ "+exact(share), missed)
		}
		t = append(t, []string{row.title, cell(opsOf), cell(p50Of), cell(p99Of), cell(cpuOf), aim})
	}
	if len(t) > 1 {
		b.WriteString("\nThe ceiling is a server that keeps nothing and answers every request with the same reply.\n\n")
		t.write(b)
	}
}

func (r *report) writeCapacity(b *strings.Builder) {
	of := func(name string, field func(*capacity) float64) figure {
		c := r.held[name]
		if c == nil || field(c) == 0 {
			return math.NaN()
		}
		return field(c)
	}
	const mib = 1 << 20
	peak := func(name string) figure {
		if r.peakBytes[name] == 0 {
			return math.NaN()
		}
		return float64(r.peakBytes[name]) / mib
	}
	t := table{{"what", "zkd / Apache = ratio", "aim"}}
	// add appends a row unless nothing was measured. ratio and own are what must not be exceeded by the
	// ratio and by zkd's own figure, 0 for no demand.
	add := func(what string, zkd, apache, ratio, own figure) {
		if math.IsNaN(zkd) && math.IsNaN(apache) {
			return
		}
		aim, met := "", true
		if ratio > 0 {
			aim, met = "ratio ≤ "+exact(ratio), !(zkd/apache > ratio)
		}
		if own > 0 {
			aim, met = "zkd ≤ "+exact(own), !(zkd > own)
		}
		if !met {
			aim += "; **missed**"
		}
		t = append(t, []string{what, versus(zkd, apache), aim})
	}
	held := func(what string, field func(*capacity) float64, ratio, own figure) {
		add(what, of(zkdName, field), of(apacheName, field), ratio, own)
	}
	with := grouped(float64(r.znodes)) + " znodes of 100 bytes"
	add("peak RSS during the work above, MiB", peak(zkdName), peak(apacheName), 0, 0)
	held("RSS without znodes, MiB", func(c *capacity) float64 { return float64(c.emptyBytes) / mib }, 0, 0)
	held("RSS with "+with+", MiB", func(c *capacity) float64 { return float64(c.fullBytes) / mib }, 0.25, 0)
	held("the same in bytes per znode, less the empty server", func(c *capacity) float64 {
		return float64(c.fullBytes-c.emptyBytes) / float64(max(c.znodes, 1))
	}, 0, 0)
	held("from start to first session after kill -9, ms", func(c *capacity) float64 { return micros(c.start) / 1000 }, 0.125, 0)
	held("RSS after that start, MiB", func(c *capacity) float64 { return float64(c.restartedBytes) / mib }, 0, 0)
	sets := fmt.Sprintf("%d sets a second beside large ones: p99 ", setsPerSecond)
	held(sets+"without a snapshot, µs", func(c *capacity) float64 { return micros(c.normal) }, 0, 0)
	held(sets+"while a snapshot is written, µs", func(c *capacity) float64 { return micros(c.busy) }, 0, 0)
	held("the second over the first", func(c *capacity) float64 { return float64(c.busy) / float64(max(c.normal, 1)) }, 0, 2)
	held("KiB per idle session", func(c *capacity) float64 { return c.bytesPerSession / 1024 }, 0, 10)
	if len(t) > 1 {
		b.WriteString("\n")
		t.write(b)
	}
}

// table is a Markdown table; its first row is the head.
type table [][]string

// write pads the cells so that the text can be read as it is, too.
func (t table) write(b *strings.Builder) {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	line := func(row []string) {
		for i, cell := range row {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+1))
		}
		b.WriteString("|\n")
	}
	line(t[0])
	for _, width := range widths {
		b.WriteString("|" + strings.Repeat("-", width+2))
	}
	b.WriteString("|\n")
	for _, row := range t[1:] {
		line(row)
	}
}

// versus is a cell: two figures and their ratio, or as much as there is of them.
func versus(ours, theirs figure) string {
	switch {
	case math.IsNaN(ours) && math.IsNaN(theirs):
		return "–"
	case math.IsNaN(theirs):
		return grouped(ours)
	case math.IsNaN(ours):
		return "– / " + grouped(theirs)
	default:
		return grouped(ours) + " / " + grouped(theirs) + " = " + short(ours/theirs)
	}
}

// short is a number with three digits that mean something, two behind the point at most.
func short(v figure) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case math.Abs(v) >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	text := strconv.FormatFloat(v, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimSuffix(text, "0"), ".0")
}

// exact is a number of an aim, with three digits at most.
func exact(v figure) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// percent is a share in per cent.
func percent(v figure) string {
	if math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(v*100, 'f', 0, 64) + " %"
}

// grouped is short with commas between thousands.
func grouped(v figure) string {
	digits, behind, point := strings.Cut(short(v), ".")
	var groups []string
	for len(digits) > 3 && digits[0] != '-' {
		groups = append(groups, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	slices.Reverse(groups)
	text := strings.Join(append([]string{digits}, groups...), ",")
	if point {
		text += "." + behind
	}
	return text
}
