package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// linkInbox is a LeaderReceiver and a LearnerReceiver that keeps what it gets.
type linkInbox struct {
	mu       sync.Mutex
	words    []string
	links    []*Link
	errs     []error
	more     chan struct{}
	snapshot func(l *Link, r io.Reader) error
}

func newLinkInbox() *linkInbox { return &linkInbox{more: make(chan struct{}, 1)} }

func (in *linkInbox) add(format string, args ...any) {
	in.mu.Lock()
	in.words = append(in.words, fmt.Sprintf(format, args...))
	in.mu.Unlock()
	signal(in.more)
}

func (in *linkInbox) Joined(l *Link) {
	info, observer := l.Learner()
	in.mu.Lock()
	in.links = append(in.links, l)
	in.mu.Unlock()
	in.add("link %d joined, server %d, observer %t", l.ID(), info.ServerID, observer)
}

func (in *linkInbox) Received(l *Link, packets []proto.QuorumPacket) {
	for _, p := range packets {
		in.add("link %d: %v %v of %d", l.ID(), p.Type, p.Zxid, len(p.Data))
	}
}

func (in *linkInbox) Down(l *Link, err error) {
	in.mu.Lock()
	in.errs = append(in.errs, err)
	in.mu.Unlock()
	in.add("link %d down", l.ID())
}

func (in *linkInbox) Streamed(l *Link) { in.add("link %d streamed", l.ID()) }
func (in *linkInbox) Failed(err error) { in.add("failed: %v", err) }

func (in *linkInbox) Snapshot(l *Link, r io.Reader) error {
	if in.snapshot != nil {
		return in.snapshot(l, r)
	}
	n, err := io.Copy(io.Discard, r)
	in.add("link %d: snapshot of %d", l.ID(), n)
	return err
}

func (in *linkInbox) take() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := in.words
	in.words = nil
	return all
}

// await waits for want, and returns what came up to it.
func (in *linkInbox) await(t testing.TB, want string) []string {
	t.Helper()
	late := time.After(patience)
	var come []string
	for {
		come = append(come, in.take()...)
		if slices.Contains(come, want) {
			return come
		}
		select {
		case <-in.more:
		case <-late:
			t.Fatalf("%q did not come; there is %q", want, come)
		}
	}
}

func (in *linkInbox) lastErr() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.errs) == 0 {
		return nil
	}
	return in.errs[len(in.errs)-1]
}

// linksOf returns the links of a port, in the order of their coming.
func linksOf(p *LeaderPort) (all []*Link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(p.links)) {
		all = append(all, p.links[id])
	}
	return all
}

// duo is a leader's port and learners that have introduced themselves to it, over TCP.
type duo struct {
	port            *LeaderPort
	leader, learner *linkInbox
	learners        []*Link
}

func newDuo(t *testing.T, limits LinkLimits, learners int) *duo {
	t.Helper()
	noLeaks(t)
	d := &duo{leader: newLinkInbox(), learner: newLinkInbox()}
	d.port = NewLeaderPort(LeaderConfig{Receiver: d.leader, Logger: zap.NewNop(), Limits: limits})
	l := loopback(t)
	d.port.Serve(l)
	t.Cleanup(d.port.Close)
	for i := range learners {
		link, err := DialLeader(t.Context(), LearnerConfig{Network: TCP(0), Receiver: d.learner, Logger: zap.NewNop(), Limits: limits},
			[]proto.HostPort{hostPort(l.Addr())})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(link.Close)
		d.learners = append(d.learners, link)
		link.Send(infoOf(zk.ServerID(i + 2)))
		link.Flush()
		d.leader.await(t, fmt.Sprintf("link %d: FOLLOWERINFO 0x0 of 20", i+1))
	}
	return d
}

func infoOf(id zk.ServerID) proto.QuorumPacket {
	info := proto.LearnerInfo{ServerID: id, ProtocolVersion: proto.QuorumProtocolVersion}
	return proto.QuorumPacket{Type: proto.PacketFollowerInfo, Data: info.Append(nil)}
}

// snapshotOf is a snapshot stream whose one znode holds data.
func snapshotOf(data []byte) []byte {
	var b []byte
	num := func(n int) { b = append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)) }
	text := func(s string) { num(len(s)); b = append(b, s...) }
	num(2)
	b = append(b, make([]byte, 2*12)...)
	num(2)
	b = append(b, make([]byte, 8)...)
	num(2)
	for _, id := range []string{"anyone", ""} {
		num(31)
		text("world")
		text(id)
	}
	b = append(b, make([]byte, 8)...)
	num(-1)
	for _, path := range []string{"", "a", "/node"} {
		text(path)
		text(string(data))
		b = append(b, make([]byte, 68)...)
	}
	text("/null")
	num(-1)
	b = append(b, make([]byte, 68)...)
	text("/")
	text(signature)
	return b
}

func TestPacketsGoBothWaysInOrder(t *testing.T) {
	d := newDuo(t, LinkLimits{}, 1)
	const packets = 2000
	here, there := d.leader.links[0], d.learners[0]
	var want []string
	for i := range packets {
		data := bytes.Repeat([]byte{byte(i)}, i*7%5000)
		here.Send(proto.QuorumPacket{Type: proto.PacketProposal, Zxid: zk.Zxid(i), Data: data})
		there.Send(proto.QuorumPacket{Type: proto.PacketAck, Zxid: zk.Zxid(i)})
		if i%10 == 9 {
			here.Flush()
			there.Flush()
		}
		want = append(want, fmt.Sprintf("link 1: PROPOSAL %v of %d", zk.Zxid(i), len(data)))
	}
	if got := d.learner.await(t, want[packets-1]); !slices.Equal(got, want) {
		t.Errorf("%d packets came to the learner, and not as sent", len(got))
	}
	if got := d.leader.await(t, fmt.Sprintf("link 1: ACK %v of 0", zk.Zxid(packets-1))); len(got) != packets {
		t.Errorf("%d packets came to the leader", len(got))
	}
	if got, sent := there.Moved(); got < 4<<20 || sent < packets*20 {
		t.Errorf("moved %d and %d", got, sent)
	}
	here.mu.Lock()
	defer here.mu.Unlock()
	if n := here.bytes; n != 0 {
		t.Errorf("%d bytes are still queued", n)
	}
}

func TestABatchIsOneWriteAndNothingLeavesBeforeFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		theirs := p.listen("leader:1")
		in := newLinkInbox()
		l, err := DialLeader(t.Context(), LearnerConfig{Network: p.network(), Receiver: in, Logger: zap.NewNop()}, at("leader"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		nc := <-theirs.conns
		defer nc.Close()
		for range 100 {
			l.Send(infoOf(2))
		}
		time.Sleep(time.Hour)
		if _, writes := p.counts(); writes != 0 {
			t.Fatalf("%d writes before Flush", writes)
		}
		l.Flush()
		buf := make([]byte, 1<<20)
		n, _ := nc.Read(buf)
		packet := infoOf(2)
		if _, writes := p.counts(); writes != 1 || n != 100*len(packet.Append(nil)) {
			t.Errorf("%d writes, %d bytes", writes, n)
		}
	})
}

func TestASnapshotGoesInOrderBetweenPacketsAndHoldsUpItsLinkOnly(t *testing.T) {
	d := newDuo(t, LinkLimits{}, 2)
	slow, other := d.leader.links[0], d.leader.links[1]
	data := append([]byte("\x00\x00\x00\x01/\x00\x00\x00\x0a"+signature), bytes.Repeat([]byte("x"), 3<<20)...)
	stream := snapshotOf(data)
	began, goOn := make(chan struct{}), make(chan struct{})
	slow.Send(proto.QuorumPacket{Type: proto.PacketSnap, Zxid: 7})
	slow.Stream(func(w io.Writer) error {
		close(began)
		if _, err := w.Write(stream[:1000]); err != nil {
			return err
		}
		<-goOn
		_, err := w.Write(stream[1000:])
		return err
	})
	slow.Send(proto.QuorumPacket{Type: proto.PacketNewLeader, Zxid: 8})
	slow.Flush()
	<-began
	slow.Send(proto.QuorumPacket{Type: proto.PacketUpToDate, Zxid: 9})
	slow.Flush()
	other.Send(proto.QuorumPacket{Type: proto.PacketCommit, Zxid: 5})
	other.Flush()
	d.learner.await(t, "link 1: COMMIT 0x5 of 0") // while the snapshot is stuck
	close(goOn)
	got := d.learner.await(t, "link 1: UPTODATE 0x9 of 0")
	want := []string{
		"link 1: SNAP 0x7 of 0", fmt.Sprintf("link 1: snapshot of %d", len(stream)),
		"link 1: NEWLEADER 0x8 of 0", "link 1: UPTODATE 0x9 of 0",
	}
	if got = slices.DeleteFunc(got, func(s string) bool { return strings.Contains(s, "COMMIT") }); len(got) < 3 || !slices.Equal(got, want[len(want)-len(got):]) {
		t.Errorf("the learner got %q", got)
	}
	d.leader.await(t, "link 1 streamed")
}

func TestASlowReaderIsDroppedAlone(t *testing.T) {
	d := newDuo(t, LinkLimits{MaxQueueBytes: 1 << 20}, 1)
	// A learner that introduces itself and reads nothing.
	nc, err := net.Dial("tcp", d.learners[0].RemoteAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	info := infoOf(9)
	_, _ = nc.Write(info.Append(nil))
	d.leader.await(t, "link 2: FOLLOWERINFO 0x0 of 20")
	good, slow := d.leader.links[0], d.leader.links[1]
	data := make([]byte, 64<<10)
	sent := 0
	for i := 0; slow.Send(proto.QuorumPacket{Type: proto.PacketProposal, Data: data}); i++ {
		slow.Flush()
		good.Send(proto.QuorumPacket{Type: proto.PacketProposal, Zxid: zk.Zxid(i), Data: data})
		good.Flush()
		d.learner.await(t, fmt.Sprintf("link 1: PROPOSAL %v of %d", zk.Zxid(i), len(data)))
		if sent += len(data); sent > 64<<20 {
			t.Fatal("it takes 64 MiB without being read")
		}
	}
	d.leader.await(t, "link 2 down")
	if err := d.leader.lastErr(); !errors.Is(err, ErrOverflow) {
		t.Errorf("it went down with %v", err)
	}
	if links := linksOf(d.port); slow.Send(info) || !good.Send(info) || slices.Contains(links, slow) && len(links) != 2 {
		t.Error("the wrong link has ended")
	}
}

func TestAWriteThatMakesNoProgressEndsTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		p.listen("leader:1")
		in := newLinkInbox()
		l, err := DialLeader(t.Context(), LearnerConfig{Network: p.network(), Receiver: in, Logger: zap.NewNop(),
			Limits: LinkLimits{WriteTimeout: 10 * time.Second}}, at("leader"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.Send(infoOf(2))
		l.Flush()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := in.take(); !slices.Equal(got, []string{"link 1 down"}) || Classify(in.lastErr()) != TimedOut {
			t.Errorf("%q, %v", got, in.lastErr())
		}
	})
}

func TestSnapshotsThatAreNotWhatTheyMustBeEndTheLink(t *testing.T) {
	whole := snapshotOf([]byte("data"))
	tests := map[string]struct {
		stream   []byte
		snapshot func(l *Link, r io.Reader) error
		want     error
	}{
		"one that ends early":  {stream: whole[:len(whole)-3], want: io.ErrUnexpectedEOF},
		"another signature":    {stream: append(slices.Clone(whole[:len(whole)-1]), 'x'), want: errSnapshot},
		"a negative count":     {stream: []byte{0xff, 0xff, 0xff, 0xff}, want: errSnapshot},
		"one that is not read": {stream: whole, snapshot: func(*Link, io.Reader) error { return nil }, want: ErrNotRead},
		"one that is refused":  {stream: whole, snapshot: func(*Link, io.Reader) error { return io.ErrShortWrite }, want: io.ErrShortWrite},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				theirs := p.listen("leader:1")
				in := newLinkInbox()
				in.snapshot = test.snapshot
				l, err := DialLeader(t.Context(), LearnerConfig{Network: p.network(), Receiver: in, Logger: zap.NewNop()}, at("leader"))
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				nc := <-theirs.conns
				snap := proto.QuorumPacket{Type: proto.PacketSnap}
				_, _ = nc.Write(append(snap.Append(nil), test.stream...))
				nc.Close()
				synctest.Wait()
				if got := in.take(); got[len(got)-1] != "link 1 down" || !errors.Is(in.lastErr(), test.want) {
					t.Errorf("%q, %v", got, in.lastErr())
				}
			})
		})
	}
}

func TestAStreamThatFailsEndsItsLink(t *testing.T) {
	d := newDuo(t, LinkLimits{}, 2)
	d.leader.links[0].Stream(func(io.Writer) error { return io.ErrNoProgress })
	d.leader.links[0].Flush()
	d.leader.await(t, "link 1 down")
	if err := d.leader.lastErr(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("it went down with %v", err)
	}
	d.learner.await(t, "link 1 down")
	if err := d.learner.lastErr(); Classify(err) != Broken {
		t.Errorf("at the learner it went down with %v", err)
	}
}

// Rule R7.
func TestCloseEndsWhatWaitsAndNothingIsDeliveredAfterIt(t *testing.T) {
	d := newDuo(t, LinkLimits{}, 2)
	stuck := make(chan struct{})
	d.leader.links[0].Stream(func(w io.Writer) error {
		close(stuck)
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return err
			}
		}
	})
	d.leader.links[0].Flush()
	d.learner.mu.Lock() // the learner takes nothing
	<-stuck
	d.port.Close()
	d.learner.mu.Unlock()
	if got := d.leader.take(); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "down") }) {
		t.Errorf("%q", got)
	}
	d.port.Close() // once more does no harm
	for _, l := range d.learners {
		l.Close()
	}
	d.learner.take()
	if l := loopback(t); l != nil {
		d.port.Serve(l) // closes it
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed port serves: %v", err)
		}
	}
}

func TestDialingTheLeader(t *testing.T) {
	learner := func(p *pipes, in *linkInbox) LearnerConfig {
		return LearnerConfig{Network: p.network(), Receiver: in, Logger: zap.NewNop(), Budget: 8 * time.Second}
	}
	t.Run("waits for a leader that does not listen yet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			time.AfterFunc(MinRetryFor-time.Millisecond, func() { p.listen("leader:1") })
			l, err := DialLeader(t.Context(), learner(p, newLinkInbox()), at("leader"))
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		})
	})
	t.Run("gives up when it is refused for longer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			_, err := DialLeader(t.Context(), learner(newPipes(), newLinkInbox()), at("leader"))
			if took := time.Since(began); Classify(err) != Refused || took < MinRetryFor || took > time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
	})
	t.Run("gives up after the budget where nobody answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			p.fail["leader:1"] = context.Canceled
			began := time.Now()
			_, err := DialLeader(t.Context(), learner(p, newLinkInbox()), at("leader"))
			if took := time.Since(began); Classify(err) != TimedOut || took != 8*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
	})
	t.Run("takes whichever address answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			p.fail["leader:1"] = context.Canceled
			p.listen("also:1")
			began := time.Now()
			l, err := DialLeader(t.Context(), learner(p, newLinkInbox()), append(at("leader"), at("also")...))
			if err != nil || time.Since(began) > 0 {
				t.Fatalf("%v after %v", err, time.Since(began))
			}
			l.Close()
		})
	})
}

func TestListeningIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		busy := Network{Listen: func(context.Context, string) (net.Listener, error) {
			tries++
			return nil, syscall.EADDRINUSE
		}}
		began := time.Now()
		_, err := busy.ListenRetrying(t.Context(), "here:1", 3, zap.NewNop())
		if tries != 4 || !errors.Is(err, syscall.EADDRINUSE) || time.Since(began) != 3*ListenRetryPause {
			t.Errorf("%d tries in %v: %v", tries, time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := busy.ListenRetrying(ctx, "here:1", 0, zap.NewNop()); !errors.Is(err, syscall.EADDRINUSE) || time.Since(began) < time.Hour {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
