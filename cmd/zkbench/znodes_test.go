package main

import (
	"strings"
	"testing"
)

func TestZnodesOfAFamily(t *testing.T) {
	f := newFamily("fill", 10)
	for k, want := range map[int64]string{
		0:          "/zkbench/fill/p0/node-0000000",
		9:          "/zkbench/fill/p9/node-0000000",
		10:         "/zkbench/fill/p0/node-0000001",
		123_456:    "/zkbench/fill/p6/node-0012345",
		99_999_999: "/zkbench/fill/p9/node-9999999",
	} {
		if got := string(f.appendPath(nil, k)); got != want {
			t.Errorf("znode %d is %s, want %s", k, got, want)
		}
		data := string(f.appendData(nil, k))
		if len(data) != valueBytes {
			t.Errorf("znode %d has %d bytes", k, len(data))
		}
	}
	if a, b := string(f.appendData(nil, 1)), string(f.appendData(nil, 2)); a == b {
		t.Error("two znodes have the same data: a reply with the wrong one would pass")
	}
	f.sameData = true
	if a, b := string(f.appendData(nil, 1)), string(f.appendData(nil, 2)); a != b || !strings.HasPrefix(a, "0000000") {
		t.Errorf("data %q and %q, want that of znode 0 for both", a, b)
	}
}

func TestChoicesAreSpreadEvenlyAndRepeatable(t *testing.T) {
	const count, choices = 1000, 1_000_000
	hits := make([]int, count)
	for n := range int64(choices) {
		k := pick(3, n, count)
		if k != pick(3, n, count) {
			t.Fatal("the same request chose two znodes")
		}
		hits[k]++
	}
	for k, n := range hits {
		if n < choices/count*8/10 || n > choices/count*12/10 { // six standard deviations
			t.Errorf("znode %d was chosen %d times, want about %d", k, n, choices/count)
		}
	}
	if pick(0, 0, count) == pick(1, 0, count) && pick(0, 1, count) == pick(1, 1, count) {
		t.Error("two streams choose the same znodes")
	}
}

func TestWorksAllocateNothingPerRequest(t *testing.T) {
	w := getWork{family: keys(), count: keyCount}
	n := int64(0)
	if allocs := testing.AllocsPerRun(1000, func() {
		w.out.path = w.appendPath(w.out.path[:0], pick(0, n, keyCount))
		w.in.data = w.appendData(w.in.data[:0], pick(0, n, keyCount))
		n++
	}); allocs != 0 {
		t.Errorf("%v allocations per request", allocs)
	}
}
