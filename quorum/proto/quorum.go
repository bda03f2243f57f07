package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// PacketType is the type field of a [QuorumPacket].
type PacketType int32

// The packets of the peer port, with what zxid and data mean. Ld is the leader, L a learner: a
// follower F or an observer O.
const (
	PacketRequest           PacketType = 1  // L to Ld: -1, ForwardedRequest
	PacketProposal          PacketType = 2  // Ld to F: of the txn, the txn
	PacketAck               PacketType = 3  // L to Ld: log durable up to it, or epoch<<32 for NEWLEADER; null
	PacketCommit            PacketType = 4  // Ld to F: of the txn, null
	PacketPing              PacketType = 5  // Ld to L: last proposed, null; L echoes it with SessionTouches
	PacketRevalidate        PacketType = 6  // L to Ld: -1, SessionTouch; answer Revalidated
	PacketSync              PacketType = 7  // Ld to L: 0, null
	PacketInform            PacketType = 8  // Ld to O: of the txn, the txn
	PacketCommitAndActivate PacketType = 9  // Ld to F: of the reconfig, long designated leader
	PacketNewLeader         PacketType = 10 // Ld to L: epoch<<32, config text
	PacketFollowerInfo      PacketType = 11 // F to Ld: acceptedEpoch<<32, LearnerInfo
	PacketUpToDate          PacketType = 12 // Ld to L: -1, null
	PacketDiff              PacketType = 13 // Ld to L: informational, null
	PacketTrunc             PacketType = 14 // Ld to L: keep up to and including, null
	PacketSnap              PacketType = 15 // Ld to L: of the snapshot, null; its stream follows the packet
	PacketObserverInfo      PacketType = 16 // O to Ld: as FOLLOWERINFO
	PacketLeaderInfo        PacketType = 17 // Ld to L: newEpoch<<32, int 0x10000
	PacketAckEpoch          PacketType = 18 // L to Ld: last logged, int currentEpoch or -1
	PacketInformAndActivate PacketType = 19 // Ld to O: of the reconfig, long designated leader, the txn
)

var packetNames = [...]string{
	PacketRequest: "REQUEST", PacketProposal: "PROPOSAL", PacketAck: "ACK", PacketCommit: "COMMIT",
	PacketPing: "PING", PacketRevalidate: "REVALIDATE", PacketSync: "SYNC", PacketInform: "INFORM",
	PacketCommitAndActivate: "COMMITANDACTIVATE", PacketNewLeader: "NEWLEADER",
	PacketFollowerInfo: "FOLLOWERINFO", PacketUpToDate: "UPTODATE", PacketDiff: "DIFF",
	PacketTrunc: "TRUNC", PacketSnap: "SNAP", PacketObserverInfo: "OBSERVERINFO",
	PacketLeaderInfo: "LEADERINFO", PacketAckEpoch: "ACKEPOCH", PacketInformAndActivate: "INFORMANDACTIVATE",
}

// Valid reports whether t is a known type.
func (t PacketType) Valid() bool { return t > 0 && int(t) < len(packetNames) }

// String returns ZooKeeper's name of the type, or its number.
func (t PacketType) String() string {
	if t.Valid() {
		return packetNames[t]
	}
	return strconv.Itoa(int(t))
}

// QuorumProtocolVersion is Zab 1.0 in LearnerInfo and in the data of LEADERINFO. Learners below it
// (before ZooKeeper 3.4) speak a dialogue without LEADERINFO and ACKEPOCH, which zkd refuses.
const QuorumProtocolVersion int32 = 0x10000

// QuorumPacket is what servers say to each other on the peer port. Packets stand back to back in
// the stream, without a length in front:
//
//	int type | long zxid | buffer data | vector authinfo of (ustring scheme, ustring id)
//
// Data and AuthInfo are null in most packets; AuthInfo counts in REQUEST only, and PING echoes it.
// A decoded Data is a view of the frame.
type QuorumPacket struct {
	Type     PacketType
	Zxid     zk.Zxid
	Data     []byte
	AuthInfo []ID
}

const (
	packetDataOffset = 4 + 8
	minIDBytes       = 4 + 4
)

// ErrPacketTooLong says that a packet is longer than the reader allows, or has a negative length in
// it: the bytes are not what they should be, and where the next packet begins is unknown.
var ErrPacketTooLong = errors.New("proto: quorum packet is longer than the limit")

// Append encodes p.
func (p *QuorumPacket) Append(b []byte) []byte {
	b = jute.AppendInt(b, int32(p.Type))
	b = jute.AppendLong(b, int64(p.Zxid))
	b = jute.AppendBuffer(b, p.Data)
	if p.AuthInfo == nil {
		return jute.AppendInt(b, -1)
	}
	b = jute.AppendInt(b, int32(len(p.AuthInfo)))
	for _, id := range p.AuthInfo {
		b = jute.AppendString(b, id.Scheme)
		b = jute.AppendString(b, id.ID)
	}
	return b
}

// Decode reads p. An unknown type is not an error here: the reader says what it does with it.
func (p *QuorumPacket) Decode(d *jute.Decoder) {
	p.Type, p.Zxid, p.Data, p.AuthInfo = PacketType(d.Int()), zk.Zxid(d.Long()), d.Buffer(), nil
	n, null := d.Count(minIDBytes)
	if null || d.Err() != nil {
		return
	}
	p.AuthInfo = make([]ID, n)
	for i := range p.AuthInfo {
		p.AuthInfo[i] = ID{d.String(), d.String()}
	}
}

// PacketSize finds the end of the packet at the start of buf, which holds what has been read of the
// stream so far. If whole, the packet is buf[:size]. If not, size bytes are the least it can take:
// read that many before asking again. maxBytes bounds the whole packet, so that a reader who obeys
// size never holds more than that; ErrPacketTooLong says that it does not fit.
func PacketSize(buf []byte, maxBytes int) (size int, whole bool, err error) {
	size = packetDataOffset
	// skip steps over one field, int length and bytes, behind which follow at least that many more.
	skip := func(follows int) (whole bool, err error) {
		size += 4
		if len(buf) < size {
			return false, bounded(size+follows, maxBytes)
		}
		n := int(int32(binary.BigEndian.Uint32(buf[size-4:])))
		if n < -1 {
			return false, fmt.Errorf("%w: a field of %d bytes", ErrPacketTooLong, n)
		}
		size += max(n, 0)
		return true, bounded(size+follows, maxBytes)
	}
	if whole, err = skip(4); err != nil || !whole {
		return size, false, err
	}
	size += 4
	if len(buf) < size {
		return size, false, bounded(size, maxBytes)
	}
	ids := int(int32(binary.BigEndian.Uint32(buf[size-4:])))
	if ids < -1 {
		return size, false, fmt.Errorf("%w: %d identities", ErrPacketTooLong, ids)
	}
	for left := 2 * max(ids, 0); left > 0; left-- {
		if whole, err = skip(4 * (left - 1)); err != nil || !whole {
			return size, false, err
		}
	}
	return size, len(buf) >= size, nil
}

func bounded(size, maxBytes int) error {
	if size > maxBytes {
		return fmt.Errorf("%w: %d of %d bytes", ErrPacketTooLong, size, maxBytes)
	}
	return nil
}

// LearnerInfo is the data of FOLLOWERINFO and OBSERVERINFO: who connects. Nothing in it, or
// elsewhere on the wire, tells the release of the learner.
//
//	long server id | int protocol version | long version of the committed configuration
type LearnerInfo struct {
	ServerID        zk.ServerID
	ProtocolVersion int32
	ConfigVersion   int64
}

// Append encodes l.
func (l *LearnerInfo) Append(b []byte) []byte {
	b = jute.AppendLong(b, int64(l.ServerID))
	b = jute.AppendInt(b, l.ProtocolVersion)
	return jute.AppendLong(b, l.ConfigVersion)
}

// DecodeLearnerInfo reads the data of FOLLOWERINFO or OBSERVERINFO. Older learners send 8 bytes (the
// id only) or 12 (no configuration version, which is then 0). Null data has no id and is an error:
// Java makes one up for it.
func DecodeLearnerInfo(data []byte) (LearnerInfo, error) {
	var l LearnerInfo
	d := jute.NewDecoder(data)
	l.ServerID = zk.ServerID(d.Long())
	if len(data) != 8 {
		l.ProtocolVersion = d.Int()
	}
	if len(data) != 8 && len(data) != 12 {
		l.ConfigVersion = d.Long()
	}
	if d.Err() != nil {
		return LearnerInfo{}, fmt.Errorf("proto: learner info of %d bytes: %w", len(data), d.Err())
	}
	return l, nil
}

// ForwardedRequest is the data of REQUEST: a client's write, without its request header.
//
//	long session | int cxid | int op | body of the request
//
// createSession has cxid 0 and int timeoutMillis as body; closeSession has no body.
type ForwardedRequest struct {
	Session zk.SessionID
	Cxid    int32
	Op      zk.Op
	Body    []byte // view of the frame; empty, not nil, where there is none
}

// Append encodes r.
func (r *ForwardedRequest) Append(b []byte) []byte {
	b = jute.AppendLong(b, int64(r.Session))
	b = jute.AppendInt(b, r.Cxid)
	b = jute.AppendInt(b, int32(r.Op))
	return append(b, r.Body...)
}

// Decode reads r, to the end of the data.
func (r *ForwardedRequest) Decode(d *jute.Decoder) {
	r.Session, r.Cxid, r.Op = zk.SessionID(d.Long()), d.Int(), zk.Op(d.Int())
	r.Body = nil
	if d.Err() == nil {
		r.Body = takeRest(d)
	}
}

// takeRest returns all that d has left and leaves nothing.
func takeRest(d *jute.Decoder) []byte {
	rest := d.Rest()
	*d = jute.NewDecoder(nil)
	return rest
}

// SessionTouch says that a learner has heard of a session. It is the data of REVALIDATE; the data of
// a PING's answer is any number of them, back to back.
//
//	long session | int timeoutMillis
type SessionTouch struct {
	Session       zk.SessionID
	TimeoutMillis int32
}

// SessionTouchBytes is the encoded size of a SessionTouch.
const SessionTouchBytes = 8 + 4

// Append encodes s.
func (s SessionTouch) Append(b []byte) []byte {
	return jute.AppendInt(jute.AppendLong(b, int64(s.Session)), s.TimeoutMillis)
}

// Decode reads s.
func (s *SessionTouch) Decode(d *jute.Decoder) {
	s.Session, s.TimeoutMillis = zk.SessionID(d.Long()), d.Int()
}

// Revalidated is the data of the leader's answer to REVALIDATE: whether the session lives and now
// belongs to the learner that asked.
//
//	long session | boolean valid
type Revalidated struct {
	Session zk.SessionID
	Valid   bool
}

// Append encodes r.
func (r Revalidated) Append(b []byte) []byte {
	return jute.AppendBool(jute.AppendLong(b, int64(r.Session)), r.Valid)
}

// Decode reads r.
func (r *Revalidated) Decode(d *jute.Decoder) {
	r.Session, r.Valid = zk.SessionID(d.Long()), d.Bool()
}
