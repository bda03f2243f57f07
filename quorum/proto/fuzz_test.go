package proto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// codec is what every record has.
type codec interface {
	Append([]byte) []byte
	Decode(*jute.Decoder)
}

// The records whose layout depends on the operation.
type (
	createCodec struct {
		CreateRequest
		op zk.Op
	}
	setWatchesCodec struct {
		SetWatchesRequest
		op zk.Op
	}
	aclsCodec   struct{ acls []ACL }
	infosCodec  struct{ infos []ClientInfo }
	headerCodec struct{ RequestHeader }
)

func (c *createCodec) Append(b []byte) []byte     { return c.CreateRequest.Append(b, c.op) }
func (c *createCodec) Decode(d *jute.Decoder)     { c.CreateRequest.Decode(d, c.op) }
func (c *setWatchesCodec) Append(b []byte) []byte { return c.SetWatchesRequest.Append(b, c.op) }
func (c *setWatchesCodec) Decode(d *jute.Decoder) { c.SetWatchesRequest.Decode(d, c.op) }
func (c *aclsCodec) Append(b []byte) []byte       { return AppendACLs(b, c.acls) }
func (c *aclsCodec) Decode(d *jute.Decoder)       { c.acls = DecodeACLs(d) }
func (c *infosCodec) Append(b []byte) []byte      { return AppendClientInfos(b, c.infos) }
func (c *infosCodec) Decode(d *jute.Decoder)      { c.infos = DecodeClientInfos(d) }

// requestRecord returns an empty record of the request of op, or nil if it has none.
func requestRecord(op zk.Op) codec {
	switch op {
	case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL:
		return &createCodec{op: op}
	case zk.OpDelete, zk.OpCheck:
		return &PathVersionRequest{}
	case zk.OpExists, zk.OpGetData, zk.OpGetChildren, zk.OpGetChildren2:
		return &PathWatchRequest{}
	case zk.OpSetData:
		return &SetDataRequest{}
	case zk.OpSetACL:
		return &SetACLRequest{}
	case zk.OpGetACL, zk.OpSync, zk.OpGetEphemerals, zk.OpGetAllChildrenNumber, zk.OpDeleteContainer:
		return &PathRequest{}
	case zk.OpReconfig:
		return &ReconfigRequest{}
	case zk.OpCheckWatches, zk.OpRemoveWatches, zk.OpAddWatch:
		return &PathTypeRequest{}
	case zk.OpAuth:
		return &AuthRequest{}
	case zk.OpSetWatches, zk.OpSetWatches2:
		return &setWatchesCodec{op: op}
	}
	return nil
}

// records makes one empty record of each kind.
var records = []func() codec{
	func() codec { return &ConnectRequest{} },
	func() codec { return &ConnectResponse{} },
	func() codec { return &headerCodec{} },
	func() codec { return &ReplyHeader{} },
	func() codec { return requestRecord(zk.OpCreate) },
	func() codec { return requestRecord(zk.OpCreateTTL) },
	func() codec { return requestRecord(zk.OpSync) },
	func() codec { return requestRecord(zk.OpDelete) },
	func() codec { return requestRecord(zk.OpGetData) },
	func() codec { return requestRecord(zk.OpAddWatch) },
	func() codec { return requestRecord(zk.OpSetData) },
	func() codec { return requestRecord(zk.OpSetACL) },
	func() codec { return requestRecord(zk.OpReconfig) },
	func() codec { return requestRecord(zk.OpSetWatches) },
	func() codec { return requestRecord(zk.OpSetWatches2) },
	func() codec { return requestRecord(zk.OpAuth) },
	func() codec { return &MultiHeader{} },
	func() codec { return &WatcherEvent{} },
	func() codec { return &infosCodec{} },
	func() codec { return &aclsCodec{} },
	func() codec { return &Stat{} },
	func() codec { return &StatPersisted{} },
	func() codec { return &TxnHeader{} },
}

func TestRecordsEncodeToTheirFixedSizes(t *testing.T) {
	for name, test := range map[string]struct{ got, want int }{
		"stat":              {len((&Stat{}).Append(nil)), StatBytes},
		"persisted stat":    {len((&StatPersisted{}).Append(nil)), 60},
		"request header":    {len(RequestHeader{}.Append(nil)), RequestHeaderBytes},
		"reply header":      {len(ReplyHeader{}.Append(nil)), ReplyHeaderBytes},
		"txn header":        {len((&TxnHeader{}).Append(nil)), TxnHeaderBytes},
		"multi header":      {len(MultiEnd.Append(nil)), 9},
		"connect with":      {len((&ConnectRequest{Password: make([]byte, PasswordBytes), HasReadOnly: true}).Append(nil)), 45},
		"connect without":   {len((&ConnectRequest{Password: make([]byte, PasswordBytes)}).Append(nil)), 44},
		"connected with":    {len((&ConnectResponse{Password: make([]byte, PasswordBytes), HasReadOnly: true}).Append(nil)), 37},
		"connected without": {len((&ConnectResponse{Password: make([]byte, PasswordBytes)}).Append(nil)), 36},
	} {
		if test.got != test.want {
			t.Errorf("%s: %d bytes, want %d", name, test.got, test.want)
		}
	}
}

// FuzzRecordBytes decodes any bytes as any record. What could be decoded must survive another
// round, and take no more memory than its bytes explain.
func FuzzRecordBytes(f *testing.F) {
	for i := range records {
		f.Add(uint8(i), records[i]().Append(nil))
		f.Add(uint8(i), bytes.Repeat([]byte{0x7f}, 40))
	}
	for _, line := range readGolden(f, "frames.txt") {
		for i := range records {
			f.Add(uint8(i), line.bytes[min(len(line.bytes), RequestHeaderBytes):])
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		make := records[int(kind)%len(records)]
		first := make()
		d := jute.NewDecoder(body)
		first.Decode(&d)
		if d.Err() != nil {
			return
		}
		encoded := first.Append(nil)
		if len(encoded) > 2*len(body)+8 {
			t.Fatalf("%d bytes became %d: %+v", len(body), len(encoded), first)
		}
		second := make()
		d = jute.NewDecoder(encoded)
		second.Decode(&d)
		if d.Err() != nil || d.Len() > 0 || !reflect.DeepEqual(first, second) {
			t.Fatalf("%+v\nbecame %+v\nvia %x: %v, %d bytes left", first, second, encoded, d.Err(), d.Len())
		}
	})
}

// FuzzRecordFields fills the fields of a record with what the fuzzer chooses, encodes and decodes.
func FuzzRecordFields(f *testing.F) {
	for i := range records {
		f.Add(uint8(i), []byte("some fields are made of this"))
	}
	f.Fuzz(func(t *testing.T, kind uint8, seed []byte) {
		make := records[int(kind)%len(records)]
		want := make()
		s := source(seed)
		s.fill(reflect.ValueOf(want).Elem())
		settle(want)
		encoded := want.Append([]byte("before"))
		got := make()
		d := jute.NewDecoder(encoded[len("before"):])
		got.Decode(&d)
		if d.Err() != nil || d.Len() > 0 || !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v\nvia %x: %v, %d bytes left", got, want, encoded, d.Err(), d.Len())
		}
	})
}

// settle puts right what the bytes cannot say: fields that are not on the wire of this record.
func settle(c codec) {
	switch c := c.(type) {
	case *ConnectRequest:
		c.ReadOnly = c.ReadOnly && c.HasReadOnly
	case *ConnectResponse:
		c.ReadOnly = c.ReadOnly && c.HasReadOnly
	case *createCodec:
		if c.op != zk.OpCreateTTL {
			c.TTLMillis = -1
		}
	case *setWatchesCodec:
		if c.op != zk.OpSetWatches2 {
			c.Persistent, c.PersistentRecursive = nil, nil
		}
	case *infosCodec:
		if c.infos == nil {
			c.infos = []ClientInfo{}
		}
	}
}

// source turns the fuzzer's bytes into field values; when they are used up all is zero.
type source []byte

func (s *source) take(n int) []byte {
	b := make([]byte, n)
	*s = (*s)[copy(b, *s):]
	return b
}

func (s *source) byte() byte { return s.take(1)[0] }

// fill sets v, and all that is in it, but unexported fields of basic types.
func (s *source) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			s.fill(settable(v.Field(i)))
		}
	case reflect.Slice:
		n := int(s.byte())%5 - 1
		if n < 0 {
			return // null
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			s.fill(v.Index(i))
		}
	case reflect.Int32:
		v.SetInt(int64(int32(binary.BigEndian.Uint32(s.take(4)))))
	case reflect.Int64:
		v.SetInt(int64(binary.BigEndian.Uint64(s.take(8))))
	case reflect.Bool:
		v.SetBool(s.byte()&1 == 1)
	case reflect.Uint8:
		v.SetUint(uint64(s.byte()))
	case reflect.String:
		v.SetString(string(s.take(int(s.byte()) % 9)))
	default:
		panic(fmt.Sprintf("no way to fill a %v", v.Type()))
	}
}

// settable returns v, or for the unexported list of a codec above a way to set it. The op of a
// codec is not to be changed: a copy of it is filled.
func settable(v reflect.Value) reflect.Value {
	if v.CanSet() {
		return v
	}
	if v.Kind() == reflect.Slice {
		return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
	}
	return reflect.New(v.Type()).Elem()
}

// FuzzTxnBytes decodes any bytes as a txn. What could be decoded must survive another round.
func FuzzTxnBytes(f *testing.F) {
	for _, line := range readGolden(f, "txns.txt") {
		f.Add(line.bytes)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var first, second Txn
		if DecodeTxn(payload, &first) != nil {
			return
		}
		if n := cap(first.Body.Sub); n > len(payload)/8 {
			t.Fatalf("%d operations from %d bytes", n, len(payload))
		}
		if first.HasDigest && first.Digest.Version != DigestVersion {
			return // behind an absent list of a closeSession, only the version tells a digest
		}
		encoded := first.Append(nil)
		if err := DecodeTxn(encoded, &second); err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%+v\nbecame %+v\nvia %x: %v", first, second, encoded, err)
		}
	})
}

// FuzzTxnFields makes txns of every type, encodes and decodes them.
func FuzzTxnFields(f *testing.F) {
	for i := range txnTypes {
		f.Add(uint8(i), []byte("some fields are made of this, and some more of it"))
	}
	f.Fuzz(func(t *testing.T, kind uint8, seed []byte) {
		s := source(seed)
		var want Txn
		s.fill(reflect.ValueOf(&want.Header).Elem())
		want.Header.Type = txnTypes[int(kind)%len(txnTypes)]
		want.Body = s.body(want.Header.Type)
		if want.HasDigest = s.byte()&1 == 1; want.HasDigest {
			want.Digest = TxnDigest{DigestVersion, binary.BigEndian.Uint64(s.take(8))}
		}
		var got Txn
		encoded := want.Append(nil)
		if err := DecodeTxn(encoded, &got); err != nil {
			t.Fatalf("%+v via %x: %v", want, encoded, err)
		}
		if diff := bodyDiff(&got.Body, &want.Body); diff != "" || got.Header != want.Header ||
			got.HasDigest != want.HasDigest || got.Digest != want.Digest {
			t.Fatalf("%s\ngot  %+v\nwant %+v", diff, got, want)
		}
	})
}

var txnTypes = []zk.Op{
	zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL, zk.OpDelete, zk.OpDeleteContainer, zk.OpSetData,
	zk.OpReconfig, zk.OpSetACL, zk.OpCreateSession, zk.OpCloseSession, zk.OpError, zk.OpMulti,
}

// subTypes may stand inside a multi.
var subTypes = []zk.Op{
	zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL, zk.OpDelete, zk.OpDeleteContainer, zk.OpSetData,
	zk.OpCheck, zk.OpError,
}

// body makes the fields that count for the type, and no others.
func (s *source) body(op zk.Op) TxnBody {
	var all TxnBody
	all.Path, all.Data = string(s.take(int(s.byte())%9)), nil
	s.fill(reflect.ValueOf(&all.Data).Elem())
	s.fill(reflect.ValueOf(&all.ACL).Elem())
	s.fill(reflect.ValueOf(&all.Version).Elem())
	switch op {
	case zk.OpCreate, zk.OpCreate2:
		return TxnBody{Type: op, Path: all.Path, Data: all.Data, ACL: all.ACL, Ephemeral: s.byte()&1 == 1, ParentCversion: all.Version}
	case zk.OpCreateContainer:
		return TxnBody{Type: op, Path: all.Path, Data: all.Data, ACL: all.ACL, ParentCversion: all.Version}
	case zk.OpCreateTTL:
		return TxnBody{Type: op, Path: all.Path, Data: all.Data, ACL: all.ACL, ParentCversion: all.Version, TTLMillis: int64(all.Version) << 7}
	case zk.OpDelete, zk.OpDeleteContainer:
		return TxnBody{Type: op, Path: all.Path}
	case zk.OpSetData, zk.OpReconfig:
		return TxnBody{Type: op, Path: all.Path, Data: all.Data, Version: all.Version}
	case zk.OpSetACL:
		return TxnBody{Type: op, Path: all.Path, ACL: all.ACL, Version: all.Version}
	case zk.OpCheck:
		return TxnBody{Type: op, Path: all.Path, Version: all.Version}
	case zk.OpCreateSession:
		return TxnBody{Type: op, TimeoutMillis: all.Version}
	case zk.OpError:
		return TxnBody{Type: op, Err: zk.Code(all.Version)}
	case zk.OpCloseSession:
		b := TxnBody{Type: op}
		s.fill(reflect.ValueOf(&b.Paths).Elem())
		for i := range b.Paths {
			b.Paths[i] = "/" + b.Paths[i] // an empty string is no path
		}
		return b
	case zk.OpMulti:
		b := TxnBody{Type: op, Sub: []TxnBody{}}
		for range int(s.byte()) % 4 {
			b.Sub = append(b.Sub, s.body(subTypes[int(s.byte())%len(subTypes)]))
		}
		return b
	}
	panic(fmt.Sprintf("no body for %v", op))
}

// bodyDiff returns "" if the bodies say the same, else what differs.
func bodyDiff(got, want *TxnBody) string {
	if len(got.Sub) != len(want.Sub) {
		return fmt.Sprintf("%d operations, want %d", len(got.Sub), len(want.Sub))
	}
	for i := range got.Sub {
		if diff := bodyDiff(&got.Sub[i], &want.Sub[i]); diff != "" {
			return fmt.Sprintf("operation %d: %s", i, diff)
		}
	}
	g, w := *got, *want
	g.Sub, w.Sub = nil, nil
	if !slices.Equal(g.Paths, w.Paths) || (g.Paths == nil) != (w.Paths == nil) || !reflect.DeepEqual(g, w) {
		return fmt.Sprintf("got %+v, want %+v", g, w)
	}
	return ""
}
