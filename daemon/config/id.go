package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"zkd/quorum/zk"
)

// Host is what the reader of a configuration knows of the host that it is for. The zero Host knows nothing.
type Host struct {
	// Addresses are those of its interfaces.
	Addresses []netip.Addr
	// Lookup returns the addresses of a name; nil knows none. It is called only where nothing else says which
	// server this one is.
	Lookup func(name string) []netip.Addr

	// Env are the flags of Java that go with a zoo.cfg.
	Env []JavaEnv
	// MyID is the file with the id of this server, and DataDir its data directory, in the place of those that the
	// configuration names; "" for those.
	MyID, DataDir string
}

// has reports whether an address is one of the host's own. All of loopback is, and an unspecified address
// stands for the own ones: an entry of 0.0.0.0 is a custom of containers for the server itself.
func (h Host) has(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsLoopback() || a.IsUnspecified() ||
		slices.ContainsFunc(h.Addresses, func(own netip.Addr) bool { return own.Unmap().WithZone("") == a })
}

// servers returns the servers with an address on the host, and the first such address of each as it is written. Names
// count with lookup only.
func (h Host) servers(list []Server, lookup func(string) []netip.Addr) (found []Server, hosts []string) {
	if len(h.Addresses) == 0 {
		return nil, nil
	}
	for _, s := range list {
		at := slices.IndexFunc(s.Addresses, func(p PeerAddress) bool {
			if a, err := netip.ParseAddr(p.Host); err == nil {
				return h.has(a)
			}
			return lookup != nil && slices.ContainsFunc(lookup(p.Host), h.has)
		})
		if at >= 0 {
			found, hosts = append(found, s), append(hosts, s.Addresses[at].Host)
		}
	}
	return found, hosts
}

// settleID finds the id: the key, data_dir/myid, and the only server with an address of this host; all that
// answer must agree. Else it is the only server there is.
func (c *Config) settleID(read ReadFile, host Host, rep *report) {
	file := cmp.Or(host.MyID, path.Join(c.DataDir, "myid"))
	defer c.compareAddress(file, host, rep)
	text, err := read(file)
	denied := errors.Is(err, fs.ErrPermission)
	switch {
	case err == nil:
		c.applyMyID(file, string(text), rep)
		return
	case errors.Is(err, fs.ErrNotExist):
	case c.given("id") || len(c.Servers) < 2:
		rep.notice(Warning, Source{File: file}, "", "cannot be read, so that its number is not compared with the id: %v", err)
		rep.notices[len(rep.notices)-1].Denied = denied
	default:
		found, _ := host.servers(c.Servers, host.Lookup)
		if len(found) != 1 {
			rep.breakKey("id")
			rep.errorf(Source{File: file}, "let the user that runs zkd read it", "cannot be read: %v", err)
			rep.errs[len(rep.errs)-1].Denied = denied
			return
		}
		rep.notice(Warning, Source{File: file}, "", "cannot be read, so that its number is not compared with that of the server with an address of this host: %v", err)
		rep.notices[len(rep.notices)-1].Denied = denied
		c.takeID(found[0])
		return
	}
	switch {
	case c.given("id"):
	case len(c.Servers) == 1:
		c.takeID(c.Servers[0])
	case len(c.Servers) > 1 && !rep.broken["id"]:
		c.idByAddress(file, host, rep)
	}
}

// idByAddress takes the id of the server with an address of this host, where there is one and no other.
func (c *Config) idByAddress(file string, host Host, rep *report) {
	found, _ := host.servers(c.Servers, host.Lookup)
	if len(found) == 1 {
		c.takeID(found[0])
		return
	}
	why := "none of them has an address of this host"
	switch {
	case len(host.Addresses) == 0:
		why = "nothing says which of them this one is"
	case len(found) > 1:
		why = fmt.Sprintf("servers %s have an address of this host", idList(found))
	}
	rep.breakKey("id")
	rep.errorf(Source{File: c.sources[serverKey(c.Servers[0].ID)].File, Key: "id"}, fmt.Sprintf("write id = N into the configuration, or N into %s", file),
		"there are %d servers, and %s", len(c.Servers), why)
	rep.errs[len(rep.errs)-1].Passes = len(found) == 0 && len(host.Addresses) > 0
}

func (c *Config) takeID(s Server) {
	c.ID = s.ID
	c.setSource("id", c.sources[serverKey(s.ID)])
}

// compareAddress reports an id that is another than that of the only server with an address of this host.
func (c *Config) compareAddress(file string, host Host, rep *report) {
	found, hosts := host.servers(c.Servers, nil)
	if rep.broken["id"] || len(found) != 1 || found[0].ID == c.ID || !c.hasServer(c.ID) {
		return
	}
	says := "the configuration"
	if c.sources["id"].Key == "myid" {
		says = file
	}
	rep.breakKey("id")
	rep.errorf(c.sources["id"], "correct the one that is wrong; both name this server",
		"%s says %d, and %s of server %d is an address of this host", says, c.ID, hosts[0], found[0].ID)
}

// applyMyID takes the id from the contents of data_dir/myid: its first line, a number.
func (c *Config) applyMyID(file, text string, rep *report) {
	line, _, _ := strings.Cut(text, "\n")
	line = strings.TrimSpace(line)
	at := Source{File: file, Line: 1, Key: "myid", Value: line}
	n, err := strconv.ParseInt(line, 10, 64)
	id := zk.ServerID(n)
	if err != nil || wrongID(id) != "" {
		if len(line) > 40 {
			at.Value = line[:40] + "..."
		}
		rep.breakKey("id")
		rep.errorf(at, "write this server's number, nothing else, into the file",
			"must be a number from %d to %d", zk.MinServerID, zk.MaxServerID)
		return
	}
	if c.given("id") && c.ID != id && !rep.broken["id"] {
		rep.breakKey("id")
		rep.errorf(c.sources["id"], "correct the one that is wrong; both name this server",
			"the configuration says %d and %s says %d", c.ID, file, id)
		return
	}
	if !c.given("id") {
		c.ID = id
		c.setSource("id", at)
	}
}
