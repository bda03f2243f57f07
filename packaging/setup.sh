#!/bin/sh
# Installs what `make test` needs beside Go: the clients of the end-to-end tests, the tools that check
# the manual pages and the systemd unit, and a ZooKeeper 3.9 to exchange files with. Does nothing where
# all is there.
set -eu

cd "$(dirname "$0")/.."
cmd/zkd/e2e/setup.sh

cache=${XDG_CACHE_HOME:-$HOME/.cache}/zkd-tests
if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi

missing=
command -v mandoc >/dev/null || missing="$missing mandoc"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v mvn >/dev/null || missing="$missing maven"
if [ -n "$missing" ]; then
	echo "setup.sh: installing$missing"
	# shellcheck disable=SC2086 # one word a package
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends $missing
fi

# The file names the version: another one is fetched anew.
wanted=quorum/snap/testdata/java/pom.xml
if ! cmp -s "$wanted" "$cache/zookeeper-3.9/pom.xml"; then
	echo "setup.sh: fetching ZooKeeper 3.9 into $cache"
	rm -rf "$cache/zookeeper-3.9"
	mvn -B -q -f "$wanted" dependency:copy-dependencies -DoutputDirectory="$cache/zookeeper-3.9"
	cp "$wanted" "$cache/zookeeper-3.9/pom.xml" # last: it says that the rest is done
fi
