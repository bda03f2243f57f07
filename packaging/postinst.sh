#!/bin/sh
# After installation and upgrade. zkd is neither enabled nor started; one that runs is restarted.
set -e

[ "$1" = configure ] || exit 0
systemd-sysusers zkd.conf
systemd-tmpfiles --create zkd.conf
if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
	# $2 is the version before: an upgrade.
	[ -z "$2" ] || deb-systemd-invoke try-restart zkd.service >/dev/null || true
fi
