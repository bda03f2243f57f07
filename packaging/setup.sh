#!/bin/sh
# Installs what `make test` needs beside Go: the clients of the end-to-end tests, and the tools that
# check the manual pages and the systemd unit. Does nothing where all is there.
set -eu

cd "$(dirname "$0")/.."
cmd/zkd/e2e/setup.sh

missing=
command -v mandoc >/dev/null || missing="$missing mandoc"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
[ -n "$missing" ] || exit 0

echo "setup.sh: installing$missing"
if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
# shellcheck disable=SC2086 # one word a package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends $missing
