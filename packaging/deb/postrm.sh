#!/bin/sh
# After removal, and on purge: the data of /var/lib/zkd goes. A data_dir elsewhere is never touched.
set -e

data=/var/lib/zkd

if [ "$1" = purge ]; then
	# Only what is the server's own; a link to another place goes, and what it points to stays.
	if [ "$(stat -c %U "$data" 2>/dev/null)" = zkd ]; then
		echo "zkd: removing the data in $data"
		rm -rf --one-file-system "$data" || true # the directory itself stays where a disk is mounted on it
	fi
	rmdir /etc/zkd 2>/dev/null || true # unless the operator has files of his own there
	# What systemctl enable made.
	find /etc/systemd/system -type l \( -name zkd.service -o -name 'zkd@*.service' \) -lname '*/systemd/system/zkd*.service' -delete 2>/dev/null || true
fi
case $1 in remove | purge) rm -rf /run/zkd ;; esac
if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = remove ] && command -v journalctl >/dev/null; then
	journalctl --update-catalog >/dev/null || true
fi
