// Package nft applies a [firewall.Ruleset] to the kernel, reads it back, watches it, and reads the rules
// of other programs. It alone speaks netlink of nftables, and it needs CAP_NET_ADMIN. It also listens for changes of the
// addresses of the host, for which it needs nothing.
//
// A whole table is replaced in one batch: either all of it is in force or nothing has changed. Nothing but
// the named table is ever written.
//
// Everything that goes in and out is a plain value of package firewall or firewall/foreign, so that a
// small process that alone holds the capability can stand in between.
package nft
