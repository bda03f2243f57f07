package tree

import (
	"hash/crc32"
	"math/bits"
	"strings"
	"unsafe"

	"zkd/quorum/proto"
)

// systemPrefix starts the paths that the digest leaves out: below it are the quota nodes, which
// every server updates for itself.
const systemPrefix = "/zookeeper/"

// PathDataCRC returns the CRC32 (IEEE) over path and data, the part of a node's digest that only
// its data changes. "/" counts as "", as the root is named in snapshots.
func PathDataCRC(path string, data []byte) uint32 {
	if path == "/" {
		path = ""
	}
	crc := crc32.ChecksumIEEE(unsafe.Slice(unsafe.StringData(path), len(path)))
	return crc32.Update(crc, crc32.IEEETable, data)
}

// Sums are what a node's place in the digest of a tree is made of.
type Sums struct {
	Prefix uint32 // PathDataCRC
	Digest uint64 // NodeDigest
}

// SumsOf returns the sums of a node.
func SumsOf(path, data []byte, s *proto.StatPersisted) Sums {
	name := asString(path)
	prefix := PathDataCRC(name, data)
	return Sums{prefix, NodeDigest(name, prefix, s)}
}

// asString is a view of b, which must not change while it is used.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// NodeDigest returns what a node adds to the digest of the tree, version 2: 0 for paths below
// /zookeeper/, else CRC32 over path, data and stat. prefix is PathDataCRC of path and data.
func NodeDigest(path string, prefix uint32, s *proto.StatPersisted) uint64 {
	if strings.HasPrefix(path, systemPrefix) {
		return 0
	}
	return uint64(finishCRC(prefix, s))
}

// finishCRC extends a CRC over the 60 bytes of a stat in the order of the digest, which is not
// that of jute: czxid, mzxid, pzxid, ctime, mtime, version, cversion, aversion, owner.
//
// It takes the fields as words instead of going through crc32.Update, to which the bytes of each
// stat would have to be laid out on the heap first.
func finishCRC(crc uint32, s *proto.StatPersisted) uint32 {
	c := ^crc
	c = crcLong(c, uint64(s.Czxid))
	c = crcLong(c, uint64(s.Mzxid))
	c = crcLong(c, uint64(s.Pzxid))
	c = crcLong(c, uint64(s.CtimeMillis))
	c = crcLong(c, uint64(s.MtimeMillis))
	c = crcLong(c, uint64(uint32(s.Version))<<32|uint64(uint32(s.Cversion)))
	c = crcLong(c, uint64(uint32(s.Aversion))<<32|uint64(s.EphemeralOwner)>>32)
	c = crcInt(c, uint32(s.EphemeralOwner))
	return ^c
}

// crcLong extends the (inverted) CRC c over the 8 bytes of v, big-endian.
func crcLong(c uint32, v uint64) uint32 {
	x := bits.ReverseBytes64(v) ^ uint64(c)
	t := &crcTables
	return t[7][byte(x)] ^ t[6][byte(x>>8)] ^ t[5][byte(x>>16)] ^ t[4][byte(x>>24)] ^
		t[3][byte(x>>32)] ^ t[2][byte(x>>40)] ^ t[1][byte(x>>48)] ^ t[0][byte(x>>56)]
}

// crcInt extends the (inverted) CRC c over the 4 bytes of v, big-endian.
func crcInt(c, v uint32) uint32 {
	x := bits.ReverseBytes32(v) ^ c
	t := &crcTables
	return t[3][byte(x)] ^ t[2][byte(x>>8)] ^ t[1][byte(x>>16)] ^ t[0][byte(x>>24)]
}

// crcTables[k][b] is the CRC of byte b followed by k zero bytes: the slicing-by-8 method. Constant.
var crcTables = makeCRCTables()

func makeCRCTables() (t [8][256]uint32) {
	t[0] = *crc32.IEEETable
	for b := range 256 {
		crc := t[0][b]
		for k := 1; k < 8; k++ {
			crc = t[0][crc&0xff] ^ crc>>8
			t[k][b] = crc
		}
	}
	return t
}
