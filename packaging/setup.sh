#!/bin/sh
# Installs what `make test` needs beside Go: the clients of the end-to-end tests, the tools that check
# the manual pages and the systemd unit, and ZooKeepers of the releases to exchange files with and to
# share ensembles with. Does nothing where all is there.
set -eu

cd "$(dirname "$0")/.."
cmd/zkd/e2e/setup.sh

cache=${XDG_CACHE_HOME:-$HOME/.cache}/zkd-tests
if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi

missing=
command -v mandoc >/dev/null || missing="$missing mandoc"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v mvn >/dev/null || missing="$missing maven"
# The firewall's tests, for which a PATH without sbin is enough.
[ -x /usr/sbin/nft ] || missing="$missing nftables"
command -v ip >/dev/null || [ -x /usr/sbin/ip ] || missing="$missing iproute2"
# The tests of the packages: what checks them, and what boots hosts to try them on.
for tool in lintian rpm rpmlint shellcheck mmdebstrap; do
	command -v $tool >/dev/null || missing="$missing $tool"
done
command -v systemd-nspawn >/dev/null || missing="$missing systemd-container"
# The test that looks at the admin page.
command -v chromium >/dev/null || missing="$missing chromium"
if [ -n "$missing" ]; then
	echo "setup.sh: installing$missing"
	# shellcheck disable=SC2086 # one word a package
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends $missing
fi
# The image of the hosts is made from where apt has Debian's packages from.
# shellcheck disable=SC2016 # apt's own variable
if [ -z "$(apt-get indextargets --format '$(SOURCESENTRY)' 'Created-By: Packages' 'Origin: Debian')" ]; then
	$sudo apt-get -o DPkg::Lock::Timeout=120 update -q
fi

# promtool, which checks the alerts, by itself: the package that it is in would start a Prometheus on this host.
if ! command -v promtool >/dev/null && [ ! -x "$cache/prometheus/usr/bin/promtool" ]; then
	echo "setup.sh: fetching promtool into $cache"
	rm -rf "$cache/prometheus" "$cache/prometheus.new"
	mkdir -p "$cache/prometheus.new"
	(cd "$cache/prometheus.new" && apt-get -q download prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb)
	mv "$cache/prometheus.new" "$cache/prometheus"
fi

# fetch DIRECTORY VERSION: a ZooKeeper with its libraries, below the cache. What the version file says is there
# already is not fetched again.
fetch() {
	pom=quorum/snap/testdata/java/pom.xml
	if [ "$(cat "$cache/$1/version" 2>/dev/null)" = "$2 $(cksum <"$pom")" ]; then
		return
	fi
	echo "setup.sh: fetching ZooKeeper $2 into $cache"
	rm -rf "${cache:?}/$1"
	mvn -B -q -f "$pom" dependency:copy-dependencies -Dzookeeper.version="$2" -DoutputDirectory="$cache/$1"
	echo "$2 $(cksum <"$pom")" >"$cache/$1/version" # last: it says that the rest is done
}
fetch zookeeper-3.9 3.9.4
fetch zookeeper-3.8 3.8.6
