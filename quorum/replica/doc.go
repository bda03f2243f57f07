// Package replica is the one loop that owns the replicated state and performs what the pure rooms
// decide.
//
//	Submit -> prep -> log append -> fdatasync -> zab ack -> commit -> tree -> outcome, watch events
//
// One goroutine at a time, whoever has the turn, takes all writes that have gathered, prepares and
// logs them as one batch with one fdatasync, and applies what is committed; the next batch gathers
// while the disk works. That is the loop's own goroutine, or, while it is idle, the connection that
// hands in a write, which saves a lone client two thread hand-overs. Outcomes and events go to
// whoever asked for them: the request carried its Origin in, the registration of a watch its Watcher.
//
// Locks, in the order of taking: turn, which guards all that only the loop touches; mu, which guards
// the tree and all watches (the loop takes it to apply, readers share it through View); a connection's
// own; watchMu.
package replica
