# After installation ($1 is 1) and upgrade. Whether a new service is enabled is the distribution's choice.
systemd-sysusers zkd.conf || :
systemd-tmpfiles --create zkd.conf || :
[ -d /run/systemd/system ] || exit 0
systemctl --system daemon-reload >/dev/null 2>&1 || :
journalctl --update-catalog >/dev/null 2>&1 || :
if [ "$1" = 1 ]; then
	systemctl --no-reload preset zkd.service >/dev/null 2>&1 || :
fi
exit 0
