package zab

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts in testdata give, for a person to read the diff")

// TestScripts runs the scripts in testdata against one core each. A script is a list of
//
//	command...
//	----
//	the actions that it gave, one per line
//
// with an empty line behind each. Lines that begin with # are comments.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("%s gave something else (-rewrite accepts it):\n%s", file, got)
			}
		})
	}
}

// script is the core that a script talks to.
type script struct {
	t       *testing.T
	leader  *Leader
	learner *Learner
}

func runScript(t *testing.T, text string) string {
	s := &script{t: t}
	var out strings.Builder
	for block := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n\n") {
		command, _, _ := strings.Cut(block, "\n----")
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		out.WriteString(command + "\n")
		lines := strings.Split(command, "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "#") {
			out.WriteString("----\n")
			for _, line := range lines {
				if !strings.HasPrefix(line, "#") {
					out.WriteString(s.do(line))
				}
			}
		}
	}
	return out.String()
}

// do runs one command and returns the actions.
func (s *script) do(line string) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("panic: %v\n", p)
		}
	}()
	f := fields(strings.Fields(line))
	var actions []Action
	switch f[0] {
	case "leader":
		s.leader = Lead(LeaderConfig{
			Self: f.server("id"), View: f.view(), Accepted: f.epoch("accepted"), Current: f.epoch("current"),
			History: f.history(), ConfigText: []byte("version=0"), InitLimit: 3, SyncLimit: 2,
			BacklogBytes: f.num("backlog", 1<<20), YieldAfterTicks: int(f.num("yield", 0)), ConfigVersion: f.num("config", 0),
		})
		actions = s.leader.Start()
	case "learner":
		s.learner = Learn(LearnerConfig{
			Self: f.server("id"), Observer: f.has("observer"), Accepted: f.epoch("accepted"), Current: f.epoch("current"),
			Last: f.zxid("last"), InitLimit: 3, SyncLimit: 2, PendingBytes: f.num("pending", 1<<20), ForceSnap: f.has("snap"),
		})
		actions = s.learner.Start()
	case "status":
		for _, k := range s.leader.Learners() {
			text += fmt.Sprintf("server %d: %v, votes %v, sync %v, acked %v\n", k.Server, k.State, k.Votes, k.Mode, k.Acked)
		}
		return text
	case "tick":
		for range f.num("n", 1) {
			text += s.step(Tick{})
		}
		return text
	default:
		return s.step(s.event(f, line))
	}
	return actionsText(actions)
}

func (s *script) step(ev Event) string {
	if s.leader != nil {
		return actionsText(s.leader.Step(ev))
	}
	return actionsText(s.learner.Step(ev))
}

func actionsText(actions []Action) string {
	var b strings.Builder
	for _, a := range actions {
		b.WriteString(a.String() + "\n")
	}
	return b.String()
}

// event reads a command that is an event.
func (s *script) event(f fields, line string) Event {
	switch f[0] {
	case "recv":
		link, rest := LinkID(0), strings.TrimPrefix(line, "recv ")
		if s.leader != nil {
			link, rest = LinkID(f.arg(1)), strings.TrimPrefix(rest, f[1]+" ")
		}
		var packets []proto.QuorumPacket
		for one := range strings.SplitSeq(rest, ",") {
			packets = append(packets, fields(strings.Fields(one)).packet())
		}
		return Received{Link: link, Packets: packets}
	case "propose":
		var txns []Txn
		for range f.arg(1) {
			next, ok := s.leader.Propose()
			if !ok {
				panic("zxids are spent")
			}
			txns = append(txns, txnAt(next))
		}
		return Broadcast{txns}
	case "synced":
		return Synced{zk.Zxid(f.arg(1))}
	case "acceptedDurable":
		return AcceptedDurable{zk.Epoch(f.arg(1))}
	case "currentDurable":
		return CurrentDurable{zk.Epoch(f.arg(1))}
	case "streamed":
		return Streamed{LinkID(f.arg(1))}
	case "progress":
		return Progress{LinkID(f.num("link", 0))}
	case "down":
		return LinkDown{LinkID(f.num("link", 0))}
	case "barrier":
		return Barrier{ID: uint64(f.num("id", 0)), Link: LinkID(f.num("link", 0))}
	case "syncReady":
		return SyncReady{zk.Zxid(f.arg(1))}
	case "syncRefused":
		return SyncRefused{"no such record"}
	case "syncCommitted":
		return SyncCommitted{zk.Zxid(f.arg(1))}
	}
	s.t.Fatalf("unknown command %q", line)
	return nil
}

func txnAt(zxid zk.Zxid) Txn { return entry{zxid, 1}.txn() }

// fields are the words of a command: a name, arguments, and name=value.
type fields []string

func (f fields) value(name string) (string, bool) {
	for _, word := range f {
		if v, ok := strings.CutPrefix(word, name+"="); ok {
			return v, true
		}
	}
	return "", false
}

func (f fields) has(name string) bool {
	for _, word := range f {
		if word == name {
			return true
		}
	}
	return false
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func (f fields) arg(i int) int64 { return number(f[i]) }

func (f fields) num(name string, otherwise int64) int64 {
	if v, ok := f.value(name); ok {
		return number(v)
	}
	return otherwise
}

func (f fields) server(name string) zk.ServerID { return zk.ServerID(f.num(name, 0)) }
func (f fields) epoch(name string) zk.Epoch     { return zk.Epoch(f.num(name, 0)) }
func (f fields) zxid(name string) zk.Zxid       { return zk.Zxid(f.num(name, 0)) }

func (f fields) view() zk.View {
	v, _ := f.value("view")
	var ids []zk.ServerID
	for id := range strings.SplitSeq(v, ",") {
		ids = append(ids, zk.ServerID(number(id)))
	}
	return zk.NewView(ids...)
}

// history reads floor=Z and log=Z,Z,...
func (f fields) history() fakeHistory {
	h := fakeHistory{floor: f.zxid("floor")}
	if v, ok := f.value("log"); ok {
		for one := range strings.SplitSeq(v, ",") {
			h.records = append(h.records, zk.Zxid(number(one)))
		}
	}
	return h
}

// packet reads TYPE, a zxid where it has one, and what the type carries.
func (f fields) packet() proto.QuorumPacket {
	for t := proto.PacketRequest; t <= proto.PacketInformAndActivate; t++ {
		if t.String() != f[0] {
			continue
		}
		p := proto.QuorumPacket{Type: t}
		if len(f) > 1 && !strings.Contains(f[1], "=") {
			p.Zxid = zk.Zxid(f.arg(1))
		}
		switch t {
		case proto.PacketFollowerInfo, proto.PacketObserverInfo:
			p.Zxid = zk.MakeZxid(f.epoch("accepted"), 0)
			info := proto.LearnerInfo{
				ServerID: f.server("server"), ProtocolVersion: int32(f.num("protocol", 0x10000)), ConfigVersion: f.num("config", 0),
			}
			p.Data = info.Append(nil)
		case proto.PacketLeaderInfo:
			p.Data = jute.AppendInt(nil, int32(f.num("protocol", 0x10000)))
		case proto.PacketAckEpoch:
			p.Data = jute.AppendInt(nil, int32(f.num("current", -1)))
		case proto.PacketProposal, proto.PacketInform:
			p.Data = txnAt(p.Zxid).Data
		case proto.PacketCommitAndActivate:
			p.Data = binary.BigEndian.AppendUint64(nil, uint64(f.num("leader", 0)))
		case proto.PacketInformAndActivate:
			p.Data = append(binary.BigEndian.AppendUint64(nil, uint64(f.num("leader", 0))), txnAt(p.Zxid).Data...)
		case proto.PacketNewLeader:
			p.Data = []byte("version=0")
		case proto.PacketPing:
			p.Data = make([]byte, 12*f.num("sessions", 0))
		}
		return p
	}
	panic("unknown packet " + f[0])
}
