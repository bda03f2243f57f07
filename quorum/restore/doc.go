// Package restore does what an operator decides about the data of a server that is stopped: Restore puts a snapshot in
// its place, Undo puts the data back, Resync has a member of an ensemble take everything from the others, and AcceptLoss
// lets a server stand for election again without what it has lost.
//
// # Restore and Undo
//
//	<data dir>/version-2                          what a server starts from
//	<data dir>/version-2.restoring                the new one, while it is made
//	<data dir>/version-2.before-restore-<stamp>   the data that a restore has set aside
//	<data dir>/version-2.restored-<stamp>         the data that an undo has set aside
//	<data dir>/zkd.restoring                      a switch is under way: no server starts (replica.RestoreNote)
//
// and the same below the directory of the log, where that is another one.
//
// Nothing is deleted and nothing is changed in place: a new version-2 is made and read back beside the old, and then
// the two change places. That takes several steps, which the note spans; a crash between them is made undone by the
// next call, and until then no server starts.
//
// The epoch files never go back, so that no epoch is led twice: a server promised not to follow an older one, and
// what clients have seen of a later zxid stays before what they see next. The log is not carried over: transactions
// behind the snapshot are what is given up.
//
// A member of an ensemble takes the history of its leader, so a restore is for all of them: each is stopped, each is
// restored from the same file, then each is started.
//
// # Resync and AcceptLoss
//
// A server must not vote without what it once acknowledged: it could help to elect somebody who lacks that, too (R18).
// Its mark (see txlog) says what that is. Resync first raises the mark, so that nothing the directory holds is enough, and
// then gives all of it names zkd.cut.*; AcceptLoss lowers it to what is there. Neither removes anything.
package restore
