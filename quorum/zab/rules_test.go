package zab

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"zkd/quorum/zk"
)

// The tests in this file are named after the rules of the known bugs that concern this room. They talk
// to a core in the language of the scripts.

// play runs commands that are not what the test is about.
func (s *script) play(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		if text := s.do(line); strings.HasPrefix(text, "panic") {
			s.t.Fatalf("%s: %s", line, text)
		}
	}
}

// expect runs a command and compares what it gave.
func (s *script) expect(line string, want ...string) {
	s.t.Helper()
	got := strings.Split(strings.TrimSuffix(s.do(line), "\n"), "\n")
	if len(want) == 0 {
		want = []string{""}
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("%s\n got %s\nwant %s", line, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// established returns a leader, server 1 of three, in epoch 5, with its history in epoch 4, and server
// 2 live on link 2.
func established(t *testing.T, options string) *script {
	t.Helper()
	s := &script{t: t}
	s.play("leader id=1 view=1,2,3 accepted=4 current=4 log=0x400000001,0x400000002 "+options,
		"recv 2 FOLLOWERINFO server=2 accepted=4",
		"acceptedDurable 5",
		"recv 2 ACKEPOCH 0x400000002 current=4",
		"currentDurable 5",
		"recv 2 ACK 0x500000000, ACK 0x500000000")
	if !s.leader.Active() {
		t.Fatal("not established")
	}
	return s
}

// The epoch goes above what anybody has accepted, but nobody without a vote can spend the epochs of the ensemble.
func TestOnlyVotersLiftTheEpochFar(t *testing.T) {
	for name, test := range map[string]struct{ first, refused, epoch string }{
		"an observer, a little": {"OBSERVERINFO server=77 accepted=9", "", "10"},
		"an observer, at most":  {"OBSERVERINFO server=77 accepted=65540", "", "65541"},
		"an observer, too far":  {"OBSERVERINFO server=77 accepted=65541", "epoch 65541, the highest of a voter is 4", "5"},
		"an observer, all":      {"OBSERVERINFO server=-1 accepted=2147483646", "epoch 2147483646, the highest of a voter is 4", "5"},
		"a follower, no voter":  {"FOLLOWERINFO server=77 accepted=2147483646", "epoch 2147483646, the highest of a voter is 4", "5"},
		"a voter":               {"FOLLOWERINFO server=3 accepted=2147483640", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{t: t}
			s.play("leader id=1 view=1,2,3 accepted=4 current=4 log=0x400000001")
			text := s.do("recv 8 " + test.first)
			if refused := strings.Contains(text, string(ReasonFarAhead)); refused != (test.refused != "") || !strings.Contains(text, test.refused) {
				t.Errorf("says %q", text)
			}
			if test.epoch == "" {
				if text != "save acceptedEpoch 2147483641\n" {
					t.Errorf("says %q", text)
				}
				return
			}
			s.expect("recv 2 FOLLOWERINFO server=2 accepted=4", "save acceptedEpoch "+test.epoch)
		})
	}
	// Step by step it gets no farther, and a voter of such an epoch vouches for it.
	s := &script{t: t}
	s.play("leader id=1 view=1,2,3,4,5 accepted=4 current=4 log=0x400000001", "recv 7 OBSERVERINFO server=77 accepted=65540")
	if text := s.do("recv 8 OBSERVERINFO server=78 accepted=65541"); !strings.Contains(text, string(ReasonFarAhead)) {
		t.Errorf("a second observer: %q", text)
	}
	s.play("recv 9 FOLLOWERINFO server=3 accepted=65541")
	if text := s.do("recv 10 OBSERVERINFO server=78 accepted=65541"); text != "" {
		t.Errorf("behind a voter: %q", text)
	}
}

func TestR2LeaderPromisesOnlyWhatIsDurable(t *testing.T) {
	s := &script{t: t}
	s.play("leader id=1 view=1,2,3 accepted=4 current=4 log=0x400000001")
	s.expect("recv 2 FOLLOWERINFO server=2 accepted=4", "save acceptedEpoch 5")
	s.expect("recv 3 FOLLOWERINFO server=3 accepted=4")
	s.expect("acceptedDurable 5", "send [2]: LEADERINFO 0x500000000", "send [3]: LEADERINFO 0x500000000")
	s.expect("recv 2 ACKEPOCH 0x400000001 current=4", "save currentEpoch 5")
	// It does not yet hold itself what NEWLEADER asks of others.
	s.expect("recv 3 ACKEPOCH 0x400000001 current=4")
	s.expect("currentDurable 5",
		"send [2]: DIFF 0x400000001", "send [2]: NEWLEADER 0x500000000",
		"send [3]: DIFF 0x400000001", "send [3]: NEWLEADER 0x500000000")
}

func TestR2EpochsReportedOutOfOrderPanic(t *testing.T) {
	s := &script{t: t}
	s.play("leader id=1 view=1,2,3 accepted=4 current=4")
	if text := s.do("currentDurable 5"); !strings.HasPrefix(text, "panic") {
		t.Errorf("leader: %s", text)
	}
	s = &script{t: t}
	s.play("learner id=2 accepted=4 current=4")
	if text := s.do("acceptedDurable 5"); !strings.HasPrefix(text, "panic") {
		t.Errorf("learner: %s", text)
	}
}

func TestR3HoldsBackUntilUptodate(t *testing.T) {
	s := established(t, "")
	s.play("propose 2", "synced 0x500000002", "recv 2 ACK 0x500000001, ACK 0x500000002")
	s.play("recv 3 FOLLOWERINFO server=3 accepted=4")
	s.expect("recv 3 ACKEPOCH 0x400000002 current=4",
		"send [3]: DIFF 0x500000002", "stream to 3: txns above 0x400000002 to 0x500000002")
	s.expect("propose 2", "send [2]: PROPOSAL 0x500000003, PROPOSAL 0x500000004", "log 0x500000003 to 0x500000004")
	s.expect("streamed 3", "send [3]: NEWLEADER 0x500000000")
	s.play("synced 0x500000004")
	s.expect("recv 2 ACK 0x500000003", "send [2]: COMMIT 0x500000003", "apply 0x500000003")
	s.expect("propose 1", "send [2]: PROPOSAL 0x500000005", "log 0x500000005")
	s.expect("recv 3 ACK 0x500000000",
		"send [3]: UPTODATE 0xffffffffffffffff, PROPOSAL 0x500000003, COMMIT 0x500000003, PROPOSAL 0x500000004, PROPOSAL 0x500000005",
		"follower 3 is up to date")
	s.expect("propose 1", "send [2 3]: PROPOSAL 0x500000006", "log 0x500000006")
}

func TestR3BacklogIsBoundedByBytes(t *testing.T) {
	s := established(t, "backlog=100") // two txns of 40 bytes
	s.play("recv 3 FOLLOWERINFO server=3 accepted=4", "recv 3 ACKEPOCH 0x400000002 current=4")
	s.expect("propose 2", "send [2]: PROPOSAL 0x500000001, PROPOSAL 0x500000002", "log 0x500000001 to 0x500000002")
	s.expect("propose 1", "send [2]: PROPOSAL 0x500000003", "log 0x500000003",
		"close 3 of server 3: learner takes too long to sync: too much is held back for it (120 bytes above 0x400000002)")
}

func TestR3NothingIsHeldBackWhileHistoryStreams(t *testing.T) {
	s := established(t, "backlog=100")
	s.play("propose 1500", "synced 0x5000005dc", "recv 2 ACK 0x5000005dc")
	s.play("recv 3 FOLLOWERINFO server=3 accepted=4")
	s.expect("recv 3 ACKEPOCH 0x400000002 current=4",
		"send [3]: DIFF 0x5000005dc", "stream to 3: txns above 0x400000002 to 0x5000005dc")
	s.play("propose 50", "synced 0x50000060e", "recv 2 ACK 0x50000060e") // far more than 100 bytes
	s.expect("streamed 3", "stream to 3: txns above 0x5000005dc to 0x50000060e")
	s.expect("streamed 3", "send [3]: NEWLEADER 0x500000000")
}

func TestR3StreamsEndHoweverFastTheHistoryGrows(t *testing.T) {
	s := established(t, "")
	s.play("recv 3 FOLLOWERINFO server=3 accepted=4")
	last, text := zk.MakeZxid(5, 0), ""
	more := func() {
		last += 2000
		s.play("propose 2000", fmt.Sprintf("synced %v", last), fmt.Sprintf("recv 2 ACK %v", last))
	}
	more()
	s.play("recv 3 ACKEPOCH 0x400000002 current=4")
	for range maxStreams + 2 {
		more()
		if text = s.do("streamed 3"); strings.Contains(text, "NEWLEADER") {
			return
		}
	}
	t.Errorf("no end: %s", text)
}

func TestR5NewLeaderIsAcknowledgedByItsZxidOnly(t *testing.T) {
	s := &script{t: t}
	s.play("leader id=1 view=1,2,3 accepted=4 current=4 log=0x400000001,0x400000002",
		"recv 2 FOLLOWERINFO server=2 accepted=4", "acceptedDurable 5",
		"recv 2 ACKEPOCH 0x400000001 current=4", "currentDurable 5", "streamed 2")
	// ZOOKEEPER-4685: acknowledgements of what came in the sync overtake that of NEWLEADER.
	s.expect("recv 2 ACK 0x400000002")
	s.expect("recv 2 ACK 0x500000000",
		"serve in epoch 5", "send [2]: UPTODATE 0xffffffffffffffff", "follower 2 is up to date")
	// 3.8.5 sends them behind that of UPTODATE.
	s.expect("recv 2 ACK 0x500000000, ACK 0x400000002")
}

func TestR5OnlyVotersCount(t *testing.T) {
	for _, other := range []string{"OBSERVERINFO server=2", "OBSERVERINFO server=8", "FOLLOWERINFO server=8"} {
		s := &script{t: t}
		s.play("leader id=1 view=1,2,3 accepted=4 current=4")
		if text := s.do("recv 8 " + other + " accepted=4"); text != "" {
			t.Errorf("%s fixes the epoch: %s", other, text)
		}
		s.play("recv 3 FOLLOWERINFO server=3 accepted=4", "acceptedDurable 5")
		if text := s.do("recv 8 ACKEPOCH 0 current=4"); text != "" {
			t.Errorf("%s accepts the epoch: %s", other, text)
		}
		s.play("recv 3 ACKEPOCH 0 current=4", "currentDurable 5", "streamed 8", "streamed 3")
		if text := s.do("recv 8 ACK 0x500000000"); text != "" {
			t.Errorf("%s establishes the leader: %s", other, text)
		}
		s.play("recv 3 ACK 0x500000000", "propose 1")
		if !strings.HasPrefix(other, "OBSERVER") {
			s.expect("recv 8 ACK 0x500000001")
		}
		if s.leader.tally.committed.Counter() != 0 {
			t.Errorf("%s commits", other)
		}
		s.expect("recv 3 ACK 0x500000001") // the leader's own log has not reported: no quorum of three yet
	}
}

func TestR5AcknowledgedTwiceCountsOnce(t *testing.T) {
	s := established(t, "")
	s.play("propose 1")
	s.expect("recv 2 ACK 0x500000001, ACK 0x500000001")
	s.expect("synced 0x500000001", "send [2]: COMMIT 0x500000001", "apply 0x500000001")
}

func TestR5AcknowledgementOfWhatWasNotSentEndsTheLink(t *testing.T) {
	s := established(t, "")
	s.play("propose 1")
	s.expect("recv 2 ACK 0x500000002", "close 2 of server 2: learner acknowledged what was not sent to it (ACK 0x500000002)")
}

func TestR7NothingComesOfARoleThatEnded(t *testing.T) {
	s := following(t)
	s.play("recv PROPOSAL 0x500000001", "down")
	s.expect("synced 0x500000001")
	s.expect("recv PROPOSAL 0x500000002")
	s = established(t, "")
	s.play("down link=2", "tick n=4")
	if s.leader.Active() {
		t.Fatal("the leader has not stepped down")
	}
	s.expect("synced 0x500000001")
	s.expect("tick")
}

func TestR8AppliesOnlyWhatIsCommittedAndDurable(t *testing.T) {
	s := following(t)
	s.expect("recv PROPOSAL 0x500000001, PROPOSAL 0x500000002, COMMIT 0x500000001", "log 0x500000001 to 0x500000002")
	s.expect("recv COMMIT 0x500000002")
	s.expect("synced 0x500000001", "send leader: ACK 0x500000001", "apply 0x500000001")
	s.expect("synced 0x500000002", "send leader: ACK 0x500000002", "apply 0x500000002")
	// The same for a leader: others may be a quorum without it.
	s = established(t, "")
	s.play("recv 3 FOLLOWERINFO server=3 accepted=4", "recv 3 ACKEPOCH 0x400000002 current=4", "recv 3 ACK 0x500000000")
	s.play("propose 1", "recv 2 ACK 0x500000001")
	s.expect("recv 3 ACK 0x500000001", "send [2 3]: COMMIT 0x500000001")
	s.expect("synced 0x500000001", "apply 0x500000001")
}

// A leader with a slow disk knows that 5.1 and 5.2 are committed, since servers 2 and 3 have them, but
// does not have them itself. Server 2 comes back and takes the whole state: it must not put that in the
// place of its own before it holds all that was committed on its word.
func TestR8SyncDoesNotUndoWhatTheVoterAcknowledged(t *testing.T) {
	slowLeader := func() *script {
		s := established(t, "")
		s.play("recv 3 FOLLOWERINFO server=3 accepted=4", "recv 3 ACKEPOCH 0x400000002 current=4", "recv 3 ACK 0x500000000")
		s.play("propose 3", "recv 2 ACK 0x500000003", "recv 3 ACK 0x500000002", "down link=2", "recv 4 FOLLOWERINFO server=2 accepted=5")
		if got := s.leader.tally.committed; got != z(5, 2) {
			t.Fatalf("committed %v", got)
		}
		return s
	}
	t.Run("by a snapshot", func(t *testing.T) {
		s := slowLeader()
		s.expect("recv 4 ACKEPOCH 0", "send [4]: SNAP 0x500000000", "stream to 4: snapshot at 0x500000000")
		s.expect("streamed 4")
		s.expect("synced 0x500000001", "apply 0x500000001", "stream to 4: txns above 0x500000000 to 0x500000001")
		s.expect("streamed 4")
		s.expect("synced 0x500000002", "apply 0x500000002", "stream to 4: txns above 0x500000001 to 0x500000002")
		s.expect("streamed 4", "send [4]: NEWLEADER 0x500000000")
		// 5.3, which it had acknowledged too, it must acknowledge again.
		s.expect("recv 4 ACK 0x500000000", "send [4]: UPTODATE 0xffffffffffffffff, PROPOSAL 0x500000003", "follower 2 is up to date")
		s.expect("recv 3 ACK 0x500000003")
		s.expect("recv 4 ACK 0x500000003", "send [3 4]: COMMIT 0x500000003")
	})
	t.Run("by cutting what is not committed", func(t *testing.T) {
		s := slowLeader()
		s.expect("recv 4 ACKEPOCH 0x500000003", "send [4]: TRUNC 0x500000002", "send [4]: NEWLEADER 0x500000000")
	})
	t.Run("by continuing from what is committed", func(t *testing.T) {
		s := slowLeader()
		s.expect("recv 4 ACKEPOCH 0x500000002", "send [4]: DIFF 0x500000002", "send [4]: NEWLEADER 0x500000000")
		s.expect("recv 4 ACK 0x500000000", "send [4]: UPTODATE 0xffffffffffffffff, PROPOSAL 0x500000003", "follower 2 is up to date")
	})
}

func TestR13LogProvesNothingBelowItsFloor(t *testing.T) {
	s := &script{t: t}
	s.play("leader id=1 view=1,2,3 accepted=4 current=4 floor=0x300000007 log=0x400000001",
		"recv 2 FOLLOWERINFO server=2 accepted=4", "acceptedDurable 5",
		"recv 2 ACKEPOCH 0x300000006 current=3")
	s.expect("currentDurable 5", "send [2]: SNAP 0x400000001", "stream to 2: snapshot at 0x400000001")
}

func TestR17bSyncWaitsForAQuorumAskedAfterIt(t *testing.T) {
	s := established(t, "")
	s.expect("tick", "send [2]: PING 0x500000000")
	s.expect("barrier id=7", "send [2]: PING 0x500000000")
	s.expect("recv 2 PING") // of the PING before: it may have been sent before the question came
	s.expect("recv 2 PING", "barrier 7 done")
	// With nobody to ask, nothing is answered.
	s.play("down link=2")
	s.expect("barrier id=8")
	s.expect("tick")
}

func TestR17bPingsBeforeUptodateConfirmNothing(t *testing.T) {
	s := &script{t: t}
	s.play("leader id=1 view=1,2,3 accepted=4 current=4 log=0x400000001",
		"recv 2 FOLLOWERINFO server=2 accepted=4", "acceptedDurable 5",
		"recv 2 ACKEPOCH 0x400000001 current=4", "currentDurable 5")
	s.expect("tick", "send [2]: PING 0x500000000")
	s.play("recv 2 ACK 0x500000000")
	s.expect("barrier id=1", "send [2]: PING 0x500000000")
	s.expect("recv 2 PING") // a learner may or may not answer the one it got before UPTODATE
	s.expect("recv 2 ACK 0x500000000")
	s.expect("recv 2 PING", "barrier 1 done")
}

func TestR17bSyncIsAnsweredBehindTheCommitsBeforeIt(t *testing.T) {
	s := established(t, "")
	s.play("propose 1", "barrier link=2", "recv 2 PING")
	s.play("synced 0x500000001")
	s.expect("recv 2 ACK 0x500000001", "send [2]: COMMIT 0x500000001", "apply 0x500000001", "send [2]: SYNC 0x0", "barrier 0 done")
	// The follower completes it once it has applied them.
	s = following(t)
	s.play("recv PROPOSAL 0x500000001, COMMIT 0x500000001")
	s.expect("recv SYNC 0")
	s.expect("synced 0x500000001", "send leader: ACK 0x500000001", "apply 0x500000001", "sync done")
}

func TestR22SlowFollowerLosesItsLink(t *testing.T) {
	s := established(t, "") // syncLimit is 4 ticks
	s.play("tick", "propose 1")
	for range 3 {
		s.play("tick", "recv 2 PING")
	}
	s.play("tick", "recv 2 PING")
	if text := s.do("tick"); !strings.Contains(text, string(ReasonLagging)) {
		t.Errorf("got %q", text)
	}
	// One that is slow, but not that slow, keeps it.
	s = established(t, "")
	for c := range 20 {
		s.play("tick", "propose 1", fmt.Sprintf("recv 2 ACK %v, PING", z(5, uint32(max(c-2, 0)))))
	}
	if len(s.leader.Learners()) != 1 {
		t.Error("a follower 3 ticks behind lost its link")
	}
}

func TestR23StepsDownBeforeTheCounterIsSpent(t *testing.T) {
	s := established(t, "")
	s.leader.last = z(5, 1<<32-1-0xff)
	s.leader.proposed = s.leader.last
	if text := s.do("propose 1"); !strings.HasPrefix(text, "panic: zxids are spent") {
		t.Errorf("proposed: %s", text)
	}
	s.expect("tick", "end: "+string(ReasonZxidsSpent)+" (0x5ffffff00)")
}

func TestR23StepsDownWhenEpochsAreSpent(t *testing.T) {
	s := &script{t: t}
	s.play("leader id=1 view=1,2,3 accepted=0x7fffffff current=4")
	s.expect("recv 2 FOLLOWERINFO server=2 accepted=4", "end: all epochs are spent (epoch 2147483647)")
}

func TestR24VoterAheadEndsTheReignAtOnce(t *testing.T) {
	tests := map[string]struct {
		ack string
		end bool
	}{
		"a later txn":                {"0x400000003 current=4", true},
		"a later epoch":              {"0x300000001 current=5", true},
		"the same":                   {"0x400000002 current=4", false},
		"an older epoch, more txns":  {"0x400000009 current=3", false},
		"it asks not to be compared": {"0x400000009", false},
	}
	for name, tc := range tests {
		s := &script{t: t}
		s.play("leader id=1 view=1,2,3,4,5 accepted=4 current=4 log=0x400000001,0x400000002",
			"recv 2 FOLLOWERINFO server=2 accepted=4", "recv 3 FOLLOWERINFO server=3 accepted=4", "acceptedDurable 5")
		if text := s.do("recv 2 ACKEPOCH " + tc.ack); strings.Contains(text, string(ReasonVoterAhead)) != tc.end {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestR24ObserverAheadOnlyLosesItsLink(t *testing.T) {
	s := &script{t: t}
	s.play("leader id=1 view=1,2,3 accepted=4 current=4 log=0x400000001",
		"recv 8 OBSERVERINFO server=8 accepted=4", "recv 2 FOLLOWERINFO server=2 accepted=4", "acceptedDurable 5")
	if text := s.do("recv 8 ACKEPOCH 0x400000002 current=4"); !strings.HasPrefix(text, "close 8 of server 8: "+string(ReasonLearnerAhead)) {
		t.Errorf("got %q", text)
	}
}

// Stepping down for a server that can never lead would only elect the same leader again.
func TestR24VoterWithoutWeightAheadOnlyLosesItsLink(t *testing.T) {
	weights := zk.Group{ID: 1, Members: []zk.Weight{{ID: 1, Weight: 1}, {ID: 2, Weight: 1}, {ID: 3, Weight: 1}, {ID: 4, Weight: 0}}}
	view, err := zk.NewGroupedView([]zk.ServerID{1, 2, 3, 4}, []zk.Group{weights})
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t}
	s.leader = Lead(LeaderConfig{Self: 1, View: view, Accepted: 4, Current: 4, History: fakeHistory{}, InitLimit: 3, SyncLimit: 2})
	s.leader.Start()
	s.play("recv 4 FOLLOWERINFO server=4 accepted=4", "recv 2 FOLLOWERINFO server=2 accepted=4", "acceptedDurable 5")
	if text := s.do("recv 4 ACKEPOCH 0x400000001 current=4"); !strings.HasPrefix(text, "close 4 of server 4: "+string(ReasonLearnerAhead)) {
		t.Errorf("got %q", text)
	}
}

func TestR24AcceptedAheadEndsTheReignAtMostOnceAMinute(t *testing.T) {
	for yield, end := range map[string]bool{"yield=0": true, "yield=2": true, "yield=3": false} {
		s := established(t, yield)
		s.play("tick n=2")
		text := s.do("recv 3 FOLLOWERINFO server=3 accepted=6")
		if strings.HasPrefix(text, "save acceptedEpoch 6\nend: "+string(ReasonAcceptedAhead)) != end || strings.HasPrefix(text, "close 3") == end {
			t.Errorf("%s: %s", yield, text)
		}
	}
}

// The next leader must go above the epoch for which this one gave way, whoever it is, and whether the voter that had
// accepted it is quick enough or not: this server, which is needed for a quorum, remembers it. The last epoch of all is
// not taken over by anybody.
func TestR24WhoGivesWayRemembersForWhatEpoch(t *testing.T) {
	s := established(t, "")
	s.expect("recv 3 FOLLOWERINFO server=3 accepted=2147483647",
		"end: "+string(ReasonAcceptedAhead)+" (server 3: epoch 2147483647, here 5)")
	s = established(t, "")
	s.expect("recv 3 FOLLOWERINFO server=3 accepted=9", "save acceptedEpoch 9",
		"end: "+string(ReasonAcceptedAhead)+" (server 3: epoch 9, here 5)")
	// Server 1 is elected again, and server 2 comes first.
	s.play("leader id=1 view=1,2,3 accepted=9 current=5 log=0x400000001,0x400000002")
	s.expect("recv 2 FOLLOWERINFO server=2 accepted=5", "save acceptedEpoch 10")
	// Server 2 is elected, and server 1 follows it.
	s.play("leader id=2 view=1,2,3 accepted=5 current=5 log=0x400000001,0x400000002")
	s.expect("recv 1 FOLLOWERINFO server=1 accepted=9", "save acceptedEpoch 10")
}

func TestLeaderEndsLinksThatBreakTheProtocol(t *testing.T) {
	tests := map[string]struct {
		before []string
		line   string
		reason Reason
	}{
		"ACKEPOCH twice":                    {nil, "recv 2 ACKEPOCH 0 current=4", ReasonUnexpected},
		"a leader's packet":                 {nil, "recv 2 COMMIT 0x500000001", ReasonUnexpected},
		"a request before UPTODATE":         {[]string{"recv 3 FOLLOWERINFO server=3 accepted=4", "recv 3 ACKEPOCH 0x400000002 current=4"}, "recv 3 REQUEST -1", ReasonUnexpected},
		"an answer before there is a PING":  {[]string{"recv 3 FOLLOWERINFO server=3 accepted=4"}, "recv 3 PING", ReasonUnexpected},
		"NEWLEADER acknowledged before it":  {[]string{"recv 3 FOLLOWERINFO server=3 accepted=4", "recv 3 ACKEPOCH 0x400000001 current=4"}, "recv 3 ACK 0x500000000", ReasonAckedUnsent},
		"a learner that does not answer":    {[]string{"recv 3 FOLLOWERINFO server=3 accepted=4", "tick n=3", "recv 2 PING", "tick n=2", "recv 2 PING"}, "tick", ReasonSilent},
		"a stream that does not get on":     {[]string{"recv 3 FOLLOWERINFO server=3 accepted=4", "recv 3 ACKEPOCH 0 current=4", "tick n=3", "recv 2 PING", "tick n=2", "recv 2 PING"}, "tick", ReasonSyncStalled},
		"an epoch that is none":             {nil, "recv 3 FOLLOWERINFO server=3 accepted=-1", ReasonMalformed},
		"a history that is not taken over":  {[]string{"recv 3 FOLLOWERINFO server=3 accepted=4", "recv 3 ACKEPOCH 0x400000002 current=4", "tick n=3", "recv 2 PING", "tick n=2", "recv 2 PING"}, "tick", ReasonSilent},
		"acknowledged while it is syncing":  {[]string{"recv 3 FOLLOWERINFO server=3 accepted=4", "recv 3 ACKEPOCH 0x400000002 current=4", "propose 1"}, "recv 3 ACK 0x500000001", ReasonAckedUnsent},
		"acknowledged by an observer":       {[]string{"recv 8 OBSERVERINFO server=8 accepted=4", "recv 8 ACKEPOCH 0x400000002 current=4", "recv 8 ACK 0x500000000", "propose 1"}, "recv 8 ACK 0x500000001", ReasonAckedUnsent},
		"acknowledged before it is offered": {[]string{"recv 3 FOLLOWERINFO server=3 accepted=4"}, "recv 3 ACK 0x500000000", ReasonUnexpected},
	}
	for name, tc := range tests {
		s := established(t, "")
		s.play(tc.before...)
		if text := s.do(tc.line); !strings.Contains(text, string(tc.reason)) || !strings.Contains(text, "close ") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestHierarchicalQuorumsDecideCommits(t *testing.T) {
	group := func(id int64, members ...zk.ServerID) zk.Group {
		g := zk.Group{ID: id}
		for _, m := range members {
			g.Members = append(g.Members, zk.Weight{ID: m, Weight: 1})
		}
		return g
	}
	view, err := zk.NewGroupedView([]zk.ServerID{1, 2, 3, 4, 5, 6, 7, 8, 9}, []zk.Group{group(1, 1, 2, 3), group(2, 4, 5, 6), group(3, 7, 8, 9)})
	if err != nil {
		t.Fatal(err)
	}
	tally := newTally(view, 1)
	for _, id := range []zk.ServerID{1, 2, 3, 4, 7} { // a majority, but of one group only
		tally.ack(id, z(1, 5))
	}
	if tally.committed != z(1, 0) {
		t.Errorf("committed %v by one group", tally.committed)
	}
	if tally.ack(5, z(1, 3)); tally.committed != z(1, 3) {
		t.Errorf("committed %v by two groups, want counter 3", tally.committed)
	}
}
