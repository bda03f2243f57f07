package election

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var rewrite = flag.Bool("rewrite", false, "replace the expected parts of the scripts in testdata by what happens now")

// TestScripts plays the stories in testdata. A script is parts between lines of four dashes: the
// ensemble, then commands and what they do, in turns. Lines that begin with # are for the reader.
//
//	servers 1=zxid:0x400000001,epoch:4 2=off   voters; all that are not off start, in this order
//	observers 4=zxid:0,epoch:0                 likewise
//	group.1=1:2, weight.1=0                    as in a configuration
//	----
//	deliver 2->1     gives 1 all that is on its way from 2; deliver alone: all, until nothing is
//	drop 2->1        loses it instead; drop alone: all
//	tick 10 1 2      ten ticks of servers 1 and 2; without servers, of all that run
//	start 2=zxid:0x400000001,epoch:4   halt 2   established 2=5   reset 2
//	crash 2          loses all that is on its way to and from it
//	down 1-2, up 1-2 the link between them, as both see it
//	note 2->1 LEADING leader=2 epoch=4 zxid=0x1 round=3 [version=0]   a message that 2 never sent
//	show 1 2         how the elections stand
//	----
//	1: what server 1 does; and what follows; ...
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
			got := play(t, string(text))
			if got == string(text) {
				return
			}
			if !*rewrite {
				t.Fatalf("%s: got\n%s\nwant\n%s", file, got, text)
			}
			if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		})
	}
}

const dashes = "----\n"

// play returns the script with its expected parts replaced by what happens.
func play(t *testing.T, text string) string {
	parts := strings.SplitAfter(text, dashes)
	s := &script{t: t, servers: make(map[zk.ServerID]*Election), queues: make(map[link][]proto.Notification)}
	s.setup(strings.TrimSuffix(parts[0], dashes))
	s.out.Reset() // what they say at first is on its way
	var b strings.Builder
	b.WriteString(parts[0])
	for i := 1; i < len(parts); i += 2 {
		b.WriteString(parts[i])
		for line := range strings.Lines(strings.TrimSuffix(parts[i], dashes)) {
			if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
				s.command(words)
			}
		}
		b.WriteString(s.out.String())
		s.out.Reset()
		if i+2 < len(parts) {
			b.WriteString(dashes)
		}
	}
	return b.String()
}

type link struct{ from, to zk.ServerID }

func byEnds(a, b link) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) }

// script is an ensemble whose messages go where the commands say.
type script struct {
	t       *testing.T
	members Members
	servers map[zk.ServerID]*Election // those that run
	queues  map[link][]proto.Notification
	out     strings.Builder
}

func (s *script) setup(text string) {
	var config proto.QuorumConfig
	var starts, quorums []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case words[0] == "servers" || words[0] == "observers":
			for _, w := range words[1:] {
				id, _, _ := strings.Cut(w, "=")
				if words[0] == "servers" {
					config.Servers = append(config.Servers, configOf([]zk.ServerID{s.id(id)}).Servers...)
				} else {
					config.Servers = append(config.Servers, configOf(nil, s.id(id)).Servers...)
				}
			}
			starts = append(starts, words[1:]...)
		default:
			quorums = append(quorums, words[0]) // group or weight
		}
	}
	config, err := proto.ParseQuorumConfig(strings.Join(append(quorums, config.String()), "\n"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.members = membersOf(s.t, config, nil)
	for _, w := range starts {
		if !strings.HasSuffix(w, "=off") {
			s.start(w)
		}
	}
}

func (s *script) number(word string) int64 {
	n, err := strconv.ParseInt(word, 0, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) id(word string) zk.ServerID { return zk.ServerID(s.number(word)) }

// ids returns the servers that words name, or all that run.
func (s *script) ids(words []string) []zk.ServerID {
	if len(words) == 0 {
		return slices.Sorted(maps.Keys(s.servers))
	}
	var ids []zk.ServerID
	for _, w := range words {
		ids = append(ids, s.id(w))
	}
	return ids
}

// ends returns the two servers of "1->2" or "1-2".
func (s *script) ends(word, between string) link {
	from, to, ok := strings.Cut(word, between)
	if !ok {
		s.t.Fatalf("%q is not a%sb", word, between)
	}
	return link{s.id(from), s.id(to)}
}

// start starts "id=zxid:z,epoch:e"; a server that does not run is made first.
func (s *script) start(word string) {
	id, rest, _ := strings.Cut(word, "=")
	zxid, epoch, ok := strings.Cut(strings.TrimPrefix(rest, "zxid:"), ",epoch:")
	if !ok {
		s.t.Fatalf("start %q", word)
	}
	if s.servers[s.id(id)] == nil {
		e, err := New(Config{Self: s.id(id), Members: s.members})
		if err != nil {
			s.t.Fatal(err)
		}
		s.servers[s.id(id)] = e
	}
	s.step(s.id(id), Start{zk.Zxid(s.number(zxid)), zk.Epoch(s.number(epoch))})
}

func (s *script) command(words []string) {
	switch cmd, args := words[0], words[1:]; cmd {
	case "deliver":
		if len(args) > 0 {
			s.deliver(s.ends(args[0], "->"))
			return
		}
		for more := true; more; {
			more = false
			for _, l := range slices.SortedFunc(maps.Keys(s.queues), byEnds) {
				more = s.deliver(l) || more
			}
		}
	case "drop":
		if len(args) > 0 {
			delete(s.queues, s.ends(args[0], "->"))
		} else {
			clear(s.queues)
		}
	case "tick":
		for range s.number(args[0]) {
			for _, id := range s.ids(args[1:]) {
				s.step(id, Tick{})
			}
		}
	case "start":
		s.start(args[0])
	case "halt":
		s.step(s.id(args[0]), Halt{})
	case "reset":
		s.step(s.id(args[0]), Reset{s.members})
	case "established":
		id, epoch, _ := strings.Cut(args[0], "=")
		s.step(s.id(id), Established{zk.Epoch(s.number(epoch))})
	case "crash":
		id := s.id(args[0])
		delete(s.servers, id)
		maps.DeleteFunc(s.queues, func(l link, _ []proto.Notification) bool { return l.from == id || l.to == id })
	case "down":
		l := s.ends(args[0], "-")
		s.step(l.from, LinkDown{l.to})
		s.step(l.to, LinkDown{l.from})
	case "up":
		l := s.ends(args[0], "-")
		s.step(l.from, LinkUp{l.to})
		s.step(l.to, LinkUp{l.from})
	case "note":
		l := s.ends(args[0], "->")
		s.step(l.to, Received{l.from, s.note(args[1], args[2:])})
	case "show":
		for _, id := range s.ids(args) {
			fmt.Fprintf(&s.out, "%d: %v\n", id, s.servers[id].Status())
		}
	default:
		s.t.Fatalf("command %q", words)
	}
}

// note returns the notification that words describe.
func (s *script) note(state string, words []string) proto.Notification {
	n := proto.Notification{Version: proto.NotificationVersion}
	for n.State.String() != state {
		if n.State++; n.State > proto.Observing {
			s.t.Fatalf("state %q", state)
		}
	}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		v := s.number(value)
		switch key {
		case "leader":
			n.Leader = zk.ServerID(v)
		case "epoch":
			n.PeerEpoch = zk.Epoch(v)
		case "zxid":
			n.Zxid = zk.Zxid(v)
		case "round":
			n.Round = proto.Round(v)
		case "version":
			n.Version = int32(v)
		default:
			s.t.Fatalf("note %q", w)
		}
	}
	return n
}

// deliver gives a server all that is on its way on a link, and reports whether that was something.
func (s *script) deliver(l link) bool {
	notes := s.queues[l]
	delete(s.queues, l)
	for _, n := range notes {
		s.step(l.to, Received{l.from, n})
	}
	return len(notes) > 0
}

// step gives a server an event, writes down what it does, and puts its messages on their way. An
// event for a server that does not run is lost.
func (s *script) step(id zk.ServerID, ev Event) {
	e := s.servers[id]
	if e == nil {
		return
	}
	before := e.Status()
	var said []string
	for _, a := range e.Step(ev) {
		said = append(said, a.String())
		switch a := a.(type) {
		case Broadcast:
			for _, to := range a.To {
				s.queues[link{id, to}] = append(s.queues[link{id, to}], a.Note)
			}
		case Send:
			s.queues[link{id, a.To}] = append(s.queues[link{id, a.To}], a.Note)
		}
	}
	if now := e.Status(); now.Quorum && (!before.Quorum || !slices.Equal(before.Agree, now.Agree)) {
		said = append(said, fmt.Sprintf("quorum %s, waiting %d ticks", set(now.Agree), now.WaitTicks))
	}
	if len(said) > 0 {
		fmt.Fprintf(&s.out, "%d: %s\n", id, strings.Join(said, "; "))
	}
}
