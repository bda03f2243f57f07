package config

import (
	"fmt"
	"net/netip"

	"zkd/firewall"
	"zkd/quorum/zk"
)

// connected stands for a list of clients that nobody has written.
const connected = "the subnets of the addresses that the client port listens on"

func firewallFields() []field {
	clients := sourcesField("firewall.clients", "Addresses and subnets from which clients may come. This host itself always may; an empty list is nobody else, "+
		`and ["0.0.0.0/0", "::/0"] is everybody.`, func(c *Config) *[]string { return &c.Firewall.Clients })
	clients.Default, clients.prose = connected, true
	written := clients.text
	clients.text = func(c *Config) string {
		if c.Firewall.Clients == nil {
			return connected
		}
		return written(c)
	}
	table := textField("firewall.table", "Name of the table, which begins with zkd and is not that of another server.",
		func(c *Config) *string { return &c.Firewall.Table }).checked(func(c *Config) string {
		if t := c.Firewall.Table; t != "" && (!firewall.IsOwnTable(t) || len(t) > 31) {
			return "must be zkd, or zkd_ and lower-case letters, digits and _, 31 characters at most"
		}
		return ""
	})
	table.Default, table.prose = "zkd, or zkd_ and the client port where that is not 2181", true
	list := []field{
		choiceField("firewall.mode", "Whether zkd keeps strangers from its ports with rules of its own: auto does, unless every port is on loopback, "+
			"and serves without where it may not; required does or does not start; off does not.",
			func(c *Config) *string { return &c.Firewall.Mode }, "auto", "required", "off"),
		clients,
		sourcesField("firewall.admins", "Addresses and subnets that may reach the admin port beside this host, where it listens on more than loopback.",
			func(c *Config) *[]string { return &c.Firewall.Admins }),
		choiceField("firewall.refuse", "What strangers get: no answer at all, or a reset, by which a client goes on to the next server at once.",
			func(c *Config) *string { return &c.Firewall.Refuse }, string(firewall.Drop), string(firewall.Reject)),
		choiceField("firewall.on_stop", "Whether the rules go when the server stops. After a crash they stay.",
			func(c *Config) *string { return &c.Firewall.OnStop }, "remove", "keep"),
		table,
	}
	for i, f := range list {
		list[i] = f.reloadable()
	}
	return list
}

// sourcesField is a list of addresses and subnets.
func sourcesField(name, doc string, at func(*Config) *[]string) field {
	return listField(name, doc, at).checked(func(c *Config) string {
		for _, s := range *at(c) {
			if _, wrong := parseSource(s); wrong != "" {
				return wrong
			}
		}
		return ""
	})
}

// parseSource reads an address or a subnet. wrong is "" or says what is wrong with it.
func parseSource(text string) (p netip.Prefix, wrong string) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, fmt.Sprintf(`%q: must be an address, such as "192.0.2.7", or a subnet, such as "192.0.2.0/24"`, text)
	case p != p.Masked():
		return p, fmt.Sprintf("%q is an address in the subnet %s: write %s or %s", text, p.Masked(), p.Addr(), p.Masked())
	}
	return p, ""
}

// Sources returns the addresses and subnets of a list of [Firewall], nil for a nil one. The list has been
// checked.
func Sources(list []string) []netip.Prefix {
	if list == nil {
		return nil
	}
	out := []netip.Prefix{}
	for _, s := range list {
		if p, wrong := parseSource(s); wrong == "" {
			out = append(out, p)
		}
	}
	return out
}

// from reads an entry of [firewall.from].
func (r *tomlReader) from(at Source, name string, v any) bool {
	id, ok := parseServerID(name)
	list, isList := v.([]any)
	sources := []string{}
	for _, e := range list {
		s, isText := e.(string)
		isList = isList && isText
		sources = append(sources, s)
	}
	if !ok || !isList {
		r.errorf(at, "", `must be a server's id and a list of addresses and subnets: 2 = ["192.0.2.0/24"]`)
		return false
	}
	if r.cfg.Firewall.From == nil {
		r.cfg.Firewall.From = make(map[zk.ServerID][]string)
	}
	r.cfg.Firewall.From[id] = sources
	return true
}

// checkFirewall reports what is wrong in [firewall.from].
func (c *Config) checkFirewall(rep *report) {
	if anyBroken(rep, fromTable, serversTable) {
		return
	}
	for _, id := range sortedIDs(c.Firewall.From) {
		at := c.sources[fmt.Sprintf("%s.%d", fromTable, id)]
		for _, s := range c.Firewall.From[id] {
			if _, wrong := parseSource(s); wrong != "" {
				rep.errorf(at, "", "%s", wrong)
			}
		}
		if !c.hasServer(id) {
			rep.errorf(at, "", "there is no server %d", id)
		}
	}
}

func (c *Config) hasServer(id zk.ServerID) bool {
	for _, s := range c.Servers {
		if s.ID == id {
			return true
		}
	}
	return false
}

// OnLoopback reports whether every port of the server is for this host only, so that there is nothing to keep
// strangers from. The name localhost is taken for loopback, other names are not.
func (c Config) OnLoopback() bool {
	listen := append([]string{}, c.Client.Listen...)
	if c.Admin.Enabled {
		listen = append(listen, c.Admin.Listen...)
	}
	for _, l := range listen {
		if host, _, wrong := splitHostPort(l); wrong != "" || !isLoopback(host) {
			return false
		}
	}
	if len(c.Servers) < 2 { // stands alone, without ports for others
		return true
	}
	for _, s := range c.Servers {
		if s.ID != c.ID {
			continue
		}
		for _, a := range s.Addresses {
			if c.Ensemble.ListenOnAll || !isLoopback(a.Host) {
				return false
			}
		}
	}
	return true
}

// adviseMigration says what a zoo.cfg cannot: clients of ZooKeeper come from anywhere.
func (c *Config) adviseMigration(rep *report) {
	if anyBroken(rep, "client.listen") {
		return
	}
	for _, l := range c.Client.Listen {
		if host, _, wrong := splitHostPort(l); wrong == "" && !isLoopback(host) {
			rep.notice(Info, c.sources["client.listen"], "name others in firewall.clients of a zkd.toml, or run with --firewall off",
				"where zkd has a firewall, clients come from this host and from the subnets that it listens in")
			return
		}
	}
}
