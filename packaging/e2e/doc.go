// Package e2e proves the packages on hosts that boot: it holds tests only.
//
// One story is told on three hosts under systemd, a client in their network and a stranger behind a router, all of
// package testbed: the package is installed, three servers become an ensemble, lose processes, a
// whole host and a reboot while a client writes, are shut off by firewalls of others, are upgraded one after
// the other, and are removed. Each step begins where the one before ended; the first that fails ends the story,
// and the journals of the hosts are printed.
//
// Settings from the environment:
//
//	ZKD_HOSTS=skip  do not boot hosts, and skip what needs them. Without it a machine that cannot boot
//	                hosts fails these tests, and the failure says what is missing.
//
// The image of the hosts is kept in ${XDG_CACHE_HOME:-~/.cache}/zkd-tests; the first run builds it. packaging/setup.sh
// installs what that needs.
package e2e
