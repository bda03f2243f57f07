package election

import (
	"reflect"
	"slices"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Each test is a sentence of section 2 of the protocol reference; the number is that of its part.

var (
	three = configOf(upTo(3))
	// What the servers of the tests vote for at first: better ones have higher numbers.
	vote1 = Vote{1, 0x4_0000_0001, 4}
	vote2 = Vote{2, 0x4_0000_0002, 4}
	vote3 = Vote{3, 0x4_0000_0003, 4}
)

// looking returns server 1 of three in its first round.
func looking(t *testing.T) *Election {
	t.Helper()
	e := newElection(t, 1, three)
	e.Step(Start{vote1.Zxid, vote1.Epoch})
	return e
}

// following returns server 1 of three, elected in round 1 to follow server 3.
func following(t *testing.T) *Election {
	t.Helper()
	e := looking(t)
	e.Step(Received{3, says(proto.Looking, 1, vote3)})
	if e.Step(Received{2, says(proto.Looking, 1, vote3)}); e.Status().State != proto.Following {
		t.Fatalf("server 1 does not follow: %v", e.Status())
	}
	return e
}

// leading returns server 1 of three, elected in round 1.
func leading(t *testing.T) *Election {
	t.Helper()
	e := looking(t)
	e.Step(Received{2, says(proto.Looking, 1, vote1)})
	if e.Step(Received{3, says(proto.Looking, 1, vote1)}); e.Status().State != proto.Leading {
		t.Fatalf("server 1 does not lead: %v", e.Status())
	}
	return e
}

func only[A Action](t *testing.T, actions []Action) A {
	t.Helper()
	some := of[A](actions)
	if len(some) != 1 {
		t.Fatalf("want one %T, got %v", *new(A), actions)
	}
	return some[0]
}

func none[A Action](t *testing.T, actions []Action) {
	t.Helper()
	if some := of[A](actions); len(some) > 0 {
		t.Errorf("got %v", some)
	}
}

// 2.2 (1)
func TestEnteringAnElectionBeginsARoundAndVotesForItself(t *testing.T) {
	e := newElection(t, 1, three)
	for round := proto.Round(1); round <= 3; round++ {
		b := only[Broadcast](t, e.Step(Start{vote1.Zxid, vote1.Epoch}))
		want := says(proto.Looking, round, vote1)
		want.Config = three.String()
		if b.Note != want || !slices.Equal(b.To, []zk.ServerID{2, 3}) || b.Why != NewElection {
			t.Errorf("round %d: got %v", round, b)
		}
	}
}

// 2.2 (1)
func TestAServerThatMayNotVoteProposesNobody(t *testing.T) {
	for name, self := range map[string]zk.ServerID{"observer": 4, "joiner": 5} {
		e := newElection(t, self, configOf(upTo(3), 4))
		b := only[Broadcast](t, e.Step(Start{vote1.Zxid, vote1.Epoch}))
		if voteOf(b.Note) != noVote || !slices.Equal(b.To, upTo(3)) {
			t.Errorf("%s: got %v", name, b)
		}
	}
}

// 2.2 (1)
func TestVotersOfTheLastSeenConfigurationAreToldToo(t *testing.T) {
	next := configOf([]zk.ServerID{1, 4, 5})
	next.Version = 7
	e, err := New(Config{Self: 1, Members: membersOf(t, three, &next)})
	if err != nil {
		t.Fatal(err)
	}
	b := only[Broadcast](t, e.Step(Start{vote1.Zxid, vote1.Epoch}))
	if !slices.Equal(b.To, []zk.ServerID{2, 3, 4, 5}) || b.Note.Config != three.String() {
		t.Errorf("got %v with configuration %q", b, b.Note.Config)
	}
}

// 2.2 (2)
func TestTheVoteIsRepeatedWithDoublingPausesUpToTheLongest(t *testing.T) {
	e, err := New(Config{Self: 1, Members: membersOf(t, three, nil), MinNotificationTicks: 3, MaxNotificationTicks: 20})
	if err != nil {
		t.Fatal(err)
	}
	e.Step(Start{vote1.Zxid, vote1.Epoch})
	for _, pause := range []int{3, 6, 12, 20, 20} {
		for tick := 1; tick < pause; tick++ {
			if actions := e.Step(Tick{}); len(actions) > 0 {
				t.Fatalf("tick %d of %d: %v", tick, pause, actions)
			}
		}
		if b := only[Broadcast](t, e.Step(Tick{})); b.Why != Resend || voteOf(b.Note) != vote1 {
			t.Errorf("after %d ticks: %v", pause, b)
		}
	}
}

// 2.2 (2)
func TestOfWhomNothingWasHeardIsToBeConnected(t *testing.T) {
	e := newElection(t, 1, configOf(upTo(4)))
	e.Step(Start{vote1.Zxid, vote1.Epoch})
	e.Step(Received{2, says(proto.Looking, 1, vote2)})
	var actions []Action
	for range DefaultMinNotificationTicks {
		actions = e.Step(Tick{})
	}
	if r := only[Reconnect](t, actions); !slices.Equal(r.To, []zk.ServerID{3, 4}) {
		t.Errorf("got %v", r)
	}
}

// 2.2 (3)
func TestAVoteForAServerThatIsNoVoterIsDropped(t *testing.T) {
	e := looking(t)
	for _, state := range []proto.PeerState{proto.Looking, proto.Following, proto.Leading} {
		actions := e.Step(Received{2, says(state, 1, Vote{9, 0x9_0000_0000, 9})})
		if d := only[Dropped](t, actions); d.Reason != DropForeignVote || d.From != 2 {
			t.Errorf("%v: got %v", state, d)
		}
	}
	if e.Status().Vote != vote1 {
		t.Errorf("%v", e.Status())
	}
}

// 2.2 (3)
func TestTheVoteOfAServerThatIsNoVoterDoesNotCount(t *testing.T) {
	e := looking(t)
	e.Step(Received{9, says(proto.Looking, 5, vote3)})
	e.Step(Received{8, says(proto.Leading, 1, Vote{8, 0x9_0000_0000, 9})})
	if s := e.Status(); s.Round != 1 || s.Vote != vote1 || len(s.Agree) != 1 {
		t.Errorf("got %v", s)
	}
}

// 2.2 (4)
func TestAServerWithoutATrustedLogCountsNoVotes(t *testing.T) {
	e := newElection(t, 1, three)
	if b := only[Broadcast](t, e.Step(Start{-1, 4})); b.Note.Zxid != -1 {
		t.Errorf("got %v", b)
	}
	for _, from := range []zk.ServerID{2, 3} {
		e.Step(Received{from, says(proto.Looking, 1, vote3)})
		e.Step(Received{from, says(proto.Looking, 2, vote3)})
	}
	if s := e.Status(); s.State != proto.Looking || s.Vote.Leader != 1 || s.Round != 1 || s.Quorum {
		t.Errorf("got %v", s)
	}
}

// 2.2 (4); rule R18
func TestAServerWithoutATrustedLogFollowsALeaderButNeverIsOne(t *testing.T) {
	e := newElection(t, 1, three)
	e.Step(Start{-1, 4})
	for _, from := range []zk.ServerID{2, 3} {
		e.Step(Received{from, says(proto.Following, 1, Vote{1, 0x4_0000_0000, 4})})
	}
	if s := e.Status(); s.State != proto.Looking {
		t.Errorf("others follow it: %v", s)
	}
	e.Step(Received{2, says(proto.Following, 1, vote3)})
	if el := only[Elected](t, e.Step(Received{3, says(proto.Leading, 1, vote3)})); el.Role != proto.Following || !el.Joined {
		t.Errorf("got %v", el)
	}
	alone := newElection(t, 1, configOf(upTo(1)))
	none[Elected](t, alone.Step(Start{-1, 4}))
}

// 2.2 (4)
func TestAVoteForAServerWithoutATrustedLogIsIgnored(t *testing.T) {
	e := looking(t)
	actions := e.Step(Received{3, says(proto.Looking, 7, Vote{3, -1, 9})})
	if d := only[Dropped](t, actions); d.Reason != DropUntrusted {
		t.Errorf("got %v", d)
	}
	if s := e.Status(); s.Round != 1 || s.Vote != vote1 || !slices.Equal(s.Abstain, []zk.ServerID{3}) {
		t.Errorf("got %v", s)
	}
}

// 2.2 (4)
func TestANewerRoundIsEnteredWithTheBetterOfItsVoteAndTheOwn(t *testing.T) {
	for name, test := range map[string]struct{ heard, want Vote }{
		"the vote heard is better": {vote2, vote2},
		"the own vote is better":   {Vote{2, 0x4_0000_0000, 4}, vote1},
	} {
		e := looking(t)
		e.Step(Received{3, says(proto.Looking, 1, vote3)}) // of the old round, to be forgotten
		b := only[Broadcast](t, e.Step(Received{2, says(proto.Looking, 5, test.heard)}))
		if voteOf(b.Note) != test.want || b.Note.Round != 5 || b.Why != NewerRound {
			t.Errorf("%s: got %v", name, b)
		}
		if s := e.Status(); !slices.Equal(s.Silent, []zk.ServerID{3}) {
			t.Errorf("%s: votes of the old round count: %v", name, s)
		}
	}
}

// 2.2 (4)
func TestAnOlderRoundIsIgnored(t *testing.T) {
	e := looking(t)
	e.Step(Received{2, says(proto.Looking, 5, vote1)})
	e.Step(Received{3, says(proto.Looking, 4, vote3)})
	if s := e.Status(); s.Vote != vote1 || s.Round != 5 || !slices.Equal(s.Silent, []zk.ServerID{3}) {
		t.Errorf("got %v", s)
	}
}

// 2.2 (4)
func TestABetterVoteOfTheRoundIsTakenAndToldToAll(t *testing.T) {
	e := looking(t)
	b := only[Broadcast](t, e.Step(Received{2, says(proto.Looking, 1, vote2)}))
	if voteOf(b.Note) != vote2 || b.Why != BetterVote || !slices.Equal(b.To, []zk.ServerID{2, 3}) {
		t.Errorf("got %v", b)
	}
}

// Not in the reference: repairs a lost message.
func TestAWorseVoteOfTheRoundIsAnswered(t *testing.T) {
	e := newElection(t, 1, configOf(upTo(5)))
	e.Step(Start{vote1.Zxid, vote1.Epoch})
	e.Step(Received{3, says(proto.Looking, 1, vote3)})
	if s := only[Send](t, e.Step(Received{2, says(proto.Looking, 1, vote2)})); s.To != 2 || voteOf(s.Note) != vote3 || s.Note.State != proto.Looking {
		t.Errorf("got %v", s)
	}
	none[Send](t, e.Step(Received{2, says(proto.Looking, 1, vote3)}))
}

// 2.2 (4)
func TestAQuorumWaitsForABetterVote(t *testing.T) {
	e := looking(t)
	none[Elected](t, e.Step(Received{2, says(proto.Looking, 1, vote2)}))
	for range DefaultFinalizeWaitTicks - 1 {
		none[Elected](t, e.Step(Tick{}))
	}
	el := only[Elected](t, e.Step(Tick{}))
	if want := (Elected{proto.Following, vote2, 1, []zk.ServerID{1, 2}, false}); !reflect.DeepEqual(el, want) {
		t.Errorf("got %v, want %v", el, want)
	}
}

// 2.2 (4)
func TestABetterVoteEndsTheWait(t *testing.T) {
	e := newElection(t, 1, configOf(upTo(5)))
	e.Step(Start{vote1.Zxid, vote1.Epoch})
	e.Step(Received{2, says(proto.Looking, 1, vote2)})
	if e.Step(Received{4, says(proto.Looking, 1, vote2)}); !e.Status().Quorum {
		t.Fatalf("got %v", e.Status())
	}
	if e.Step(Received{3, says(proto.Looking, 1, vote3)}); e.Status().Quorum || e.Status().Vote != vote3 {
		t.Errorf("got %v", e.Status())
	}
	for range 2 * DefaultFinalizeWaitTicks {
		none[Elected](t, e.Step(Tick{}))
	}
}

// 2.2 (4)
func TestWhoIsElectedLeadsAndTheOthersFollowOrObserve(t *testing.T) {
	config := configOf(upTo(3), 4)
	for self, want := range map[zk.ServerID]proto.PeerState{
		1: proto.Following, 2: proto.Following, 3: proto.Leading, 4: proto.Observing, 9: proto.Following,
	} {
		e := newElection(t, self, config)
		actions := e.Step(Start{vote3.Zxid, vote3.Epoch})
		for _, from := range upTo(3) {
			if from != self {
				actions = e.Step(Received{from, says(proto.Looking, 1, vote3)})
			}
		}
		if el := only[Elected](t, actions); el.Role != want || el.Vote != vote3 {
			t.Errorf("server %d: got %v", self, el)
		}
	}
}

// 2.2 (4), speed: where every reachable voter has voted there is nothing to wait for.
func TestNobodyIsWaitedForWhoHasVotedOrCannot(t *testing.T) {
	e := looking(t)
	e.Step(Received{2, says(proto.Looking, 1, vote2)})
	only[Elected](t, e.Step(Received{3, says(proto.Looking, 1, vote1)})) // its vote is worse, and all it has

	e = looking(t)
	e.Step(LinkDown{3})
	only[Elected](t, e.Step(Received{2, says(proto.Looking, 1, vote2)}))

	e = looking(t)
	e.Step(Received{2, says(proto.Looking, 1, vote2)})
	only[Elected](t, e.Step(LinkDown{3}))

	e = looking(t)
	e.Step(Received{2, says(proto.Looking, 1, vote2)})
	only[Elected](t, e.Step(Received{3, says(proto.Looking, 1, Vote{3, -1, 4})}))

	e = newElection(t, 1, configOf(upTo(1)))
	only[Elected](t, e.Step(Start{0, 0}))
}

func TestAServerThatIsHeardCanBeReached(t *testing.T) {
	e := looking(t)
	e.Step(LinkDown{3})
	e.Step(Received{3, says(proto.Following, 7, vote3)})
	none[Elected](t, e.Step(Received{2, says(proto.Looking, 1, vote2)}))
	if s := e.Status(); !slices.Equal(s.Silent, []zk.ServerID{3}) {
		t.Errorf("got %v", s)
	}
}

// 2.2 (4), 2.4
func TestBothConfigurationsMustAgree(t *testing.T) {
	next := configOf([]zk.ServerID{1, 4, 5})
	next.Version = 7
	e, err := New(Config{Self: 1, Members: membersOf(t, three, &next)})
	if err != nil {
		t.Fatal(err)
	}
	e.Step(Start{vote3.Zxid, vote3.Epoch})
	own := e.Status().Vote
	e.Step(Received{2, says(proto.Looking, 1, own)})
	if e.Step(Received{3, says(proto.Looking, 1, own)}); e.Status().Quorum {
		t.Error("all of the committed configuration alone elect")
	}
	if e.Step(Received{4, says(proto.Looking, 1, own)}); !e.Status().Quorum {
		t.Error("quorums of both configurations do not elect")
	}
	next.Version = three.Version
	if m := membersOf(t, three, &next); len(m.Views()) != 1 {
		t.Error("a last seen configuration that is no newer counts")
	}
}

// 2.2 (5)
func TestALeaderOfTheSameRoundIsJoined(t *testing.T) {
	e := looking(t)
	none[Elected](t, e.Step(Received{2, says(proto.Following, 1, vote3)}))
	el := only[Elected](t, e.Step(Received{3, says(proto.Leading, 1, vote3)}))
	if want := (Elected{proto.Following, vote3, 1, []zk.ServerID{2, 3}, true}); !reflect.DeepEqual(el, want) {
		t.Errorf("got %v, want %v", el, want)
	}
}

// 2.2 (5): the vote of a server that looks counts where it is the same in all.
func TestTheOwnVoteHelpsToJoinALeaderOfTheSameRound(t *testing.T) {
	e := looking(t)
	e.Step(Received{3, says(proto.Looking, 1, vote3)})
	el := only[Elected](t, e.Step(Received{3, says(proto.Leading, 1, vote3)}))
	if el.Role != proto.Following || !slices.Equal(el.Supporters, []zk.ServerID{1, 3}) {
		t.Errorf("got %v", el)
	}
}

// 2.2 (5)
func TestALeaderOfAnotherRoundIsJoinedInItsRound(t *testing.T) {
	for name, round := range map[string]proto.Round{"newer": 9, "older": 0, "of a leader that a reconfiguration named": -1} {
		e := looking(t)
		e.Step(Received{2, says(proto.Following, round, vote3)})
		if el := only[Elected](t, e.Step(Received{3, says(proto.Leading, round, vote3)})); el.Round != round {
			t.Errorf("%s: got %v", name, el)
		}
		if b := only[Broadcast](t, e.Step(Start{vote1.Zxid, 4})); b.Note.Round != round+1 {
			t.Errorf("%s: the next round is %d", name, b.Note.Round)
		}
	}
}

// 2.2 (5), leader check
func TestNobodyIsJoinedWhoDoesNotSayThatItLeads(t *testing.T) {
	for name, state := range map[string]proto.PeerState{"follows": proto.Following, "observes": proto.Observing, "looks": proto.Looking} {
		e := newElection(t, 1, configOf(upTo(5)))
		e.Step(Start{vote1.Zxid, vote1.Epoch})
		for _, from := range []zk.ServerID{2, 4, 5} {
			none[Elected](t, e.Step(Received{from, says(proto.Following, 7, vote3)}))
		}
		none[Elected](t, e.Step(Received{3, says(state, 7, vote3)}))
		if only[Elected](t, e.Step(Received{3, says(proto.Leading, 7, vote3)})).Vote != vote3 {
			t.Errorf("a leader that %s at first is not joined when it leads", name)
		}
	}
}

// 2.2 (5), leader check
func TestAServerThatOthersFollowLeadsInItsOwnRoundOnly(t *testing.T) {
	for round, want := range map[proto.Round]bool{1: true, 2: false, 0: false} {
		e := looking(t)
		actions := e.Step(Received{2, says(proto.Following, round, vote1)})
		if round != 1 {
			actions = append(actions, e.Step(Received{3, says(proto.Following, round, vote1)})...)
		}
		if got := len(of[Elected](actions)) == 1; got != want || got && e.Status().State != proto.Leading {
			t.Errorf("round %d: %v", round, actions)
		}
	}
}

// 2.2 (5); ZOOKEEPER-1732, -1805
func TestAnswersOfOneLeaderMayDifferInZxidAndRoundButNotInEpoch(t *testing.T) {
	for name, test := range map[string]struct {
		follower proto.Notification
		want     bool
	}{
		"another zxid and round":                   {says(proto.Following, 8, Vote{3, 0x4_0000_0009, 4}), true},
		"another epoch":                            {says(proto.Following, 8, Vote{3, vote3.Zxid, 5}), false},
		"another epoch from one that is too old":   {proto.Notification{State: proto.Following, Leader: 3, Round: 8, PeerEpoch: 5}, true},
		"another leader":                           {says(proto.Following, 7, vote2), false},
		"another leader from one that is too old":  {proto.Notification{State: proto.Following, Leader: 2, Round: 7}, false},
		"another epoch in the round of the server": {says(proto.Following, 1, Vote{3, vote3.Zxid, 5}), false},
	} {
		e := looking(t)
		e.Step(Received{2, test.follower})
		if got := len(of[Elected](e.Step(Received{3, says(proto.Leading, 7, vote3)}))) == 1; got != test.want {
			t.Errorf("%s: joined %v", name, got)
		}
	}
	// Java compares answers of the server's own round by leader alone.
	e := looking(t)
	e.Step(Received{2, says(proto.Following, 1, Vote{3, vote3.Zxid, 5})})
	only[Elected](t, e.Step(Received{3, says(proto.Leading, 1, vote3)}))
}

// 2.2 (6)
func TestObservingNotificationsAreIgnored(t *testing.T) {
	e := looking(t)
	for _, from := range []zk.ServerID{2, 3} {
		if actions := e.Step(Received{from, says(proto.Observing, 1, vote3)}); len(actions) > 0 {
			t.Errorf("got %v", actions)
		}
	}
}
