# Before removal, which upgrades are not: the servers stop and the firewall's table goes.
[ "$1" = 0 ] || exit 0
if [ -d /run/systemd/system ]; then
	systemctl --no-reload disable --now zkd.service >/dev/null 2>&1 || :
	systemctl stop 'zkd@*.service' >/dev/null 2>&1 || :
fi
# A server that crashed leaves its rules in force, for its next start.
for config in /etc/zkd/*.toml; do
	zkd firewall remove --config "$config" >/dev/null 2>&1 || :
done
exit 0
