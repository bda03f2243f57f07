package zk

import (
	"fmt"
	"math"
)

// ServerID names one server of an ensemble: the N of server.N and the number in the myid file.
//
// Range 1..254. 255 is excluded because session ids carry the server id in their top byte, where
// 0xff marks a TTL owner (see [OwnerTTLMask]).
type ServerID int64

// MinServerID and MaxServerID bound a valid ServerID.
const (
	MinServerID ServerID = 1
	MaxServerID ServerID = 254
)

// Epoch numbers the reign of one leader. Each established leader has an epoch greater than any
// before it. Range 0..2^31-1: the upper half would make zxids negative.
type Epoch int64

// Zxid is the position of a transaction in the ensemble's single history.
//
// High 32 bits: epoch of the proposing leader. Low 32 bits: a counter, 0 for NEWLEADER, then 1 per
// txn. Numeric order is commit order. Wire: 8 bytes, big-endian, signed; -1 means "no vote".
type Zxid int64

// maxCounter leaves room below 2^32-1 so that a leader steps down at a quiet moment instead of at
// the very last zxid. Source: ZOOKEEPER-1277.
const maxCounter = math.MaxUint32 - 0xff

// MakeZxid returns the zxid of the counter-th txn of an epoch; counter 0 names no txn.
func MakeZxid(e Epoch, counter uint32) Zxid { return Zxid(int64(e)<<32 | int64(counter)) }

// Epoch returns the epoch of the leader that proposed z.
func (z Zxid) Epoch() Epoch { return Epoch(int64(z) >> 32) }

// Counter returns the position of z within its epoch; 0 names no txn.
func (z Zxid) Counter() uint32 { return uint32(z) }

// Next returns the zxid after z in the same epoch. ok is false when the counter is spent: the
// leader must step down so a new epoch begins; it never wraps. Source: ZOOKEEPER-1277.
func (z Zxid) Next() (next Zxid, ok bool) { return z + 1, z.Counter() < maxCounter }

// Follows reports whether z may stand directly behind prev in a history without a gap: the next
// counter of the same epoch, or the first txn of a later one. Source: ZOOKEEPER-4925.
func (z Zxid) Follows(prev Zxid) bool {
	if z.Epoch() == prev.Epoch() {
		return z == prev+1
	}
	return z.Epoch() > prev.Epoch() && z.Counter() == 1
}

// String returns z as ZooKeeper writes it in file names and logs: 0x and lower-case hex.
func (z Zxid) String() string { return fmt.Sprintf("0x%x", uint64(z)) }

// SessionID names a client session. The top byte is the ServerID that created it, the next five
// are milliseconds, the low two count from 0. 0 is no session.
type SessionID int64

// String returns the id as ZooKeeper's logs and four-letter words write it.
func (s SessionID) String() string { return fmt.Sprintf("0x%x", uint64(s)) }

// Values of a stored ephemeralOwner that are not session ids.
//
// Source: EphemeralType. With extended types off a TTL owner is an ordinary session id.
const (
	OwnerNone      int64 = 0
	OwnerContainer int64 = math.MinInt64

	// OwnerTTLMask is the top byte of a TTL owner: the low five bytes are the TTL in milliseconds.
	OwnerTTLMask uint64 = 0xff << 56
	// MaxTTLMillis is the longest TTL that fits into the owner: 2^40-1 ms, 34.8 years.
	MaxTTLMillis int64 = 1<<40 - 1
)

// OwnerKind says what a stored ephemeralOwner means.
type OwnerKind uint8

// The kinds of owner.
const (
	Persistent OwnerKind = iota
	Ephemeral
	Container
	TTL
)

// KindOf returns the kind of a stored ephemeralOwner. extended says whether TTL nodes are enabled
// (extendedTypesEnabled); without it an owner with top byte 0xff is a session.
func KindOf(owner int64, extended bool) OwnerKind {
	switch {
	case owner == OwnerNone:
		return Persistent
	case owner == OwnerContainer:
		return Container
	case extended && uint64(owner)&OwnerTTLMask == OwnerTTLMask && uint64(owner)>>40&0xffff == 0:
		return TTL
	default:
		return Ephemeral
	}
}

// TTLOwner returns the stored owner of a node with a TTL of ttlMillis, 1..MaxTTLMillis.
func TTLOwner(ttlMillis int64) int64 { return int64(OwnerTTLMask | uint64(ttlMillis)) }

// OwnerTTLMillis returns the TTL of an owner of kind [TTL].
func OwnerTTLMillis(owner int64) int64 { return owner & MaxTTLMillis }
