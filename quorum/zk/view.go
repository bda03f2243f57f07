package zk

import (
	"fmt"
	"slices"
)

// View is the members of one configuration, and which of the voting ones decide together.
//
// Without groups, more than half of the voters are a quorum. With groups (hierarchical quorums), a
// group is won by more than half of its weight, and more than half of the groups that have weight
// are a quorum. Either way any two quorums of a View share a voter, which is what agreement rests
// on. The zero View has no quorum at all.
//
// Source: QuorumMaj and QuorumHierarchical of Apache ZooKeeper 3.9.
type View struct {
	voters    []ServerID // ascending
	observers []ServerID // ascending, none of them a voter

	// Of a View with groups, else nil.
	seats  []seat  // of voters, by position
	totals []int64 // weight of each group, in which also members count that do not vote
}

// seat is the place of a voter in a View with groups.
type seat struct {
	group  int // index into totals
	weight int64
}

// Group is a group of a hierarchical quorum: "group.ID=a:b:c" and the "weight.a=w" of its members.
type Group struct {
	ID      int64
	Members []Weight
}

// Weight is how much the vote of a server counts in its group, 0..[MaxWeight]. A server of weight 0
// cannot be elected.
type Weight struct {
	ID     ServerID
	Weight int64
}

// MaxWeight bounds a weight, so that no sum of weights overflows. ZooKeeper has no bound.
const MaxWeight = 1_000_000_000

// NewView returns the View in which a majority of the voters is a quorum; duplicates count once.
func NewView(voters ...ServerID) View {
	return View{voters: sorted(voters)}
}

// NewGroupedView returns the View with hierarchical quorums. Each voter must be in one group. A
// member of a group that is no voter adds to the weight that its group needs and can never give it,
// as in ZooKeeper.
func NewGroupedView(voters []ServerID, groups []Group) (View, error) {
	v := View{voters: sorted(voters)}
	v.seats = make([]seat, len(v.voters))
	v.totals = make([]int64, len(groups))
	groupOf := make(map[ServerID]int64)
	for g, group := range groups {
		for _, m := range group.Members {
			if other, ok := groupOf[m.ID]; ok {
				return View{}, fmt.Errorf("zk: server %d is in group %d and in group %d", m.ID, other, group.ID)
			}
			if m.Weight < 0 || m.Weight > MaxWeight {
				return View{}, fmt.Errorf("zk: weight %d of server %d is not in 0..%d", m.Weight, m.ID, int64(MaxWeight))
			}
			groupOf[m.ID] = group.ID
			v.totals[g] += m.Weight
			if i, ok := slices.BinarySearch(v.voters, m.ID); ok {
				v.seats[i] = seat{g, m.Weight}
			}
		}
	}
	for _, id := range v.voters {
		if _, ok := groupOf[id]; !ok {
			return View{}, fmt.Errorf("zk: server %d votes but is in no group", id)
		}
	}
	return v, nil
}

// WithObservers returns v with these members that do not vote; those that do vote are left out.
func (v View) WithObservers(ids ...ServerID) View {
	v.observers = slices.DeleteFunc(sorted(ids), v.Contains)
	return v
}

func sorted(ids []ServerID) []ServerID {
	s := slices.Clone(ids)
	slices.Sort(s)
	return slices.Compact(s)
}

// Voters returns the voting members in ascending order. The caller must not change them.
func (v View) Voters() []ServerID { return v.voters }

// Observers returns the other members in ascending order. The caller must not change them.
func (v View) Observers() []ServerID { return v.observers }

// Contains reports whether id votes.
func (v View) Contains(id ServerID) bool {
	_, found := slices.BinarySearch(v.voters, id)
	return found
}

// Grouped reports whether v has hierarchical quorums.
func (v View) Grouped() bool { return v.seats != nil }

// Weight returns how much the vote of id counts: in its group, or 1 if v has no groups; 0 for a
// server that does not vote.
func (v View) Weight(id ServerID) int64 {
	i, found := slices.BinarySearch(v.voters, id)
	switch {
	case !found:
		return 0
	case v.Grouped():
		return v.seats[i].weight
	default:
		return 1
	}
}

// CanLead reports whether id may be elected: it votes, and its vote has weight.
func (v View) CanLead(id ServerID) bool { return v.Weight(id) > 0 }

// QuorumSize is how many voters make a majority: more than half. That is a quorum only if v is not
// [View.Grouped]; with groups, ask [View.HasQuorum].
func (v View) QuorumSize() int { return len(v.voters)/2 + 1 }

// HasQuorum reports whether the voters for which in holds are a quorum. It allocates nothing.
func (v View) HasQuorum(in func(ServerID) bool) bool {
	if v.Grouped() {
		return v.hasGroups(in)
	}
	n := 0
	for _, id := range v.voters {
		if in(id) {
			n++
		}
	}
	return n >= v.QuorumSize()
}

func (v View) hasGroups(in func(ServerID) bool) bool {
	groups, won := 0, 0
	for g, total := range v.totals {
		if total == 0 {
			continue // a group without weight decides nothing
		}
		groups++
		var weight int64
		for i, s := range v.seats {
			if s.group == g && s.weight > 0 && in(v.voters[i]) {
				weight += s.weight
			}
		}
		if weight > total/2 {
			won++
		}
	}
	return won > groups/2
}

// Joint is the Views that must agree on a decision: the committed one and, while a newer one has
// been proposed, that one too. Each must have a quorum. An empty Joint has none.
type Joint []View

// HasQuorum reports whether the voters for which in holds are a quorum of each View.
func (j Joint) HasQuorum(in func(ServerID) bool) bool {
	for _, v := range j {
		if !v.HasQuorum(in) {
			return false
		}
	}
	return len(j) > 0
}

// Contains reports whether id votes in one of the Views.
func (j Joint) Contains(id ServerID) bool {
	return slices.ContainsFunc(j, func(v View) bool { return v.Contains(id) })
}

// CanLead reports whether id may be elected in one of the Views.
func (j Joint) CanLead(id ServerID) bool {
	return slices.ContainsFunc(j, func(v View) bool { return v.CanLead(id) })
}

// Voters returns who votes in any of the Views, in ascending order. The caller owns the slice.
func (j Joint) Voters() []ServerID {
	var all []ServerID
	for _, v := range j {
		all = append(all, v.voters...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
