package rawclient

import (
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// script is a server that sends what it is given, whatever the client sends, and closes.
func script(t *testing.T, frames ...[]byte) *Client {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close() })
	go io.Copy(io.Discard, far)
	go func() {
		defer far.Close()
		for _, f := range frames {
			if _, err := far.Write(AppendFrame(nil, f)); err != nil {
				return
			}
		}
	}()
	return New(near)
}

func reply(xid int32, zxid zk.Zxid, code zk.Code, body ...byte) []byte {
	return append(proto.ReplyHeader{Xid: xid, Zxid: zxid, Err: code}.Append(nil), body...)
}

func notification(zxid zk.Zxid, kind zk.EventType, path string) []byte {
	e := proto.WatcherEvent{Type: kind, State: zk.StateSyncConnected, Path: path}
	return e.Append(reply(zk.XidNotification, zxid, zk.OK))
}

func TestNotificationsAreKeptApartFromReplies(t *testing.T) {
	c := script(t,
		notification(7, zk.EventNodeCreated, "/a"), notification(7, zk.EventNodeDeleted, "/b"),
		reply(1, 8, zk.OK), notification(9, zk.EventNodeDataChanged, "/c"))
	if err := c.Delete("/x", -1); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range c.Events() {
		paths = append(paths, e.Path)
	}
	if !reflect.DeepEqual(paths, []string{"/a", "/b"}) || len(c.Events()) != 0 {
		t.Errorf("events before the reply: %q", paths)
	}
	e, err := c.WaitEvent()
	if err != nil || e.Path != "/c" || e.Type != zk.EventNodeDataChanged || e.Zxid != 9 {
		t.Errorf("the awaited event: %+v, %v", e, err)
	}
	if c.LastZxid != 8 {
		t.Errorf("last zxid %v: notifications do not count", c.LastZxid)
	}
	if _, err := c.WaitEvent(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestServersRefusalIsItsCode(t *testing.T) {
	c := script(t, reply(1, 3, zk.ErrNoNode))
	if _, _, err := c.GetData("/x", false); err != zk.ErrNoNode {
		t.Errorf("got %v", err)
	}
}

func TestRepliesThatBreakTheRulesAreErrors(t *testing.T) {
	for name, test := range map[string]struct {
		frame []byte
		call  func(*Client) error
		want  string
	}{
		"another xid":                {reply(2, 0, zk.OK), func(c *Client) error { return c.Delete("/", -1) }, "reply to xid 2 where 1 was awaited"},
		"bytes behind the record":    {reply(1, 0, zk.OK, 0), func(c *Client) error { return c.Delete("/", -1) }, "1 trailing bytes"},
		"a body behind an error":     {reply(1, 0, zk.ErrNoNode, 1), func(c *Client) error { return c.Delete("/", -1) }, "with a body: 01"},
		"a record cut short":         {reply(1, 0, zk.OK, 0, 0, 0, 9), func(c *Client) error { _, err := c.Sync("/"); return err }, "record is shorter"},
		"no whole header":            {[]byte{0, 0, 0, 1}, func(c *Client) error { return c.Delete("/", -1) }, "record is shorter"},
		"addWatch with another code": {reply(1, 0, zk.OK, 0xff, 0xff, 0xff, 0x9b), func(c *Client) error { return c.AddWatch("/", 0) }, "body says no node"},
		"a reply for a notification": {reply(1, 0, zk.OK), func(c *Client) error { _, err := c.WaitEvent(); return err }, "reply to xid 1 where a notification was awaited"},
		"a multi without its end":    {reply(1, 0, zk.OK), func(c *Client) error { _, err := c.Multi(); return err }, "record is shorter"},
		"a multi with another end": {
			proto.MultiHeader{Done: true}.Append(reply(1, 0, zk.OK)), func(c *Client) error { _, err := c.Multi(); return err }, "multi ends with",
		},
		"a multi with an unknown result": {
			proto.MultiHeader{Type: 77}.Append(reply(1, 0, zk.OK)), func(c *Client) error { _, err := c.Multi(); return err }, "multi result of type 77",
		},
	} {
		if err := test.call(script(t, test.frame)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestFrameOfImpossibleLengthIsAnError(t *testing.T) {
	for _, length := range []int32{-1, maxFrameBytes + 1} {
		near, far := net.Pipe()
		go func() {
			far.Write(jute.AppendInt(nil, length))
			far.Close()
		}()
		if _, err := New(near).ReadFrame(); err == nil || !strings.Contains(err.Error(), "sent a frame of length") {
			t.Errorf("length %d: got %v", length, err)
		}
		near.Close()
	}
}

func TestMultiResultsAreDecodedByTheirType(t *testing.T) {
	stat := proto.Stat{Czxid: 1, Pzxid: 2}
	b := proto.MultiHeader{Type: zk.OpCreate}.Append(reply(1, 5, zk.OK))
	b = jute.AppendString(b, "/a")
	b = proto.MultiHeader{Type: zk.OpCreate2}.Append(b)
	b = stat.Append(jute.AppendString(b, "/b"))
	b = proto.MultiHeader{Type: zk.OpDelete}.Append(b)
	b = proto.MultiHeader{Type: zk.OpGetChildren}.Append(b)
	b = jute.AppendStrings(b, []string{"c"})
	b = proto.MultiHeader{Type: zk.OpError, Err: zk.ErrNoNode}.Append(b)
	b = jute.AppendInt(b, int32(zk.ErrNoNode))
	b = proto.MultiEnd.Append(b)
	results, err := script(t, b).Multi()
	want := []SubResult{
		{Op: zk.OpCreate, Path: "/a"}, {Op: zk.OpCreate2, Path: "/b", Stat: stat}, {Op: zk.OpDelete},
		{Op: zk.OpGetChildren, Children: []string{"c"}}, {Op: zk.OpError, HeaderErr: zk.ErrNoNode, Err: zk.ErrNoNode},
	}
	if err != nil || !reflect.DeepEqual(results, want) {
		t.Errorf("got  %+v, %v\nwant %+v", results, err, want)
	}
	if code := FirstError(results); code != zk.ErrNoNode {
		t.Errorf("first error: %v", code)
	}
}

func FuzzMultiResponse(f *testing.F) {
	f.Add(proto.MultiEnd.Append(jute.AppendString(proto.MultiHeader{Type: zk.OpCreate}.Append(nil), "/a")))
	f.Add(jute.AppendInt(proto.MultiHeader{Type: zk.OpError}.Append(nil), -2))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := jute.NewDecoder(body)
		if n := len(DecodeMultiResponse(&d)); n > len(body)/9 {
			t.Fatalf("%d results from %d bytes", n, len(body))
		}
	})
}
