package keeper

import (
	"net/netip"

	"zkd/firewall"
)

// Mode says how much the rules matter.
type Mode string

const (
	// Auto serves without rules where they cannot be applied, and says so.
	Auto Mode = "auto"
	// Required does not start without rules.
	Required Mode = "required"
	// Off applies none, and removes those that an earlier run has left.
	Off Mode = "off"
)

// Config is what an operator and the configuration of the ensemble say.
type Config struct {
	Mode Mode // Auto unless set
	// Table is that of [TableFor] unless set, or one with the own address in it where another server has that one.
	Table string
	// Keep leaves the rules in force on a clean stop.
	Keep    bool
	Refusal firewall.Refusal
	// ClientListen and AdminListen are the "host:port" of the listeners. Port 0 cannot be named in a rule.
	ClientListen, AdminListen []string
	// PeerListen and ElectionListen are so too, by the own name or address among the members, or without a host where
	// the server listens on all addresses; none for one that stands alone.
	PeerListen, ElectionListen []string
	Members                    []Member
	// Clients are the sources that may reach the client ports; nil: the subnets of the addresses that the
	// server listens on.
	Clients []netip.Prefix
	// Admins may reach the admin ports from other hosts. None is the good answer.
	Admins []netip.Prefix
}

// Member is a member of the ensemble.
type Member struct {
	Name string // for people: "2"
	// Hosts are names or addresses, without brackets.
	Hosts []string
	// From are more addresses from which it calls, behind a translation of addresses for example.
	From []netip.Prefix
}

func (c Config) withDefaults() Config {
	if c.Mode == "" {
		c.Mode = Auto
	}
	if c.Table == "" {
		c.Table = TableFor(c.ClientListen) // a Keeper has chosen before, see named
	}
	return c
}
