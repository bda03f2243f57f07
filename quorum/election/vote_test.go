package election

import (
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Protocol reference 2.2, order predicate.
func TestOrderOfVotes(t *testing.T) {
	weights := configOf(upTo(4))
	weights.Groups = []zk.Group{{ID: 1, Members: []zk.Weight{{ID: 1, Weight: 1}, {ID: 2, Weight: 1}, {ID: 3, Weight: 1}, {ID: 4, Weight: 0}}}}
	e := newElection(t, 1, weights)
	base := Vote{Leader: 2, Epoch: 5, Zxid: 0x5_0000_0007}
	for name, test := range map[string]struct {
		vote, than Vote
		want       bool
	}{
		"a newer epoch beats a longer log":                 {Vote{1, 0x5_0000_0001, 6}, base, true},
		"an older epoch does not":                          {Vote{3, 0x5_0000_0009, 4}, base, false},
		"a longer log of the same epoch beats a higher id": {Vote{1, 0x5_0000_0008, 5}, base, true},
		"a shorter log does not":                           {Vote{3, 0x5_0000_0006, 5}, base, false},
		"a higher id breaks a tie":                         {Vote{3, 0x5_0000_0007, 5}, base, true},
		"a lower id does not":                              {Vote{1, 0x5_0000_0007, 5}, base, false},
		"a vote does not beat itself":                      {base, base, false},
		"the comparison is signed":                         {Vote{3, -2, -2}, Vote{1, 0, 0}, false},
		"weight 0 beats nothing":                           {Vote{4, 0x9_0000_0000, 9}, base, false},
		"weight 0 is beaten by any":                        {Vote{1, 0, 0}, Vote{4, 0x9_0000_0000, 9}, true},
		"a stranger beats nothing":                         {Vote{7, 0x9_0000_0000, 9}, base, false},
		"nobody is beaten by any":                          {Vote{1, 0, 0}, noVote, true},
		"nobody beats nothing":                             {noVote, base, false},
	} {
		if got := e.beats(test.vote, test.than); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// Protocol reference 2.2 (5), agreement.
func TestAgreementOfBallots(t *testing.T) {
	following := ballot{Vote{3, 0x5_0000_0007, 5}, 4, proto.Following, 2}
	for name, test := range map[string]struct {
		change func(*ballot)
		want   bool
	}{
		"equal ballots agree":                                {func(*ballot) {}, true},
		"following and leading agree":                        {func(b *ballot) { b.state = proto.Leading }, true},
		"of who has a leader, zxids do not matter (ZK-1805)": {func(b *ballot) { b.vote.Zxid++ }, true},
		"nor do rounds":                                      {func(b *ballot) { b.round++ }, true},
		"epochs do":                                          {func(b *ballot) { b.vote.Epoch++ }, false},
		"leaders do":                                         {func(b *ballot) { b.vote.Leader++ }, false},
		"unless one is too old to know the epoch (ZK-1732)":                  {func(b *ballot) { b.vote.Epoch++; b.version = 0 }, true},
		"its leader must be the same":                                        {func(b *ballot) { b.vote.Leader++; b.version = 0 }, false},
		"one that looks agrees if all is equal":                              {func(b *ballot) { b.state = proto.Looking }, true},
		"one that looks disagrees with another zxid":                         {func(b *ballot) { b.state = proto.Looking; b.vote.Zxid++ }, false},
		"one that looks disagrees with another round":                        {func(b *ballot) { b.state = proto.Looking; b.round++ }, false},
		"one that looks disagrees with another epoch":                        {func(b *ballot) { b.state = proto.Looking; b.vote.Epoch++ }, false},
		"one that looks disagrees with another epoch, however old it may be": {func(b *ballot) { b.state = proto.Looking; b.vote.Epoch++; b.version = 0 }, false},
	} {
		other := following
		test.change(&other)
		if got := following.agrees(other); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
		if got := other.agrees(following); got != test.want {
			t.Errorf("%s, the other way: got %v", name, got)
		}
	}
	old, older := following, following
	old.version, older.version = 0, 0
	if older.vote.Epoch++; old.agrees(older) {
		t.Error("two that are both too old disagree about the epoch, but agree")
	}
}
