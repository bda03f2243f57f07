// Package probe asks servers from outside how they are: what `zkd status` does, and what a member does to
// learn of the others what servers do not tell each other.
//
// A server is asked on its admin port first, and where that does not answer on its client port, with
// the word srvr, which ZooKeeper answers too. Unlike zkServer.sh, which has one sentence for every
// failure, probe tells apart a server that is not there, one that does not answer, one that does not
// serve, one whose list of four-letter words leaves srvr out, a port that something else has taken,
// and a host that drops packets to itself: who listens is asked of the kernel, and the ensemble of its
// other members.
package probe
