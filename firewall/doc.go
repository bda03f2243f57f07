// Package firewall computes the rules that keep strangers from zkd's own ports.
//
//	Policy --Build--> Ruleset --Text--> nft syntax
//	                     |
//	          Diff with what the kernel has
//
// A [Ruleset] is one table of nftables, `inet zkd`, that speaks about zkd's own ports and about nothing
// else: what it does not name falls through. It narrows and never widens, because in nftables a drop is
// final and an accept only ends the own table: a port that another table shuts stays shut, and package
// firewall/foreign finds that table.
//
//	chain input    loopback: accept, always first, both families
//	               a port of ours: chain listen; anything else: accept
//	chain listen   for an address at which we listen: chain judge; for another: accept
//	chain judge    ports with their allowed sources: accept
//	               ports with any other source, by its class: count, chain refuse
//	chain refuse   log, but not often; then drop, or answer with a reset
//
// It is stateless. No connection tracking is needed, and a member that is removed is cut off at once.
//
// The package is pure: it touches no kernel. All its types are plain values that survive encoding/json,
// so that what applies them can be another process. Package firewall/nft applies them.
package firewall
