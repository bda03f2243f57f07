// Package peer is the two ports on which the servers of an ensemble talk to each other: bytes in,
// events out; actions in, bytes out. It knows no policy. Who should lead, and what is said to whom,
// decide quorum/election and quorum/zab; this room connects, frames, queues, and reports.
//
// # The election port
//
// An [Election] keeps one connection with each other server, made by the one with the larger id:
//
//	hello    long -65536 | long own id | int length 1..2048 | host:port of the own election port
//	message  int length 1..524288 | body (proto.Notification)
//
//	server 1                        server 3
//	   │── connect, hello ────────────▶│   1 has something to say, and may not keep a connection to 3
//	   │◀─────────────────────── close ┤   on purpose: the rule of the larger id
//	   │◀───────────── connect, hello ─┤   this one both keep
//	   │◀═══════════ messages ════════▶│
//
// The acceptor says nothing before its first message. The hello leaves in one write, since Java reads
// the address with one read. To each server at most one message waits; a newer one takes its place,
// and the last one is sent again over a new connection. A message that cannot be read costs itself;
// a length that cannot be costs the connection. Servers that are no members are heard and answered
// all the same, since who is to join asks before it is in the configuration, but only so many.
//
// # The peer port
//
// A [LeaderPort] accepts learners while a server leads; [DialLeader] connects a learner to it. Both
// give a [Link], over which packets stand back to back, without a length:
//
//	packet   int type | long zxid | buffer data | vector authinfo of (ustring scheme, ustring id)
//
// The learner speaks first, FOLLOWERINFO or OBSERVERINFO. Behind a SNAP packet stands a snapshot,
// which no length announces either: its end is known by its structure alone, since znodes may hold
// the bytes of its signature.
//
//	snapshot int n, (long session, int timeout) * n
//	         int n, (long id, vector of (int perms, ustring scheme, ustring id)) * n
//	         (ustring path, buffer data, long acl, 60 bytes) *, ustring "/"
//	         ustring "BenWasHere"
//
// # Goroutines and bounds
//
// Every goroutine belongs to an Election, a LeaderPort or a Link, whose Close returns when all of
// them have ended; after that nothing is delivered (rule R7). What waits, and how much of it:
//
//	to a server, on the election port    1 message, at most 512 KiB
//	from a server, on the election port  1 message, being delivered
//	handshakes                           64 on each port; one more ends the oldest
//	servers that are no members          16; one more ends the one silent for longest
//	learners                             256; one more is refused, but a member takes the place of the newest that is none
//	to a link                            MaxQueueBytes; more end the link
//	from a link                          what one read gave, being delivered, and one packet
//
// Each report is delivered on the goroutine that has it. A receiver that lets it wait lets the
// connection wait, and the Close of what delivers.
//
// Time-outs here are about the network alone: connecting, a handshake, a peer that takes no byte. That a
// peer is silent, or too slow for the protocol, is for quorum/zab to say.
//
// Sources: QuorumCnxManager, Leader, LearnerHandler and Learner of Apache ZooKeeper 3.9; protocol
// reference 1, 3, 4.1 and 6.
package peer
