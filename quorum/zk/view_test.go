package zk

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// set returns the predicate that holds for ids.
func set(ids ...ServerID) func(ServerID) bool {
	return func(id ServerID) bool { return slices.Contains(ids, id) }
}

// group returns a group whose members all have weight 1.
func group(id int64, members ...ServerID) Group {
	g := Group{ID: id}
	for _, m := range members {
		g.Members = append(g.Members, Weight{m, 1})
	}
	return g
}

func mustGroup(t *testing.T, voters []ServerID, groups ...Group) View {
	t.Helper()
	v, err := NewGroupedView(voters, groups)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestHasQuorum(t *testing.T) {
	nine := mustGroup(t, []ServerID{1, 2, 3, 4, 5, 6, 7, 8, 9}, group(1, 1, 2, 3), group(2, 4, 5, 6), group(3, 7, 8, 9))
	weightless := mustGroup(t, []ServerID{1, 2, 3, 4},
		group(1, 1, 2, 3), Group{2, []Weight{{4, 0}}})
	heavy := mustGroup(t, []ServerID{1, 2, 3}, Group{1, []Weight{{1, 3}, {2, 1}, {3, 1}}})
	withObserver := mustGroup(t, []ServerID{1, 2}, Group{1, []Weight{{1, 1}, {2, 1}, {7, 2}}})
	for name, test := range map[string]struct {
		view View
		in   []ServerID
		want bool
	}{
		"the zero view has no quorum":                         {View{}, []ServerID{1}, false},
		"one of one is a majority":                            {NewView(1), []ServerID{1}, true},
		"nobody is no majority":                               {NewView(1), nil, false},
		"half is no majority":                                 {NewView(1, 2, 3, 4), []ServerID{1, 2}, false},
		"more than half is a majority":                        {NewView(1, 2, 3, 4), []ServerID{1, 2, 4}, true},
		"strangers do not count":                              {NewView(1, 2, 3), []ServerID{3, 8, 9}, false},
		"a voter named twice counts once":                     {NewView(1, 1, 2, 3), []ServerID{1}, false},
		"observers do not count":                              {NewView(1, 2, 3).WithObservers(4, 5), []ServerID{1, 4, 5}, false},
		"two groups of three, by two members each":            {nine, []ServerID{1, 2, 4, 5}, true},
		"a majority of servers that wins one group only":      {nine, []ServerID{1, 2, 3, 4, 7}, false},
		"one group, however complete":                         {nine, []ServerID{1, 2, 3}, false},
		"a group without weight is not counted as a group":    {weightless, []ServerID{1, 2}, true},
		"a group without weight cannot be won":                {weightless, []ServerID{1, 4}, false},
		"one server with more than half of the weight":        {heavy, []ServerID{1}, true},
		"two servers with less than half of the weight":       {heavy, []ServerID{2, 3}, false},
		"an observer in a group raises what the group needs":  {withObserver, []ServerID{1, 2}, false},
		"a group of weight three is won by two, not by one":   {mustGroup(t, []ServerID{1, 2, 3}, group(1, 1, 2, 3)), []ServerID{1}, false},
		"all groups without weight: there is no quorum":       {mustGroup(t, []ServerID{1}, Group{1, []Weight{{1, 0}}}), []ServerID{1}, false},
		"a grouped view without groups and voters has nobody": {mustGroup(t, nil), nil, false},
	} {
		if got := test.view.HasQuorum(set(test.in...)); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestMembers(t *testing.T) {
	v := NewView(3, 1, 2, 1).WithObservers(9, 2, 7, 9)
	if got := v.Voters(); !slices.Equal(got, []ServerID{1, 2, 3}) {
		t.Errorf("voters %v", got)
	}
	if got := v.Observers(); !slices.Equal(got, []ServerID{7, 9}) {
		t.Errorf("observers %v", got)
	}
	if v.Grouped() || !v.Contains(3) || v.Contains(9) || v.QuorumSize() != 2 {
		t.Errorf("grouped %v, contains 3 %v, contains 9 %v, quorum size %d", v.Grouped(), v.Contains(3), v.Contains(9), v.QuorumSize())
	}
}

func TestCanLead(t *testing.T) {
	grouped := mustGroup(t, []ServerID{1, 2}, Group{5, []Weight{{1, 2}, {2, 0}, {3, 1}}})
	for name, test := range map[string]struct {
		view View
		id   ServerID
		want bool
	}{
		"a voter may lead":                             {NewView(1, 2), 2, true},
		"an observer may not":                          {NewView(1, 2).WithObservers(3), 3, false},
		"a stranger may not":                           {NewView(1, 2), 4, false},
		"a voter with weight may lead":                 {grouped, 1, true},
		"a voter of weight 0 may not":                  {grouped, 2, false},
		"a member of a group that is no voter may not": {grouped, 3, false},
	} {
		if got := test.view.CanLead(test.id); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestNewGroupedViewRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		groups []Group
		want   string
	}{
		"a voter in no group":         {[]Group{group(1, 1)}, "server 2 votes but is in no group"},
		"a member of two groups":      {[]Group{group(4, 1, 2), group(7, 2)}, "server 2 is in group 4 and in group 7"},
		"a member named twice":        {[]Group{group(4, 1, 2, 2)}, "server 2 is in group 4 and in group 4"},
		"a negative weight":           {[]Group{{1, []Weight{{1, -1}, {2, 1}}}}, "weight -1 of server 1 is not in 0..1000000000"},
		"a weight that may overflow":  {[]Group{{1, []Weight{{1, 1 << 62}, {2, 1}}}}, "is not in 0..1000000000"},
		"a voter where no groups are": {nil, "server 1 votes but is in no group"},
	} {
		if _, err := NewGroupedView([]ServerID{1, 2}, test.groups); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestJointNeedsAQuorumOfEachView(t *testing.T) {
	j := Joint{NewView(1, 2, 3), NewView(3, 4, 5)}
	for name, test := range map[string]struct {
		in   []ServerID
		want bool
	}{
		"of the old one only": {[]ServerID{1, 2, 3}, false},
		"of the new one only": {[]ServerID{3, 4, 5}, false},
		"of both":             {[]ServerID{1, 3, 5}, true},
	} {
		if got := j.HasQuorum(set(test.in...)); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if (Joint{}).HasQuorum(set(1)) {
		t.Error("no view at all has a quorum")
	}
	if got := j.Voters(); !slices.Equal(got, []ServerID{1, 2, 3, 4, 5}) {
		t.Errorf("voters %v", got)
	}
	if !j.Contains(5) || j.Contains(6) || !j.CanLead(1) || j.CanLead(6) {
		t.Error("membership of a joint view is not that of its views")
	}
}

// oracle says what a quorum is in the words of the protocol, slowly.
func oracle(voters []ServerID, groups []Group, in func(ServerID) bool) bool {
	if groups == nil {
		n := 0
		for _, id := range voters {
			if in(id) {
				n++
			}
		}
		return 2*n > len(voters)
	}
	counted, won := 0, 0
	for _, g := range groups {
		sum, acked := int64(0), int64(0)
		for _, m := range g.Members {
			sum += m.Weight
			if slices.Contains(voters, m.ID) && in(m.ID) {
				acked += m.Weight
			}
		}
		if sum > 0 {
			counted++
		}
		if sum > 0 && 2*acked > sum {
			won++
		}
	}
	return 2*won > counted
}

// randomView returns up to seven voters, in groups or not, and now and then an outsider in a group.
func randomView(rnd *rand.Rand) (voters []ServerID, groups []Group) {
	n := 1 + rnd.IntN(7)
	for id := range ServerID(n) {
		voters = append(voters, id+1)
	}
	if rnd.IntN(4) == 0 {
		return voters, nil
	}
	groups = make([]Group, 1+rnd.IntN(4))
	for i := range groups {
		groups[i].ID = int64(10 * i)
	}
	for _, id := range append(slices.Clone(voters), 100, 101)[:n+rnd.IntN(3)] {
		g := &groups[rnd.IntN(len(groups))]
		g.Members = append(g.Members, Weight{id, rnd.Int64N(4)})
	}
	return voters, groups
}

func TestAnyTwoQuorumsShareAVoter(t *testing.T) {
	for seed := range uint64(500) {
		voters, groups := randomView(rand.New(rand.NewPCG(seed, 0)))
		view := NewView(voters...)
		if groups != nil {
			view = mustGroup(t, voters, groups...)
		}
		var quorums []uint
		for bits := range uint(1) << len(voters) {
			in := func(id ServerID) bool { return bits>>(id-1)&1 == 1 }
			got := view.HasQuorum(in)
			if want := oracle(voters, groups, in); got != want {
				t.Fatalf("seed %d: voters %v, groups %v: %b: got %v, want %v", seed, voters, groups, bits, got, want)
			}
			if got {
				quorums = append(quorums, bits)
			}
		}
		for _, a := range quorums {
			for _, b := range quorums {
				if a&b == 0 {
					t.Fatalf("seed %d: voters %v, groups %v: quorums %b and %b share nobody", seed, voters, groups, a, b)
				}
			}
		}
	}
}
