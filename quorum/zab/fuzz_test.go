package zab

import (
	"encoding/binary"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// packetsOf makes packets of bytes: of each 4 the type, the epoch and the counter of the zxid, and
// what the data is. Zxids are near to those that the cores know, so that some fit.
func packetsOf(data []byte) []proto.QuorumPacket {
	var packets []proto.QuorumPacket
	for ; len(data) >= 4; data = data[4:] {
		p := proto.QuorumPacket{Type: proto.PacketType(data[0] % 22), Zxid: z(zk.Epoch(data[1]%8), uint32(data[2]%8))}
		switch data[3] % 8 {
		case 0:
		case 1:
			p.Data = txnAt(p.Zxid).Data
		case 2:
			p.Data = binary.BigEndian.AppendUint32(nil, uint32(data[3]/8))
		case 3:
			p.Data = binary.BigEndian.AppendUint32(nil, uint32(proto.QuorumProtocolVersion))
		case 4:
			info := proto.LearnerInfo{ServerID: zk.ServerID(data[3] / 8 % 5), ProtocolVersion: proto.QuorumProtocolVersion}
			p.Data = info.Append(nil)
		case 5:
			p.Data = append(make([]byte, 8), txnAt(p.Zxid).Data...)
		case 6:
			p.Data = make([]byte, data[3]/8)
		case 7:
			p.Zxid = -1
		}
		packets = append(packets, p)
	}
	return packets
}

// FuzzPeer: whatever a peer sends, a core panics at none of it. The shell around it does at once what
// it is told.
func FuzzPeer(f *testing.F) {
	f.Add(true, []byte{11, 4, 0, 4 + 8*2, 18, 4, 2, 2 + 8*4, 3, 5, 0, 0, 3, 5, 0, 0, 3, 5, 1, 0, 5, 5, 0, 6})
	f.Add(false, []byte{17, 5, 0, 3, 13, 0, 0, 0, 2, 4, 3, 1, 4, 4, 3, 0, 10, 5, 0, 0, 12, 0, 0, 7, 2, 5, 1, 1, 4, 5, 1, 0, 7, 0, 0, 0})
	f.Add(false, []byte{17, 5, 0, 3, 15, 4, 5, 0, 2, 4, 5, 1, 4, 4, 5, 0, 10, 5, 0, 0, 12, 0, 0, 7})
	f.Add(false, []byte{17, 5, 0, 3, 14, 4, 1, 0, 10, 5, 0, 0, 12, 0, 0, 7, 8, 5, 1, 1, 19, 5, 1, 5})
	f.Fuzz(func(t *testing.T, lead bool, data []byte) {
		var step func(Event) []Action
		var start []Action
		history := fakeHistory{records: []zk.Zxid{z(4, 1), z(4, 2)}}
		if lead {
			l := Lead(LeaderConfig{
				Self: 1, View: zk.NewView(1, 2, 3), Accepted: 4, Current: 4, History: history,
				InitLimit: 3, SyncLimit: 2, BacklogBytes: 1 << 20,
			})
			step, start = func(ev Event) []Action {
				if _, ok := ev.(proposeNow); ok {
					next, _ := l.Propose()
					return l.Step(Broadcast{[]Txn{txnAt(next)}})
				}
				return l.Step(ev)
			}, l.Start()
		} else {
			l := Learn(LearnerConfig{
				Self: 2, Observer: len(data)%5 == 0, Accepted: 4, Current: 4, Last: z(4, 2),
				InitLimit: 3, SyncLimit: 2, PendingBytes: 1 << 20,
			})
			step, start = func(ev Event) []Action {
				if _, ok := ev.(proposeNow); ok {
					return nil
				}
				return l.Step(ev)
			}, l.Start()
		}
		obey(step, start)
		for i, p := range packetsOf(data) {
			obey(step, step(Received{Link: LinkID(1 + i%7/6), Packets: []proto.QuorumPacket{p}}))
			if p.Type == 0 {
				obey(step, step(Tick{}))
			}
		}
	})
}

// proposeNow is not for a core: the leader is established, and a client writes.
type proposeNow struct{}

func (proposeNow) event() {}

func obey(step func(Event) []Action, actions []Action) {
	var events []Event
	for _, a := range actions {
		switch a := a.(type) {
		case SaveAccepted:
			events = append(events, AcceptedDurable(a))
		case SaveCurrent:
			events = append(events, CurrentDurable(a))
		case Persist:
			events = append(events, Synced{a.Txns[len(a.Txns)-1].Zxid})
		case StreamTxns:
			events = append(events, Streamed{a.Link})
		case StreamSnapshot:
			events = append(events, Streamed{a.Link})
		case BeginSync:
			if a.Mode != Diff {
				events = append(events, SyncReady{a.At})
			}
		case CommitSync:
			events = append(events, SyncCommitted(a))
		case Activate:
			events = append(events, proposeNow{})
		case Forward:
			events = append(events, Barrier{Link: a.Link})
		}
	}
	for _, ev := range events {
		obey(step, step(ev))
	}
}
