package election

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// What a server says to others, what it takes in, and what is beyond the reference; see
// rules_test.go for the rest of section 2.

// 2.3
func TestAServerThatIsNoVoterIsAnsweredAtOnceWithTheOwnRound(t *testing.T) {
	for name, test := range map[string]struct {
		e    *Election
		want proto.Notification
	}{
		"while looking":   {looking(t), says(proto.Looking, 1, vote1)},
		"while following": {following(t), says(proto.Following, 1, vote3)},
		"while leading":   {leading(t), says(proto.Leading, 1, vote1)},
	} {
		test.want.Config = three.String()
		for _, from := range []zk.ServerID{4, -3} {
			actions := test.e.Step(Received{from, says(proto.Looking, 77, noVote)})
			if s := only[Send](t, actions); len(actions) != 1 || s.To != from || s.Note != test.want {
				t.Errorf("%s: got %v", name, actions)
			}
		}
	}
}

// 2.3; the configuration was changed after the election: see the vector in section 18.
func TestAServerThatIsNoVoterIsToldTheRoundOfTheRestartedElection(t *testing.T) {
	e := following(t)
	e.Step(Reset{membersOf(t, three, nil)})
	if s := only[Send](t, e.Step(Received{9, says(proto.Looking, 1, noVote)})); s.Note.Round != 0 {
		t.Errorf("no voter: got %v", s)
	}
	if s := only[Send](t, e.Step(Received{2, says(proto.Looking, 9, vote2)})); s.Note.Round != 1 {
		t.Errorf("voter: got %v", s)
	}
}

// 2.3
func TestAServerThatLooksAnswersAnOlderRoundWithItsVote(t *testing.T) {
	e := looking(t)
	e.Step(Received{2, says(proto.Looking, 5, vote2)})
	s := only[Send](t, e.Step(Received{3, says(proto.Looking, 4, vote3)}))
	if s.To != 3 || s.Note.State != proto.Looking || s.Note.Round != 5 || voteOf(s.Note) != vote2 {
		t.Errorf("got %v", s)
	}
}

// 2.3
func TestAServerWithALeaderAnswersOneThatLooksWithItsOwnElection(t *testing.T) {
	s := only[Send](t, following(t).Step(Received{2, says(proto.Looking, 9, vote2)}))
	if s.To != 2 || s.Note.State != proto.Following || s.Note.Round != 1 || voteOf(s.Note) != vote3 {
		t.Errorf("got %v", s)
	}
	for _, state := range []proto.PeerState{proto.Following, proto.Leading, proto.Observing} {
		if actions := following(t).Step(Received{2, says(state, 9, vote2)}); len(actions) > 0 {
			t.Errorf("%v is answered: %v", state, actions)
		}
	}
}

// 2.3; rule R24
func TestALeaderHearsOfVotersThatLookAndAFollowerOfItsLeader(t *testing.T) {
	p := only[PeerLooking](t, leading(t).Step(Received{2, says(proto.Looking, 9, vote2)}))
	if want := (PeerLooking{2, 9, vote2}); p != want {
		t.Errorf("leader: got %v", p)
	}
	only[PeerLooking](t, following(t).Step(Received{3, says(proto.Looking, 2, vote3)}))
	none[PeerLooking](t, following(t).Step(Received{2, says(proto.Looking, 2, vote2)}))
	none[PeerLooking](t, leading(t).Step(Received{9, says(proto.Looking, 2, noVote)}))
	none[PeerLooking](t, leading(t).Step(Received{2, says(proto.Looking, 1, Vote{2, 0, 0})})) // may be from before
	// Of the same round, but better than what was elected: it came after any vote for that.
	only[PeerLooking](t, leading(t).Step(Received{2, says(proto.Looking, 1, Vote{2, 0x9_0000_0000, 9})}))
}

// 2.3; ZOOKEEPER-1732, -1818
func TestTheEstablishedEpochIsReportedOnceSynced(t *testing.T) {
	e := following(t)
	e.Step(Established{9})
	s := only[Send](t, e.Step(Received{2, says(proto.Looking, 3, vote2)}))
	if want := (Vote{3, vote3.Zxid, 9}); voteOf(s.Note) != want || s.Note.Round != 1 {
		t.Errorf("got %v, want %v", s, want)
	}
	e = looking(t)
	if e.Step(Established{9}); e.Status().Vote != vote1 {
		t.Errorf("while looking: %v", e.Status())
	}
}

// 2.4
func TestAServerOfWeightZeroIsNeverElected(t *testing.T) {
	config := configOf(upTo(3))
	config.Groups = []zk.Group{{ID: 1, Members: []zk.Weight{{ID: 1, Weight: 1}, {ID: 2, Weight: 1}, {ID: 3, Weight: 0}}}}
	weightless := newElection(t, 3, config)
	weightless.Step(Start{0x9_0000_0000, 9})
	b := only[Broadcast](t, weightless.Step(Received{2, says(proto.Looking, 1, vote2)}))
	if voteOf(b.Note) != vote2 {
		t.Errorf("it goes on voting for itself: %v", b)
	}
	e := newElection(t, 1, config)
	e.Step(Start{vote1.Zxid, vote1.Epoch})
	e.Step(Received{3, says(proto.Looking, 1, Vote{3, 0x9_0000_0000, 9})})
	e.Step(Received{2, says(proto.Looking, 1, Vote{3, 0x9_0000_0000, 9})})
	if s := e.Status(); s.Vote != vote1 || s.Quorum {
		t.Errorf("got %v", s)
	}
}

// 2.1
func TestANewerConfigurationIsReportedWhileLookingOnly(t *testing.T) {
	newer := configOf(upTo(4))
	newer.Version = 0x100000000
	n := says(proto.Looking, 1, vote2)
	n.Config = newer.String()
	if got := only[NewerConfig](t, looking(t).Step(Received{2, n})); got.From != 2 || got.Config.String() != n.Config {
		t.Errorf("got %v", got)
	}
	none[NewerConfig](t, following(t).Step(Received{2, n}))
	none[NewerConfig](t, looking(t).Step(Received{9, n}))
	same := configOf(upTo(4))
	n.Config = same.String()
	none[NewerConfig](t, looking(t).Step(Received{2, n}))
}

// 2.1; ZOOKEEPER-4787
func TestAConfigurationThatCannotBeReadDoesNotSpoilTheVote(t *testing.T) {
	for _, text := range []string{"version=0", "server.1=observer", "\xfe\xff\x00s"} {
		e := looking(t)
		n := says(proto.Looking, 1, vote2)
		n.Config = text
		actions := e.Step(Received{2, n})
		if d := only[Dropped](t, actions); d.Reason != DropConfig || !errors.Is(d.Err, proto.ErrQuorumConfig) {
			t.Errorf("%q: got %v", text, d)
		}
		if e.Status().Vote != vote2 {
			t.Errorf("%q: got %v", text, e.Status())
		}
	}
}

// 2.1; rule R23
func TestNoConfigurationWithoutParticipantsIsEverSent(t *testing.T) {
	if _, err := NewMembers(proto.QuorumConfig{}, nil); err == nil {
		t.Error("an empty configuration is accepted")
	}
	if _, err := NewMembers(configOf(nil, 1, 2), nil); err == nil {
		t.Error("observers alone are accepted")
	}
	bad := configOf(nil, 1)
	bad.Version = 1
	if _, err := NewMembers(three, &bad); err == nil {
		t.Error("observers alone are accepted as last seen")
	}
	if _, err := New(Config{Self: 1}); err == nil {
		t.Error("no members at all are accepted")
	}
}

// 2.1
func TestMalformedInputIsDroppedAndCounted(t *testing.T) {
	e := looking(t)
	before := e.Status()
	for name, test := range map[string]struct {
		event  Event
		reason Drop
	}{
		"a body that is too short":   {Parse(2, make([]byte, 27)), DropGarbled},
		"a state that nobody is in":  {Received{2, says(4, 1, vote3)}, DropState},
		"a negative state":           {Received{2, says(-1, 1, vote3)}, DropState},
		"another server of this id":  {Received{1, says(proto.Looking, 1, vote3)}, DropOwnID},
		"a vote for a stranger":      {Received{2, says(proto.Looking, 1, Vote{77, 1, 1})}, DropForeignVote},
		"a vote for nobody":          {Received{2, says(proto.Looking, 1, noVote)}, DropForeignVote},
		"a vote for an empty server": {Received{2, says(proto.Looking, 1, Vote{2, -1, 1})}, DropUntrusted},
	} {
		if d := only[Dropped](t, e.Step(test.event)); d.Reason != test.reason {
			t.Errorf("%s: got %v", name, d)
		}
	}
	if after := e.Status(); after.Vote != before.Vote || after.Round != before.Round {
		t.Errorf("%v became %v", before, after)
	}
	good := says(proto.Looking, 1, vote2)
	good.Config = three.String()
	if _, ok := Parse(2, good.Append(nil)).(Received); !ok {
		t.Error("a good body is not received")
	}
	names := map[string]bool{}
	for d := range drops {
		names[d.String()] = true
	}
	if len(names) != int(drops) || names[""] {
		t.Errorf("the reasons are named %v", names)
	}
}

// Two servers that do not accept each other's vote, or membership, would answer each other for ever.
func TestTheSameAnswerIsGivenOncePerTick(t *testing.T) {
	e := following(t)
	for _, from := range []zk.ServerID{2, 9} {
		only[Send](t, e.Step(Received{from, says(proto.Looking, 5, vote2)}))
		none[Send](t, e.Step(Received{from, says(proto.Looking, 5, vote2)}))
	}
	e.Step(Established{8}) // another answer
	only[Send](t, e.Step(Received{2, says(proto.Looking, 5, vote2)}))
	e.Step(Tick{})
	only[Send](t, e.Step(Received{2, says(proto.Looking, 5, vote2)}))
	e.Step(LinkUp{2}) // the answer may be lost
	only[Send](t, e.Step(Received{2, says(proto.Looking, 5, vote2)}))
	sent := 0
	for from := range zk.ServerID(5000) {
		sent += len(of[Send](e.Step(Received{from + 1000, says(proto.Looking, 1, noVote)})))
	}
	if sent > maxAnswered {
		t.Errorf("%d servers that nobody knows were answered in one tick", sent)
	}
}

func TestVotesBeforeTheStartAreKept(t *testing.T) {
	e := newElection(t, 1, three)
	if actions := e.Step(Received{2, says(proto.Looking, 1, vote2)}); len(actions) > 0 {
		t.Errorf("got %v", actions)
	}
	e.Step(Received{2, says(proto.Looking, 1, vote3)}) // instead
	e.Step(Received{9, says(proto.Looking, 1, noVote)})
	e.Step(Received{3, says(proto.Looking, 1, vote3)})
	if el := only[Elected](t, e.Step(Start{vote1.Zxid, vote1.Epoch})); el.Vote != vote3 {
		t.Errorf("got %v", el)
	}
	e.Step(Halt{})
	e.Step(Tick{})
	e.Step(LinkUp{2})
	e.Step(LinkDown{2})
	if s := e.Status(); !s.Waiting || s.State != proto.Looking {
		t.Errorf("got %v", s)
	}
	none[Elected](t, e.Step(Start{vote1.Zxid, vote1.Epoch})) // what was kept has been used up
}

func TestWhatWasSaidInAnEarlierElectionDoesNotCount(t *testing.T) {
	e := looking(t)
	e.Step(Received{2, says(proto.Following, 7, vote3)})
	e.Step(Start{vote1.Zxid, vote1.Epoch})
	none[Elected](t, e.Step(Received{3, says(proto.Leading, 7, vote3)}))
}

func TestALinkThatComesUpGetsTheVote(t *testing.T) {
	e := looking(t)
	if s := only[Send](t, e.Step(LinkUp{2})); s.To != 2 || voteOf(s.Note) != vote1 {
		t.Errorf("got %v", s)
	}
	for name, actions := range map[string][]Action{
		"to no voter":     e.Step(LinkUp{9}),
		"to itself":       e.Step(LinkUp{1}),
		"while following": following(t).Step(LinkUp{2}),
	} {
		if len(actions) > 0 {
			t.Errorf("%s: got %v", name, actions)
		}
	}
}

// 2.2: round starts at 0 in a fresh process and after any election restart caused by reconfig.
func TestAResetBeginsRoundsAnewWithTheNewMembers(t *testing.T) {
	e := looking(t)
	e.Step(LinkDown{3})
	e.Step(Received{3, says(proto.Looking, 7, Vote{3, -1, 4})})
	e.Step(Received{2, says(proto.Looking, 7, Vote{2, -1, 4})})
	e.Step(LinkDown{2})
	e.Step(Reset{membersOf(t, configOf([]zk.ServerID{1, 4}), nil)})
	if !e.Status().Waiting {
		t.Errorf("got %v", e.Status())
	}
	b := only[Broadcast](t, e.Step(Start{vote1.Zxid, vote1.Epoch}))
	if b.Note.Round != 1 || !slices.Equal(b.To, []zk.ServerID{4}) || !strings.Contains(b.Note.Config, "server.4=") {
		t.Errorf("got %v", b)
	}
	e = following(t)
	if e.Step(Reset{membersOf(t, three, nil)}); e.Status().State != proto.Following || e.Status().Vote != vote3 {
		t.Errorf("who follows does not go on: %v", e.Status())
	}
}

func TestStatusNamesWhoIsMissing(t *testing.T) {
	e := newElection(t, 1, configOf(upTo(7)))
	if got := e.Status().String(); got != "not started" {
		t.Errorf("got %q", got)
	}
	e.Step(Start{vote1.Zxid, vote1.Epoch})
	e.Step(Received{2, says(proto.Looking, 1, vote3)})
	e.Step(Received{3, says(proto.Looking, 1, vote2)})
	e.Step(Received{4, says(proto.Looking, 1, Vote{4, -1, 4})})
	e.Step(LinkDown{5})
	const want = "LOOKING leader=3 epoch=4 zxid=0x400000003 round=1, agree {1,2}, differ {3}, abstain {4}, unreachable {5}, silent {6,7}"
	if got := e.Status().String(); got != want {
		t.Errorf("got %q", got)
	}
	if got := following(t).Status().String(); got != "FOLLOWING leader=3 epoch=4 zxid=0x400000003 round=1" {
		t.Errorf("got %q", got)
	}
}

func TestTicksAllocateNothing(t *testing.T) {
	e, err := New(Config{Self: 1, Members: membersOf(t, configOf(upTo(5)), nil), FinalizeWaitTicks: 1 << 30, MinNotificationTicks: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	e.Step(Start{vote1.Zxid, vote1.Epoch})
	for _, from := range []zk.ServerID{2, 3} {
		e.Step(Received{from, says(proto.Looking, 1, vote1)})
	}
	if !e.Status().Quorum {
		t.Fatal(e.Status())
	}
	follower := following(t)
	for name, e := range map[string]*Election{"with a quorum": e, "following": follower} {
		if n := testing.AllocsPerRun(100, func() { e.Step(Tick{}) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestUnknownEventIsABug(t *testing.T) {
	for name, ev := range map[string]Event{"no event": nil, "a reset to nobody": Reset{}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is accepted", name)
				}
			}()
			looking(t).Step(ev)
		}()
	}
}
