package conformance

import "testing"

func TestApacheZooKeeperPassesTheSuite(t *testing.T) {
	if oracleClassPath(t) == "" {
		return
	}
	Run(t, func(t *testing.T, p Profile) string { return startJava(t, p).addr })
}
