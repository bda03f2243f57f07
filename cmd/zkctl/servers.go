package main

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"zkd/daemon/config"
)

const (
	defaultServer     = "127.0.0.1:2181"
	defaultPort       = "2181"
	defaultConfigFile = "/etc/zkd/zkd.toml"
)

// targets returns whom to ask, in this order, and the chroot: what --server says, or the configuration of the
// server on this host, or the default.
func (c *connection) targets() (servers []string, chroot string, err error) {
	if len(c.servers) > 0 {
		return parseServers(strings.Join(c.servers, ","))
	}
	file := c.configFile
	if file == "" {
		file = defaultConfigFile
	}
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
	case c.configFile == "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
		return []string{defaultServer}, "", nil
	default:
		return nil, "", failf(exitConfig, "%w", err)
	}
	// Who is not the server's user may not read its myid, and need not: what is wrong with the rest of the
	// configuration is for zkd check-config to say.
	cfg, _, err := config.Parse(file, text, os.ReadFile)
	servers = configuredServers(cfg)
	if len(servers) == 0 {
		return nil, "", failf(exitConfig, "%s names no client port: %w", file, err)
	}
	return servers, "", nil
}

// configuredServers are the client ports of this host's server, then those of the other members.
func configuredServers(cfg config.Config) []string {
	var all []string
	add := func(address, wildcard string) {
		host, port, err := net.SplitHostPort(address)
		if err != nil || port == "0" {
			return
		}
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			host = wildcard
		}
		if address = net.JoinHostPort(host, port); !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	for _, address := range cfg.Client.Listen {
		add(address, "127.0.0.1")
	}
	for _, member := range cfg.Servers {
		if member.Client != "" && member.ID != cfg.ID && len(member.Addresses) > 0 {
			add(member.Client, member.Addresses[0].Host)
		}
	}
	return all
}

// parseServers reads "host[:port],...[/chroot]", the form of ZooKeeper's clients.
func parseServers(text string) (servers []string, chroot string, err error) {
	hosts, rest, found := strings.Cut(text, "/")
	if found && rest != "" {
		chroot = "/" + rest
	}
	for entry := range strings.SplitSeq(hosts, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if !strings.Contains(entry, ":") || strings.HasSuffix(entry, "]") {
			entry += ":" + defaultPort
		}
		host, port, err := net.SplitHostPort(entry)
		if err != nil || host == "" || port == "" {
			return nil, "", usagef("server %q: must be host:port, or [IPv6 address]:port", entry)
		}
		servers = append(servers, net.JoinHostPort(host, port))
	}
	if len(servers) == 0 {
		return nil, "", usagef("no server in %q", text)
	}
	return servers, chroot, nil
}
