// Package replica is the one loop that owns the replicated state and performs what the pure rooms
// decide.
//
//	leader    Submit -> prep -> PROPOSAL to the learners, log append -> fdatasync -> quorum of ACKs
//	          -> COMMIT -> tree -> outcome, watch events
//	learner   Submit -> REQUEST to the leader ... PROPOSAL -> log append -> fdatasync -> ACK
//	          -> COMMIT -> tree -> outcome, watch events
//
// A server alone is a leader without learners.
//
// # Turns
//
// One goroutine at a time has the turn: the connection that hands in a write, the link over which a
// packet came, the ticker. It takes all writes that have gathered as one batch and does what the core of
// the role says. Where the log is to be synced it gives the turn back meanwhile, so that
// acknowledgements, pings and the next batch do not wait for the disk; one sync at a time is under way,
// and carries all that was appended before it. A lone client's connection syncs by itself, which saves
// two thread hand-overs. Outcomes and events go to whoever asked for them: the request carried its Origin
// in, the registration of a watch its Watcher.
//
// Locks, in the order of taking: turn, which guards all that only the loop touches; mu, which guards
// the tree and all watches (the loop takes it to apply, readers share it through View); a connection's
// own; watchMu. The elector has a lock of its own, taken inside turn or without it.
//
// # Roles
//
//	        elected                     NEWLEADER, UPTODATE           End
//	looking ───────▶ leading, learning ───────────────────▶ active ───────▶ looking
//	                 (a new Term)                            clients are served
//
// A role ends at once: nothing is answered, sent or taken in any more, and its clients are cut off. Then
// its links are closed and waited for, the log is synced, and an election begins with what the disk holds.
// Reports of an earlier Term change nothing. Files:
//
//	replica.go   the loop, its beginning and its end     turn.go     what a turn does
//	roles.go     looking, taking and leaving roles       elector.go  the part in elections
//	reports.go   what links report                       batch.go    writes, as leader
//	leading.go   what a leader does beside               barrier.go  syncs
//	learning.go  what a learner does                     staging.go  taking over a history
//	history.go   what the log can prove                  intent.go   putting a snapshot in its place
//	recover.go   starting from disk                      fresh.go    reads after a pause
//	handover.go  giving way to another leader
//
// [Manual] is the same without a goroutine of its own, for simulations.
package replica
