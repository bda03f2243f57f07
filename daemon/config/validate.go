package config

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"zkd/quorum/zk"
)

// Validate checks all values, alone and with each other. The error is nil or an [Errors] with every
// problem. [Load] has done this already; it is for configurations made or changed by a program.
func (c Config) Validate() error {
	var rep report
	c.validate(&rep)
	_, err := rep.result()
	return err
}

func (c *Config) validate(rep *report) {
	for _, f := range fields() {
		if f.check == nil || rep.broken[f.Name] || c.derived(f.Name) && rep.broken["session.tick_time"] {
			continue
		}
		if wrong := f.check(c); wrong != "" {
			rep.breakKey(f.Name)
			rep.errorf(c.at(f), f.defaultFix(), "%s", wrong)
		}
	}
	c.checkSessions(rep)
	c.checkListen(rep)
	c.checkFirewall(rep)
	if !rep.broken[serversTable] {
		c.checkServers(rep)
		c.checkHierarchy(rep)
	}
}

// at returns the source of a field; for a default that clashes with something, its key and value.
func (c *Config) at(f field) Source {
	if s, ok := c.sources[f.Name]; ok && s.Key != "" {
		return s
	}
	s := c.sources[f.Name]
	s.Key = f.Name
	if !f.secret {
		s.Value = f.text(c)
	}
	return s
}

func (c *Config) atKey(name string) Source {
	for _, f := range fields() {
		if f.Name == name {
			return c.at(f)
		}
	}
	return c.sources[name]
}

func anyBroken(rep *report, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return rep.broken[n] })
}

func (c *Config) checkSessions(rep *report) {
	const low, high = "session.min_timeout", "session.max_timeout"
	if c.Session.MinTimeout <= c.Session.MaxTimeout || anyBroken(rep, low, high, "session.tick_time") {
		return
	}
	at, fix := c.atKey(low), "raise the other to at least the same"
	if !c.given(low) {
		at = c.atKey(high)
		fix = fmt.Sprintf("set session.min_timeout too; without it, it is %d ticks", minTimeoutTicks)
	}
	rep.errorf(at, fix, "the shortest session timeout, %s, is longer than the longest, %s",
		formatDuration(c.Session.MinTimeout), formatDuration(c.Session.MaxTimeout))
}

// checkListen reports missing addresses, and two ports of this server on one address.
func (c *Config) checkListen(rep *report) {
	const client, admin = "client.listen", "admin.listen"
	if len(c.Client.Listen) == 0 && !rep.broken[client] {
		rep.errorf(c.atKey(client), `write listen = ["127.0.0.1:2181"] in [client], or clientPort=2181 in a zoo.cfg`,
			"no client could connect: there is no address to listen on")
	}
	if !c.Admin.Enabled {
		return
	}
	if len(c.Admin.Listen) == 0 && !rep.broken[admin] {
		rep.errorf(c.atKey(admin), "write enabled = false in [admin] to do without the port", "there is no address to listen on")
	}
	if anyBroken(rep, client, admin) {
		return
	}
	for _, a := range c.Admin.Listen {
		for _, b := range c.Client.Listen {
			if collide(a, b) {
				rep.errorf(c.atKey(admin), "give them different ports", "%s is also the client port %s (%s)", a, b, c.atKey(client).Key)
			}
		}
	}
}

func (c *Config) checkServers(rep *report) {
	if len(c.Servers) == 0 {
		return
	}
	member, voters := false, 0
	taken, seen := map[string]zk.ServerID{}, map[zk.ServerID]bool{}
	for _, s := range c.Servers {
		at := c.sources[serverKey(s.ID)]
		if seen[s.ID] {
			rep.errorf(at, "", "server %d is listed twice", s.ID)
			continue
		}
		seen[s.ID] = true
		member = member || s.ID == c.ID
		if !s.Observer {
			voters++
		}
		if wrong := wrongID(s.ID); wrong != "" {
			rep.errorf(at, "", "the id %d of a server %s", s.ID, wrong)
		}
		if len(s.Addresses) == 0 {
			rep.errorf(at, "", "server %d has no address", s.ID)
		}
		for _, a := range s.Addresses {
			for _, port := range []int{a.PeerPort, a.ElectionPort} {
				address := joinHostPort(strings.ToLower(a.Host), port)
				if other, ok := taken[address]; ok {
					rep.errorf(at, "", "%s is taken by server %d", address, other)
				}
				taken[address] = s.ID
			}
		}
		if s.ID == c.ID {
			c.checkOwnPorts(at, s, rep)
		}
	}
	if voters == 0 {
		rep.errorf(c.sources[serverKey(c.Servers[0].ID)], "at least one server must be without :observer", "observers alone cannot decide anything")
	}
	if !member && !rep.broken["id"] {
		rep.errorf(c.atKey("id"), "", "this server has id %d, and [servers] has only %s", c.ID, idList(c.Servers))
	}
}

// checkOwnPorts reports a peer or election port of this server that is its client or admin port too.
func (c *Config) checkOwnPorts(at Source, s Server, rep *report) {
	check := func(what string, listen []string) {
		for _, l := range listen {
			for _, a := range s.Addresses {
				if collide(l, joinHostPort(a.Host, a.PeerPort)) || collide(l, joinHostPort(a.Host, a.ElectionPort)) {
					rep.errorf(at, "give them different ports", "one of its ports is also the %s port %s", what, l)
				}
			}
		}
	}
	check("client", c.Client.Listen)
	if c.Admin.Enabled {
		check("admin", c.Admin.Listen)
	}
}

// checkHierarchy reports groups and weights that do not fit the servers. Source: QuorumHierarchical.
func (c *Config) checkHierarchy(rep *report) {
	e := c.Ensemble
	if anyBroken(rep, groupsTable, weightsTable) {
		return
	}
	known := map[zk.ServerID]bool{}
	for _, s := range c.Servers {
		known[s.ID] = true
	}
	in := map[zk.ServerID]int64{}
	for _, n := range slices.Sorted(maps.Keys(e.Groups)) {
		at := c.sources[fmt.Sprintf("%s.%d", groupsTable, n)]
		for _, id := range e.Groups[n] {
			if !known[id] {
				rep.errorf(at, "", "there is no server %d", id)
			}
			if other, ok := in[id]; ok {
				rep.errorf(at, "", "server %d is in group %d already", id, other)
			}
			in[id] = n
		}
	}
	for _, id := range sortedIDs(e.Weights) {
		if !known[id] {
			rep.errorf(c.sources[fmt.Sprintf("%s.%d", weightsTable, id)], "", "there is no server %d", id)
		}
	}
	if len(e.Groups) == 0 && len(e.Weights) == 0 {
		return
	}
	for _, s := range c.Servers {
		if _, ok := in[s.ID]; !ok && !s.Observer {
			rep.errorf(c.sources[serverKey(s.ID)], "add it to a group; with groups or weights every voter is in one", "server %d is in no group", s.ID)
		}
	}
}

func idList(servers []Server) string {
	ids := make([]string, len(servers))
	for i, s := range servers {
		ids[i] = fmt.Sprint(s.ID)
	}
	return strings.Join(ids, ", ")
}

// advise names what works and yet is seldom meant.
func (c *Config) advise(rep *report) {
	warn := func(key, fix, format string, args ...any) {
		if !rep.broken[key] {
			rep.notice(Warning, c.atKey(key), fix, format, args...)
		}
	}
	for _, d := range []struct{ key, dir string }{{"data_dir", c.DataDir}, {"log_dir", c.LogDir}} {
		switch clean := path.Clean(d.dir); {
		case d.dir == "":
		case !path.IsAbs(d.dir):
			warn(d.key, "write the path from / on", "is relative to the directory that zkd is started in: started elsewhere, it has no data")
		case clean == "/tmp" || strings.HasPrefix(clean, "/tmp/") || strings.HasPrefix(clean, "/var/tmp/"):
			warn(d.key, "use /var/lib/zkd", "temporary files are deleted at a restart of the host, or after some days")
		}
	}
	if !c.Storage.ForceSync {
		warn("storage.force_sync", "", "acknowledged writes can be lost when the host loses power")
	}
	if c.Auth.SkipACL {
		warn("auth.skip_acl", "", "every client may read, change and delete everything")
	}
	if c.Admin.Enabled {
		for _, a := range c.Admin.Listen {
			host, _, wrong := splitHostPort(a)
			switch {
			case wrong != "" || isLoopback(host):
			case c.Firewall.Mode != "off" && len(c.Firewall.Admins) == 0:
				warn("admin.listen", "name those hosts in firewall.admins", "%s can be reached from other hosts only where zkd has no firewall; the port knows no passwords", a)
			default:
				warn("admin.listen", "", "%s can be reached from other hosts; the port knows no passwords", a)
			}
		}
	}
	c.adviseVoters(rep)
}

func (c *Config) adviseVoters(rep *report) {
	voters := 0
	for _, s := range c.Servers {
		if !s.Observer {
			voters++
		}
	}
	if len(c.Servers) == 0 || len(c.Ensemble.Groups) > 0 {
		return
	}
	at := c.sources[serverKey(c.Servers[len(c.Servers)-1].ID)]
	at.Key, at.Value = serversTable, ""
	switch {
	case voters == 2:
		rep.notice(Warning, at, "use 3", "with 2 voters the service ends when either is lost: that is twice as likely as with 1")
	case voters > 2 && voters%2 == 0:
		rep.notice(Warning, at, fmt.Sprintf("use %d or %d", voters-1, voters+1),
			"%d voters stand no more losses than %d do: %d", voters, voters-1, (voters-1)/2)
	}
}
