package conformance

import (
	"bytes"
	"encoding/binary"
	"math"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

// maxBuffer is the default of jute.maxbuffer: the longest body of a frame.
const maxBuffer = 0xfffff

var framingCases = group{name: "framing", cases: []func(*T){
	frameInSingleBytesIsUnderstood,
	severalFramesInOneWriteAreAnsweredInOrder,
	thousandReadsInOneWriteAreAnsweredInOrder,
	requestsBehindTheConnectRequestAreAnsweredAfterIt,
	frameOfMaxBufferIsAccepted,
	frameOverMaxBufferClosesTheConnection,
	frameOfNegativeLengthClosesTheConnection,
	frameOfLengthZeroClosesTheConnection,
	frameShorterThanARequestHeaderClosesTheConnection,
	garbageClosesTheConnectionWithoutAByte,
	truncatedConnectRequestClosesTheConnection,
	firstFrameOverMaxBufferClosesTheConnection,
	bytesBehindARecordAreIgnored,
	undecodableWriteIsMarshallingErrorAndTheConnectionStays,
	undecodableReadIsMarshallingErrorAndTheConnectionStays,
	negativeStringLengthIsMarshallingError,
	hugeVectorCountIsMarshallingError,
	resetInMidFrameHarmsNobody,
}}

func getDataRecord(path string) []byte { return (&proto.PathWatchRequest{Path: path}).Append(nil) }

func connectFrame() []byte {
	request := proto.ConnectRequest{
		TimeoutMillis: sessionTimeoutMillis, Password: make([]byte, proto.PasswordBytes), HasReadOnly: true,
	}
	return rawclient.AppendFrame(nil, request.Append(nil))
}

// readReply reads the next reply and checks its xid.
func (c *conn) readReply(xid int32) rawclient.Reply {
	c.t.Helper()
	reply, err := c.Reply()
	c.t.ok(err)
	equal(c.t, "xid of the reply", reply.Xid, xid)
	return reply
}

func frameInSingleBytesIsUnderstood(t *T) {
	c := t.dial()
	t.ok(c.WriteSplit(connectFrame(), 1))
	response, err := c.ReadConnectResponse()
	t.ok(err)
	if response.SessionID == 0 {
		t.Fatal("no session")
	}
	t.ok(c.WriteSplit(rawclient.AppendRequest(nil, 5, zk.OpGetData, getDataRecord("/zookeeper")), 1))
	equal(t, "err", c.readReply(5).Err, zk.OK)
}

func severalFramesInOneWriteAreAnsweredInOrder(t *T) {
	c, p := t.open(), t.path("a")
	create := proto.CreateRequest{Path: p, Data: []byte("1"), ACL: proto.OpenACL}
	set := proto.SetDataRequest{Path: p, Data: []byte("2"), Version: -1}
	remove := proto.PathVersionRequest{Path: p, Version: -1}
	var b []byte
	b = rawclient.AppendRequest(b, 1, zk.OpGetData, getDataRecord(p))
	b = rawclient.AppendRequest(b, 2, zk.OpCreate, create.Append(nil, zk.OpCreate))
	b = rawclient.AppendRequest(b, 3, zk.OpGetData, getDataRecord(p))
	b = rawclient.AppendRequest(b, 4, zk.OpSetData, set.Append(nil))
	b = rawclient.AppendRequest(b, 5, zk.OpGetData, getDataRecord(p))
	b = rawclient.AppendRequest(b, 6, zk.OpDelete, remove.Append(nil))
	b = rawclient.AppendRequest(b, 7, zk.OpGetData, getDataRecord(p))
	t.ok(c.WriteRaw(b))

	// Each read sees the writes before it and none behind it.
	equal(t, "read before the create", c.readReply(1).Err, zk.ErrNoNode)
	created := c.readReply(2)
	equal(t, "create", created.Err, zk.OK)
	for i, want := range []string{"1", "2"} {
		read := c.readReply(int32(3 + 2*i))
		d := jute.NewDecoder(read.Body)
		if data := d.Buffer(); string(data) != want {
			t.Fatalf("read %d: got %q, want %q", i, data, want)
		}
		if read.Zxid < created.Zxid {
			t.Fatalf("read %d at zxid %v, before the create at %v", i, read.Zxid, created.Zxid)
		}
		equal(t, "write", c.readReply(int32(4+2*i)).Err, zk.OK)
	}
	equal(t, "read after the delete", c.readReply(7).Err, zk.ErrNoNode)
}

func thousandReadsInOneWriteAreAnsweredInOrder(t *T) {
	c := t.open()
	var b []byte
	for xid := range int32(1000) {
		b = rawclient.AppendRequest(b, xid, zk.OpExists, getDataRecord("/zookeeper"))
	}
	t.ok(c.WriteRaw(b))
	for xid := range int32(1000) {
		c.readReply(xid)
	}
}

// A Java client sends its handshake, its identities, its watches and what waits in its queue in
// one burst.
func requestsBehindTheConnectRequestAreAnsweredAfterIt(t *T) {
	c := t.dial()
	b := connectFrame()
	auth := proto.AuthRequest{Scheme: "digest", Auth: []byte("burst:pw")}
	b = rawclient.AppendRequest(b, zk.XidAuth, zk.OpAuth, auth.Append(nil))
	watches := proto.SetWatchesRequest{Data: []string{}, Exist: []string{}, Child: []string{}}
	b = rawclient.AppendRequest(b, zk.XidSetWatches, zk.OpSetWatches, watches.Append(nil, zk.OpSetWatches))
	b = rawclient.AppendRequest(b, 1, zk.OpWhoAmI, nil)
	t.ok(c.WriteRaw(b))

	response, err := c.ReadConnectResponse()
	t.ok(err)
	if response.SessionID == 0 {
		t.Fatal("no session")
	}
	equal(t, "auth", c.readReply(zk.XidAuth).Err, zk.OK)
	equal(t, "setWatches", c.readReply(zk.XidSetWatches).Err, zk.OK)
	if body := c.readReply(1).Body; !bytes.Contains(body, []byte("burst")) {
		t.Fatalf("whoAmI does not know the identity sent before it: %x", body)
	}
}

// setDataRecord returns a setData whose whole frame, without its length, is frameBytes long.
func setDataRecord(path string, frameBytes int) []byte {
	empty := (&proto.SetDataRequest{Path: path, Data: []byte{}, Version: -1}).Append(nil)
	data := make([]byte, frameBytes-proto.RequestHeaderBytes-len(empty))
	return (&proto.SetDataRequest{Path: path, Data: data, Version: -1}).Append(nil)
}

func frameOfMaxBufferIsAccepted(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	reply, err := c.Call(zk.OpSetData, setDataRecord(p, maxBuffer))
	t.ok(err)
	equal(t, "err", reply.Err, zk.OK)
	data, stat, err := c.GetData(p, false)
	t.ok(err)
	equal(t, "dataLength", int(stat.DataLength), len(data))
}

func frameOverMaxBufferClosesTheConnection(t *T) {
	c := t.open()
	t.ok(c.WriteRaw(binary.BigEndian.AppendUint32(nil, maxBuffer+1)))
	t.closed(c)
}

func frameOfNegativeLengthClosesTheConnection(t *T) {
	for _, length := range []int32{-1, math.MinInt32} {
		c := t.open()
		t.ok(c.WriteRaw(jute.AppendInt(nil, length)))
		t.closed(c)
	}
}

func frameOfLengthZeroClosesTheConnection(t *T) {
	c := t.open()
	t.ok(c.WriteRaw(make([]byte, 4)))
	t.closed(c)
}

func frameShorterThanARequestHeaderClosesTheConnection(t *T) {
	c := t.open()
	t.ok(c.WriteFrame([]byte{0, 0, 0, 1, 0, 0, 0}))
	t.closed(c)
}

func garbageClosesTheConnectionWithoutAByte(t *T) {
	for _, garbage := range []string{
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"nope",
	} {
		c := t.dial()
		t.ok(c.WriteRaw([]byte(garbage)))
		t.closed(c)
	}
}

func truncatedConnectRequestClosesTheConnection(t *T) {
	c := t.dial()
	t.ok(c.WriteFrame(connectFrame()[4:30]))
	t.closed(c)
}

func firstFrameOverMaxBufferClosesTheConnection(t *T) {
	c := t.dial()
	t.ok(c.WriteRaw(binary.BigEndian.AppendUint32(nil, maxBuffer+1)))
	t.closed(c)
}

func bytesBehindARecordAreIgnored(t *T) {
	c := t.open()
	for _, record := range [][]byte{
		append(getDataRecord("/zookeeper"), "trailing"...),
		append((&proto.SetDataRequest{Path: t.path(""), Version: 77}).Append(nil), 1, 2, 3),
	} {
		reply, err := c.Call(zk.OpGetData, record)
		t.ok(err)
		if reply.Err == zk.ErrMarshalling {
			t.Fatalf("record %x with trailing bytes: %v", record, reply.Err)
		}
	}
}

func undecodableWriteIsMarshallingErrorAndTheConnectionStays(t *T) {
	c := t.open()
	for _, op := range []zk.Op{zk.OpCreate, zk.OpCreate2, zk.OpDelete, zk.OpSetData, zk.OpSetACL, zk.OpMulti} {
		for _, record := range [][]byte{{}, {0, 0, 0}, {0, 0, 0, 9, '/'}} {
			reply, err := c.Call(op, record)
			t.ok(err)
			equal(t, op.String(), reply.Err, zk.ErrMarshalling)
			equal(t, "body bytes of "+op.String(), len(reply.Body), 0)
		}
	}
	c.ping()
}

func undecodableReadIsMarshallingErrorAndTheConnectionStays(t *T) {
	c := t.open()
	for _, op := range []zk.Op{
		zk.OpExists, zk.OpGetData, zk.OpGetACL, zk.OpGetChildren, zk.OpGetChildren2, zk.OpSync,
		zk.OpMultiRead, zk.OpGetAllChildrenNumber, zk.OpGetEphemerals, zk.OpAddWatch,
		zk.OpCheckWatches, zk.OpRemoveWatches, zk.OpSetWatches, zk.OpSetWatches2,
	} {
		for _, record := range [][]byte{{}, {0, 0, 0}, {0, 0, 0, 9, '/'}} {
			reply, err := c.Call(op, record)
			t.ok(err)
			equal(t, op.String(), reply.Err, zk.ErrMarshalling)
			equal(t, "body bytes of "+op.String(), len(reply.Body), 0)
		}
	}
	c.ping()
}

func negativeStringLengthIsMarshallingError(t *T) {
	c := t.open()
	reply, err := c.Call(zk.OpGetData, jute.AppendInt(nil, -2))
	t.ok(err)
	equal(t, "err", reply.Err, zk.ErrMarshalling)
	c.ping()
}

func hugeVectorCountIsMarshallingError(t *T) {
	c := t.open()
	create := jute.AppendInt(jute.AppendBuffer(jute.AppendString(nil, t.path("a")), nil), math.MaxInt32)
	reply, err := c.Call(zk.OpCreate, create)
	t.ok(err)
	equal(t, "err", reply.Err, zk.ErrMarshalling)
	c.ping()
}

func resetInMidFrameHarmsNobody(t *T) {
	c, other := t.open(), t.open()
	frame := rawclient.AppendRequest(nil, 1, zk.OpSetData, setDataRecord("/zookeeper", 1000))
	t.ok(c.WriteRaw(frame[:500]))
	t.ok(c.Reset())
	other.ping()
}
