package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// wrongBeginnings are what connections to either port may begin with, instead of what they must.
var wrongBeginnings = map[string]struct {
	bytes          string
	election, peer Mishap
}{
	"nothing at all":           {"", SilentPeer, SilentPeer},
	"half a hello":             {string(helloOf(3)[:11]), SilentPeer, Foreign},
	"half a FOLLOWERINFO":      {"\x00\x00\x00\x0b\x00\x00", Foreign, SilentPeer},
	"HTTP":                     {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Foreign, Foreign},
	"TLS":                      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Foreign, Foreign},
	"SASL":                     {"\x5f\x24\x35\x01\x35\x01\xed\xcc\x00\x00\x00\x00", Foreign, Foreign},
	"a four-letter word":       {"ruok", Foreign, Foreign},
	"a client":                 {"\x00\x00\x00\x2d\x00\x00\x00\x00\x00\x00\x00\x00", Foreign, Foreign},
	"the other port's hello":   {string(helloOf(3)), mishaps, Foreign},
	"an unknown hello":         {"\xff\xff\xff\xff\xff\xfe\x00\x00", BadHello, SilentPeer},
	"a hello without address":  {"\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00", BadHello, Foreign},
	"a packet that is no INFO": {string((&proto.QuorumPacket{Type: proto.PacketAck}).Append(nil)), StrangeID, BadHello},
	"an INFO without data":     {string((&proto.QuorumPacket{Type: proto.PacketFollowerInfo}).Append(nil)), Foreign, BadHello},
	"an INFO of a gigabyte":    {"\x00\x00\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00", Foreign, BadLength},
}

func TestWrongBeginningsOfElectionConnections(t *testing.T) {
	for name, test := range wrongBeginnings {
		if test.election == mishaps {
			continue // it is what must be
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				e, in := electionOn(p, 2, "two")
				defer e.Close()
				checkWrong(t, p, "two:1", test.bytes, func() uint64 { return e.Count(test.election) })
				if got := in.take(); got != nil {
					t.Errorf("reports %q", got)
				}
			})
		})
	}
}

func TestWrongBeginningsOfPeerConnections(t *testing.T) {
	for name, test := range wrongBeginnings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				in := newLinkInbox()
				port := NewLeaderPort(LeaderConfig{Receiver: in, Logger: zap.NewNop()})
				port.Serve(p.listen("two:1"))
				defer port.Close()
				checkWrong(t, p, "two:1", test.bytes, func() uint64 { return port.Count(test.peer) })
				if got := in.take(); got != nil {
					t.Errorf("reports %q", got)
				}
			})
		})
	}
}

// checkWrong says first and expects to be closed, and one mishap counted.
func checkWrong(t *testing.T, p *pipes, address, first string, count func() uint64) {
	t.Helper()
	nc, _ := p.dial(t.Context(), address)
	defer nc.Close()
	go func() { _, _ = io.WriteString(nc, first) }()
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read ends with %v", err)
	}
	synctest.Wait()
	if n := count(); n != 1 {
		t.Errorf("counted %d times", n)
	}
}

func TestSilentPeersHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		p.fail["three:1"] = context.Canceled
		e, in := electionOn(p, 2, "two", Member{3, at("three")})
		defer e.Close()
		began := time.Now()
		for range 3 * maxHandshakes {
			nc, _ := p.dial(t.Context(), "two:1")
			defer nc.Close()
		}
		nc, _ := p.dial(t.Context(), "two:1")
		defer nc.Close()
		_, _ = nc.Write(helloOf(3))
		synctest.Wait()
		if got := in.take(); !slices.Equal(got, []string{"up 3"}) || time.Since(began) > 0 {
			t.Errorf("reports %q after %v", got, time.Since(began))
		}
		if n := e.Count(TooMany); n != 2*maxHandshakes+1 {
			t.Errorf("%d handshakes were too many", n)
		}
	})
}

func TestABadMessageCostsItselfABadLengthTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		p.fail["three:1"] = context.Canceled
		core, logs := observer.New(zapcore.WarnLevel)
		in := newInbox()
		e := NewElection(ElectionConfig{Self: 2, Addrs: at("two"), Network: p.network(), Receiver: in, Logger: zap.New(core)})
		defer e.Close()
		e.Serve(p.listen("two:1"))
		e.SetMembers([]Member{{3, at("three")}})
		nc, _ := p.dial(t.Context(), "two:1")
		defer nc.Close()
		_, _ = nc.Write(helloOf(3))
		for range 100 {
			_, _ = nc.Write([]byte{0, 0, 0, 3, 1, 2, 3})
			time.Sleep(time.Second)
		}
		_, _ = nc.Write(frameOf(note(1)))
		_, _ = nc.Write([]byte{0, 8, 0, 1})
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read ends with %v", err)
		}
		synctest.Wait()
		got := in.take()
		if want := []string{"round 1 from 3", "down 3"}; len(got) != 103 || !slices.Equal(got[101:], want) {
			t.Errorf("%d reports, at the end %q", len(got), got[len(got)-2:])
		}
		if e.Count(GarbledMessage) != 100 || e.Count(BadLength) != 1 {
			t.Errorf("counted %d and %d", e.Count(GarbledMessage), e.Count(BadLength))
		}
		said := logs.FilterMessage(mishapTexts[GarbledMessage]).All()
		if len(said) != 2 || said[1].ContextMap()["suppressed"] != int64(59) {
			t.Errorf("logged %v", said)
		}
	})
}

func TestStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		e, in := electionOn(p, 2, "two")
		defer e.Close()
		var first net.Conn
		for i := range zk.ServerID(maxStrangers + 1) {
			nc, _ := p.dial(t.Context(), "two:1")
			defer nc.Close()
			_, _ = nc.Write(helloOf(100 + i))
			synctest.Wait()
			if first == nil {
				first = nc
			} else if i == 2 {
				_, _ = first.Write(frameOf(note(1))) // so it is not the one silent for longest
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		reach := e.Reach()
		if len(reach) != maxStrangers || reach[0].Server != 100 || reach[1].Server != 102 || reach[0].Class != NotMember {
			t.Errorf("reach %+v", reach)
		}
		if got := in.take(); len(got) != maxStrangers+2 || e.Count(TooMany) != 1 {
			t.Errorf("reports %q", got)
		}
		e.Send([]zk.ServerID{101, 102}, note(5)) // to one that is gone, and one that is not: no harm
	})
}

func TestReachTellsWhy(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	tests := map[string]struct {
		err  error
		want Class
	}{
		"nobody listens":            {refused, Refused},
		"no answer":                 {&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, TimedOut},
		"the kernel gave up":        {os.NewSyscallError("connect", syscall.ETIMEDOUT), TimedOut},
		"no answer within ours":     {context.Canceled, TimedOut},
		"reset":                     {os.NewSyscallError("read", syscall.ECONNRESET), Broken},
		"no route to the host":      {os.NewSyscallError("connect", syscall.EHOSTUNREACH), NoRoute},
		"a firewall on this host":   {os.NewSyscallError("connect", syscall.EPERM), NoRoute},
		"the name has no address":   {&net.DNSError{Err: "no such host", Name: "three", IsNotFound: true}, NameUnknown},
		"the name server is silent": {&net.DNSError{Err: "timeout", Name: "three", IsTimeout: true}, TimedOut},
		"something else":            {io.ErrClosedPipe, OtherError},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				p.fail["three:1"] = test.err
				e, _ := electionOn(p, 2, "two", Member{3, at("three")})
				defer e.Close()
				time.Sleep(time.Minute)
				synctest.Wait()
				reach := e.Reach()[0]
				if reach.Class != test.want || reach.Linked || reach.Error == "" || time.Since(reach.Since) < 50*time.Second {
					t.Errorf("reach %+v", reach)
				}
			})
		})
	}
}

func TestAServerThatHasAnothersAddressIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		three := p.listen("three:1")
		e, _ := electionOn(p, 2, "two", Member{3, at("three")})
		defer e.Close()
		go func() {
			for {
				select {
				case nc := <-three.conns:
					_, _ = readHello(nc)
					nc.Close()
				case <-e.Closing():
					return
				}
			}
		}()
		nc, _ := p.dial(t.Context(), "two:1")
		defer nc.Close()
		_, _ = nc.Write(helloOf(5, at("three")...))
		time.Sleep(time.Minute)
		synctest.Wait()
		if reach := e.Reach(); reach[0].Class != WrongID || e.Count(OtherID) != 1 {
			t.Errorf("reach %+v", reach)
		}
	})
}

func TestAPortThatCannotAcceptFails(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		every time.Duration // it comes with somebody who tries to connect, 0: at once
		until time.Duration // it goes away; 0: it does not
		fails time.Duration // after so long; -1: not
		said  int           // times that it is logged in the minute after
	}{
		"no listening socket":                 {syscall.EINVAL, 0, 0, 0, 0},
		"no socket":                           {os.NewSyscallError("accept4", syscall.EBADF), 0, 0, 0, 0},
		"the network of a peer was down":      {os.NewSyscallError("accept4", syscall.ENETDOWN), 0, time.Second, -1, 1},
		"a peer's host was not reached":       {syscall.EHOSTUNREACH, 0, acceptPatience - time.Second, -1, 1},
		"a firewall forbids it, for a while":  {syscall.EPERM, 0, time.Second, -1, 1},
		"a firewall forbids it":               {syscall.EPERM, 0, 0, acceptPatience, 1},
		"something else that stays":           {io.ErrUnexpectedEOF, 0, 0, acceptPatience, 1},
		"somebody who gives up now and then":  {syscall.ECONNABORTED, 4 * time.Second, 0, -1, 1},
		"no descriptors, for long":            {syscall.EMFILE, 0, 10 * time.Minute, -1, 1},
		"no descriptors, then something else": {nil, 0, acceptPatience * 2, -1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, logs := observer.New(zap.ErrorLevel)
				in := newInbox()
				e := NewElection(ElectionConfig{Self: 2, Addrs: at("two"), Network: newPipes().network(), Receiver: in, Logger: zap.New(core)})
				defer e.Close()
				began := time.Now()
				l := &brokenListener{err: test.err, every: test.every, until: test.until, closed: make(chan struct{})}
				e.Serve(l)
				time.Sleep(time.Minute - time.Second)
				synctest.Wait()
				in.mu.Lock()
				defer in.mu.Unlock()
				failed := in.failed != nil
				if failed != (test.fails >= 0) || failed && (!strings.Contains(in.failed.Error(), "accept on broken: ") || !errors.Is(in.failed, test.err)) {
					t.Errorf("failed with %v", in.failed)
				}
				if took := l.last.Sub(began); failed && (took < test.fails || took > test.fails+acceptPause) {
					t.Errorf("failed after %v", took)
				}
				if logs.Len() != test.said {
					t.Errorf("logged %v", logs.All())
				}
			})
		})
	}
}

// brokenListener accepts nobody: it fails until then, 0 for ever, and waits from then on. With no error given it has no
// descriptors for most of the time, then another.
type brokenListener struct {
	err    error
	every  time.Duration
	until  time.Duration
	began  time.Time
	last   time.Time // of the last error
	closed chan struct{}
}

func (l *brokenListener) Accept() (net.Conn, error) {
	now := time.Now()
	if l.began.IsZero() {
		l.began = now
	}
	if l.until > 0 && now.Sub(l.began) >= l.until {
		<-l.closed
		return nil, net.ErrClosed
	}
	if l.every > 0 {
		select {
		case <-time.After(l.every):
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	l.last = time.Now()
	switch {
	case l.err != nil:
		return nil, l.err
	case now.Sub(l.began) < acceptPatience*3/2:
		return nil, syscall.EMFILE
	}
	return nil, syscall.EPROTO
}
func (l *brokenListener) Close() error   { close(l.closed); return nil }
func (l *brokenListener) Addr() net.Addr { return pipeAddr("broken") }

func TestLearnersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		in := newLinkInbox()
		port := NewLeaderPort(LeaderConfig{Receiver: in, Logger: zap.NewNop()})
		port.Serve(p.listen("two:1"))
		defer port.Close()
		info := infoOf(3)
		for range maxLearners + 3 {
			nc, _ := p.dial(t.Context(), "two:1")
			defer nc.Close()
			_, _ = nc.Write(info.Append(nil))
			synctest.Wait()
		}
		if links := linksOf(port); len(links) != maxLearners || port.Count(TooMany) != 3 {
			t.Errorf("%d links, %d were too many", len(links), port.Count(TooMany))
		}
	})
}

// A crowd of learners that are none must not lock out those that the leader needs.
func TestAMemberTakesThePlaceOfALearnerThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		in := newLinkInbox()
		port := NewLeaderPort(LeaderConfig{Receiver: in, Logger: zap.NewNop(), Members: []zk.ServerID{1, 2, 3, 4}})
		port.Serve(p.listen("two:1"))
		defer port.Close()
		join := func(id zk.ServerID) {
			nc, _ := p.dial(t.Context(), "two:1")
			t.Cleanup(func() { nc.Close() })
			info := infoOf(id)
			_, _ = nc.Write(info.Append(nil))
			synctest.Wait()
		}
		join(1)
		for i := range maxLearners - 1 {
			join([]zk.ServerID{-1, 0, 200}[i%3])
		}
		in.take()
		join(200)
		if got := in.take(); len(got) != 0 {
			t.Errorf("one more that is no member: %q", got)
		}
		for i, id := range []zk.ServerID{3, 4} {
			join(id)
			down := fmt.Sprintf("link %d down", maxLearners-i)
			if got := in.take(); !slices.Contains(got, down) || !errors.Is(in.lastErr(), errMadeRoom) {
				t.Errorf("server %d comes: %q, %v", id, got, in.lastErr())
			}
		}
		var here []zk.ServerID
		for _, l := range linksOf(port) {
			if info, _ := l.Learner(); port.isMember(info.ServerID) {
				here = append(here, info.ServerID)
			}
		}
		if len(linksOf(port)) != maxLearners || !slices.Equal(here, []zk.ServerID{1, 3, 4}) {
			t.Errorf("%d links, of members %v", len(linksOf(port)), here)
		}
		if n := port.Count(TooMany); n != 3 {
			t.Errorf("%d were too many", n)
		}
	})
}

func TestMishapsHaveNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range Mishaps() {
		if seen[m.String()] || m.String() == "" || mishapTexts[m] == "" {
			t.Errorf("mishap %d is %q, %q", m, m, mishapTexts[m])
		}
		seen[m.String()] = true
	}
}
