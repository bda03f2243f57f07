// Package daemon is the server as a process on its host: it builds the rooms from the inside out,
// tells systemd, and stops them from the outside in.
//
//	log -> quorum (recovers, listens) -> metrics -> admin HTTP -> READY when it serves
//
// What is decided here is only what belongs to the process: which signal does what, which error ends
// with which exit code, where log lines go. Everything that ZooKeeper's protocol says is in quorum.
package daemon
