package proto

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// goldenLine is one line of a file in testdata: words, the last of them bytes in hex.
type goldenLine struct {
	number int
	words  []string
	bytes  []byte
}

func readGolden(t testing.TB, name string) []goldenLine {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var lines []goldenLine
	for i, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		last := len(words) - 1
		b, err := hex.DecodeString(words[last])
		if err != nil {
			t.Fatalf("%s:%d: %v", name, i+1, err)
		}
		lines = append(lines, goldenLine{i + 1, words[:last], b})
	}
	return lines
}

// recode decodes the body of a frame that the client (">") or the server ("<") sent, and returns
// it encoded again. The header says nothing about a reply's record; op does.
func recode(direction, op string, body []byte) ([]byte, error) {
	d := jute.NewDecoder(body)
	var b []byte
	switch {
	case op == "connect" && direction == ">":
		var r ConnectRequest
		r.Decode(&d)
		b = r.Append(nil)
	case op == "connect":
		var r ConnectResponse
		r.Decode(&d)
		b = r.Append(nil)
	case direction == ">":
		var h RequestHeader
		h.Decode(&d)
		b = recodeRequest(h.Append(nil), h.Op, &d)
	default:
		var h ReplyHeader
		h.Decode(&d)
		b = h.Append(nil)
		if h.Err == zk.OK {
			b = recodeReply(b, op, &d)
		}
	}
	return append(b, d.Rest()...), d.Err()
}

func recodeRequest(b []byte, op zk.Op, d *jute.Decoder) []byte {
	switch op {
	case zk.OpMulti, zk.OpMultiRead:
		for {
			var h MultiHeader
			h.Decode(d)
			b = h.Append(b)
			if h.Done || d.Err() != nil {
				return b
			}
			b = recodeRequest(b, h.Type, d)
		}
	case zk.OpPing, zk.OpCloseSession, zk.OpWhoAmI:
		return b
	}
	r := requestRecord(op)
	r.Decode(d)
	return r.Append(b)
}

func recodeReply(b []byte, op string, d *jute.Decoder) []byte {
	path := func() { b = jute.AppendString(b, d.String()) }
	data := func() { b = jute.AppendBuffer(b, d.Buffer()) }
	names := func() { b = jute.AppendStrings(b, d.Strings()) }
	acl := func() { b = AppendACLs(b, DecodeACLs(d)) }
	number := func() { b = jute.AppendInt(b, d.Int()) }
	stat := func() {
		var s Stat
		s.Decode(d)
		b = s.Append(b)
	}
	switch op {
	case "create", "sync":
		path()
	case "create2", "createContainer", "createTTL":
		path()
		stat()
	case "exists", "setData", "setACL":
		stat()
	case "getData":
		data()
		stat()
	case "getACL":
		acl()
		stat()
	case "getChildren", "getEphemerals":
		names()
	case "getChildren2":
		names()
		stat()
	case "getAllChildrenNumber", "addWatch", "error":
		number()
	case "whoAmI":
		b = AppendClientInfos(b, DecodeClientInfos(d))
	case "notification":
		var e WatcherEvent
		e.Decode(d)
		b = e.Append(b)
	case "multi", "multiRead":
		for {
			var h MultiHeader
			h.Decode(d)
			b = h.Append(b)
			if h.Done || d.Err() != nil {
				return b
			}
			b = recodeReply(b, h.Type.String(), d)
		}
	}
	return b
}

func TestFramesOfJavaDecodeAndEncodeToThemselves(t *testing.T) {
	seen := map[string]int{}
	for _, line := range readGolden(t, "frames.txt") {
		direction, op := line.words[0], line.words[1]
		seen[direction+op]++
		if direction == ">" && op == zk.OpReconfig.String() {
			continue // its strings may be null, see below
		}
		again, err := recode(direction, op, line.bytes)
		if err != nil {
			t.Errorf("frames.txt:%d: %v", line.number, err)
		} else if !bytes.Equal(again, line.bytes) {
			t.Errorf("frames.txt:%d: %s %s\n got %x\nwant %x", line.number, direction, op, again, line.bytes)
		}
	}
	for _, op := range []zk.Op{
		zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL, zk.OpDelete, zk.OpExists, zk.OpGetData,
		zk.OpSetData, zk.OpGetACL, zk.OpSetACL, zk.OpGetChildren, zk.OpGetChildren2, zk.OpSync, zk.OpPing, zk.OpMulti,
		zk.OpMultiRead, zk.OpReconfig, zk.OpCheckWatches, zk.OpRemoveWatches, zk.OpAuth, zk.OpSetWatches, zk.OpSetWatches2, zk.OpAddWatch,
		zk.OpWhoAmI, zk.OpGetEphemerals, zk.OpGetAllChildrenNumber, zk.OpCloseSession,
	} {
		if seen[">"+op.String()] == 0 || seen["<"+op.String()] == 0 {
			t.Errorf("the recording lacks %v", op)
		}
	}
	if seen["<notification"] == 0 || seen[">connect"] == 0 || seen["<connect"] == 0 {
		t.Error("the recording lacks notifications or handshakes")
	}
}

func TestReconfigRequestOfJavaDecodes(t *testing.T) {
	for _, line := range readGolden(t, "frames.txt") {
		if line.words[0] == ">" && line.words[1] == zk.OpReconfig.String() {
			d := jute.NewDecoder(line.bytes[RequestHeaderBytes:])
			var r ReconfigRequest
			r.Decode(&d)
			want := ReconfigRequest{Joining: "server.9=localhost:1:2;3", ConfigID: -1}
			if r != want || d.Err() != nil || d.Len() > 0 {
				t.Errorf("got %+v, %v, %d bytes left", r, d.Err(), d.Len())
			}
		}
	}
}

func TestTxnsOfJavaDecodeAndEncodeToThemselves(t *testing.T) {
	seen := map[zk.Op]bool{}
	failedMultis := 0
	for _, line := range readGolden(t, "txns.txt") {
		var txn Txn
		if err := DecodeTxn(line.bytes, &txn); err != nil {
			t.Errorf("txns.txt:%d: %v", line.number, err)
			continue
		}
		seen[txn.Header.Type] = true
		if txn.Body.IsFailedMulti() {
			failedMultis++
		}
		// Java gives every txn a digest but those of refused writes.
		if txn.HasDigest == (txn.Header.Type == zk.OpError) || txn.HasDigest && txn.Digest.Version != DigestVersion {
			t.Errorf("txns.txt:%d: type %v with digest %+v", line.number, txn.Header.Type, txn.Digest)
		}
		if again := txn.Append(nil); !bytes.Equal(again, line.bytes) {
			t.Errorf("txns.txt:%d:\n got %x\nwant %x", line.number, again, line.bytes)
		}
	}
	for _, op := range []zk.Op{
		zk.OpCreateSession, zk.OpCloseSession, zk.OpError, zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer,
		zk.OpCreateTTL, zk.OpDelete, zk.OpSetData, zk.OpSetACL, zk.OpMulti,
	} {
		if !seen[op] {
			t.Errorf("the recording lacks %v", op)
		}
	}
	if failedMultis != 1 {
		t.Errorf("%d failed multis, want 1", failedMultis)
	}
}

// Vectors of a three-server ensemble of Apache ZooKeeper 3.8.0.
func TestTxnVectors(t *testing.T) {
	world := []ACL{{zk.PermAll, ID{"world", "anyone"}}}
	for name, test := range map[string]struct {
		hex  string
		want TxnBody
	}{
		"createSession": {
			"0100001b43830002 00000000 000000010000000e 000001a204178f15 fffffff6 00002710 00000002 00000001770c1ee3",
			TxnBody{Type: zk.OpCreateSession, TimeoutMillis: 10000},
		},
		"create": {
			"0100001b43830002 00000001 000000010000000f 000001a204178f15 00000001 00000002 2f62 00000005 68656c6c6f" +
				" 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00 00000004 00000002 00000001770c1ee3",
			TxnBody{Type: zk.OpCreate, Path: "/b", Data: []byte("hello"), ACL: world, ParentCversion: 4},
		},
		"create of a node that exists": {
			"0100001b43830002 00000001 000000010000000f 000001a204178f15 ffffffff ffffff92",
			TxnBody{Type: zk.OpError, Err: zk.ErrNodeExists},
		},
		"failed multi": {
			"0100001b43830002 00000001 000000010000000f 000001a204178f15 0000000e 00000003" +
				" 00000002 00000006 00000002 2f62 ffffffff 00000004 ffffff9b ffffffff 00000004 fffffffe 00000002 00000001770c1ee3",
			TxnBody{Type: zk.OpMulti, Sub: []TxnBody{
				{Type: zk.OpDelete, Path: "/b"}, {Type: zk.OpError, Err: zk.ErrNoNode}, {Type: zk.OpError, Err: zk.ErrRuntimeInconsistency},
			}},
		},
		"closeSession with its ephemerals": {
			"0100001b43830002 00000001 000000010000000f 000001a204178f15 fffffff5 00000001 00000004 2f622f65 00000002 00000001770c1ee3",
			TxnBody{Type: zk.OpCloseSession, Paths: []string{"/b/e"}},
		},
		"closeSession with its ephemerals and no digest": {
			"0100001b43830002 00000001 000000010000000f 000001a204178f15 fffffff5 00000001 00000004 2f622f65",
			TxnBody{Type: zk.OpCloseSession, Paths: []string{"/b/e"}},
		},
		"closeSession before 3.6": {
			"0100001b43830002 00000001 000000010000000f 000001a204178f15 fffffff5",
			TxnBody{Type: zk.OpCloseSession},
		},
		"closeSession without its ephemerals but a digest": {
			"0100001b43830002 00000001 000000010000000f 000001a204178f15 fffffff5 00000002 00000001770c1ee3",
			TxnBody{Type: zk.OpCloseSession},
		},
	} {
		payload, err := hex.DecodeString(strings.ReplaceAll(test.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		var txn Txn
		if err := DecodeTxn(payload, &txn); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := bodyDiff(&txn.Body, &test.want); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if again := txn.Append(nil); !bytes.Equal(again, payload) {
			t.Errorf("%s:\n got %x\nwant %x", name, again, payload)
		}
	}
}

// A create of ZooKeeper 3.3 has no parentCVersion: the applier is told to count for itself.
func TestTxnOfOldCreateHasNoParentCversion(t *testing.T) {
	txn := Txn{Header: TxnHeader{Type: zk.OpCreate}, Body: TxnBody{Type: zk.OpCreate, Path: "/b", ACL: OpenACL, ParentCversion: 9}}
	payload := txn.Append(nil)
	var old Txn
	if err := DecodeTxn(payload[:len(payload)-4], &old); err != nil {
		t.Fatal(err)
	}
	if old.Body.ParentCversion != -1 || old.HasDigest {
		t.Errorf("parentCVersion %d, digest %v", old.Body.ParentCversion, old.HasDigest)
	}
}

func TestDecodeTxnRefuses(t *testing.T) {
	header := func(op zk.Op) []byte { return (&TxnHeader{Type: op}).Append(nil) }
	inMulti := func(op zk.Op, body string) []byte {
		b := jute.AppendInt(jute.AppendInt(header(zk.OpMulti), 1), int32(op))
		return jute.AppendBuffer(b, []byte(body))
	}
	for name, test := range map[string]struct {
		payload []byte
		want    string
	}{
		"a header cut short":            {header(zk.OpDelete)[:31], "txn header: jute: record is shorter than its fields"},
		"a type that nobody knows":      {header(77), "unknown txn type: 77"},
		"a read":                        {header(zk.OpGetData), "unknown txn type: 4"},
		"check outside a multi":         {append(header(zk.OpCheck), 0, 0, 0, 0, 0, 0, 0, 0), "check outside a multi"},
		"multi inside a multi":          {inMulti(zk.OpMulti, "\x00\x00\x00\x00"), "multi inside a multi"},
		"setACL inside a multi":         {inMulti(zk.OpSetACL, "\x00\x00\x00\x01/\xff\xff\xff\xff\x00\x00\x00\x01"), "unknown txn type: setACL inside a multi"},
		"createSession inside a multi":  {inMulti(zk.OpCreateSession, "\x00\x00\x00\x01"), "unknown txn type: createSession inside a multi"},
		"closeSession inside a multi":   {inMulti(zk.OpCloseSession, ""), "unknown txn type: closeSession inside a multi"},
		"reconfig inside a multi":       {inMulti(zk.OpReconfig, "\x00\x00\x00\x01/\xff\xff\xff\xff\x00\x00\x00\x01"), "unknown txn type: reconfig inside a multi"},
		"an unknown type in a multi":    {inMulti(99, ""), "operation 0 of the multi: proto: unknown txn type: 99 inside a multi"},
		"a body cut short in a multi":   {inMulti(zk.OpDelete, "\x00\x00\x00\x02/"), "operation 0 of the multi: jute: record is shorter"},
		"bytes behind a body in multi":  {inMulti(zk.OpError, "\x00\x00\x00\x00x"), "operation 0 of the multi: proto: trailing bytes in txn: 1"},
		"a body cut short":              {append(header(zk.OpDelete), 0, 0, 0, 2, '/'), "jute: record is shorter than its fields"},
		"a digest cut short":            {append(header(zk.OpError), make([]byte, 4+11)...), "jute: record is shorter than its fields"},
		"bytes behind the digest":       {append(header(zk.OpError), make([]byte, 4+13)...), "proto: trailing bytes in txn: 1"},
		"more operations than bytes":    {append(header(zk.OpMulti), 0x7f, 0xff, 0xff, 0xff), "jute: record is shorter than its fields"},
		"more ACL entries than bytes":   {append(header(zk.OpSetACL), "\x00\x00\x00\x01/\x7f\xff\xff\xff"...), "jute: record is shorter than its fields"},
		"a negative number of entries":  {append(header(zk.OpSetACL), "\x00\x00\x00\x01/\xff\xff\xff\xfe"...), "jute: negative length"},
		"more ephemerals than there is": {append(header(zk.OpCloseSession), 0, 1, 0, 0), "jute: record is shorter than its fields"},
	} {
		var txn Txn
		err := DecodeTxn(test.payload, &txn)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}
