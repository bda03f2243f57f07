// Package inspect shows and checks a server's files for an operator: what is in a snapshot or in
// the log, and whether it is whole.
//
// It reads only, streams, and needs no server: memory is bounded by the largest record, whatever
// the size of the file. The files may be those of zkd or of ZooKeeper. It may be used while a
// server runs on them; the end of its log is then in motion.
//
// Output is one record per line, as text
//
//	node path="/app" data="x" acl=world:anyone:cdrwa czxid=0x4 ctime=2026-11-23T03:30:45.143Z ...
//
// or, for programs, as one JSON object with the same keys:
//
//	{"kind":"node","path":"/app","data":"x","acl":[{"scheme":"world","id":"anyone","perms":"cdrwa"}],...}
//
// Zxids, session ids and digests are hexadecimal text in both, times are UTC. Data that is not
// valid UTF-8 is data_hex in its place, absent (null) data is null. Keys are only ever added.
//
// The last line of a verification is its verdict. An error that wraps [ErrDamaged] says that the
// files were read and something is wrong with them; any other, that they could not be read.
package inspect
