#!/bin/sh
# Installs what the end-to-end tests need: Debian packages and npm modules. Does nothing where all is there.
# Needs root, or sudo, for packages that are missing.
#
# npm modules go to ${XDG_CACHE_HOME:-~/.cache}/zkd-tests/node, outside the source tree.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/zkd-tests/node

have() { command -v "$1" >/dev/null 2>&1; }
installed() { dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'; }

# as_root COMMAND: as root, by sudo where the user is not.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		echo "setup.sh: not root and no sudo to run: $*" >&2
		exit 1
	fi
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 \
		install -y -q --no-install-recommends "$@"
}

missing=
# A program from elsewhere is as good as Debian's; a library must be Debian's, for its path.
have java && have javac || missing="$missing default-jdk-headless"
have gcc || missing="$missing gcc"
have node || missing="$missing nodejs"
have npm || missing="$missing npm"
have ip || missing="$missing iproute2"
have nft || missing="$missing nftables"
have nsenter || missing="$missing util-linux"
[ -x /usr/bin/python3 ] || missing="$missing python3"
for package in libc6-dev libslf4j-java libzookeeper-java libcurator-recipes-java python3-kazoo \
	zookeeper-bin libzookeeper-mt-dev; do
	installed "$package" || missing="$missing $package"
done

if [ -n "$missing" ]; then
	echo "setup.sh: installing$missing"
	# A list of packages that is missing or old is the usual reason for a failure: fetch it, try again.
	# shellcheck disable=SC2086 # one word a package
	apt_install $missing || {
		as_root apt-get -o DPkg::Lock::Timeout=120 update -q
		apt_install $missing
	}
fi

# The lock file names each module with its hash; an unchanged one is not installed again.
if ! cmp -s "$here/testdata/node/package-lock.json" "$cache/installed.json" || [ ! -d "$cache/node_modules" ]; then
	echo "setup.sh: installing npm modules into $cache"
	mkdir -p "$cache"
	cp "$here/testdata/node/package.json" "$here/testdata/node/package-lock.json" "$cache"
	(cd "$cache" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	cp "$cache/package-lock.json" "$cache/installed.json" # last: it says that the rest is done
fi
