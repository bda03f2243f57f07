package zab

import (
	"strings"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
)

// The rules that concern a learner; see rules_test.go.

// following returns a live follower of epoch 5, with its history in epoch 4.
func following(t *testing.T) *script {
	t.Helper()
	s := &script{t: t}
	s.play("learner id=2 accepted=4 current=4 last=0x400000002",
		"recv LEADERINFO 0x500000000", "acceptedDurable 5",
		"recv DIFF 0, NEWLEADER 0x500000000", "syncCommitted 0x400000002", "currentDurable 5",
		"recv UPTODATE -1")
	if !s.learner.Active() {
		t.Fatal("not live")
	}
	return s
}

func TestR1AcknowledgesNewLeaderOnlyWithDurableHistory(t *testing.T) {
	s := &script{t: t}
	s.play("learner id=2 accepted=4 current=4 last=0x400000002", "recv LEADERINFO 0x500000000", "acceptedDurable 5")
	s.play("recv DIFF 0, PROPOSAL 0x400000003, COMMIT 0x400000003")
	s.expect("recv NEWLEADER 0x500000000", "configuration seen: 9 bytes", "commit sync up to 0x400000003")
	s.expect("syncCommitted 0x400000003", "save currentEpoch 5")
	s.expect("currentDurable 5", "send leader: ACK 0x500000000")
}

func TestR4LearnerTakesProposalsAndCommitsInEveryPosition(t *testing.T) {
	s := &script{t: t}
	s.play("learner id=2 accepted=4 current=4 last=0x400000002", "recv LEADERINFO 0x500000000", "acceptedDurable 5")
	s.expect("recv DIFF 0, PROPOSAL 0x400000003, PROPOSAL 0x500000001, COMMIT 0x400000003, PROPOSAL 0x500000002",
		"begin sync: DIFF at 0x400000002", "stage 0x400000003")
	s.expect("recv NEWLEADER 0x500000000, PROPOSAL 0x500000003", "configuration seen: 9 bytes", "commit sync up to 0x400000003")
	s.expect("recv COMMIT 0x500000001")
	s.expect("syncCommitted 0x400000003", "save currentEpoch 5")
	s.expect("recv PROPOSAL 0x500000004, COMMIT 0x500000002")
	s.expect("currentDurable 5", "send leader: ACK 0x500000000")
	s.expect("recv COMMIT 0x500000003, PROPOSAL 0x500000005")
	s.expect("recv UPTODATE -1", "send leader: ACK 0x500000000", "serve in epoch 5", "log 0x500000001 to 0x500000005")
	s.expect("synced 0x500000004",
		"send leader: ACK 0x500000001, ACK 0x500000002, ACK 0x500000003, ACK 0x500000004", "apply 0x500000001 to 0x500000003")
}

func TestR4CommitMustBeOfTheOldestProposal(t *testing.T) {
	for _, commit := range []string{"0x500000002", "0x500000003", "0x400000002"} {
		s := following(t)
		s.play("recv PROPOSAL 0x500000001, PROPOSAL 0x500000002")
		if text := s.do("recv COMMIT " + commit); !strings.Contains(text, string(ReasonCommitOrder)) {
			t.Errorf("COMMIT %s: %s", commit, text)
		}
	}
}

func TestR6LearnerRejectsGaps(t *testing.T) {
	tests := map[string]struct{ zxid, why string }{
		"a txn is missing":                      {"0x500000003", "gap"},
		"a txn comes twice":                     {"0x500000001", "gap"},
		"an epoch does not begin with 1":        {"0x600000002", "gap"},
		"of an epoch that is not the leader's":  {"0x600000001", "gap"},
		"of an epoch that is over":              {"0x400000003", "gap"},
		"the zxid of NEWLEADER names no txn":    {"0x500000000", "gap"},
		"the next one, to see that this is not": {"0x500000002", ""},
	}
	for name, tc := range tests {
		s := following(t)
		s.play("recv PROPOSAL 0x500000001")
		text := s.do("recv PROPOSAL " + tc.zxid)
		if strings.Contains(text, string(ReasonGap)) != (tc.why != "") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestR6FirstProposalOfASyncIsCheckedToo(t *testing.T) {
	for first, ok := range map[string]bool{"0x400000003": true, "0x500000001": true, "0x400000004": false, "0x400000002": false, "0x600000001": false} {
		s := &script{t: t}
		s.play("learner id=2 accepted=4 current=4 last=0x400000002", "recv LEADERINFO 0x500000000", "acceptedDurable 5")
		text := s.do("recv DIFF 0, PROPOSAL " + first)
		if strings.Contains(text, string(ReasonGap)) == ok {
			t.Errorf("%s: %s", first, text)
		}
	}
}

func TestR9PartialSyncLeavesNoTrace(t *testing.T) {
	begin := []string{"learner id=2 accepted=4 current=4 last=0x400000005", "recv LEADERINFO 0x500000000", "acceptedDurable 5"}
	for _, first := range []string{"DIFF 0", "TRUNC 0x400000003", "SNAP 0x400000003"} {
		s := &script{t: t}
		s.play(begin...)
		s.play("recv " + first)
		s.expect("down", "abandon sync", "end: connection to the leader ended")
		// Also after NEWLEADER, as long as the new state is not there.
		s = &script{t: t}
		s.play(begin...)
		s.play("recv " + first + ", NEWLEADER 0x500000000")
		if first == "DIFF 0" {
			s.expect("down", "end: connection to the leader ended")
		} else {
			s.expect("down", "abandon sync", "end: connection to the leader ended")
		}
	}
}

func TestR11TruncIsExactOrNotAtAll(t *testing.T) {
	begin := []string{"learner id=2 accepted=4 current=4 last=0x400000005", "recv LEADERINFO 0x500000000", "acceptedDurable 5"}
	const next = "; ask for a snapshot next"
	for _, target := range []string{"0x400000006", "0x500000001", "0x400000000", "0"} {
		s := &script{t: t}
		s.play(begin...)
		if text := s.do("recv TRUNC " + target); !strings.HasPrefix(text, "end") || !strings.Contains(text, next) {
			t.Errorf("TRUNC %s: %s", target, text)
		}
	}
	s := &script{t: t}
	s.play(begin...)
	s.play("recv TRUNC 0x400000003")
	s.expect("syncReady 0x400000004", "abandon sync",
		"end: "+string(ReasonCannotCut)+" (ends at 0x400000004, not at 0x400000003)"+next)
	s = &script{t: t}
	s.play(begin...)
	s.expect("recv TRUNC 0x400000005", "begin sync: DIFF at 0x400000005") // nothing to cut
}

func TestR12ForcedSnapshotHidesNothingFromTheLeader(t *testing.T) {
	s := &script{t: t}
	s.play("learner id=2 accepted=4 current=4 last=0x400000005 snap", "recv LEADERINFO 0x500000000")
	s.expect("acceptedDurable 5", "send leader: ACKEPOCH 0x0")
	var ack proto.QuorumPacket
	s = &script{t: t}
	s.play("learner id=2 accepted=4 current=4 last=0x400000005 snap", "recv LEADERINFO 0x500000000")
	for _, a := range s.learner.Step(AcceptedDurable{5}) {
		ack = a.(Send).Packets[0]
	}
	if d := jute.NewDecoder(ack.Data); d.Int() != -1 {
		t.Errorf("ACKEPOCH with %x", ack.Data)
	}
	if text := s.do("recv DIFF 0"); !strings.Contains(text, string(ReasonNoSnapshot)) {
		t.Errorf("DIFF: %s", text)
	}
	// And as a leader: such a learner is not compared, not counted, and gets a snapshot.
	s = &script{t: t}
	s.play("leader id=1 view=1,2,3 accepted=4 current=4 log=0x400000001",
		"recv 2 FOLLOWERINFO server=2 accepted=4", "acceptedDurable 5")
	s.expect("recv 2 ACKEPOCH 0")
	s.play("recv 3 FOLLOWERINFO server=3 accepted=4", "recv 3 ACKEPOCH 0x400000001 current=4")
	s.expect("currentDurable 5",
		"send [2]: SNAP 0x400000001", "stream to 2: snapshot at 0x400000001",
		"send [3]: DIFF 0x400000001", "send [3]: NEWLEADER 0x500000000")
}

// A learner that asks for a snapshot counts for no new leader, and where two of three ask, no leader is ever established
// (simulation seed 474). So it asks the leader that it could not join, which has counted it, and no other.
func TestR12OnlyTheLeaderThatCannotBeJoinedIsAskedForASnapshot(t *testing.T) {
	const next = "; ask for a snapshot next"
	begin := []string{"learner id=2 accepted=4 current=4 last=0x400000005", "recv LEADERINFO 0x500000000", "acceptedDurable 5"}
	asking := []string{begin[0] + " snap", begin[1], begin[2]}
	tests := map[string]struct {
		before []string
		line   string
		want   []string
	}{
		"TRUNC to what is not there": {append(begin, "recv TRUNC 0x400000003"), "syncRefused", []string{"abandon sync",
			"end: " + string(ReasonCannotCut) + " (no such record)" + next}},
		"TRUNC to no record": {begin, "recv TRUNC 0x400000000", []string{
			"end: " + string(ReasonCannotCut) + " (TRUNC to 0x400000000, log ends at 0x400000005)" + next}},
		"a gap in a DIFF": {append(begin, "recv DIFF 0"), "recv PROPOSAL 0x400000007", []string{"abandon sync",
			"end: " + string(ReasonGap) + " (0x400000007 behind 0x400000005, epoch 5, syncing)" + next}},
		"a gap behind a snapshot": {append(begin, "recv SNAP 0x400000003", "syncReady 0x400000003"), "recv PROPOSAL 0x400000007", []string{"abandon sync",
			"end: " + string(ReasonGap) + " (0x400000007 behind 0x400000003, epoch 5, syncing)"}},
		"a snapshot that breaks off": {append(begin, "recv SNAP 0x400000003"), "syncRefused", []string{"abandon sync",
			"end: " + string(ReasonBrokenSnap) + " (no such record)"}},
		"the leader is gone":                  {begin, "down", []string{"end: " + string(ReasonLinkDown)}},
		"gone, and was asked":                 {asking, "down", []string{"end: " + string(ReasonLinkDown)}},
		"gone, and had begun to send it":      {append(asking, "recv SNAP 0x400000003"), "down", []string{"abandon sync", "end: " + string(ReasonLinkDown)}},
		"broken off, and it was asked for it": {append(asking, "recv SNAP 0x400000003"), "syncRefused", []string{"abandon sync", "end: " + string(ReasonBrokenSnap) + " (no such record)"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{t: t}
			s.play(tc.before...)
			s.expect(tc.line, tc.want...)
		})
	}
}

func TestObserverDoesNotLogWhatIsNotCommitted(t *testing.T) {
	s := &script{t: t}
	s.play("learner id=9 observer accepted=4 current=4 last=0x400000002", "recv LEADERINFO 0x500000000", "acceptedDurable 5",
		"recv DIFF 0, PROPOSAL 0x500000001, PROPOSAL 0x500000002, COMMIT 0x500000001, NEWLEADER 0x500000000",
		"syncCommitted 0x500000001", "currentDurable 5")
	s.expect("recv UPTODATE -1", "send leader: ACK 0x500000000", "serve in epoch 5")
	s.expect("recv INFORM 0x500000002", "log 0x500000002")
}

func TestLearnerFollowsNoOlderEpoch(t *testing.T) {
	s := &script{t: t}
	s.play("learner id=2 accepted=6 current=4 last=0x400000002")
	s.expect("recv LEADERINFO 0x500000000", "end: "+string(ReasonLeaderBehind)+" (epoch 5, accepted 6)")
}

func TestLearnerNamesWhatIsWrong(t *testing.T) {
	begin := "learner id=2 accepted=4 current=4 last=0x400000002"
	info, diff := "recv LEADERINFO 0x500000000", "recv DIFF 0"
	tests := map[string]struct {
		before []string
		line   string
		reason Reason
	}{
		"a leader before Zab 1.0":            {nil, "recv NEWLEADER 0x500000000", ReasonUnexpected},
		"a sync before LEADERINFO":           {nil, diff, ReasonUnexpected},
		"LEADERINFO of an old protocol":      {nil, info + " protocol=1", ReasonMalformed},
		"a txn before the sync":              {[]string{info, "acceptedDurable 5"}, "recv PROPOSAL 0x400000003", ReasonUnexpected},
		"a commit before the sync":           {[]string{info, "acceptedDurable 5"}, "recv COMMIT 0x400000003", ReasonCommitOrder},
		"two syncs":                          {[]string{info, "acceptedDurable 5", diff}, diff, ReasonUnexpected},
		"NEWLEADER of another epoch":         {[]string{info, "acceptedDurable 5", diff}, "recv NEWLEADER 0x600000000", ReasonWrongEpoch},
		"UPTODATE before NEWLEADER":          {[]string{info, "acceptedDurable 5", diff}, "recv UPTODATE -1", ReasonUnexpected},
		"INFORM to a follower":               {[]string{info, "acceptedDurable 5", diff}, "recv INFORM 0x400000003", ReasonUnexpected},
		"a learner's packet":                 {nil, "recv ACKEPOCH 0", ReasonUnexpected},
		"an answer to nothing":               {[]string{info, "acceptedDurable 5", diff}, "recv SYNC 0", ReasonUnexpected},
		"a snapshot below zero":              {[]string{info, "acceptedDurable 5"}, "recv SNAP -1", ReasonMalformed},
		"silence for initLimit, six ticks":   {nil, "tick n=6", ReasonSilent},
		"silence in the sync":                {[]string{info, "acceptedDurable 5", "tick n=4", "progress", "tick n=5"}, "tick", ReasonSilent},
		"more than is to be held in a sync":  {[]string{begin + " pending=100", info, "acceptedDurable 5", diff, "recv PROPOSAL 0x500000001, PROPOSAL 0x500000002"}, "recv PROPOSAL 0x500000003", ReasonOverflow},
		"a stream of a snapshot that is bad": {[]string{info, "acceptedDurable 5", "recv SNAP 0x400000009"}, "syncRefused", ReasonBrokenSnap},
	}
	for name, tc := range tests {
		s := &script{t: t}
		s.play(begin)
		s.play(tc.before...)
		if text := s.do(tc.line); !strings.Contains(text, "end: "+string(tc.reason)) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestTxnUnderAWrongZxidIsRefused(t *testing.T) {
	for name, data := range map[string][]byte{"another zxid": txnAt(z(5, 2)).Data, "too short for a header": make([]byte, 31), "nothing": nil} {
		s := following(t)
		text := actionsText(s.learner.Step(Received{Packets: []proto.QuorumPacket{{Type: proto.PacketProposal, Zxid: z(5, 1), Data: data}}}))
		if !strings.Contains(text, string(ReasonMalformed)) {
			t.Errorf("%s: %s", name, text)
		}
	}
}
