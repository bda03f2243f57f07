package peer

import (
	"encoding/binary"
	"errors"
	"io"
)

// errSnapshot says that what stands behind a SNAP packet is no snapshot.
var errSnapshot = errors.New("peer: snapshot stream is malformed")

// snapshotReader reads a snapshot stream and ends, with io.EOF, exactly behind its signature.
type snapshotReader struct {
	in   *packetBuffer
	fill func() error
	scan snapshotScan
}

func (r *snapshotReader) Read(b []byte) (int, error) {
	switch {
	case r.scan.done():
		return 0, io.EOF
	case r.scan.err != nil:
		return 0, r.scan.err
	case len(b) == 0:
		return 0, nil
	}
	if len(r.in.buffered()) == 0 {
		if err := r.fill(); err != nil {
			if Classify(err) == Broken {
				err = io.ErrUnexpectedEOF // that of a file: the reader must not take it for the end
			}
			return 0, err
		}
	}
	some := r.in.buffered()
	n, err := r.scan.feed(some[:min(len(some), len(b))])
	copy(b, some[:n])
	r.in.begin += n
	if n > 0 {
		return n, nil // an error comes with the next read
	}
	return 0, err
}

const signature = "BenWasHere"

// snapshotScan finds the end of a snapshot stream, in whatever pieces it comes. It looks at lengths
// and counts only, and holds a few bytes. See the package comment for what it follows.
type snapshotScan struct {
	state scanState
	skip  int64    // bytes to come that say nothing
	head  [16]byte // of the field that comes
	have  int      // bytes of head that are there
	acls  int32    // ACL lists to come
	list  int32    // entries of the ACL list to come
	err   error
}

type scanState uint8

const (
	scanSessions  scanState = iota // int count of sessions
	scanACLs                       // int count of ACL lists
	scanList                       // long id, int count of entries
	scanScheme                     // int perms, int length
	scanID                         // int length
	scanPath                       // int length
	scanRoot                       // a path of one byte: is it "/"?
	scanData                       // int length
	scanSignature                  // int length, the signature
	scanDone
)

// headBytes is how many bytes each state waits for.
var headBytes = [...]int{
	scanSessions: 4, scanACLs: 4, scanList: 8 + 4, scanScheme: 4 + 4, scanID: 4, scanPath: 4, scanRoot: 1, scanData: 4,
	scanSignature: 4 + len(signature), scanDone: 0,
}

const (
	sessionBytes   = 8 + 4
	nodeFixedBytes = 8 + 60 // ACL id and stat, behind the data
)

func (s *snapshotScan) done() bool { return s.state == scanDone && s.skip == 0 && s.err == nil }

// feed goes over b and returns how many bytes of it belong to the stream: all, unless it ends in b, or
// is malformed there. The error sticks.
func (s *snapshotScan) feed(b []byte) (n int, err error) {
	for n < len(b) && s.err == nil && s.state != scanDone {
		if s.skip > 0 {
			k := min(s.skip, int64(len(b)-n))
			s.skip -= k
			n += int(k)
			continue
		}
		want := headBytes[s.state]
		k := copy(s.head[s.have:want], b[n:])
		s.have += k
		n += k
		if s.have == want {
			s.have = 0
			s.step(s.head[:want])
		}
	}
	return n, s.err
}

// step goes on with the head of a field.
func (s *snapshotScan) step(head []byte) {
	number := func(at int) int32 { return int32(binary.BigEndian.Uint32(head[at:])) }
	switch s.state {
	case scanSessions:
		s.skipOver(number(0), sessionBytes)
		s.state = scanACLs
	case scanACLs:
		if s.acls = number(0); s.acls < 0 {
			s.err = errSnapshot
		}
		s.nextACL()
	case scanList:
		if s.list = number(8); s.list < -1 { // -1 is null
			s.err = errSnapshot
		}
		s.acls--
		s.nextACL()
	case scanScheme:
		s.skipField(number(4))
		s.state = scanID
	case scanID:
		s.skipField(number(0))
		s.list--
		s.nextACL()
	case scanPath:
		switch length := number(0); {
		case length == 1:
			s.state = scanRoot
		case length < 0:
			s.err = errSnapshot
		default:
			s.skip, s.state = int64(length), scanData
		}
	case scanRoot:
		if s.state = scanData; head[0] == '/' {
			s.state = scanSignature
		}
	case scanData:
		s.skipField(number(0))
		s.skip += nodeFixedBytes
		s.state = scanPath
	case scanSignature:
		if s.state = scanDone; number(0) != int32(len(signature)) || string(head[4:]) != signature {
			s.err = errSnapshot
		}
	}
}

// nextACL goes to what comes next in the section of ACLs.
func (s *snapshotScan) nextACL() {
	switch {
	case s.list > 0:
		s.state = scanScheme
	case s.acls > 0:
		s.state = scanList
	default:
		s.state = scanPath
	}
}

// skipOver skips count items of size bytes.
func (s *snapshotScan) skipOver(count int32, size int64) {
	if count < 0 {
		s.err = errSnapshot
		return
	}
	s.skip = int64(count) * size
}

// skipField skips a buffer or string of that length; -1 is null.
func (s *snapshotScan) skipField(length int32) {
	if length < -1 {
		s.err = errSnapshot
		return
	}
	s.skip = int64(max(length, 0))
}
