package election

import (
	"encoding/binary"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// FuzzStep gives an election any events in any order, with any notifications in them. Nothing may
// make it panic, elect without a quorum or lead without a trusted log, or keep more than its voters
// and the answers of one tick.
func FuzzStep(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"))
	f.Add([]byte("\x03\x02\x00\x03\x04\x01\x01\x03\x03\x00\x03\x04\x01\x01"))
	f.Add([]byte("\x03\x02\x01\x03\x04\x07\x02\x03\x03\x02\x03\x04\x07\x02\x00\x00\x08\x05"))
	config := configOf(upTo(4), 5)
	config.Groups = []zk.Group{{ID: 1, Members: []zk.Weight{{ID: 1, Weight: 1}, {ID: 2, Weight: 1}, {ID: 3, Weight: 1}, {ID: 4}}}}
	f.Fuzz(func(t *testing.T, script []byte) {
		e := newElection(t, 1, config)
		next := func() int64 {
			if len(script) == 0 {
				return 0
			}
			b := script[0]
			script = script[1:]
			if b == 0xff { // a large number now and then
				wide := make([]byte, 8)
				script = script[copy(wide, script):]
				return int64(binary.BigEndian.Uint64(wide))
			}
			return int64(b%16) - 2
		}
		trusted := true
		for len(script) > 0 {
			var ev Event
			switch kind := script[0] % 12; kind {
			case 0:
				start := Start{zk.Zxid(next()), zk.Epoch(next())}
				ev, trusted = start, start.Zxid != -1
			case 1:
				ev = Halt{}
			case 2:
				ev = Tick{}
			case 3, 4, 5, 6:
				script = script[1:]
				ev = Received{zk.ServerID(next()), proto.Notification{
					State: proto.PeerState(next()), Leader: zk.ServerID(next()), Zxid: zk.Zxid(next()),
					Round: proto.Round(next()), PeerEpoch: zk.Epoch(next()), Version: int32(next()),
				}}
			case 7:
				n := min(int(script[0]), len(script))
				ev = Parse(zk.ServerID(script[0]%8), script[:n])
			case 8:
				ev = LinkUp{zk.ServerID(next())}
			case 9:
				ev = LinkDown{zk.ServerID(next())}
			case 10:
				ev = Established{zk.Epoch(next())}
			case 11:
				ev = Reset{membersOf(t, config, nil)}
			}
			if len(script) > 0 {
				script = script[1:]
			}
			for _, a := range e.Step(ev) {
				if a.String() == "" {
					t.Fatalf("%T says nothing", a)
				}
				el, ok := a.(Elected)
				if !ok {
					continue
				}
				in := make(map[zk.ServerID]bool)
				for _, id := range el.Supporters {
					in[id] = true
				}
				if !e.members.views.HasQuorum(func(id zk.ServerID) bool { return in[id] }) {
					t.Fatalf("%v: they are no quorum", el)
				}
				if el.Role == proto.Leading && !trusted {
					t.Fatalf("%v: its log is not to be trusted", el)
				}
			}
			if n := max(len(e.received), len(e.outside), len(e.held), len(e.abstains), len(e.down), len(e.heard)); n > 4 {
				t.Fatalf("%d of 4 voters are known", n)
			}
			if len(e.answered) > maxAnswered || e.Status().String() == "" {
				t.Fatal(len(e.answered), e.Status())
			}
		}
	})
}
