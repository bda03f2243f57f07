package config

import (
	"strings"
	"testing"
)

func TestTheSocketFollowsTheDataDirectory(t *testing.T) {
	tests := map[string]struct{ data, socket, want string }{
		"the packaged server":   {"/var/lib/zkd", "", "/run/zkd/admin.sock"},
		"one of several":        {"/var/lib/zkd/blue", "", "/run/zkd/blue/admin.sock"},
		"written with a slash":  {"/var/lib/zkd/", "", "/run/zkd/admin.sock"},
		"a name that only ends": {"/var/lib/zkd2", "", "/var/lib/zkd2/admin.sock"},
		"ZooKeeper's data":      {"/var/lib/zookeeper", "", "/var/lib/zookeeper/admin.sock"},
		"a path of one's own":   {"/var/lib/zkd", "/tmp/s", "/tmp/s"},
		"none":                  {"/var/lib/zkd", "off", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := Default()
			c.DataDir, c.Admin.Socket = tc.data, tc.socket
			if got := c.SocketPath(); got != tc.want {
				t.Errorf("SocketPath() = %q, want %q", got, tc.want)
			}
			if err := c.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, bad := range []string{"admin.sock", "./off", "/" + strings.Repeat("x", 107)} {
		c := Default()
		c.Admin.Socket = bad
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "admin.socket") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
