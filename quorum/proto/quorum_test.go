package proto

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// unhex returns the bytes of text, in which spaces and bars are for the eye.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "", "\n", "", "\t", "").Replace(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Vectors of a three-server ensemble of Apache ZooKeeper 3.8.0 (protocol reference, section 18), and
// the layouts of section 3 where it has none.
func TestQuorumPacketVectors(t *testing.T) {
	info := LearnerInfo{ServerID: 2, ProtocolVersion: QuorumProtocolVersion, ConfigVersion: 0x100000000}
	request := ForwardedRequest{Session: 0x0100001b43830002, Cxid: 7, Op: zk.OpDelete, Body: unhex(t, "00000002 2f62 ffffffff")}
	for name, test := range map[string]struct {
		packet QuorumPacket
		hex    string
	}{
		"LEADERINFO of epoch 1": {
			QuorumPacket{Type: PacketLeaderInfo, Zxid: 0x100000000, Data: jute.AppendInt(nil, QuorumProtocolVersion)},
			"00000011 0000000100000000 00000004 00010000 ffffffff",
		},
		"FOLLOWERINFO": {
			QuorumPacket{Type: PacketFollowerInfo, Zxid: 0x300000000, Data: info.Append(nil)},
			"0000000b 0000000300000000 00000014 0000000000000002 00010000 0000000100000000 ffffffff",
		},
		"ACKEPOCH that asks not to be counted": {
			QuorumPacket{Type: PacketAckEpoch, Data: jute.AppendInt(nil, -1)},
			"00000012 0000000000000000 00000004 ffffffff ffffffff",
		},
		"UPTODATE has zxid -1 and nothing else": {
			QuorumPacket{Type: PacketUpToDate, Zxid: -1},
			"0000000c ffffffffffffffff ffffffff ffffffff",
		},
		"REQUEST with the client's identities": {
			QuorumPacket{Type: PacketRequest, Zxid: -1, Data: request.Append(nil), AuthInfo: []ID{{"ip", "::1"}, {"digest", "u:p"}}},
			"00000001 ffffffffffffffff 0000001a 0100001b43830002 00000007 00000002 00000002 2f62 ffffffff" +
				"00000002 00000002 6970 00000003 3a3a31 00000006 646967657374 00000003 753a70",
		},
		"PING answered with two sessions": {
			QuorumPacket{Type: PacketPing, Zxid: 5, Data: SessionTouch{2, 4000}.Append(SessionTouch{1, 30000}.Append(nil))},
			"00000005 0000000000000005 00000018 0000000000000001 00007530 0000000000000002 00000fa0 ffffffff",
		},
		"REVALIDATE answered": {
			QuorumPacket{Type: PacketRevalidate, Zxid: -1, Data: Revalidated{1, true}.Append(nil)},
			"00000006 ffffffffffffffff 00000009 0000000000000001 01 ffffffff",
		},
		"empty is not null": {
			QuorumPacket{Type: PacketSync, Data: []byte{}, AuthInfo: []ID{}},
			"00000007 0000000000000000 00000000 00000000",
		},
	} {
		want := unhex(t, test.hex)
		if got := test.packet.Append(nil); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, want)
		}
		var got QuorumPacket
		d := jute.NewDecoder(want)
		if got.Decode(&d); d.Err() != nil || d.Len() > 0 || !reflect.DeepEqual(got, test.packet) {
			t.Errorf("%s: got %+v, %v, %d bytes left", name, got, d.Err(), d.Len())
		}
		for n := range len(want) {
			size, whole, err := PacketSize(want[:n], len(want))
			if err != nil || whole || size <= n || size > len(want) {
				t.Errorf("%s: after %d of %d bytes: size %d, whole %v, %v", name, n, len(want), size, whole, err)
			}
		}
		if size, whole, err := PacketSize(append(want, 1, 2, 3), len(want)); size != len(want) || !whole || err != nil {
			t.Errorf("%s: size %d, whole %v, %v", name, size, whole, err)
		}
		if _, _, err := PacketSize(want, len(want)-1); !errors.Is(err, ErrPacketTooLong) {
			t.Errorf("%s: fits in fewer bytes than it has: %v", name, err)
		}
	}
}

func TestPacketSizeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"data longer than the limit is refused before it is read": "00000002 0000000100000001 7fffffff",
		"data of a negative length":                               "00000002 0000000100000001 fffffffe",
		"more identities than the limit has room for":             "00000001 ffffffffffffffff ffffffff 7fffffff",
		"a negative number of identities":                         "00000001 ffffffffffffffff ffffffff fffffffe",
		"an identity of a negative length":                        "00000001 ffffffffffffffff ffffffff 00000001 80000000",
	} {
		if size, whole, err := PacketSize(unhex(t, text), 1<<20); whole || !errors.Is(err, ErrPacketTooLong) {
			t.Errorf("%s: size %d, whole %v, %v", name, size, whole, err)
		}
	}
}

func TestPacketNames(t *testing.T) {
	for typ := PacketRequest; typ <= PacketInformAndActivate; typ++ {
		if !typ.Valid() || typ.String() == "" || strings.ToUpper(typ.String()) != typ.String() {
			t.Errorf("type %d is named %q", int32(typ), typ.String())
		}
	}
	for typ, want := range map[PacketType]string{0: "0", -1: "-1", 20: "20", PacketNewLeader: "NEWLEADER"} {
		if typ.String() != want {
			t.Errorf("type %d is named %q", int32(typ), typ.String())
		}
	}
	if PacketType(0).Valid() || PacketType(20).Valid() {
		t.Error("types that nobody sends are valid")
	}
}

func TestLearnerInfoByLength(t *testing.T) {
	const all = "0000000000000002 00010000 0000000100000000"
	for name, test := range map[string]struct {
		hex  string
		want LearnerInfo
		err  error
	}{
		"20 bytes hold all":                       {all, LearnerInfo{2, 0x10000, 0x100000000}, nil},
		"12 bytes hold no configuration version":  {all[:25], LearnerInfo{2, 0x10000, 0}, nil},
		"8 bytes hold the id only":                {all[:16], LearnerInfo{ServerID: 2}, nil},
		"null holds no id":                        {"", LearnerInfo{}, jute.ErrShort},
		"9 bytes are cut off":                     {all[:16] + "00", LearnerInfo{}, jute.ErrShort},
		"19 bytes are cut off":                    {all[:len(all)-2], LearnerInfo{}, jute.ErrShort},
		"what a newer learner adds is overlooked": {all + "01", LearnerInfo{2, 0x10000, 0x100000000}, nil},
	} {
		got, err := DecodeLearnerInfo(unhex(t, test.hex))
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if info := (LearnerInfo{2, 0x10000, 0x100000000}); !bytes.Equal(info.Append(nil), unhex(t, all)) {
		t.Errorf("encoded as %x", info.Append(nil))
	}
}

func TestPacketDataDecodes(t *testing.T) {
	want := ForwardedRequest{Session: 9, Cxid: -3, Op: zk.OpCloseSession, Body: []byte{}}
	var got ForwardedRequest
	d := jute.NewDecoder(want.Append(nil))
	if got.Decode(&d); d.Err() != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("request without body: got %+v, %v", got, d.Err())
	}
	d = jute.NewDecoder(make([]byte, 15))
	if got.Decode(&d); d.Err() == nil || got.Body != nil {
		t.Errorf("request cut off: got %+v, %v", got, d.Err())
	}
	var touch SessionTouch
	d = jute.NewDecoder(SessionTouch{1, 2}.Append(nil))
	if touch.Decode(&d); touch != (SessionTouch{1, 2}) || d.Len() != 0 || SessionTouchBytes != 12 {
		t.Errorf("touch: got %+v", touch)
	}
	var answer Revalidated
	d = jute.NewDecoder(Revalidated{1, true}.Append(nil))
	if answer.Decode(&d); answer != (Revalidated{1, true}) || d.Len() != 0 {
		t.Errorf("revalidated: got %+v", answer)
	}
}

// FuzzQuorumPacket takes any bytes as a stream of packets. PacketSize and Decode must agree on where
// the first one ends, no reader must be told to hold more than the limit, and what was decoded must
// survive another round.
func FuzzQuorumPacket(f *testing.F) {
	f.Add(unhex(f, "00000011 0000000100000000 00000004 00010000 ffffffff"))
	f.Add(unhex(f, "00000001 ffffffffffffffff 00000001 01 00000001 00000002 6970 00000003 3a3a31"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 1 << 12
		size, whole, err := PacketSize(stream, limit)
		if err == nil && (size > limit || whole != (size <= len(stream))) {
			t.Fatalf("size %d of %d bytes, whole %v", size, len(stream), whole)
		}
		var first QuorumPacket
		d := jute.NewDecoder(stream)
		first.Decode(&d)
		if whole && (d.Err() != nil || len(stream)-d.Len() != size) {
			t.Fatalf("size %d, decoded %d: %v", size, len(stream)-d.Len(), d.Err())
		}
		if d.Err() != nil {
			return
		}
		if err == nil && !whole {
			t.Fatalf("decoded, but %d bytes are missing", size-len(stream))
		}
		encoded := first.Append(nil)
		var second QuorumPacket
		d = jute.NewDecoder(encoded)
		if second.Decode(&d); d.Err() != nil || d.Len() > 0 || !reflect.DeepEqual(first, second) {
			t.Fatalf("%+v\nbecame %+v\nvia %x: %v", first, second, encoded, d.Err())
		}
	})
}

// FuzzLearnerInfo takes any bytes as learner info.
func FuzzLearnerInfo(f *testing.F) {
	f.Add(make([]byte, 8))
	f.Add(make([]byte, 12))
	f.Add(make([]byte, 20))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := DecodeLearnerInfo(data)
		if err != nil {
			return
		}
		if second, err := DecodeLearnerInfo(first.Append(nil)); err != nil || second != first {
			t.Fatalf("%+v became %+v: %v", first, second, err)
		}
	})
}
