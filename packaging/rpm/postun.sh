# After removal ($1 is 0), and after an upgrade: a server that runs is restarted, unless /etc/default/zkd says no. One
# that takes longer than rpm's lock is to be held goes on by itself.
if [ "$1" = 0 ]; then rm -rf /run/zkd; fi
[ -d /run/systemd/system ] || exit 0
systemctl --system daemon-reload >/dev/null 2>&1 || :
if [ "$1" != 0 ]; then
	ZKD_RESTART_ON_UPGRADE=yes
	if [ -r /etc/default/zkd ]; then . /etc/default/zkd; fi
	if [ "$ZKD_RESTART_ON_UPGRADE" != no ]; then
		timeout 120 systemctl try-restart zkd.service 'zkd@*.service' >/dev/null 2>&1 || :
	fi
fi
exit 0
