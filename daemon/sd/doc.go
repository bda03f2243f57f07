// Package sd speaks to systemd: readiness, status, reload and watchdog over the notify socket, the
// sockets it may hand over, and entries in its journal.
//
// It is the only importer of go-systemd. It decides nothing: when the server is ready, alive or
// stopping is the caller's knowledge. Outside systemd every call does nothing and costs nothing.
//
// One notification is one datagram of NAME=value lines to the socket in NOTIFY_SOCKET:
//
//	READY=1
//	STATUS=standalone, serving on 127.0.0.1:2181
//
// Source: sd_notify(3), sd_watchdog_enabled(3), systemd.journal-fields(7).
package sd
