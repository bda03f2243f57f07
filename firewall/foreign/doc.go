// Package foreign finds the rules of other programs that shut zkd's ports.
//
// An accept in one table of nftables cannot undo a drop in another, so that zkd's own table opens
// nothing. This package takes the base chains of all other tables, sends imagined packets through them,
// those that zkd needs, and says which rule ends them, who made that rule, and the command that lets
// them through. It changes nothing.
//
//	View (chains, sets, facts) + Flows (who must reach what) --Check--> Findings
//
// A condition whose outcome is not known, such as a rate limit or a mark, is followed both ways; what may
// drop is told from what does. The package is pure: firewall/nft reads the kernel.
package foreign
