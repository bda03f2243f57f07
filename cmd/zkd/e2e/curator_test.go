package e2e

import (
	"path/filepath"
	"testing"
)

// Curator's recipes, as most Java services use ZooKeeper.
func TestCurator(t *testing.T) {
	need(t, java, javac, zookeeperJar, curatorJar, slf4jSimpleJar)
	classes := filepath.Join(workDir, "curator")
	if output, status := runOnce(t, programLimit, "javac", "-d", classes, "-cp", classPath(curatorJar),
		filepath.Join("testdata", "curator", "Recipes.java")); status != 0 {
		t.Fatalf("javac: %s", output)
	}
	s := startServer(t)
	runSteps(t, s, []string{
		"nodes",
		"transaction",
		"mutex",
		"leader latch",
		"barrier",
		"double barrier",
		"shared count",
		"persistent node",
		"cache",
		"reconnected",
		"session kept over kill -9",
		"one-shot watches kept over kill -9",
		"persistent recursive watch kept over kill -9",
		"mutex kept over kill -9",
		"close ends the session",
	}, "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
		"-cp", classes+":"+classPath(curatorJar, slf4jSimpleJar), "Recipes", s.addr())
}
