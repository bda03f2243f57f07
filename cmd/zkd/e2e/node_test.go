package e2e

import (
	"path/filepath"
	"testing"
)

// node-zookeeper-client, the usual client of Node programs.
func TestNode(t *testing.T) {
	modules, client := nodeModules(t)
	need(t, node, client)
	s := startServer(t)
	runSteps(t, s, []string{
		"nodes",
		"transactions",
		"identities",
		"watches",
		"reconnected",
		"session kept over kill -9",
		"watches kept over kill -9",
		"close ends the session",
	}, "env", "NODE_PATH="+modules, "node", filepath.Join("testdata", "node", "client.js"), s.addr())
}
