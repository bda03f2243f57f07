package snap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

const (
	magic      = 0x5A4B534E // "ZKSN"
	version    = 2
	databaseID = -1

	headerBytes  = 4 + 4 + 8
	sessionBytes = 8 + 4
	statBytes    = 60
	sealBytes    = 8 + 4 + 1
	digestBytes  = 8 + 4 + 8

	// endOfNodes is the path behind the last node, and the text in every seal.
	endOfNodes = "/"
	// signature ends a stream.
	signature = "BenWasHere"

	// chunkBytes is how much is written, hashed and reported at a time: enough to keep a disk
	// streaming, little enough to stay in a core's cache.
	chunkBytes = 256 << 10
)

// encoder appends sections to a chunk and passes full chunks on. The first error sticks.
type encoder struct {
	w        io.Writer
	sum      hash.Hash32 // of all that was passed on; nil for a stream
	progress Progress
	chunk    []byte
	bytes    int64 // passed on
	nodes    int64
}

func newEncoder(w io.Writer, sum hash.Hash32, p Progress) *encoder {
	return &encoder{w: w, sum: sum, progress: p, chunk: make([]byte, 0, chunkBytes+chunkBytes/4)}
}

// flush passes the chunk on.
func (e *encoder) flush() error {
	if len(e.chunk) == 0 {
		return nil
	}
	if e.sum != nil {
		e.sum.Write(e.chunk)
	}
	if _, err := e.w.Write(e.chunk); err != nil {
		return err
	}
	e.bytes += int64(len(e.chunk))
	e.chunk = e.chunk[:0]
	if e.progress != nil {
		return e.progress(e.bytes, e.nodes)
	}
	return nil
}

func (e *encoder) flushIfFull() error {
	if len(e.chunk) < chunkBytes {
		return nil
	}
	return e.flush()
}

func (e *encoder) header() {
	e.chunk = jute.AppendInt(e.chunk, magic)
	e.chunk = jute.AppendInt(e.chunk, version)
	e.chunk = jute.AppendLong(e.chunk, databaseID)
}

// body writes sections B, C and D.
func (e *encoder) body(src Source) error {
	if err := e.sessions(src); err != nil {
		return err
	}
	ids, err := e.acls(src)
	if err != nil {
		return err
	}
	return e.tree(src, ids)
}

func (e *encoder) sessions(src Source) error {
	left := 0
	if err := src.Sessions(func(zk.SessionID, int32) error { left++; return nil }); err != nil {
		return err
	}
	e.chunk = jute.AppendInt(e.chunk, int32(left))
	err := src.Sessions(func(id zk.SessionID, timeoutMillis int32) error {
		left--
		e.chunk = jute.AppendInt(jute.AppendLong(e.chunk, int64(id)), timeoutMillis)
		return e.flushIfFull()
	})
	if err == nil && left != 0 {
		err = errors.New("the sessions changed while they were written")
	}
	return err
}

// acls returns the ids it wrote.
func (e *encoder) acls(src Source) (map[int64]struct{}, error) {
	left := 0
	if err := src.ACLs(func(int64, []proto.ACL) error { left++; return nil }); err != nil {
		return nil, err
	}
	ids := make(map[int64]struct{}, left+1)
	ids[OpenACLID] = struct{}{}
	e.chunk = jute.AppendInt(e.chunk, int32(left))
	err := src.ACLs(func(id int64, acl []proto.ACL) error {
		left--
		if acl == nil {
			return fmt.Errorf("acl %d is null", id)
		}
		ids[id] = struct{}{}
		e.chunk = proto.AppendACLs(jute.AppendLong(e.chunk, id), acl)
		return e.flushIfFull()
	})
	if err == nil && left != 0 {
		err = errors.New("the acls changed while they were written")
	}
	return ids, err
}

// tree refuses a node whose ACL is not among ids: nobody could load the snapshot.
func (e *encoder) tree(src Source, ids map[int64]struct{}) error {
	known := OpenACLID // the last id found among ids: neighbours tend to share one
	err := src.Nodes(func(path, data []byte, aclID int64, stat *proto.StatPersisted) error {
		if e.nodes == 0 && len(path) != 0 {
			return fmt.Errorf("the first node is %q and not the root", path)
		}
		if aclID != known {
			if _, ok := ids[aclID]; !ok {
				return fmt.Errorf("node %q refers to acl %d, which is not listed", path, aclID)
			}
			known = aclID
		}
		e.chunk = jute.AppendInt(e.chunk, int32(len(path)))
		e.chunk = append(e.chunk, path...)
		e.chunk = jute.AppendBuffer(e.chunk, data)
		e.chunk = jute.AppendLong(e.chunk, aclID)
		e.chunk = stat.Append(e.chunk)
		e.nodes++
		return e.flushIfFull()
	})
	if err == nil && e.nodes == 0 {
		err = errors.New("there is no root")
	}
	e.chunk = jute.AppendString(e.chunk, endOfNodes)
	return err
}

// seal writes the checksum of everything before it.
func (e *encoder) seal() error {
	if err := e.flush(); err != nil {
		return err
	}
	e.chunk = jute.AppendLong(e.chunk, int64(e.sum.Sum32()))
	e.chunk = jute.AppendString(e.chunk, endOfNodes)
	return nil
}

// file writes a whole snapshot: sections A to I.
func (e *encoder) file(src Source) error {
	e.header()
	if err := e.body(src); err != nil {
		return err
	}
	if err := e.seal(); err != nil {
		return err
	}
	e.chunk = jute.AppendLong(e.chunk, int64(src.Zxid()))
	e.chunk = jute.AppendInt(e.chunk, proto.DigestVersion)
	e.chunk = binary.BigEndian.AppendUint64(e.chunk, src.Digest())
	if err := e.seal(); err != nil {
		return err
	}
	e.chunk = jute.AppendLong(e.chunk, int64(src.Zxid()))
	if err := e.seal(); err != nil {
		return err
	}
	return e.flush()
}
