package prep

import (
	"slices"
	"testing"
)

func TestQueueKeepsOrderAndItsMemory(t *testing.T) {
	var q queue[int]
	var want []int
	next := 0
	for step := range 5000 {
		switch {
		case step%7 == 3 && len(want) > 0:
			q.unpush()
			want = want[:len(want)-1]
		case step%3 == 2 && len(want) > 0:
			q.pop()
			want = want[1:]
		case len(want) < 20:
			q.push(next)
			want = append(want, next)
			next++
		default:
			q.pop()
			want = want[1:]
		}
		if q.len() != len(want) || !slices.Equal(q.all(), want) {
			t.Fatalf("step %d: %v, want %v", step, q.all(), want)
		}
	}
	if cap(q.items) > 100 {
		t.Errorf("a queue of at most 20 items holds memory for %d", cap(q.items))
	}
}
