// Package keeper keeps the rules of package firewall in force while a server runs.
//
//	Config -> names resolved -> firewall.Policy -> Ruleset -> Kernel: apply, read back, compare
//	             ^ every 30 s, on Poke; addresses changed        | told of a change, or every 5 s
//	             +-----------------------------------------------+ put back what somebody removed
//
// Start it before the ports are bound, and stop it after they are closed. A crash leaves the rules in
// force; nothing listens then, and the next start replaces them.
//
// It is the shell of the firewall: it owns clocks, names and the log. What needs the capability is behind
// [Kernel], whose arguments and results are plain values, so that a small process of its own can do that part.
package keeper
