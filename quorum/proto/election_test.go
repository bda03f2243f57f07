package proto

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// appendV2 encodes h with all its addresses, as a server of ZooKeeper's with multiAddress.enabled does.
func (h *ElectionHello) appendV2(b []byte) []byte {
	all := make([]string, len(h.Addrs))
	for i, a := range h.Addrs {
		all[i] = a.String()
	}
	return h.append(b, helloV2, strings.Join(all, "|"))
}

func TestElectionHelloBytes(t *testing.T) {
	for name, test := range map[string]struct {
		hello ElectionHello
		v2    bool
		hex   string
	}{
		"v1": {
			ElectionHello{2, []HostPort{{"10.0.0.2", 3888}}}, false,
			"ffffffffffff0000 0000000000000002 0000000d 31302e302e302e323a33383838",
		},
		"v1 with an IPv6 address": {
			ElectionHello{2, []HostPort{{"fe80::2", 3888}}}, false,
			"ffffffffffff0000 0000000000000002 0000000e 5b666538303a3a325d3a33383838",
		},
		"v2 with two addresses": {
			ElectionHello{3, []HostPort{{"a", 1}, {"b", 65535}}}, true,
			"ffffffffffff0001 0000000000000003 0000000b 613a317c623a3635353335",
		},
	} {
		want := unhex(t, test.hex)
		got := test.hello.AppendV1(nil)
		if test.v2 {
			got = test.hello.appendV2(nil)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, want)
		}
		for n := range len(want) {
			if size, whole, err := HelloSize(want[:n]); err != nil || whole || size <= n || size > len(want) {
				t.Errorf("%s: after %d of %d bytes: size %d, whole %v, %v", name, n, len(want), size, whole, err)
			}
		}
		if back, err := DecodeElectionHello(want); err != nil || !reflect.DeepEqual(back, test.hello) {
			t.Errorf("%s: got %+v, %v", name, back, err)
		}
	}
}

func TestDecodeElectionHello(t *testing.T) {
	v1 := func(addrs string) []byte {
		return jute.AppendString(jute.AppendLong(jute.AppendLong(nil, helloV1), 2), addrs)
	}
	for name, test := range map[string]struct {
		frame []byte
		want  ElectionHello
	}{
		"a bare id, from before 3.5":                      {jute.AppendLong(nil, 7), ElectionHello{ServerID: 7}},
		"a bare id of 0":                                  {jute.AppendLong(nil, 0), ElectionHello{}},
		"an observer without id":                          {jute.AppendLong(nil, math.MaxInt64), ElectionHello{ServerID: AnonymousObserver}},
		"v1 with several addresses, as Java reads it too": {v1("a:1|b:2"), ElectionHello{2, []HostPort{{"a", 1}, {"b", 2}}}},
		"wildcards are left out":                          {v1("0.0.0.0:1|b:2|[::]:3"), ElectionHello{2, []HostPort{{"b", 2}}}},
		"only wildcards: the configuration says where":    {v1("[0:0:0:0:0:0:0:0]:3888"), ElectionHello{ServerID: 2}},
		"the longest address":                             {v1(strings.Repeat("h", 2046) + ":1"), ElectionHello{2, []HostPort{{strings.Repeat("h", 2046), 1}}}},
	} {
		if size, whole, err := HelloSize(test.frame); size != len(test.frame) || !whole || err != nil {
			t.Errorf("%s: size %d, whole %v, %v", name, size, whole, err)
		}
		if got, err := DecodeElectionHello(test.frame); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for name, frame := range map[string][]byte{
		"an unknown version":        jute.AppendLong(nil, -65534),
		"an address of no bytes":    v1(""),
		"an address too long":       v1(strings.Repeat("h", 2047) + ":1"),
		"a null address":            jute.AppendInt(jute.AppendLong(jute.AppendLong(nil, helloV1), 2), -1),
		"a host without port":       v1("host"),
		"a port that is none":       v1("host:x"),
		"a port out of range":       v1("host:70000"),
		"too many colons":           v1("host:1:2"),
		"one bad address of two":    v1("host:1|"),
		"open brackets":             v1("[::1:3888"),
		"a host that ends a line":   v1("ho\nst:1"),
		"a frame cut off":           v1("host:1")[:25],
		"a frame with bytes behind": append(v1("host:1"), 0),
		"nothing":                   nil,
		"a web browser":             []byte("GET / HTTP/1.1\r\n"),
		"a negative id of no peer":  jute.AppendLong(nil, -5),
	} {
		if got, err := DecodeElectionHello(frame); !errors.Is(err, ErrHello) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// fields are the bytes of a notification up to offset 40.
func fields(state int32, version int32) []byte {
	b := jute.AppendInt(nil, state)
	b = jute.AppendLong(b, 3)
	b = jute.AppendLong(b, 0x200000005)
	b = jute.AppendLong(b, 9)
	b = jute.AppendLong(b, 4)
	return jute.AppendInt(b, version)
}

// The forms of protocol reference 2.1.
func TestDecodeNotificationByLength(t *testing.T) {
	voted := func(epoch zk.Epoch, version int32, config string) Notification {
		return Notification{Following, 3, 0x200000005, 9, epoch, version, config}
	}
	for name, test := range map[string]struct {
		body []byte
		want Notification
	}{
		"28 bytes end before the peer epoch":               {fields(1, 0)[:28], voted(2, 0, "")},
		"in exactly 40 bytes the version is ignored":       {fields(1, 1), voted(4, 0, "")},
		"even if it is 2":                                  {fields(1, 2), voted(4, 0, "")},
		"version 1 in more bytes has no configuration":     {append(fields(1, 1), 1, 2, 3), voted(4, 1, "")},
		"a negative version in more bytes has none":        {append(fields(1, -1), 1), voted(4, -1, "")},
		"version 2 has a configuration":                    {append(fields(1, 2), 0, 0, 0, 2, 'h', 'i'), voted(4, 2, "hi")},
		"which may be empty, though none should send it":   {append(fields(1, 2), 0, 0, 0, 0), voted(4, 2, "")},
		"a later version has one as well":                  {append(fields(1, 3), 0, 0, 0, 1, 'x'), voted(4, 3, "x")},
		"bytes behind the configuration are not looked at": {append(fields(1, 2), 0, 0, 0, 1, 'x', 'y', 'z'), voted(4, 2, "x")},
	} {
		if got, err := DecodeNotification(test.body); err != nil || got != test.want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for name, body := range map[string][]byte{
		"nothing":                              nil,
		"27 bytes":                             fields(0, 0)[:27],
		"29 bytes":                             fields(0, 0)[:29],
		"39 bytes":                             fields(0, 0)[:39],
		"version 2 in 41 bytes":                append(fields(0, 2), 0),
		"a negative configuration":             append(fields(0, 2), 0xff, 0xff, 0xff, 0xff),
		"a very negative configuration":        append(fields(0, 2), 0x80, 0, 0, 0),
		"a configuration longer than the body": append(fields(0, 2), 0x7f, 0xff, 0xff, 0xff),
		"a configuration cut off (ZK-3769)":    append(fields(0, 2), 0, 0, 0, 4, 'x', 'y', 'z'),
		"a state that nobody is in":            fields(4, 0),
		"a negative state":                     fields(-1, 0),
		"more than a message may have":         append(fields(0, 0), make([]byte, MaxNotificationBytes-39)...),
	} {
		if got, err := DecodeNotification(body); !errors.Is(err, ErrNotification) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// The reply of a server of Apache ZooKeeper 3.8.0 to one that does not vote, after the first
// configuration was agreed on (protocol reference, section 18).
func TestNotificationVector(t *testing.T) {
	want := unhex(t, fmt.Sprintf("00000001 0000000000000003 0000000000000000 0000000000000000 0000000000000001 00000002 00000092 %x", javaConfigText))
	n := Notification{State: Following, Leader: 3, PeerEpoch: 1, Version: NotificationVersion, Config: javaConfigText}
	if got := n.Append(nil); !bytes.Equal(got, want) || len(got) != 190 {
		t.Errorf("%d bytes:\n got %x\nwant %x", len(got), got, want)
	}
	if got, err := DecodeNotification(want); err != nil || got != n {
		t.Errorf("got %+v, %v", got, err)
	}
	config, err := ParseQuorumConfig(n.Config)
	if err != nil || config.Version != 0x100000000 || config.String() != n.Config {
		t.Errorf("configuration %+v, %v", config, err)
	}
}

func TestElectionOfJavaDecodesAndEncodesToItself(t *testing.T) {
	seen := map[string]int{}
	for _, line := range readGolden(t, "election.txt") {
		var again []byte
		switch kind := line.words[0]; kind {
		case "hello":
			h, err := DecodeElectionHello(line.bytes)
			if err != nil || len(h.Addrs) != 1 {
				t.Errorf("election.txt:%d: %+v, %v", line.number, h, err)
				continue
			}
			seen[kind]++
			again = h.AppendV1(nil)
		default:
			n, err := DecodeNotification(line.bytes)
			if err != nil {
				t.Errorf("election.txt:%d: %v", line.number, err)
				continue
			}
			seen[n.State.String()]++
			again = n.Append(nil)
			config, err := ParseQuorumConfig(n.Config)
			if err != nil || config.String() != n.Config || len(config.Servers) != 3 || config.Version != 0 {
				t.Errorf("election.txt:%d: configuration %+v, %v", line.number, config, err)
			}
		}
		if !bytes.Equal(again, line.bytes) {
			t.Errorf("election.txt:%d:\n got %x\nwant %x", line.number, again, line.bytes)
		}
	}
	for _, what := range []string{"hello", "LOOKING", "FOLLOWING", "LEADING"} {
		if seen[what] == 0 {
			t.Errorf("the recording lacks %s", what)
		}
	}
}

func TestNotificationOfBefore35HasFortyBytes(t *testing.T) {
	n := Notification{State: Leading, Leader: 1, Zxid: 2, Round: 3, PeerEpoch: 4, Version: 1}
	if got := n.Append(nil); len(got) != 40 {
		t.Errorf("%d bytes: %x", len(got), got)
	}
}

// An empty text stops the receiver thread of a Java peer (rule R23, ZOOKEEPER-3769).
func TestNotificationWithoutConfigurationIsNeverSent(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it was encoded")
		}
	}()
	(&Notification{Version: NotificationVersion}).Append(nil)
}

func TestStateNames(t *testing.T) {
	for state, want := range map[PeerState]string{
		Looking: "LOOKING", Following: "FOLLOWING", Leading: "LEADING", Observing: "OBSERVING", 7: "state 7",
	} {
		if state.String() != want {
			t.Errorf("%d is named %q", int32(state), state.String())
		}
	}
}

// FuzzElectionHello takes any bytes as what comes first on a connection.
func FuzzElectionHello(f *testing.F) {
	f.Add(jute.AppendLong(nil, 5))
	f.Add((&ElectionHello{1, []HostPort{{"h", 1}}}).AppendV1(nil))
	f.Add((&ElectionHello{1, []HostPort{{"::1", 1}, {"h", 2}}}).appendV2(nil))
	f.Fuzz(func(t *testing.T, stream []byte) {
		size, whole, err := HelloSize(stream)
		if err != nil || !whole {
			if size > MaxHelloBytes || err == nil && size <= len(stream) {
				t.Fatalf("%d bytes: read %d", len(stream), size)
			}
			return
		}
		first, err := DecodeElectionHello(stream[:size])
		if err != nil || len(first.Addrs) == 0 {
			return
		}
		second, err := DecodeElectionHello(first.appendV2(nil))
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%+v became %+v: %v", first, second, err)
		}
	})
}

// FuzzNotification takes any bytes as a notification. What could be read must be the same after
// another round, where its form has one.
func FuzzNotification(f *testing.F) {
	f.Add(fields(0, 0)[:28])
	f.Add(fields(1, 1))
	f.Add(append(fields(2, 2), 0, 0, 0, 1, 'x'))
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := DecodeNotification(body)
		if err != nil || first.Version >= 2 && first.Config == "" {
			return
		}
		second, err := DecodeNotification(first.Append(nil))
		if first.Version < 2 {
			first.Version = 0
		}
		if err != nil || first != second {
			t.Fatalf("%+v became %+v: %v", first, second, err)
		}
	})
}
