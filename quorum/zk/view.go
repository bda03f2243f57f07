package zk

import "slices"

// View is the set of voting members that decide together: a majority of them is a quorum.
//
// Any two quorums of a View share a member, which is what agreement rests on. The zero View has no
// quorum at all.
type View struct{ voters []ServerID }

// NewView returns the View of the given voters; duplicates count once.
func NewView(voters ...ServerID) View {
	v := slices.Clone(voters)
	slices.Sort(v)
	return View{slices.Compact(v)}
}

// Voters returns the members in ascending order. The caller must not change them.
func (v View) Voters() []ServerID { return v.voters }

// Contains reports whether id votes.
func (v View) Contains(id ServerID) bool {
	_, found := slices.BinarySearch(v.voters, id)
	return found
}

// QuorumSize is how many voters make a quorum: more than half.
func (v View) QuorumSize() int { return len(v.voters)/2 + 1 }

// HasQuorum reports whether the voters for which in holds are a quorum.
func (v View) HasQuorum(in func(ServerID) bool) bool {
	n := 0
	for _, id := range v.voters {
		if in(id) {
			n++
		}
	}
	return n >= v.QuorumSize()
}
