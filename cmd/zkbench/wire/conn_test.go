package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// script is a connection that takes whatever is written and reads what it was given, piece by piece.
type script struct {
	net.Conn
	written bytes.Buffer
	pieces  [][]byte
}

func (s *script) Write(b []byte) (int, error) { return s.written.Write(b) }

func (s *script) Read(b []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) SetDeadline(time.Time) error { return nil }
func (s *script) Close() error                { return nil }

// frame is a body with its length in front.
func frame(body []byte) []byte { return append(jute.AppendInt(nil, int32(len(body))), body...) }

func reply(xid int32, zxid zk.Zxid, err zk.Code, body ...byte) []byte {
	return frame(append(proto.ReplyHeader{Xid: xid, Zxid: zxid, Err: err}.Append(nil), body...))
}

// take takes replies until the first error.
func take(c *Conn) (got []Reply, err error) {
	for {
		var r Reply
		ok, err := c.Next(&r)
		if err == nil && !ok {
			if err = c.Fill(); err == nil {
				continue
			}
		}
		if err != nil {
			return got, err
		}
		r.Body = bytes.Clone(r.Body)
		got = append(got, r)
	}
}

func TestRepliesMustComeInOrder(t *testing.T) {
	for name, test := range map[string]struct {
		replies [][]byte
		good    int
		want    string // in the error behind the good ones
	}{
		"one after the other":              {[][]byte{reply(1, 5, 0), reply(2, 5, 0), reply(3, 6, zk.ErrNoNode)}, 3, "EOF"},
		"a ping between":                   {[][]byte{reply(1, 5, 0), reply(zk.XidPing, 5, 0), reply(2, 5, 0)}, 3, "EOF"},
		"a notification without zxid":      {[][]byte{reply(1, 5, 0), reply(zk.XidNotification, -1, 0), reply(2, 5, 0)}, 3, "EOF"},
		"one is left out":                  {[][]byte{reply(1, 5, 0), reply(3, 5, 0)}, 1, "reply 3 where 2 was due"},
		"one comes twice":                  {[][]byte{reply(1, 5, 0), reply(1, 5, 0)}, 1, "reply 1 where 2 was due"},
		"the zxid goes back":               {[][]byte{reply(1, 5, 0), reply(2, 4, 0)}, 1, "zxid went back from 0x5 to 0x4"},
		"a frame shorter than a header":    {[][]byte{frame([]byte{1, 2, 3})}, 0, "reply header"},
		"a frame of negative length":       {[][]byte{{0xff, 0xff, 0xff, 0xff}}, 0, "frame of -1 bytes"},
		"a frame longer than any can be":   {[][]byte{{0x7f, 0, 0, 0}}, 0, "frame of 2130706432 bytes"},
		"the connection ends in a frame":   {[][]byte{reply(1, 5, 0), reply(2, 5, 0)[:7]}, 1, "unexpected EOF"},
		"a frame longer than the buffer":   {[][]byte{reply(1, 5, 0, make([]byte, 1000)...), reply(2, 5, 0)}, 2, "EOF"},
		"a reply to nothing that is asked": {[][]byte{reply(77, 5, 0)}, 0, "reply 77 where 1 was due"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := bytes.Join(test.replies, nil)
			for _, size := range []int{1, 3, 64, len(whole)} { // however the bytes arrive
				var pieces [][]byte
				for rest := whole; len(rest) > 0; rest = rest[min(size, len(rest)):] {
					pieces = append(pieces, rest[:min(size, len(rest))])
				}
				got, err := take(New(&script{pieces: pieces}, 64))
				if len(got) != test.good || err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("in pieces of %d: got %d replies, then %v; want %d, then %q", size, len(got), err, test.good, test.want)
				}
			}
		})
	}
}

func TestRequestsAreThoseOfTheProtocol(t *testing.T) {
	conn := &script{}
	c := New(conn, 64)
	c.Get([]byte("/a"), true)
	c.Set([]byte("/a"), []byte("data"))
	c.Create([]byte("/a"), nil, zk.ModeEphemeral)
	c.Delete([]byte("/a"))
	c.Ping()
	c.CloseSession()
	if conn.written.Len() != 0 || c.Pending() == 0 {
		t.Error("something was sent before Flush")
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	header := func(xid int32, op zk.Op) []byte { return proto.RequestHeader{Xid: xid, Op: op}.Append(nil) }
	get := proto.PathWatchRequest{Path: "/a", Watch: true}
	set := proto.SetDataRequest{Path: "/a", Data: []byte("data"), Version: -1}
	create := proto.CreateRequest{Path: "/a", ACL: proto.OpenACL, Mode: zk.ModeEphemeral}
	remove := proto.PathVersionRequest{Path: "/a", Version: -1}
	want := bytes.Join([][]byte{
		frame(get.Append(header(1, zk.OpGetData))),
		frame(set.Append(header(2, zk.OpSetData))),
		frame(create.Append(header(3, zk.OpCreate), zk.OpCreate)),
		frame(remove.Append(header(4, zk.OpDelete))),
		frame(header(zk.XidPing, zk.OpPing)),
		frame(header(5, zk.OpCloseSession)),
	}, nil)
	if !bytes.Equal(conn.written.Bytes(), want) {
		t.Errorf("sent %x\nwant %x", conn.written.Bytes(), want)
	}
}

func TestHandshake(t *testing.T) {
	response := func(timeout int32, id zk.SessionID, password int) []byte {
		r := proto.ConnectResponse{TimeoutMillis: timeout, SessionID: id, Password: make([]byte, password), HasReadOnly: true}
		return frame(r.Append(nil))
	}
	for name, test := range map[string]struct {
		pieces [][]byte
		want   string // in the error
	}{
		"a session":                  {[][]byte{response(4000, 0x77, 16)}, ""},
		"in two pieces":              {[][]byte{response(4000, 0x77, 16)[:9], response(4000, 0x77, 16)[9:]}, ""},
		"no session":                 {[][]byte{response(0, 0, 16)}, ErrRefused.Error()},
		"a password of other size":   {[][]byte{response(4000, 0x77, 8)}, "password of 8 bytes"},
		"a short response":           {[][]byte{frame([]byte{0, 0})}, "connect response"},
		"a server that hangs up":     {nil, "EOF"},
		"a server of something else": {[][]byte{[]byte("HTTP/1.1 400")}, "frame of"},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(&script{pieces: test.pieces}, 64)
			err := c.Handshake(4 * time.Second)
			if test.want == "" {
				if err != nil || c.Session != 0x77 {
					t.Errorf("got session %v and error %v, want 0x77 and none", c.Session, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
}

func TestChecksAcceptOnlyWhatWasAskedFor(t *testing.T) {
	stat := func(length, version int32) []byte {
		s := proto.Stat{Mzxid: 5, DataLength: length, Version: version}
		return s.Append(nil)
	}
	data := func(d string, s []byte) []byte { return append(jute.AppendBuffer(nil, []byte(d)), s...) }
	event := func(kind zk.EventType, path string) []byte {
		e := proto.WatcherEvent{Type: kind, State: zk.StateSyncConnected, Path: path}
		return e.Append(nil)
	}
	get := func(r *Reply) error { return CheckGet(r, []byte("abc")) }
	set := func(r *Reply) error { return CheckSet(r, 3) }
	create := func(r *Reply) error { return CheckCreate(r, []byte("/a")) }
	changed := func(r *Reply) error { return CheckDataChanged(r, []byte("/a")) }
	for name, test := range map[string]struct {
		check func(*Reply) error
		xid   int32
		err   zk.Code
		body  []byte
		good  bool
	}{
		"get: the data":                           {get, 1, 0, data("abc", stat(3, 0)), true},
		"get: other data of the same length":      {get, 1, 0, data("abd", stat(3, 0)), false},
		"get: a stat of other data":               {get, 1, 0, data("abc", stat(4, 0)), false},
		"get: an error":                           {get, 1, zk.ErrNoNode, nil, false},
		"get: no body":                            {get, 1, 0, nil, false},
		"get: one byte more":                      {get, 1, 0, append(data("abc", stat(3, 0)), 0), false},
		"set: a stat":                             {set, 1, 0, stat(3, 1), true},
		"set: a stat of other data":               {set, 1, 0, stat(2, 1), false},
		"set: a version that no set makes":        {set, 1, 0, stat(3, 0), false},
		"set: an error":                           {set, 1, zk.ErrBadVersion, nil, false},
		"set: half of a stat":                     {set, 1, 0, stat(3, 1)[:30], false},
		"create: the path":                        {create, 1, 0, data("/a", nil), true},
		"create: another path":                    {create, 1, 0, data("/b", nil), false},
		"create: an error":                        {create, 1, zk.ErrNodeExists, nil, false},
		"notification: of the change":             {changed, zk.XidNotification, 0, event(zk.EventNodeDataChanged, "/a"), true},
		"notification: of another znode":          {changed, zk.XidNotification, 0, event(zk.EventNodeDataChanged, "/b"), false},
		"notification: of a deletion":             {changed, zk.XidNotification, 0, event(zk.EventNodeDeleted, "/a"), false},
		"notification: a reply in its place":      {changed, 1, 0, event(zk.EventNodeDataChanged, "/a"), false},
		"notification: something behind the path": {changed, zk.XidNotification, 0, append(event(zk.EventNodeDataChanged, "/a"), 0), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.check(&Reply{ReplyHeader: proto.ReplyHeader{Xid: test.xid, Zxid: 5, Err: test.err}, Body: test.body})
			if (err == nil) != test.good {
				t.Errorf("got error %v, want it good: %v", err, test.good)
			}
			if test.err != 0 && !errors.Is(err, test.err) {
				t.Errorf("got error %v, want the code %v", err, test.err)
			}
		})
	}
}

func TestASetThatIsYoungerThanItsReplyIsWrong(t *testing.T) {
	stat := proto.Stat{Mzxid: 6, DataLength: 3, Version: 1}
	r := Reply{ReplyHeader: proto.ReplyHeader{Zxid: 5}, Body: stat.Append(nil)}
	if CheckSet(&r, 3) == nil {
		t.Error("a stat with mzxid 6 was accepted in a reply with zxid 5")
	}
}

// endless answers with the same reply for ever, but for the xid.
type endless struct {
	script
	xid   int32
	reply []byte
}

func (e *endless) Write(b []byte) (int, error) { return len(b), nil }

func (e *endless) Read(b []byte) (int, error) {
	e.xid++
	n := copy(b, e.reply)
	b[4], b[5], b[6], b[7] = byte(e.xid>>24), byte(e.xid>>16), byte(e.xid>>8), byte(e.xid)
	return n, nil
}

func TestNothingIsAllocatedPerRequest(t *testing.T) {
	stat := proto.Stat{DataLength: 100}
	body := stat.Append(jute.AppendBuffer(nil, make([]byte, 100)))
	c := New(&endless{reply: reply(0, 5, 0, body...)}, 4096)
	path, data := []byte("/a"), make([]byte, 100)
	var r Reply
	allocs := testing.AllocsPerRun(1000, func() {
		c.Get(path, false)
		if err := c.Await(&r); err != nil {
			t.Fatal(err)
		}
		if err := CheckGet(&r, data); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per request", allocs)
	}
}
