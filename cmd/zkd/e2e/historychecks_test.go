package e2e

import (
	"os"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
)

// checkOrder wants the zxids of writes that did not overlap in the order of time, and beyond the history's floor. It
// returns the newest.
func (h *history) checkOrder(t testing.TB) (newestZxid int64) {
	t.Helper()
	newest := stamp{zxid: h.floor, what: "the round before"}
	newestZxid = h.floor
	byCall := slices.SortedFunc(slices.Values(h.stamps), func(a, b stamp) int { return int(a.call - b.call) })
	byDone := slices.SortedFunc(slices.Values(h.stamps), func(a, b stamp) int { return int(a.done - b.done) })
	for _, s := range byCall {
		for len(byDone) > 0 && byDone[0].done < s.call {
			if byDone[0].zxid > newest.zxid {
				newest = byDone[0]
			}
			byDone = byDone[1:]
		}
		if s.zxid <= newest.zxid {
			t.Errorf("%s has zxid %#x, and %s, which was over before, has %#x", s.what, s.zxid, newest.what, newest.zxid)
		}
		newestZxid = max(newestZxid, s.zxid)
	}
	return newestZxid
}

// checkLinearizable lets porcupine judge the registers.
func (h *history) checkLinearizable(t testing.TB) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(registerModel, h.registers, checkLimit)
	switch result {
	case porcupine.Ok:
	case porcupine.Unknown:
		t.Errorf("porcupine does not decide %d calls within %v", len(h.registers), checkLimit)
	case porcupine.Illegal:
		file, err := os.CreateTemp("", "zkd-history-*.html")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := porcupine.Visualize(registerModel, info, file); err != nil {
			t.Error(err)
		}
		t.Errorf("the registers' history is not linearizable: see %s", file.Name())
	}
}
