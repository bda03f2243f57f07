package e2e

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

// What a call of a sessionClient may return beside a zk.Code.
var (
	errLost    = errors.New("the connection broke: the call may have happened or not")
	errUnsent  = errors.New("no server takes the session now: the call did not happen")
	errExpired = errors.New("the session has expired")
)

// dialLimit bounds one attempt to reach a server, handshake included: what a healthy one needs, and no more, since others
// wait to be tried.
const dialLimit = 2 * time.Second

// A sessionClient keeps one session over all servers of an ensemble. It sends one call at a time,
// repeats none, and looks at every frame: what it is told may never go back in the ensemble's history, and a watch must
// fire before any reply that shows what it watched for. It is for one goroutine.
type sessionClient struct {
	addrs   []string
	timeout time.Duration
	random  *rand.Rand

	conn     *rawclient.Client // nil between two connections
	xid      int32             // of the last call: counts on from connection to connection, as every client's does
	server   int               // index of the last server tried
	session  zk.SessionID
	password []byte
	zxid     zk.Zxid // the newest of any reply
	expired  bool
	attached int // how often a server took the session

	data, child map[string]int32 // armed watches: path -> version or cversion that is known
	events      int              // watches that fired

	answered atomic.Int64 // calls so far
}

// newSessionClient opens a session on one of addrs, tried in random order.
func newSessionClient(addrs []string, timeout time.Duration, seed uint64) (*sessionClient, error) {
	c := &sessionClient{
		addrs: addrs, timeout: timeout, random: rand.New(rand.NewPCG(seed, 0)),
		password: make([]byte, proto.PasswordBytes),
		data:     map[string]int32{}, child: map[string]int32{},
	}
	c.server = c.random.IntN(len(addrs))
	for end := time.Now().Add(electionLimit); time.Now().Before(end); {
		if err := c.connect(); !errors.Is(err, errUnsent) {
			return c, err
		}
	}
	return nil, fmt.Errorf("no session within %v: %w", electionLimit, errUnsent)
}

// close ends the session. One that has no connection is left to expire.
func (c *sessionClient) close() error {
	if err := c.call(zk.OpCloseSession, nil, nil); err != nil {
		return err
	}
	return c.conn.Close()
}

// connect tries each server once, the next one first, and gives its watches to the one that takes the session.
func (c *sessionClient) connect() error {
	if c.expired {
		return errExpired
	}
	for range c.addrs {
		c.server = (c.server + 1) % len(c.addrs)
		socket, err := net.DialTimeout("tcp", c.addrs[c.server], dialLimit)
		if err != nil {
			continue
		}
		conn := rawclient.New(socket)
		conn.Timeout = dialLimit
		response, err := conn.Connect(proto.ConnectRequest{
			LastZxidSeen: c.zxid, TimeoutMillis: int32(c.timeout.Milliseconds()),
			SessionID: c.session, Password: c.password, HasReadOnly: true,
		})
		if err != nil {
			conn.Close()
			continue
		}
		if response.SessionID == 0 {
			conn.Close()
			c.expired = true
			return errExpired
		}
		if c.session != 0 && response.SessionID != c.session {
			return fmt.Errorf("a server resumes session %v as %v", c.session, response.SessionID)
		}
		c.session, c.password = response.SessionID, response.Password
		conn.Timeout = c.timeout / 3
		c.conn = conn
		if err := c.rearm(); err == nil {
			c.attached++
			return nil
		} else if !errors.Is(err, errLost) {
			return err
		}
	}
	pause := time.NewTimer(50 * time.Millisecond) // nobody is there: no need to ask at full speed
	<-pause.C
	return errUnsent
}

// rearm tells a new server of the armed watches: those that missed something fire at once.
func (c *sessionClient) rearm() error {
	if len(c.data)+len(c.child) == 0 {
		return nil
	}
	// Lists are empty, not null: ZooKeeper fails on null.
	request := proto.SetWatchesRequest{RelativeZxid: c.zxid, Data: []string{}, Exist: []string{}, Child: []string{}}
	for path := range c.data {
		request.Data = append(request.Data, path)
	}
	for path := range c.child {
		request.Child = append(request.Child, path)
	}
	slices.Sort(request.Data)
	slices.Sort(request.Child)
	return c.exchange(zk.XidSetWatches, zk.OpSetWatches, request.Append(nil, zk.OpSetWatches), nil)
}

// call sends one request, over a new connection if need be, and lets decode read the body of a reply without error. It returns the
// server's code, one of this file's errors, or what no client should see.
func (c *sessionClient) call(op zk.Op, record []byte, decode func(*jute.Decoder)) error {
	if c.conn == nil {
		if err := c.connect(); err != nil {
			return err
		}
	}
	c.xid++
	return c.exchange(c.xid, op, record, decode)
}

func (c *sessionClient) exchange(xid int32, op zk.Op, record []byte, decode func(*jute.Decoder)) error {
	reply, err := c.conn.CallXid(xid, op, record)
	if wrong := c.fired(); wrong != nil {
		return wrong
	}
	if err != nil {
		c.drop()
		if broken := (*net.OpError)(nil); errors.As(err, &broken) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%v of %v at %s: %w: %v", op, c.session, c.addrs[c.server], errLost, err)
		}
		return err // what no server should send
	}
	if reply.Zxid > 0 && reply.Zxid < c.zxid {
		return fmt.Errorf("the reply to %v has zxid %v, and an earlier one of the session had %v", op, reply.Zxid, c.zxid)
	}
	switch reply.Err {
	case zk.OK:
	case zk.ErrSessionExpired:
		c.drop()
		c.expired = true
		return errExpired
	case zk.ErrSessionMoved: // of a connection that the session has left
		c.drop()
		return errLost
	default:
		c.zxid = max(c.zxid, reply.Zxid)
		c.answered.Add(1)
		return reply.Err
	}
	c.zxid = max(c.zxid, reply.Zxid)
	c.answered.Add(1)
	if decode == nil {
		return nil
	}
	d := jute.NewDecoder(reply.Body)
	decode(&d)
	if d.Err() == nil && d.Len() > 0 {
		return fmt.Errorf("the reply to %v has %d bytes too many", op, d.Len())
	}
	return d.Err()
}

// drop closes the connection without a word.
func (c *sessionClient) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// fired takes the watches that have fired off the armed ones.
func (c *sessionClient) fired() error {
	for _, event := range c.conn.Events() {
		c.events++
		watches := c.data
		if event.Type == zk.EventNodeChildrenChanged {
			watches = c.child
		}
		delete(watches, event.Path) // there is none if the reply that armed it was lost
	}
	return nil
}

// seen is told of each stat in a reply: no armed watch may have slept over it.
func (c *sessionClient) seen(path string, stat proto.Stat) error {
	if known, armed := c.data[path]; armed && stat.Version > known {
		return fmt.Errorf("a reply shows version %d of %s before the event of the watch that was set at version %d", stat.Version, path, known)
	}
	if known, armed := c.child[path]; armed && stat.Cversion > known {
		return fmt.Errorf("a reply shows cversion %d of %s before the event of the watch that was set at cversion %d", stat.Cversion, path, known)
	}
	return nil
}

// sync makes the next read see all writes that were acknowledged before.
func (c *sessionClient) sync(path string) error {
	return c.call(zk.OpSync, (&proto.PathRequest{Path: path}).Append(nil), func(d *jute.Decoder) { _ = d.String() })
}

// get reads a znode and arms a watch if so told.
func (c *sessionClient) get(path string, watch bool) (data string, stat proto.Stat, err error) {
	request := proto.PathWatchRequest{Path: path, Watch: watch}
	err = c.call(zk.OpGetData, request.Append(nil), func(d *jute.Decoder) {
		data = string(d.Buffer())
		stat.Decode(d)
	})
	if err == nil {
		err = c.seen(path, stat)
	}
	if err == nil && watch {
		c.data[path] = stat.Version
	}
	return data, stat, err
}

func (c *sessionClient) exists(path string) (stat proto.Stat, err error) {
	err = c.call(zk.OpExists, (&proto.PathWatchRequest{Path: path}).Append(nil), stat.Decode)
	if err == nil {
		err = c.seen(path, stat)
	}
	return stat, err
}

// children lists a znode and arms a watch if so told.
func (c *sessionClient) children(path string, watch bool) (names []string, stat proto.Stat, err error) {
	request := proto.PathWatchRequest{Path: path, Watch: watch}
	err = c.call(zk.OpGetChildren2, request.Append(nil), func(d *jute.Decoder) {
		names = d.Strings()
		stat.Decode(d)
	})
	if err == nil {
		err = c.seen(path, stat)
	}
	if err == nil && watch {
		c.child[path] = stat.Cversion
	}
	return names, stat, err
}

func (c *sessionClient) acl(path string) (acl []proto.ACL, err error) {
	err = c.call(zk.OpGetACL, (&proto.PathRequest{Path: path}).Append(nil), func(d *jute.Decoder) {
		acl = proto.DecodeACLs(d)
		new(proto.Stat).Decode(d)
	})
	return acl, err
}

func (c *sessionClient) set(path, data string, version int32) (stat proto.Stat, err error) {
	request := proto.SetDataRequest{Path: path, Data: []byte(data), Version: version}
	err = c.call(zk.OpSetData, request.Append(nil), stat.Decode)
	return stat, err
}

func (c *sessionClient) create(path, data string, mode zk.CreateMode) (created string, stat proto.Stat, err error) {
	request := proto.CreateRequest{Path: path, Data: []byte(data), ACL: proto.OpenACL, Mode: mode}
	err = c.call(zk.OpCreate2, request.Append(nil, zk.OpCreate2), func(d *jute.Decoder) {
		created = d.String()
		stat.Decode(d)
	})
	return created, stat, err
}

func (c *sessionClient) delete(path string, version int32) error {
	return c.call(zk.OpDelete, (&proto.PathVersionRequest{Path: path, Version: version}).Append(nil), nil)
}
