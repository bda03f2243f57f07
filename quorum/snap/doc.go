// Package snap writes and reads snapshots: whole trees at one point of the history, in the files
// and on the wire of Apache ZooKeeper.
//
// # The file
//
// snapshot.<hex zxid>[.gz|.snappy] in the data directory's version-2. All integers are
// big-endian; the compression, if any, is around the whole, and checksums are over plain bytes.
//
//	A  "ZKSN"  int 2  long -1                          header
//	B  int n   (long session, int timeoutMillis) * n   sessions
//	C  int n   (long id, vector<ACL>) * n              ACLs that nodes refer to by id
//	D  (ustring path, buffer data, long acl id,        nodes, parents before children;
//	    60 bytes of stat) *, ustring "/"               the root's path is "", -1 is the open ACL
//	E  long adler32 of A..D, ustring "/"               seal
//	F  long zxid, int 2, long digest                   the tree's digest at zxid
//	G  long adler32 of A..F, ustring "/"               seal
//	H  long last processed zxid
//	I  long adler32 of A..H, ustring "/"               seal
//
// F with G, and H with I, are optional, since writers have switches for them; nothing says which
// are there but the number of bytes behind E: none, 33, 21 or 54. zkd writes them all. ZooKeeper
// before 3.9 ignores H and I, because it looks at the file's last five bytes only.
//
// The zxid in the name is where replay of the log begins. What zkd writes is exactly the state at
// that zxid. What ZooKeeper writes may hold parts of later txns ("fuzzy"); F.zxid is where its
// state becomes exact by replay.
//
// # The stream
//
// A leader sends a learner B, C and D, followed by the ustring "BenWasHere": see [WriteStream].
//
// # Promises
//
// A snapshot gets its name only once its contents are on disk and have been read back. Until then
// it is a file that neither zkd nor ZooKeeper takes for one. Nothing is ever changed in place. A
// file that fails any check is left alone, named with its reason, and an older one is used.
//
// The package does not know the tree: it writes from a [Source] and reads into a [Sink]. It takes
// no lock and starts no goroutine that outlives the call.
//
// Source of the format: ZooKeeper 3.9, FileSnap, SnapStream and DataTree.
package snap
