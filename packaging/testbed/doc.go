// Package testbed boots Debian hosts on one machine, for tests that must see a package, a unit or a firewall
// as a server sees it. For tests only.
//
//	                     the test's own network namespace
//	        br0 198.51.100.1                     far 203.0.113.1
//	   ┌───────────┬───┴───────┬───────────┐            │
//	host h1     host h2     host h3     client       stranger
//	     .11         .12         .13       .50     203.0.113.10
//
// A host has systemd as PID 1, a network namespace and a writable disk layer of its own over one shared image.
// The client is in the network of the hosts and none of them; the stranger is one routed hop away. Both have no
// system of their own: they are places to connect from. IPv6 is beside IPv4: 2001:db8:51::11 and so on, and
// 2001:db8:113::10 for the stranger. All addresses are of documentation ranges, in namespaces without a way out.
//
// [Main] runs the tests in namespaces for processes, mounts and network, so that nothing stays on the
// machine however they end: when the test's process ends, the kernel ends every host.
//
// What it cannot show: all hosts share one kernel, one clock and one page cache, so that [Host.Crash] is a
// kill -9 of everything and no power cut; SELinux and AppArmor are not exercised; limits above
// those of the machine are lowered quietly.
//
// It needs root, and the Debian packages systemd-container, mmdebstrap, iproute2, nftables and util-linux.
package testbed
