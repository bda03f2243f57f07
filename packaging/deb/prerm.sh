#!/bin/sh
# Before removal: the servers stop and the firewall's table goes. Configuration and data stay.
set -e

[ "$1" = remove ] || exit 0
if [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop zkd.service 'zkd@*.service' >/dev/null || true
fi
# A server that crashed leaves its rules in force, for its next start; its configuration may be gone, or wrong.
zkd firewall remove --all >/dev/null 2>&1 || true
