#!/bin/sh
# Before removal: the server stops. Configuration and data stay.
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop zkd.service >/dev/null || true
fi
