package snap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// maxFieldBytes bounds one record: a node with its path and data, or an ACL. No server takes a
// request near it; a longer one means that a length was read where there is none. Memory is
// claimed only as bytes arrive, so that a forged length costs nothing.
const maxFieldBytes = 256 << 20

// maxTailBytes is more than sections F to I ever take, with a digest in text and room for doubt.
const maxTailBytes = 256

// errShort says that the bytes end before the snapshot does.
var errShort = fmt.Errorf("it ends too early: %w", io.ErrUnexpectedEOF)

// decoder reads sections from a stream of plain bytes through a window, buf[pos:end] being what
// is read and not yet consumed. The first error sticks.
type decoder struct {
	r        io.Reader
	name     string      // of the file, for errors; "" for a stream
	sink     Sink        // nil to check only
	sum      hash.Hash32 // of what was consumed up to buf[hashed]; nil for a stream
	progress Progress

	buf              []byte
	hashed, pos, end int
	base             int64 // offset of buf[0] in the stream
	reported         int64 // offset at which progress was last called
	info             *Info
	stat             proto.StatPersisted // of the current node
	err              error
}

func newDecoder(r io.Reader, name string, sink Sink, sum hash.Hash32, p Progress, info *Info) *decoder {
	return &decoder{r: r, name: name, sink: sink, sum: sum, progress: p, info: info, buf: make([]byte, chunkBytes)}
}

func (d *decoder) offset() int64 { return d.base + int64(d.pos) }

// corrupt makes a CorruptError at the item that begins where the window does.
func (d *decoder) corrupt(err error) {
	if d.err == nil {
		d.err = &CorruptError{Name: d.name, Offset: d.offset(), Err: err}
	}
}

func (d *decoder) corruptf(format string, args ...any) { d.corrupt(fmt.Errorf(format, args...)) }

// need makes the window at least n bytes long. It invalidates views into the window.
func (d *decoder) need(n int) bool {
	if d.end-d.pos >= n {
		return true
	}
	return d.fill(n)
}

func (d *decoder) fill(n int) bool {
	if d.err != nil {
		return false
	}
	if n > maxFieldBytes {
		d.corruptf("record of more than %d bytes", n)
		return false
	}
	for empty := 0; d.end-d.pos < n; {
		if d.pos+n > len(d.buf) {
			d.slide(n)
		}
		got, err := d.r.Read(d.buf[d.end:])
		d.end += got
		switch {
		case d.end-d.pos >= n:
			return true // an error will come again
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			d.corrupt(errShort)
			return false
		case err != nil:
			d.corrupt(err)
			return false
		case got > 0:
			empty = 0
		default:
			if empty++; empty == 100 {
				d.corrupt(io.ErrNoProgress)
				return false
			}
		}
	}
	return true
}

// slide moves the window to the front of buf and, if it is full and n bytes do not fit, doubles
// buf.
func (d *decoder) slide(n int) {
	d.hash()
	d.base += int64(d.pos)
	to := d.buf
	if d.end-d.pos == len(d.buf) && n > len(d.buf) {
		to = make([]byte, min(2*len(d.buf), maxFieldBytes))
	}
	d.end = copy(to, d.buf[d.pos:d.end])
	d.buf, d.pos, d.hashed = to, 0, 0
}

// hash adds what was consumed to the sum.
func (d *decoder) hash() {
	if d.sum != nil {
		d.sum.Write(d.buf[d.hashed:d.pos])
	}
	d.hashed = d.pos
}

// intAt returns the int at window offset at; the window must hold it.
func (d *decoder) intAt(at int) int {
	return int(int32(binary.BigEndian.Uint32(d.buf[d.pos+at:])))
}

func (d *decoder) longAt(at int) int64 { return int64(binary.BigEndian.Uint64(d.buf[d.pos+at:])) }

// report calls progress once a chunk has been consumed since the last time.
func (d *decoder) report() {
	if d.progress == nil || d.err != nil || d.offset()-d.reported < chunkBytes {
		return
	}
	d.reported = d.offset()
	if err := d.progress(d.reported, d.info.Nodes); err != nil {
		d.err = &stoppedError{err}
	}
}

// stoppedError is a Progress's error: nothing is wrong with what was read.
type stoppedError struct{ err error }

func (e *stoppedError) Error() string { return "snap: reading was stopped: " + e.err.Error() }
func (e *stoppedError) Unwrap() error { return e.err }

func (d *decoder) header() {
	if !d.need(headerBytes) {
		return
	}
	switch {
	case d.intAt(0) != magic:
		d.corrupt(errors.New("not a snapshot: the magic ZKSN is missing"))
	case d.intAt(4) != version:
		d.corruptf("snapshot of version %d, want %d", d.intAt(4), version)
	}
	d.pos += headerBytes // the database id has never had a meaning
}

// body reads sections B, C and D.
func (d *decoder) body() {
	d.sessions()
	d.acls()
	for d.err == nil && d.node() {
		d.report()
	}
}

// count reads the number of items in a section.
func (d *decoder) count(what string) int {
	if !d.need(4) {
		return 0
	}
	n := d.intAt(0)
	if n < 0 {
		d.corruptf("%d %s", n, what)
		return 0
	}
	d.pos += 4
	return n
}

func (d *decoder) sessions() {
	for left := d.count("sessions"); left > 0 && d.need(sessionBytes); left-- {
		if d.sink != nil {
			d.sink.Session(zk.SessionID(d.longAt(0)), int32(d.intAt(8)))
		}
		d.info.Sessions++
		d.pos += sessionBytes
	}
}

func (d *decoder) acls() {
	for left := d.count("acls"); left > 0 && d.err == nil; left-- {
		length := d.aclBytes()
		if d.err != nil {
			return
		}
		if d.sink != nil {
			record := jute.NewDecoder(d.buf[d.pos : d.pos+length])
			id, acl := record.Long(), proto.DecodeACLs(&record)
			for i := range acl {
				acl[i].ID = proto.ID{Scheme: strings.Clone(acl[i].ID.Scheme), ID: strings.Clone(acl[i].ID.ID)}
			}
			if err := record.Err(); err != nil {
				d.corrupt(err)
			} else if err := d.sink.ACL(id, acl); err != nil {
				d.corrupt(err)
			}
		}
		d.info.ACLs++
		d.pos += length
	}
}

// aclBytes returns how long the next item of section C is, and has it in the window.
func (d *decoder) aclBytes() int {
	if !d.need(8 + 4) {
		return 0
	}
	entries, at := d.intAt(8), 8+4
	if entries < 0 {
		d.corruptf("acl %d is null", d.longAt(0))
		return 0
	}
	for range entries {
		at += 4 // permissions
		for range 2 {
			if !d.need(at + 4) {
				return 0
			}
			length := d.intAt(at)
			if length < -1 || length > maxFieldBytes {
				d.corruptf("string of %d bytes in acl %d", length, d.longAt(0))
				return 0
			}
			if at += 4 + max(length, 0); !d.need(at) {
				return 0
			}
		}
	}
	return at
}

// node reads one node; it returns false at the end of section D and on errors.
func (d *decoder) node() bool {
	if !d.need(4) {
		return false
	}
	pathBytes := d.intAt(0)
	if pathBytes < 0 || pathBytes > maxFieldBytes {
		d.corruptf("path of %d bytes", pathBytes)
		return false
	}
	if !d.need(4 + pathBytes) {
		return false
	}
	if pathBytes == len(endOfNodes) && d.buf[d.pos+4] == endOfNodes[0] {
		if d.info.Nodes == 0 {
			d.corrupt(errors.New("there is no root"))
		}
		d.pos += 4 + pathBytes
		return false
	}
	if !d.need(4 + pathBytes + 4) {
		return false
	}
	dataBytes := d.intAt(4 + pathBytes)
	if dataBytes < -1 || dataBytes > maxFieldBytes {
		d.corruptf("data of %d bytes", dataBytes)
		return false
	}
	dataAt := 4 + pathBytes + 4
	aclAt := dataAt + max(dataBytes, 0)
	if !d.need(aclAt + 8 + statBytes) {
		return false
	}
	window := d.buf[d.pos:]
	path := window[4 : 4+pathBytes : 4+pathBytes]
	if err := checkPath(path, d.info.Nodes == 0); err != nil {
		d.corrupt(err)
		return false
	}
	if d.sink != nil {
		var data []byte
		if dataBytes >= 0 {
			data = window[dataAt:aclAt:aclAt]
		}
		record := jute.NewDecoder(window[aclAt+8 : aclAt+8+statBytes])
		d.stat.Decode(&record)
		if err := d.sink.Node(path, data, d.longAt(aclAt), &d.stat); err != nil {
			d.corrupt(err)
			return false
		}
	}
	d.info.Nodes++
	d.pos += aclAt + 8 + statBytes
	return true
}

// checkPath refuses what cannot be a path, or not the first one. Whether the parent is there is
// for the sink to see.
func checkPath(path []byte, first bool) error {
	switch {
	case first && len(path) > 0:
		return fmt.Errorf("the first node is %q and not the root", path)
	case !first && len(path) == 0:
		return errors.New("a second root")
	case !first && (path[0] != '/' || path[len(path)-1] == '/'):
		return fmt.Errorf("%q is not the path of a node", path)
	}
	return nil
}

// seal compares the checksum of everything before it.
func (d *decoder) seal() {
	if !d.need(sealBytes) {
		return
	}
	d.hash()
	if got, want := d.longAt(0), int64(d.sum.Sum32()); got != want {
		d.corruptf("the checksum is %#x, the contents have %#x", uint64(got), uint64(want))
	} else if d.intAt(8) != len(endOfNodes) || d.buf[d.pos+12] != endOfNodes[0] {
		d.corrupt(errors.New("the seal does not end in /"))
	}
	d.pos += sealBytes
}

// tail reads what is behind seal E: any of F with G, and H with I, told apart by their length.
func (d *decoder) tail() {
	left := d.rest()
	if d.err != nil || left == 0 {
		return
	}
	if left != 8+sealBytes {
		d.digest()
		left = d.end - d.pos
	}
	if d.err != nil || left == 0 {
		return
	}
	if left != 8+sealBytes {
		d.corruptf("%d bytes at the end, want %d", left, 8+sealBytes)
		return
	}
	d.info.HasLastProcessed, d.info.LastProcessed = true, zk.Zxid(d.longAt(0))
	d.pos += 8
	d.seal()
}

// rest has all that is left in the window and returns its length, and reads the end of r, at
// which compressed files are checked.
func (d *decoder) rest() int {
	for d.err == nil && d.end-d.pos < maxTailBytes {
		if d.pos+maxTailBytes > len(d.buf) {
			d.slide(maxTailBytes)
		}
		got, err := d.r.Read(d.buf[d.end : d.pos+maxTailBytes])
		d.end += got
		if err == io.EOF {
			return d.end - d.pos
		} else if err != nil {
			d.corrupt(err)
		}
	}
	if d.err == nil {
		d.corruptf("%d bytes and more behind the end", maxTailBytes)
	}
	return 0
}

// digest reads sections F and G.
func (d *decoder) digest() {
	if !d.need(8 + 4) {
		return
	}
	zxid, kind := zk.Zxid(d.longAt(0)), d.intAt(8)
	if kind < proto.DigestVersion {
		d.oldDigest()
		return
	}
	if !d.need(digestBytes) {
		return
	}
	value := uint64(d.longAt(12))
	// ZooKeeper writes zeros where it knows of no digest yet.
	if kind == proto.DigestVersion && (zxid != 0 || value != 0) {
		d.info.HasDigest, d.info.DigestZxid, d.info.Digest = true, zxid, value
	}
	d.pos += digestBytes
	d.seal()
}

// oldDigest skips a section F whose digest is of a version before 2, which was hexadecimal text.
func (d *decoder) oldDigest() {
	if !d.need(8 + 4 + 4) {
		return
	}
	length := d.intAt(8 + 4)
	if length < 0 || length > 16 {
		d.corruptf("digest of %d characters", length)
		return
	}
	if d.need(8 + 4 + 4 + length) {
		d.pos += 8 + 4 + 4 + length
		d.seal()
	}
}

// file reads a whole snapshot: sections A to I, and the end of file.
func (d *decoder) file() error {
	d.header()
	d.body()
	if d.err == nil {
		d.seal()
	}
	if d.err == nil {
		d.tail()
	}
	d.info.PlainBytes = d.offset()
	return d.err
}
