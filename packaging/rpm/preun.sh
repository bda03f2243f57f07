# Before removal, which upgrades are not: the servers stop and the firewall's table goes.
[ "$1" = 0 ] || exit 0
if [ -d /run/systemd/system ]; then
	systemctl --no-reload disable --now zkd.service >/dev/null 2>&1 || :
	systemctl stop 'zkd@*.service' >/dev/null 2>&1 || :
fi
# A server that crashed leaves its rules in force, for its next start; its configuration may be gone, or wrong.
zkd firewall remove --all >/dev/null 2>&1 || :
exit 0
