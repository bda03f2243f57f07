// Package sim runs whole ensembles in one goroutine: real replicas, with their real log, snapshots, epoch
// files and recovery, on a network, disks and clocks that one seed decides about.
//
//	         World: virtual time, one queue of events, one source of randomness
//	clients ──> replica.Manual ──> link, port, elections ──> other servers
//	                 │
//	            vfs.Fault ──> vfs.Mem: loses what was not synced, fails, fills up
//
// It loses and delays what servers say in elections, delays links against each other and breaks them, cuts
// servers off in one direction or both, crashes them at any operation of their disks and at any packet, lets
// them stand still, restarts any of them, fails and slows disks, and lets clocks run at different speeds.
// After each event it checks what must always be true (check.go); now and then, what every quorum of disks
// would make of a loss of power (audit.go). In the end all faults stop, and the ensemble must serve (heal.go).
//
// Beside the random worlds there are scenes (scene.go), short stories that are interrupted by a crash at every point;
// models of Java servers (java.go), to see what ours do to them and stand from them; and known bugs (bug.go), to see
// that the checks would notice.
//
// The same seed gives the same run. So it knows no real clock, starts no goroutine, and opens no file or
// socket. It does not simulate the client port or the bytes of links: quorum/serve and quorum/peer have their
// own tests. Only tests import it.
package sim
