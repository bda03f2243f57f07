package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zkd/cmd/zkbench/load"
)

// someReport is a report of two rounds with figures that are easy to follow.
func someReport() *report {
	run := func(ops float64, p50, p99, cpu time.Duration, noise float64) measured {
		return measured{ops, p50, p99, cpu, noise}
	}
	all := workloads()
	const us = time.Microsecond
	return &report{
		options:  options{zkd: "zkd", apache: "jars", rounds: 2, duration: 5 * time.Second, znodes: 1_000_000},
		versions: map[string]string{zkdName: "3.9.5-zkd-1", apacheName: "3.8.0"},
		rows: []row{
			{all[0], map[string][]measured{
				zkdName:    {run(400_000, 4*us, 40*us, 3*us, 0.01), run(420_000, 5*us, 44*us, 3*us, 0.03)},
				apacheName: {run(100_000, 16*us, 60*us, 20*us, 0.02), run(90_000, 18*us, 70*us, 20*us, 0.04)},
				echoName:   {run(800_000, 2*us, 3*us, us, 0), run(800_000, 2*us, 3*us, us, 0)},
			}},
			{all[1], map[string][]measured{
				zkdName:    {run(1000, 40*us, 400*us, 30*us, 0), run(1000, 40*us, 400*us, 30*us, 0)},
				apacheName: {run(1000, 60*us, 300*us, 60*us, 0), run(1000, 60*us, 300*us, 60*us, 0)},
			}},
			{all[4], map[string][]measured{apacheName: {run(30_000, 60*us, 300*us, 60*us, 0)}}},
		},
		peakBytes: map[string]int64{zkdName: 100 << 20, apacheName: 500 << 20},
		held: map[string]*capacity{
			zkdName: {znodes: 1_000_000, emptyBytes: 20 << 20, fullBytes: 220 << 20, restartedBytes: 210 << 20, start: 500 * time.Millisecond,
				sets: underSnapshots{snapshots: 3, met: 2000, alone: 400 * us, normal: 500 * us, busy: 1500 * us, noise: 0.05}, sessions: 10, bytesPerSession: 8 << 10},
			apacheName: {znodes: 1_000_000, emptyBytes: 70 << 20, fullBytes: 800 << 20, restartedBytes: 900 << 20, start: 8 * time.Second,
				sets: underSnapshots{snapshots: 3, met: 9000, alone: 600 * us, normal: 800 * us, busy: 8000 * us}, sessions: 10, bytesPerSession: 30 << 10},
		},
		failures: []string{"set, c16 d100, zkd: it failed"},
	}
}

func TestTheReportIsMarkdown(t *testing.T) {
	var b strings.Builder
	if err := someReport().write(&b); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "report.md")
	if os.Getenv("ZKBENCH_REWRITE") != "" { // a person reads the difference
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestAnAimIsNotJudgedOnTooFewSets(t *testing.T) {
	r := someReport()
	r.held[zkdName].sets.met = 300
	var b strings.Builder
	r.writeCapacity(&b)
	if !strings.Contains(b.String(), "not judged: only 300 sets met a snapshot") {
		t.Errorf("the p99 of 300 sets was judged:\n%s", b.String())
	}
}

// What others take of the machine can make an aim met as well as missed.
func TestNoAimIsJudgedInNoise(t *testing.T) {
	for name, test := range map[string]struct {
		missed []string
		noises []float64
		want   string
	}{
		"met in quiet":              {nil, []float64{0.05, 0.1}, "aim"},
		"missed in quiet":           {[]string{"ops"}, []float64{0.05, 0.1}, "aim; **missed: ops**"},
		"met in noise":              {nil, []float64{0.05, 0.11}, "aim; not judged: noise"},
		"missed in noise":           {[]string{"ops"}, []float64{0.11, 0}, "aim; not judged: noise"},
		"missed without any noises": {[]string{"ops"}, nil, "aim; **missed: ops**"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judged("aim", test.missed, test.noises...); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	r := someReport()
	r.held[zkdName].sets.noise = 0.85
	var b strings.Builder
	r.writeCapacity(&b)
	if strings.Count(b.String(), "not judged: noise") != 1 {
		t.Errorf("want the sets under snapshots, and nothing else, left without judgement:\n%s", b.String())
	}
}

func TestAReportWithoutApacheSaysSo(t *testing.T) {
	r := someReport()
	r.apache = ""
	for _, row := range r.rows {
		delete(row.runs, apacheName)
	}
	delete(r.held, apacheName)
	var b strings.Builder
	if err := r.write(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "Apache ZooKeeper was not measured") {
		t.Error("the report does not say that Apache ZooKeeper was not measured")
	}
	if strings.Contains(b.String(), "NaN") {
		t.Errorf("a figure that is not there is printed:\n%s", b.String())
	}
}

func TestFiguresAreShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.047: "0.05", 0.5: "0.5", 1: "1", 2.25: "2.25", 9.999: "10", 12.34: "12.3", 123.4: "123",
		1234: "1,234", 999_999.9: "1,000,000", 3_159_900: "3,159,900", 100: "100", math.Inf(1): "–",
	} {
		if got := grouped(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

func TestTheMedianIsInTheMiddle(t *testing.T) {
	for want, values := range map[float64][]float64{7: {7}, 2: {3, 1, 2}, 2.5: {4, 1, 3, 2}, 15: {10, 20}} {
		if got := median(values); got != want {
			t.Errorf("of %v: got %v, want %v", values, got, want)
		}
	}
}

func TestASummaryIsOfTheCountedTime(t *testing.T) {
	var latency load.Histogram
	for range 1000 {
		latency.Add(time.Millisecond)
	}
	begin := time.Unix(1000, 0)
	got := summary(&latency,
		usage{at: begin, server: time.Second, self: 2 * time.Second, machine: 10 * time.Second},
		usage{at: begin.Add(2 * time.Second), server: 1500 * time.Millisecond, self: 2500 * time.Millisecond, machine: 11 * time.Second},
		2*time.Second)
	if got.perSecond != 500 || got.cpuPerOp != 500*time.Microsecond || got.p99 != time.Millisecond {
		t.Errorf("got %+v, want 500 a second, half a millisecond of CPU each, p99 1ms", got)
	}
	if got.noise != 0 { // what the machine spent was the server's and our own
		t.Errorf("noise %v, want none", got.noise)
	}
}
