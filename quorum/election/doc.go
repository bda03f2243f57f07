// Package election decides, with the other servers of an ensemble, who should lead.
//
// It is ZooKeeper's fast leader election, in one server, as a state machine: events in, actions out
// ([Election.Step]). It knows no clock (time arrives as [Tick]), socket, file or randomness. It does
// not make anybody leader: what it elects is a candidate whom a quorum wanted at some moment. That
// there is one leader per epoch, with all that was ever acknowledged, is proved afterwards by
// discovery in quorum/zab. So a mistake here costs time, never data.
//
// # How it works
//
// Every server that looks for a leader votes, and tells every voter its vote: "let server 3 lead; its
// log ends at zxid Z; its history is complete for epoch E". At first it votes for itself. Votes are
// ordered by epoch, then zxid, then server id; who hears of a better vote makes it its own and says
// so. The best vote wins everywhere:
//
//	server 1 (zxid 7)         server 2 (zxid 9)         server 3 (dead)
//	   │──── vote for 1, zxid 7 ──▶│
//	   │◀─── vote for 2, zxid 9 ───│   2 keeps its vote: 9 is better than 7
//	   │──── vote for 2, zxid 9 ──▶│   1 takes 2's vote
//	   │                           │   both have seen a quorum, {1, 2}, for the same vote
//	FOLLOWING 2                 LEADING
//
// A quorum for a vote includes a quorum's logs, hence the newest acknowledged txn. With the quorum
// reached the server waits 200 ms for a better vote from those who have not voted yet; where nobody
// is left who could vote (all have, or their links are down) it does not wait.
//
// # Rounds
//
// A server numbers its elections: each [Start] is a new round. A vote counts in its round only. Who
// hears of a newer round goes there and forgets the votes of the old one; who hears of an older round
// answers with its own. A round has nothing to do with an epoch: epochs number leaders, and are on
// disk; rounds number attempts, and begin at 1 in each process.
//
// # Finding a leader that is already there
//
// Servers that follow or lead answer one that looks with whom they follow. It joins that leader if a
// quorum says the same, in whatever round, and if the leader itself says that it leads: otherwise
// servers that have not yet noticed the death of their leader would send others to it. Such answers
// are compared by leader and epoch only; servers may know different zxids and rounds for the same
// leader (ZOOKEEPER-1732, -1805, -1818). That is why everybody reports the established epoch once it
// is synced ([Established]).
//
// # Who does not vote
//
// Observers, and servers that are not in the configuration yet, ask the voters and get answers, and
// join the leader that a quorum of voters names. Their notifications change nobody's mind. A server
// whose own log is not to be trusted (it is empty where it should not be, or has lost what it had
// acknowledged) starts with zxid -1: nobody counts its vote, and it counts only those of servers that
// already follow or lead.
//
// # What differs from Apache ZooKeeper
//
// On the wire nothing that a Java server could not do. It is faster in these ways: no waiting where
// nobody is left to vote; a worse vote of the same round is answered, so that a lost message is
// repaired at once; votes that arrive before [Start] are kept; a link that comes up gets the vote at
// once, and the back-off begins anew. A server of weight 0 gives up the vote for itself for any vote
// that can be elected. Answers are bounded: to each server the same one at most once per tick, so that
// two servers that do not accept each other cannot keep each other busy.
//
// The shell adds what this room cannot: the random wait of an observer before it looks again
// (observer.election.DelayMs), and that dialing a leader is repeated for a while, since a Java leader
// listens only after its 200 ms.
//
// Source: FastLeaderElection and Vote of Apache ZooKeeper 3.9; protocol reference 2.
package election
