package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A tool is a program or file that a test needs on the machine.
type tool struct {
	path string // of a file, or the name of a program on PATH
	from string // what provides it
}

// The tools, and what installs them. setup.sh installs all.
var (
	java  = tool{"java", "the Debian package default-jdk-headless"}
	javac = tool{"javac", "the Debian package default-jdk-headless"}
	gcc   = tool{"gcc", "the Debian packages gcc and libc6-dev"}
	node  = tool{"node", "the Debian package nodejs"}

	iproute   = tool{"ip", "the Debian package iproute2"}
	nftables  = tool{"nft", "the Debian package nftables"}
	utilLinux = tool{"nsenter", "the Debian package util-linux"}

	zookeeperJar   = tool{"/usr/share/java/zookeeper.jar", "the Debian package libzookeeper-java"}
	slf4jSimpleJar = tool{"/usr/share/java/slf4j-simple.jar", "the Debian package libslf4j-java"}
	curatorJar     = tool{"/usr/share/java/curator-recipes.jar", "the Debian package libcurator-recipes-java"}
	// Debian's interpreter by its path: another python3 that comes first on PATH does not see
	// Debian's modules.
	python        = tool{"/usr/bin/python3", "the Debian package python3"}
	kazooModule   = tool{"/usr/lib/python3/dist-packages/kazoo", "the Debian package python3-kazoo"}
	cliMT         = tool{"/usr/lib/zookeeper/bin/cli_mt", "the Debian package zookeeper-bin"}
	zookeeperCDev = tool{"/usr/include/zookeeper/zookeeper.h", "the Debian package libzookeeper-mt-dev"}
)

// nodeModules is where setup.sh puts the npm packages: outside the source tree.
func nodeModules(t testing.TB) (dir string, client tool) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(cache, "zkd-tests", "node", "node_modules")
	return dir, tool{filepath.Join(dir, "node-zookeeper-client"), "the npm package node-zookeeper-client"}
}

// need fails the test for every tool that is missing, and says what to install.
func need(t testing.TB, tools ...tool) {
	t.Helper()
	for _, wanted := range tools {
		var err error
		if strings.Contains(wanted.path, "/") {
			_, err = os.Stat(wanted.path)
		} else {
			_, err = exec.LookPath(wanted.path)
		}
		if err != nil {
			t.Errorf("%s is missing: install %s, or run cmd/zkd/e2e/setup.sh, which installs all that these tests need", wanted.path, wanted.from)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// classPath joins jars; their manifests name what they depend on.
func classPath(jars ...tool) string {
	paths := make([]string, len(jars))
	for i, jar := range jars {
		paths[i] = jar.path
	}
	return strings.Join(paths, ":")
}

// What a failed test tells people to run must help.
func TestSetupInstallsEveryTool(t *testing.T) {
	script, err := os.ReadFile("setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := os.ReadFile(filepath.Join("testdata", "node", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, nodeClient := nodeModules(t)
	for _, wanted := range []tool{
		java, javac, gcc, node, iproute, nftables, utilLinux, zookeeperJar, slf4jSimpleJar, curatorJar, python, kazooModule, cliMT, zookeeperCDev, nodeClient,
	} {
		from := wanted.from[strings.LastIndex(wanted.from, " ")+1:]
		if !strings.Contains(string(script)+string(modules), from) {
			t.Errorf("setup.sh does not install %s, which provides %s", from, wanted.path)
		}
	}
}
