// Package config turns the text of a configuration file, zkd.toml or ZooKeeper's zoo.cfg, into one
// checked [Config].
//
//	zkd.toml ──┐                                                    ┌─> Config
//	           ├─ overlay on defaults ─ id from myid ─ all checks ──┼─> []Notice  what an operator should know
//	zoo.cfg ───┘                                                    └─> Errors    why zkd must not start
//
// Nothing is guessed and nothing is dropped in silence. A key of zkd.toml that zkd does not know is
// an error that offers the nearest known name. A key of zoo.cfg is mapped, or named in a Notice as
// without effect and why, or, where leaving it out would weaken security or lose data, refused. All
// problems of a file are reported at once, each with its place, its value and what to do.
//
// One table, fields in keys.go, binds every key of zkd.toml to its place in Config, with its type,
// default, bounds and documentation; decoding, zoo.cfg, [Config.Validate], [Config.Explain],
// [Config.ToTOML] and [Keys] all read that table. A second, javaKeys, says what becomes of each key
// of zoo.cfg.
//
// The package is pure: files are read through a [ReadFile] of the caller's, what is known of the host comes
// in as a [Host], and no clock, socket or logger is touched.
package config
