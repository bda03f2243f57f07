// Package probe asks a server from outside how it is: what `zkd status` does.
//
// It asks the admin port first, and where that does not answer the client port, with the word srvr,
// which ZooKeeper answers too. Unlike zkServer.sh, which has one sentence for every failure, it tells
// apart a server that is not there, one that does not answer in time, one that does not serve, one
// whose list of four-letter words leaves srvr out, and a port that something else has taken.
package probe
