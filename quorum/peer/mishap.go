package peer

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Mishap is something that another program does wrong on one of the ports. It costs that program at
// most its connection; here it is counted, and logged once a minute.
type Mishap uint8

// The mishaps.
const (
	GarbledMessage Mishap = iota // no notification: the message is dropped
	BadLength                    // a message or packet of a length that cannot be
	BadHello                     // no hello, or no FOLLOWERINFO
	Foreign                      // another protocol
	SilentPeer                   // no hello, or not all of it, in time
	OwnID                        // another server says to have this server's id
	OtherID                      // a server says to have an id whose address is another's
	StrangeID                    // an id that no server has
	TooMany                      // handshakes, strangers or learners
	mishaps
)

var mishapNames = [mishaps]string{
	GarbledMessage: "garbled_message", BadLength: "bad_length", BadHello: "bad_hello", Foreign: "foreign_protocol",
	SilentPeer: "silent_peer", OwnID: "own_id", OtherID: "other_id", StrangeID: "strange_id", TooMany: "too_many",
}

var mishapTexts = [mishaps]string{
	GarbledMessage: "message dropped: it is no notification",
	BadLength:      "connection dropped: impossible length",
	BadHello:       "connection dropped: it does not begin as it must",
	Foreign:        "connection dropped: it speaks another protocol",
	SilentPeer:     "connection dropped: the peer does not say who it is",
	OwnID:          "connection dropped: another server has this server's id, or an address in the configuration leads here",
	OtherID:        "a server says to have another id than the configuration gives to its address",
	StrangeID:      "connection dropped: no server has such an id",
	TooMany:        "connection dropped: too many of its kind",
}

// Mishaps lists them all.
func Mishaps() []Mishap {
	all := make([]Mishap, mishaps)
	for i := range all {
		all[i] = Mishap(i)
	}
	return all
}

// String returns the name as a label of a metric.
func (m Mishap) String() string { return mishapNames[m] }

// complainEvery is how often a mishap of one kind is logged.
const complainEvery = time.Minute

// complaints counts mishaps and logs each kind once in complainEvery. The zero value but for log is
// ready.
type complaints struct {
	log   *zap.Logger
	count [mishaps]atomic.Uint64

	mu   sync.Mutex
	last [mishaps]time.Time
	held [mishaps]int // since last
}

func (c *complaints) add(m Mishap, fields ...zap.Field) {
	c.count[m].Add(1)
	now := time.Now()
	c.mu.Lock()
	if !c.last[m].IsZero() && now.Sub(c.last[m]) < complainEvery {
		c.held[m]++
		c.mu.Unlock()
		return
	}
	held := c.held[m]
	c.last[m], c.held[m] = now, 0
	c.mu.Unlock()
	c.log.Warn(mishapTexts[m], append(fields, zap.Int("suppressed", held))...)
}
