package config

import (
	"path"
	"strings"
)

const (
	socketName = "admin.sock"
	noSocket   = "off"
	// maxSocketPath is what fits into a socket's address, a zero behind it. Source: unix(7), sun_path.
	maxSocketPath = 107
	// Data below the one has its socket below the other: systemd makes both, StateDirectory= and
	// RuntimeDirectory=, for zkd.service and each zkd@name.service.
	packagedState   = "/var/lib/zkd"
	packagedRuntime = "/run/zkd"
)

func socketField() field {
	f := textField("admin.socket", "Path of the unix socket for operators, by which sessions are ended, leadership is handed over and snapshots are "+
		"taken: root, the user of the server and the members of its group may use it. \"off\" is none.",
		func(c *Config) *string { return &c.Admin.Socket }).checked(func(c *Config) string {
		switch s := c.Admin.Socket; {
		case s == "" || s == noSocket:
			return ""
		case !path.IsAbs(s):
			return "must be a path from / on, or \"off\""
		case len(s) > maxSocketPath:
			return "is too long for a socket: a path of 107 bytes at most"
		}
		return ""
	})
	f.Default, f.prose = packagedRuntime+"/"+socketName+" for a data_dir of "+packagedState+", else "+socketName+" in data_dir", true
	return f
}

// SocketPath returns the path of the operators' socket, "" for none. Who runs the server and who asks it come to
// the same by the same configuration.
func (c Config) SocketPath() string {
	switch {
	case c.Admin.Socket == noSocket:
		return ""
	case c.Admin.Socket != "":
		return c.Admin.Socket
	}
	dir := path.Clean(c.DataDir)
	if instance, ok := strings.CutPrefix(dir, packagedState); ok && (instance == "" || instance[0] == '/') {
		return path.Join(packagedRuntime, instance, socketName)
	}
	return path.Join(dir, socketName)
}
