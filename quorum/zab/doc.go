// Package zab is the agreement protocol: which txns are committed, and in which order.
//
// A [Leader] and a [Learner] (follower or observer) are the two ends of one dialogue. Both are pure:
// an [Event] goes in by Step, a list of [Action] comes out. They know no clock, socket, file,
// goroutine or logger. quorum/replica performs what they decide, in the order of the list, and tells
// them what came of it. Bytes of txns are carried, never looked into, but for the zxid in them.
//
// # The dialogue
//
// L is the leader of epoch e, F a follower or observer. [x] is a durable write; what stands below it
// is a promise that rests on it, and is only released after the event that reports the write.
//
//	F                                        L
//	FOLLOWERINFO(accepted) ----------------> |  e := 1 + the highest accepted epoch, over all that
//	                                         |  connect until a quorum has, itself included
//	                                        [acceptedEpoch = e]
//	        <------------------ LEADERINFO(e)
//	[acceptedEpoch = e]                         F will follow no leader of an epoch below e
//	ACKEPOCH(current, last) ---------------> |  a quorum, none ahead of L: L's history holds all
//	                                         |  that was ever committed, and nothing older can be
//	                                        [currentEpoch = e]
//	        <--- DIFF | TRUNC(z) | SNAP(z) + stream
//	        <--- (PROPOSAL, COMMIT)*            committed history only, without a gap
//	        <--- NEWLEADER(e<<32)
//	[history: log or snapshot]               |  live traffic for F is held back
//	[currentEpoch = e]                       |
//	ACK(e<<32) ----------------------------> |  F's history is L's. A quorum of these, L included,
//	                                         |  commits that history: L is established, once per e
//	        <--- UPTODATE
//	ACK(e<<32), serves                       |  F's answers to PING count from here on
//	        <--- PROPOSAL*, COMMIT*             what was held back, all of it, then live
//
//	        <--- PROPOSAL(z)                 [log]  an own ACK like any other
//	[log]
//	ACK(z) --------------------------------> |  a quorum: z is committed, after all before it
//	        <--- COMMIT(z), to observers INFORM(z)
//	applies z once it is committed and in its own log; so does L
//
// # Who promises what
//
//	write                 then, and only then                       rule
//	acceptedEpoch = e     LEADERINFO(e), ACKEPOCH to leader e       R2
//	history up to L's     currentEpoch = e                          R1, R2 (ZOOKEEPER-4643)
//	currentEpoch = e      ACK(e<<32); L counts itself               R1, R2 (ZOOKEEPER-4646)
//	txn z in the log      ACK(z); applying z                        R8 (ZOOKEEPER-4882)
//
// A role begins with a history that is durable to its end: its Config says where that is, and votes
// say the same. Whatever a role had not made durable is forgotten with it.
//
// # A sync leaves no trace until it is whole
//
// A learner's sync is told as BeginSync, Stage*, then CommitSync or AbandonSync, so that the new state
// can be built beside the old one and take its place in one atomic step (R9). Until [SyncCommitted]
// the server is what it was, and votes with what it had.
//
// # What the caller sends by itself
//
// REQUEST and REVALIDATE of a learner, between Activate and End; answers to REVALIDATE of a leader, to
// links of which a Forward came. The leader's SYNC, in contrast, has its place behind the COMMITs before
// it, and is given by [Barrier].
//
// # What ends a role or a link
//
// A peer that breaks the protocol loses its link, or ends the learner's role, with a [Reason]. A
// caller that breaks it panics: a server that stops is safer than one that disagrees.
//
// # Time
//
// A [Tick] is half a tickTime. Limits are configured in tickTimes, as in ZooKeeper.
//
// Sources: quorum protocol reference, sections 3 to 6; rules R1 to R24 of the known bugs. A standalone
// server is an ensemble of one: its own acknowledgement is a quorum.
package zab
