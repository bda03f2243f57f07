// Package txlog is the transaction log: the history of a server, on its disk, in ZooKeeper's format.
//
// It holds bytes. Of a txn it knows only the zxid, which stands at bytes 12..20 of every payload.
// It appends, syncs, recovers, reads, truncates and purges; it decides nothing about what was
// committed, knows no snapshots, and keeps no copy of the history in memory.
//
// # Files
//
// A log directory holds files named log.<hex zxid of the first txn>, read in the order of their
// zxids:
//
//	offset 0   magic    4  "ZKLG"
//	       4   version  4  2
//	       8   dbid     8  0, ignored by readers
//	      16   record ...  one after the other
//	           zeros       to the end of the file
//
//	record     checksum 8  Adler-32 of the payload in the low 4 bytes
//	           length   4  of the payload, at least 32
//	           payload     TxnHeader (client 8, cxid 4, zxid 8, time 8, type 4), body, digest
//	           trailer  1  'B'
//
// All integers are big-endian. A length of 0 ends a file, and so does its end. Source: FileTxnLog
// and FilePadding of Apache ZooKeeper 3.9.
//
// More files are zkd's own. ZooKeeper passes over names that do not begin with "log." or
// "snapshot.":
//
//	zkd.mark   how far the log was known to be durable, at most about a second old (see mark)
//	zkd.next   the next log file, header and blocks ready, waiting for its name
//	zkd.cut.*  what an operator had taken out of the log (see Repair, SetAside): never read again
//
// # Writing
//
// Append copies into memory. Sync writes what was appended with one write and makes it durable with
// one fdatasync. Zeros were written and synced ahead of it by a goroutine of the log, so that the
// fdatasync finds blocks and size in place and costs one write to the disk, no journal. A log that
// outruns that goroutine still writes correctly, only slower. A file is made by the first append
// after Open and after Roll, and its name is durable before the first Sync into it returns. A file
// found by Open is never appended to.
//
// An error of Sync is final: after a failed fsync nobody knows what the disk holds, and another
// fsync may claim success for bytes that are lost. Every later call returns the same error.
//
// # Reading back
//
// Open tells a torn tail, which is what a crash leaves, from damage. Only the last file can have a
// torn tail, because Open cuts it before anything is appended anywhere. Behind the last good record
// of that file there may be
//
//   - zeros or nothing: the end;
//   - the beginning of a record, then zeros to the end of the file: torn, cut;
//   - anything else above the durable mark and no longer than one unsynced batch: torn, cut. A power
//     loss keeps any subset of the sectors of a batch, so whole records may follow a hole;
//   - anything else: damage, a [*CorruptError], nothing is changed.
//
// Each zxid must follow the one before (see zk.Zxid.Follows): a gap is damage. ZooKeeper sometimes
// logs a txn again after a resync: such duplicates are skipped if they are equal to the byte.
package txlog
