package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// HostPort is an address as a configuration or a peer names it: a name or an IP address, not
// resolved. An IPv6 address has no brackets here.
type HostPort struct {
	Host string
	Port uint16
}

// String returns host:port, an IPv6 address in brackets.
func (a HostPort) String() string {
	return bracketed(a.Host) + ":" + strconv.Itoa(int(a.Port))
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// Wildcard reports whether the host means "any address": 0.0.0.0 or ::.
func (a HostPort) Wildcard() bool {
	ip, err := netip.ParseAddr(a.Host)
	return err == nil && ip.IsUnspecified()
}

// ElectionHello is what the server that opens a connection to an election port says first, in one
// write, since Java reads the addresses with a single read:
//
//	v1  long -65536 | long server id | int length 1..2048 | host:port of its own election port
//	v2  long -65535 | long server id | int length 1..2048 | host:port|host:port|...
//
// v2 is for ensembles that have multiAddress.enabled on every member (ZOOKEEPER-3720). Servers older
// than 3.5 send the id alone, as a long that is not negative; zkd never does.
type ElectionHello struct {
	ServerID zk.ServerID
	// Addrs are where the sender listens for elections. Empty after decoding if it named none but
	// wildcards, or sent the id alone: then the configuration says where.
	Addrs []HostPort
}

const (
	helloV1 = -65536
	helloV2 = -65535

	// MaxHelloAddrBytes bounds the addresses in an [ElectionHello].
	MaxHelloAddrBytes = 2048
	// MaxHelloBytes is the longest hello.
	MaxHelloBytes   = helloAddrOffset + MaxHelloAddrBytes
	helloAddrOffset = 8 + 8 + 4

	// AnonymousObserver is the id of an observer without one: the acceptor makes up a negative id.
	AnonymousObserver zk.ServerID = math.MaxInt64
)

// ErrHello says that a connection to the election port begins with something else than a hello.
var ErrHello = errors.New("proto: election hello")

// AppendV1 encodes h with its first address.
func (h *ElectionHello) AppendV1(b []byte) []byte {
	return h.append(b, helloV1, h.Addrs[0].String())
}

func (h *ElectionHello) append(b []byte, version int64, addrs string) []byte {
	b = jute.AppendLong(b, version)
	b = jute.AppendLong(b, int64(h.ServerID))
	return jute.AppendString(b, addrs)
}

// HelloSize finds the end of the hello at the start of buf, which holds what has been read so far. If
// whole, the hello is buf[:size]; if not, size bytes are the least it can take, at most
// [MaxHelloBytes]: read that many before asking again.
func HelloSize(buf []byte) (size int, whole bool, err error) {
	if len(buf) < 8 {
		return 8, false, nil
	}
	switch version := int64(binary.BigEndian.Uint64(buf)); {
	case version >= 0:
		return 8, true, nil
	case version != helloV1 && version != helloV2:
		return 0, false, fmt.Errorf("%w: unknown version %d", ErrHello, version)
	}
	if len(buf) < helloAddrOffset {
		return helloAddrOffset, false, nil
	}
	n := int(int32(binary.BigEndian.Uint32(buf[helloAddrOffset-4:])))
	if n <= 0 || n > MaxHelloAddrBytes {
		return 0, false, fmt.Errorf("%w: addresses of %d bytes, not 1..%d", ErrHello, n, MaxHelloAddrBytes)
	}
	size = helloAddrOffset + n
	return size, len(buf) >= size, nil
}

// DecodeElectionHello reads a whole hello, see [HelloSize]. As in Java both versions may hold several
// addresses, and wildcards among them are left out. Nothing proves the id: it is what the peer says.
func DecodeElectionHello(frame []byte) (ElectionHello, error) {
	var h ElectionHello
	size, whole, err := HelloSize(frame)
	switch {
	case err != nil:
		return h, err
	case !whole || size != len(frame):
		return h, fmt.Errorf("%w: %d bytes where %d are needed", ErrHello, len(frame), size)
	}
	d := jute.NewDecoder(frame)
	h.ServerID = zk.ServerID(d.Long())
	if d.Len() == 0 {
		return h, nil
	}
	h.ServerID = zk.ServerID(d.Long())
	for _, text := range strings.Split(string(d.Buffer()), "|") {
		parts, err := splitAddr(text)
		if err != nil {
			return ElectionHello{}, fmt.Errorf("%w of server %d: %w", ErrHello, h.ServerID, err)
		}
		a, err := parseHostPort(parts)
		if err != nil {
			return ElectionHello{}, fmt.Errorf("%w of server %d: address %q: %w", ErrHello, h.ServerID, text, err)
		}
		if !a.Wildcard() {
			h.Addrs = append(h.Addrs, a)
		}
	}
	return h, nil
}

// PeerState is what a server does in its ensemble, as notifications say it.
type PeerState int32

// The states.
const (
	Looking   PeerState = 0
	Following PeerState = 1
	Leading   PeerState = 2
	Observing PeerState = 3
)

// String returns the state as ZooKeeper's logs write it.
func (s PeerState) String() string {
	switch s {
	case Looking:
		return "LOOKING"
	case Following:
		return "FOLLOWING"
	case Leading:
		return "LEADING"
	case Observing:
		return "OBSERVING"
	}
	return "state " + strconv.Itoa(int(s))
}

// Round numbers the elections of one server: a logical clock that has nothing to do with epochs.
// It begins at 1 in each process, and at any number a peer that has seen more may raise it. Numbers
// below 0 come from peers that skipped an election because a reconfiguration named the leader.
type Round int64

// Notification is the one message of leader election: whom the sender votes for, or follows.
//
//	 0  int state          28  long peer epoch
//	 4  long leader        36  int version: 1 or 2
//	12  long zxid          40  int length of the configuration; from version 2 on
//	20  long round         44  configuration text, UTF-8
//
// What a body holds follows from its length: 28 bytes end before the peer epoch, which is then that
// of the zxid; exactly 40 bytes end with a version that is not looked at and counts as 0; any other
// length has a version, and if that is 2 or more a configuration. Bytes behind it are overlooked.
//
// Source: FastLeaderElection, protocol reference 2.1.
type Notification struct {
	State  PeerState
	Leader zk.ServerID // voted for; math.MinInt64 if the sender may not vote
	Zxid   zk.Zxid     // the leader's last
	Round  Round
	// PeerEpoch is the leader's current epoch.
	PeerEpoch zk.Epoch
	Version   int32
	// Config is the text of the sender's committed configuration, see [ParseQuorumConfig]; not
	// checked by decoding. A Java server never again takes part in an election once it has got one
	// that is empty or has no participants (ZOOKEEPER-3769): never send such a text.
	Config string
}

const (
	oldestNotificationBytes = 28
	configlessBytes         = 40

	// NotificationVersion is what servers send since 3.5.
	NotificationVersion = 2
	// MaxNotificationBytes bounds a message on the election port. It stands behind an int length.
	MaxNotificationBytes = 512 << 10
)

// ErrNotification says that a message on the election port is no notification. Drop the message; the
// next one may be good.
var ErrNotification = errors.New("proto: election notification")

// Append encodes n: with its configuration if Version is 2 or more, which must not be empty then,
// else in 40 bytes as servers did before 3.5.
func (n *Notification) Append(b []byte) []byte {
	b = jute.AppendInt(b, int32(n.State))
	b = jute.AppendLong(b, int64(n.Leader))
	b = jute.AppendLong(b, int64(n.Zxid))
	b = jute.AppendLong(b, int64(n.Round))
	b = jute.AppendLong(b, int64(n.PeerEpoch))
	b = jute.AppendInt(b, n.Version)
	if n.Version < 2 {
		return b
	}
	if n.Config == "" {
		panic("proto: a notification without configuration would stop the elections of a Java peer")
	}
	return jute.AppendString(b, n.Config)
}

// DecodeNotification reads the body of a message on the election port. The notification holds no
// view of body.
func DecodeNotification(body []byte) (Notification, error) {
	var n Notification
	if len(body) > MaxNotificationBytes {
		return n, fmt.Errorf("%w: %d bytes are more than %d", ErrNotification, len(body), MaxNotificationBytes)
	}
	d := jute.NewDecoder(body)
	n.State, n.Leader, n.Zxid, n.Round = PeerState(d.Int()), zk.ServerID(d.Long()), zk.Zxid(d.Long()), Round(d.Long())
	if len(body) == oldestNotificationBytes {
		n.PeerEpoch = n.Zxid.Epoch()
	} else {
		n.PeerEpoch = zk.Epoch(d.Long())
		n.Version = d.Int()
	}
	if len(body) == configlessBytes {
		n.Version = 0
	}
	if n.Version >= 2 {
		config := d.Buffer()
		if config == nil {
			d.Fail(jute.ErrBadLength) // -1 is null elsewhere, not here
		}
		n.Config = string(config)
	}
	switch {
	case d.Err() != nil:
		return Notification{}, fmt.Errorf("%w: %d bytes: %w", ErrNotification, len(body), d.Err())
	case n.State < Looking || n.State > Observing:
		return Notification{}, fmt.Errorf("%w: %v", ErrNotification, n.State)
	}
	return n, nil
}
