package config

import (
	"fmt"
	"slices"
	"strings"
)

// Init is what a new configuration is made of. The zero Init gives the one that the package ships.
type Init struct {
	DataDir string // "" is the default
	// Client are the addresses of the client port; none are the default ones, or, for a member whose entry
	// in Servers is Self, that entry's host and loopback.
	Client []string
	// Servers are the entries of [servers], each as "N=host", with what may follow there; none for a server that
	// stands alone.
	Servers []string
	// Self is the id of this server; 0 if the file does not say.
	Self int
}

// Text returns a zkd.toml with comments. It is not checked: give it to [Parse].
func (i Init) Text() string {
	d := Default()
	dataDir, client := i.DataDir, i.Client
	if dataDir == "" {
		dataDir = d.DataDir
	}
	if len(client) == 0 {
		client = i.ownClient(d.Client.Listen)
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# zkd.toml: configuration of zkd, see zkd.toml(5). `zkd check-config` checks it.")
	line("#")
	if len(i.Servers) == 0 && len(i.Client) == 0 {
		line("# As it stands it is a working server by itself that only this host can reach. An unchanged zoo.cfg of")
		line("# ZooKeeper can be used in its place: point --config in the unit at it.")
	} else {
		line("# An unchanged zoo.cfg of ZooKeeper can be used in its place: point --config in the unit at it.")
	}
	line("")
	if len(i.Servers) > 0 {
		line("# The number of this server among [servers] stands in data_dir/myid, so that but for the addresses to listen")
		line("# on the file can be the same on all of them.")
		line("")
	}
	line("# Snapshots and the transaction log. A data directory of ZooKeeper's can be taken over as it is.")
	line("data_dir = %s", quote(dataDir))
	line("")
	line("# The transaction log is best on a disk of its own.")
	line("# log_dir = \"/var/lib/zkd-log\"")
	line("")
	line("[client]")
	line("# Write the address of the network that the clients are in, here and nowhere else.")
	line("listen = %s", quoteAll(client))
	line("")
	line("[admin]")
	line("# Status, health and metrics over HTTP, for this host: curl localhost:8080/status")
	line("listen = %s", quoteAll(d.Admin.Listen))
	line("")
	line("[firewall]")
	line("# Rules that let in members to the ports between servers, and clients to theirs; see FIREWALL in zkd(8).")
	line("# Where every port is on loopback none are made.")
	line("mode = %s", quote(d.Firewall.Mode))
	line("# Clients are those in the subnets of the addresses above, unless it says here who they are.")
	line("# clients = [\"192.0.2.0/24\", \"198.51.100.7\"]")
	line("")
	if len(i.Servers) == 0 {
		line("# An ensemble is the same list on each of its servers, and on each its own id. Ports 2888 and 3888 must be")
		line("# open between them.")
		line("# id = 1             # goes to the top of this file, above [client]")
		line("# [servers]")
		line("# 1 = \"192.0.2.10\"")
		line("# 2 = \"192.0.2.11\"")
		line("# 3 = \"192.0.2.12\"")
		return b.String()
	}
	line("# The same list on each of the servers. Ports 2888 and 3888, or those that are written here, must be open")
	line("# between them.")
	line("[servers]")
	for _, s := range i.Servers {
		id, value, _ := strings.Cut(s, "=")
		line("%s = %s", id, quote(value))
	}
	return b.String()
}

// ownClient is the client port on the addresses by which the others know this server, and on loopback.
func (i Init) ownClient(standard []string) []string {
	at := slices.IndexFunc(i.Servers, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("%d=", i.Self)) })
	if at < 0 {
		return standard
	}
	_, value, _ := strings.Cut(i.Servers[at], "=")
	s, wrong := parseServer(1, value, true)
	if wrong != "" {
		return standard
	}
	if s.Client != "" { // the port must be the same then
		host, port, _ := splitHostPort(s.Client)
		if isWildcard(host) || isLoopback(host) {
			return []string{s.Client}
		}
		return []string{s.Client, joinHostPort("127.0.0.1", port)}
	}
	list := slices.Clone(standard)
	for n, a := range s.Addresses {
		if !isLoopback(a.Host) && !isWildcard(a.Host) {
			list = slices.Insert(list, n, joinHostPort(a.Host, usualClientPort))
		}
	}
	return list
}
