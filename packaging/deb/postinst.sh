#!/bin/sh
# After installation and upgrade. zkd is neither enabled nor started; one that runs is restarted.
set -e

[ "$1" = configure ] || exit 0
systemd-sysusers zkd.conf
systemd-tmpfiles --create zkd.conf
[ -d /run/systemd/system ] || exit 0
systemctl --system daemon-reload >/dev/null || true
journalctl --update-catalog >/dev/null || true

# $2 is the version before: an upgrade. A server that does not run stays as it is.
[ -n "$2" ] || exit 0
ZKD_RESTART_ON_UPGRADE=yes
if [ -r /etc/default/zkd ]; then . /etc/default/zkd; fi
if [ "$ZKD_RESTART_ON_UPGRADE" = no ]; then
	echo "zkd: servers go on with the old program until they are restarted, as /etc/default/zkd says"
else
	# The server of zkd.toml, and the instances. dpkg's lock is held meanwhile: who takes longer, as with much data,
	# goes on by himself.
	timeout 120 deb-systemd-invoke try-restart zkd.service 'zkd@*.service' >/dev/null ||
		echo "zkd: a server has not come back yet, see systemctl status 'zkd*'" >&2
fi
