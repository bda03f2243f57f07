// Package quorum is the embeddable ZooKeeper server: configuration, start, stop and status. A Go
// program or test can run one, or a whole ensemble, in its own process.
//
// It wires the rooms below it and imports neither daemon nor firewall:
//
//	socket -> serve -> prep -> replica -> txlog (fsync) -> commit -> tree -> reply + watch events
package quorum
