package config

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
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
func Load(name string, read ReadFile) (Config, []Notice, error) { return Host{}.Load(name, read) }

// Parse is [Load] for a text that the caller has already; name serves for messages and tells the
// format. A nil read stands for a host without any file.
func Parse(name string, text []byte, read ReadFile) (Config, []Notice, error) {
	return Host{}.Parse(name, text, read)
}

// Load is the function [Load] on a host of which more is known.
func (h Host) Load(name string, read ReadFile) (Config, []Notice, error) {
	text, err := read(name)
	if err != nil {
		return Config{}, nil, fmt.Errorf("config: read %s: %w", name, err)
	}
	return h.Parse(name, text, read)
}

// Parse is the function [Parse] on a host of which more is known.
func (h Host) Parse(name string, text []byte, read ReadFile) (Config, []Notice, error) {
	if read == nil {
		read = func(name string) ([]byte, error) { return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist) }
	}
	cfg, rep := Default(), &report{}
	zoo := IsZooCfg(name, text)
	if zoo {
		readZooCfg(name, text, read, h.Env, &cfg, rep)
	} else {
		readTOML(name, text, &cfg, rep)
	}
	if h.DataDir != "" {
		if at := cfg.sources["data_dir"]; at.Line > 0 {
			rep.notice(Info, at, "", "is overruled by --data")
		}
		delete(rep.broken, "data_dir")
		rep.errs = slices.DeleteFunc(rep.errs, func(p Problem) bool { return p.Key == "dataDir" && p.Line == 0 })
		cfg.DataDir = h.DataDir
		cfg.setSource("data_dir", Source{Note: "--data"})
	}
	cfg.settle(read, h, rep)
	cfg.validate(rep)
	cfg.advise(rep)
	if zoo {
		cfg.adviseMigration(rep)
	}
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
func (c *Config) settle(read ReadFile, host Host, rep *report) {
	if !c.given("session.min_timeout") {
		c.Session.MinTimeout = minTimeoutTicks * c.Session.TickTime
	}
	if !c.given("session.max_timeout") {
		c.Session.MaxTimeout = maxTimeoutTicks * c.Session.TickTime
	}
	c.settleID(read, host, rep)
	c.settleListen(rep)
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
