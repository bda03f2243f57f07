package e2e

import (
	"path/filepath"
	"testing"
)

// kazoo, the client of Python programs.
func TestKazoo(t *testing.T) {
	need(t, python, kazooModule)
	s := startServer(t)
	runSteps(t, s, []string{
		"nodes",
		"transactions",
		"acls",
		"data_watch",
		"children_watch",
		"lock",
		"election",
		"barrier",
		"counter",
		"reconnected",
		"session kept over kill -9",
		"watches kept over kill -9",
		"lock kept over kill -9",
		"close",
	}, python.path, "-B", filepath.Join("testdata", "kazoo", "client.py"), s.addr())
}
