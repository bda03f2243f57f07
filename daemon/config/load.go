package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"zkd/quorum/zk"
)

// ReadFile returns the contents of a file. An error that wraps [fs.ErrNotExist] says that there is
// no such file.
type ReadFile func(name string) ([]byte, error)

// Load reads the configuration file name and what it refers to: ZooKeeper's dynamicConfigFile and
// data_dir/myid. The error is an [Errors] unless name itself cannot be read. The notices are
// complete in either case.
func Load(name string, read ReadFile) (Config, []Notice, error) {
	text, err := read(name)
	if err != nil {
		return Config{}, nil, fmt.Errorf("config: read %s: %w", name, err)
	}
	return Parse(name, text, read)
}

// Parse is [Load] for a text that the caller has already; name serves for messages and tells the
// format. A nil read stands for a host without any file.
func Parse(name string, text []byte, read ReadFile) (Config, []Notice, error) {
	if read == nil {
		read = func(name string) ([]byte, error) { return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist) }
	}
	cfg, rep := Default(), &report{}
	if IsZooCfg(name, text) {
		readZooCfg(name, text, read, &cfg, rep)
	} else {
		readTOML(name, text, &cfg, rep)
	}
	cfg.settle(read, rep)
	cfg.validate(rep)
	cfg.advise(rep)
	notices, err := rep.result()
	return cfg, notices, err
}

// IsZooCfg reports whether text is ZooKeeper's format and not TOML: by the ending of name where it
// says so (.toml; .cfg, .properties), else because it sets a key that ZooKeeper has.
func IsZooCfg(name string, text []byte) bool {
	switch path.Ext(name) {
	case ".toml":
		return false
	case ".cfg", ".properties":
		return true
	}
	properties, _ := parseProperties(text)
	known := javaKeyIndex()
	for _, p := range properties {
		key := strings.TrimSpace(p.key)
		if _, ok := known[key]; ok || strings.HasPrefix(key, "server.") {
			return true
		}
	}
	return false
}

// settle derives what the file left to be derived: the id, the session timeouts, and the client
// address where only the server list names it.
func (c *Config) settle(read ReadFile, rep *report) {
	if !c.given("session.min_timeout") {
		c.Session.MinTimeout = minTimeoutTicks * c.Session.TickTime
	}
	if !c.given("session.max_timeout") {
		c.Session.MaxTimeout = maxTimeoutTicks * c.Session.TickTime
	}
	c.settleID(read, rep)
	c.settleListen(rep)
}

// settleID finds the id: the key, or data_dir/myid, which must agree; else the only server there is.
func (c *Config) settleID(read ReadFile, rep *report) {
	file := path.Join(c.DataDir, "myid")
	text, err := read(file)
	switch {
	case err == nil:
		c.applyMyID(file, string(text), rep)
		return
	case errors.Is(err, fs.ErrNotExist):
	case c.given("id") || len(c.Servers) < 2:
		rep.notice(Warning, Source{File: file}, "", "cannot be read, so that its number is not compared with the id: %v", err)
	default:
		rep.breakKey("id")
		rep.errorf(Source{File: file}, "let the user that runs zkd read it", "cannot be read: %v", err)
		return
	}
	switch {
	case c.given("id"):
	case len(c.Servers) == 1:
		c.ID = c.Servers[0].ID
		c.setSource("id", c.sources[serverKey(c.ID)])
	case len(c.Servers) > 1 && !rep.broken["id"]:
		rep.breakKey("id")
		rep.errorf(Source{File: c.sources[serverKey(c.Servers[0].ID)].File, Key: "id"}, fmt.Sprintf("write id = N into the configuration, or N into %s", file),
			"there are %d servers, and nothing says which of them this one is", len(c.Servers))
	}
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

// settleListen takes the client address from this server's entry in the server list. Where the file
// gives both, they must not contradict each other. Source: QuorumPeerConfig.setupClientPort.
func (c *Config) settleListen(rep *report) {
	const key = "client.listen"
	if rep.broken[key] || rep.broken["id"] {
		return
	}
	for _, s := range c.Servers {
		if s.ID != c.ID || s.Client == "" {
			continue
		}
		at := c.sources[serverKey(s.ID)]
		if !c.given(key) {
			c.Client.Listen = []string{s.Client}
			c.setSource(key, at)
			return
		}
		for _, a := range c.Client.Listen {
			if collide(a, s.Client) || a == s.Client {
				return
			}
		}
		rep.errorf(at, "give the same address, or leave out one of the two",
			"its client address %s is not the %s of %s", s.Client, strings.Join(c.Client.Listen, ", "), c.sources[key])
	}
}

// memberKey names the key of a member in [servers] and its like: 01 and 1 are one.
func memberKey(table, number string) string {
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		number = strconv.FormatInt(n, 10)
	}
	return table + "." + number
}

func serverKey(id zk.ServerID) string { return serversTable + "." + idText(id) }
