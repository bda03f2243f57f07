package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zkd/daemon/admin"
	"zkd/quorum"
)

func TestProblemsThatStayAreToldOnceAndWhenTheyAreOver(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	l := &problemLog{log: zap.New(core)}
	lost := admin.Problem{Code: "Z107", Severity: "error", Text: "no quorum", Fix: "start them"}
	two, three := admin.Problem{Code: "Z103", Text: "server 2"}, admin.Problem{Code: "Z103", Text: "server 3"}
	began := time.Unix(1000, 0)
	steps := []struct {
		after time.Duration
		now   []admin.Problem
		said  []string // "message code"
		codes []string
	}{
		{0, []admin.Problem{lost}, nil, nil},
		{5 * time.Second, []admin.Problem{lost, two, three}, nil, nil},
		{14 * time.Second, []admin.Problem{lost, two, three}, nil, nil},
		{15 * time.Second, []admin.Problem{lost, two, three}, []string{"problem found Z107"}, []string{"Z107"}},
		{16 * time.Second, []admin.Problem{two, three}, []string{"problem is over Z107"}, nil},
		{20 * time.Second, []admin.Problem{two, three}, []string{"problem found Z103", "problem found Z103"}, []string{"Z103"}},
		{21 * time.Second, []admin.Problem{lost, two}, nil, []string{"Z103"}},
		{22 * time.Second, []admin.Problem{two}, nil, []string{"Z103"}}, // one that passed by
		{23 * time.Second, nil, []string{"problem is over Z103"}, nil},
		{90 * time.Second, []admin.Problem{two}, nil, nil}, // begins anew
	}
	for _, s := range steps {
		l.look(s.now, began.Add(s.after))
		var said []string
		for _, e := range logs.TakeAll() {
			said = append(said, e.Message+" "+e.ContextMap()["code"].(string))
		}
		if !slices.Equal(said, s.said) || !slices.Equal(l.codes(), s.codes) {
			t.Errorf("after %s: said %q, codes %q; want %q and %q", s.after, said, l.codes(), s.said, s.codes)
		}
	}
}

func TestTheStatusOfTheUnitNamesTheCodes(t *testing.T) {
	d := &process{problems: problemLog{told: map[string]bool{"Z108": true, "Z102": true, "Z107": false}}}
	if got := d.statusLine(quorum.Status{Serving: true}, time.Now()); !strings.HasSuffix(got, "; zkd doctor explains Z102, Z108") {
		t.Errorf("%q", got)
	}
}
