// Package tree is the replicated state: znodes, their ACLs, sessions, and the indexes that follow
// from them (ephemerals by session, containers and TTL nodes, quotas). Txns go in, results and
// watch events come out; the same txns in the same order make the same tree on every server.
//
// It decides nothing: whether a request is allowed was decided when its txn was made. It knows no
// clock (times come in the txn header), no watcher and no lock. A shell that serves readers holds
// a read lock around getters and a write lock around Apply, Freeze and Release; getters change
// nothing, so any number of them may run at once. A [View] needs no lock at all.
//
// # Memory
//
// Millions of znodes must neither cost the memory of millions of Go objects nor be walked by the
// garbage collector, so nothing that is kept per znode holds a Go pointer:
//
//	index: path hash ──> NodeID ──> page id>>8, item id&255 ──> node ─┬─> block, in the byte arena
//	                                                                  ├─> ext, where it has one
//	                                                                  └─> ACL, interned and counted
//
//	node    64 bytes  | block 4 | name len 4 | data len 4 | parent 4 | ext 4 | ACL 4 | CRC prefix 4 |
//	                  | version 4 | czxid 8 | mzxid 8 | ctime 8 | mtime 8 |
//	ring     8 bytes  | next child of the parent 4 | previous one 4 |
//	ext     40 bytes  | owner 8 | pzxid 8 | cversion 4 | aversion 4 | first child 4 | children 4 |
//	                  | previous node of the same owner 4 | next one 4 |
//	block             | name | data |  rounded up to its size class
//	bucket  64 bytes  | hash 4, NodeID 4 | six more | used 4 | overflow bucket 4 |
//
// A znode without ext has no owner, no children and never had any, aversion 0, and the pzxid of
// its creation. Children of one parent are a ring through next and prev in order of creation, so
// that one child and a million cost the same per child. A block of n bytes comes from 64 KiB chunks
// of one size class each; beyond 16 KiB it is a Go slice of its own. The index is a linear hash
// table with five nodes per bucket: it grows by one bucket at a time and never stops to rehash.
//
// A read touches four cache lines that only it wants: bucket, node, and the block's first two.
//
// # Snapshots
//
// [Tree.Freeze] copies the page tables, not the pages. Later changes copy a page before the first
// write to it, and leave alone the blocks that the view can reach until it is released.
//
// # Digest
//
// The digest, version 2, is the sum of one CRC32 per znode over path, data and the 60 bytes of the
// stored stat. Every znode keeps the CRC of path and data, so that a change of its stat (a child
// created under it) costs 60 bytes and not its data. Paths below /zookeeper/ do not count.
//
// Source: DataTree, DataNode, ReferenceCountedACLCache, DigestCalculator, EphemeralType, Quotas
// and StatsTrack of Apache ZooKeeper 3.9.
package tree
