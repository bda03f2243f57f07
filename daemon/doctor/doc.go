// Package doctor judges whether a host is fit for its server, from facts that others have gathered.
//
//	Facts ── Judge ──> Report: findings, worst first; what is fine; what could not be looked at
//
// A finding has the code that /status, the log and zkd(8) have for the same, one sentence for whoever was woken up by
// it, and what to do: a command where there is one. A warning is something that works today; an error does not, or
// will lose data.
//
// The package is pure: package gather looks at the host, asks the server on it and the other members, and fills in
// [Facts]. What nobody could look at is no finding and not fine either: it is named as unseen, with the reason.
package doctor
