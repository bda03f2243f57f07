package peer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Protocol reference 1.1 and 1.2, with a scripted peer: what this server does with who connects to it.
func TestAcceptedHello(t *testing.T) {
	tests := map[string]struct {
		id         zk.ServerID
		kept, back bool // the connection is kept; this server connects in return
		reports    []string
	}{
		"a larger id is kept":                        {id: 3, kept: true, reports: []string{"up 3"}},
		"a smaller id is closed and connected to":    {id: 1, back: true, reports: []string{"up 1"}},
		"the own id is closed":                       {id: 2},
		"a larger id that is no member is kept":      {id: 9, kept: true, reports: []string{"up 9"}},
		"a smaller id that is no member is called":   {id: 0, back: true, reports: []string{"up 0"}},
		"an observer without id gets a negative one": {id: proto.AnonymousObserver, kept: true, reports: []string{"up -1"}},
		"an id that no server has is closed":         {id: 256},
		"a negative id is closed":                    {id: -7},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				p.fail["one:1"], p.fail["three:1"] = context.Canceled, context.Canceled
				e, in := electionOn(p, 2, "two", Member{1, at("one")}, Member{3, at("three")})
				defer e.Close()
				theirs := p.listen("peer:1")
				nc, _ := p.dial(t.Context(), "two:1")
				defer nc.Close()
				if _, err := nc.Write(helloOf(test.id, at("peer")...)); err != nil {
					t.Fatal(err)
				}
				if test.back {
					// A member is dialed where the configuration says, before where it says itself.
					back := <-theirs.conns
					defer back.Close()
					hello, err := readHello(back)
					if err != nil || hello.ServerID != 2 || !slices.Equal(hello.Addrs, at("two")) {
						t.Fatalf("hello %v, %v", hello, err)
					}
				}
				synctest.Wait()
				_ = nc.SetReadDeadline(time.Now().Add(time.Second))
				_, err := nc.Read(make([]byte, 1))
				if closed := err == io.EOF; closed == test.kept {
					t.Errorf("read ends with %v, kept should be %t", err, test.kept)
				}
				got := slices.DeleteFunc(in.take(), func(s string) bool { return s == "down 1" || s == "down 3" })
				if !slices.Equal(got, test.reports) {
					t.Errorf("reports %q, want %q", got, test.reports)
				}
			})
		})
	}
}

// Protocol reference 1.2, with a scripted peer: what this server does where it connects.
func TestDialedHello(t *testing.T) {
	t.Run("to a smaller id the connection is kept and used", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			theirs := p.listen("one:1")
			e, in := electionOn(p, 2, "two", Member{1, at("one")})
			defer e.Close()
			e.Send([]zk.ServerID{1}, note(7))
			nc := <-theirs.conns
			defer nc.Close()
			want := append(helloOf(2, at("two")...), frameOf(note(7))...)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %x, %v, want %x", got, err, want)
			}
			if _, writes := p.counts(); writes != 2 {
				t.Errorf("hello and message took %d writes", writes)
			}
			_, _ = nc.Write(frameOf(note(8)))
			synctest.Wait()
			if got := in.take(); !slices.Equal(got, []string{"up 1", "round 8 from 1"}) {
				t.Errorf("reports %q", got)
			}
		})
	})
	t.Run("to a larger id the close is no loss", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			theirs := p.listen("three:1")
			e, in := electionOn(p, 2, "two", Member{3, at("three")})
			defer e.Close()
			nc := <-theirs.conns
			if _, err := readHello(nc); err != nil {
				t.Fatal(err)
			}
			nc.Close()
			time.Sleep(time.Second)
			back, _ := p.dial(t.Context(), "two:1")
			defer back.Close()
			_, _ = back.Write(helloOf(3, at("three")...))
			synctest.Wait()
			if got := in.take(); !slices.Equal(got, []string{"up 3"}) {
				t.Errorf("reports %q", got)
			}
			time.Sleep(time.Minute)
			if dials, _ := p.counts(); dials != 2 {
				t.Errorf("%d dials where there is a connection", dials-1)
			}
		})
	})
	t.Run("a larger id that never connects in return is not reached", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			theirs := p.listen("three:1")
			e, in := electionOn(p, 2, "two", Member{3, at("three")})
			defer e.Close()
			nc := <-theirs.conns
			_, _ = readHello(nc)
			nc.Close()
			time.Sleep(defaultConnectTimeout)
			synctest.Wait()
			if got := in.take(); !slices.Equal(got, []string{"down 3"}) {
				t.Errorf("reports %q", got)
			}
			if reach := e.Reach(); reach[0].Class != NoAnswer {
				t.Errorf("reach %+v", reach)
			}
		})
	})
	t.Run("a larger id that takes the hello and hangs has timed out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			theirs := p.listen("three:1")
			e, in := electionOn(p, 2, "two", Member{3, at("three")})
			defer e.Close()
			nc := <-theirs.conns
			defer nc.Close()
			_, _ = readHello(nc)
			time.Sleep(defaultConnectTimeout)
			synctest.Wait()
			if got := in.take(); !slices.Equal(got, []string{"down 3"}) || e.Reach()[0].Class != TimedOut {
				t.Errorf("reports %q, reach %+v", got, e.Reach())
			}
		})
	})
}

func TestTheHelloThatCrossesAConnectionIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		theirs := p.listen("three:1")
		e, in := electionOn(p, 2, "two", Member{3, at("three")})
		defer e.Close()
		hello := <-theirs.conns
		_, _ = readHello(hello)
		crossed, _ := p.dial(t.Context(), "two:1") // server 3 connects before it looks at that hello,
		_, _ = crossed.Write(helloOf(3, at("three")...))
		synctest.Wait()
		hello.Close() // and then does what the rule says.
		crossed.Close()
		again, _ := p.dial(t.Context(), "two:1")
		defer again.Close()
		_, _ = again.Write(helloOf(3, at("three")...))
		synctest.Wait()
		if got := in.take(); !slices.Equal(got, []string{"up 3", "up 3"}) {
			t.Errorf("reports %q", got)
		}
	})
}

func TestTheNewestMessageWaitsAndTheLastIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		p.fail["one:1"] = context.Canceled
		e, _ := electionOn(p, 2, "two", Member{1, at("one")})
		defer e.Close()
		for round := range proto.Round(5) {
			e.Send([]zk.ServerID{1}, note(round))
		}
		theirs := p.listen("one:1")
		p.mu.Lock()
		delete(p.fail, "one:1")
		p.mu.Unlock()
		expect := func(want proto.Round) net.Conn {
			t.Helper()
			nc := <-theirs.conns
			if _, err := readHello(nc); err != nil {
				t.Fatal(err)
			}
			frame := make([]byte, len(frameOf(note(0))))
			if _, err := io.ReadFull(nc, frame); err != nil || !bytes.Equal(frame, frameOf(note(want))) {
				t.Fatalf("got %x, %v, want round %d", frame, err, want)
			}
			return nc
		}
		expect(4).Close()
		nc := expect(4) // over a new connection
		synctest.Wait()
		e.Send([]zk.ServerID{1}, note(9))
		frame := make([]byte, len(frameOf(note(0))))
		if _, err := io.ReadFull(nc, frame); err != nil || !bytes.Equal(frame, frameOf(note(9))) {
			t.Fatalf("got %x, %v", frame, err)
		}
		nc.Close()
		expect(9).Close()
	})
}

func TestALinkThatBreaksIsReportedOnceAndMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		theirs := p.listen("one:1")
		e, in := electionOn(p, 2, "two", Member{1, at("one")})
		defer e.Close()
		for range 3 {
			nc := <-theirs.conns
			_, _ = readHello(nc)
			time.Sleep(time.Minute)
			nc.Close()
		}
		nc := <-theirs.conns
		defer nc.Close()
		_, _ = readHello(nc)
		synctest.Wait()
		want := []string{"up 1", "down 1", "up 1", "down 1", "up 1", "down 1", "up 1"}
		if got := in.take(); !slices.Equal(got, want) {
			t.Errorf("reports %q", got)
		}
	})
}

func TestBackOffIsBoundedAndJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		e, in := electionOn(p, 2, "two", Member{1, at("one")}, Member{3, at("three")})
		defer e.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		dials, _ := p.counts()
		if reports := in.take(); dials < 2*60/3 || dials > 2*(60/2+8) || len(reports) != dials {
			t.Errorf("%d dials and %d reports in a minute", dials, len(reports))
		}
		e.Reconnect([]zk.ServerID{1, 3, 9})
		synctest.Wait()
		if now, _ := p.counts(); now != dials+2 {
			t.Errorf("%d dials after Reconnect", now-dials)
		}
	})
}

func TestMembersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		one := p.listen("one:1")
		e, _ := electionOn(p, 4, "four", Member{1, at("one")}, Member{2, at("two")})
		defer e.Close()
		nc := <-one.conns
		defer nc.Close()
		_, _ = readHello(nc)
		synctest.Wait()
		e.SetMembers([]Member{{2, at("new")}, {4, at("four")}})
		two := p.listen("new:1")
		moved := <-two.conns
		defer moved.Close()
		_, _ = readHello(moved)
		synctest.Wait()
		reach := e.Reach()
		if len(reach) != 2 || !reach[0].Linked || reach[0].Class != NotMember || reach[0].Member || !reach[1].Linked || reach[1].Class != "" {
			t.Errorf("reach %+v", reach)
		}
		nc.Close()
		synctest.Wait()
		if reach := e.Reach(); len(reach) != 1 || reach[0].Server != 2 {
			t.Errorf("reach %+v after a former member has gone", reach)
		}
	})
}

func TestEveryPairOfServersLinksOverTCP(t *testing.T) {
	noLeaks(t)
	const servers = 3
	var members []Member
	var listeners []net.Listener
	for id := range zk.ServerID(servers) {
		l := loopback(t)
		listeners = append(listeners, l)
		members = append(members, Member{id + 1, []proto.HostPort{hostPort(l.Addr())}})
	}
	var all []*Election
	var inboxes []*inbox
	start := func(i int) (*Election, *inbox) {
		in := newInbox()
		e := NewElection(ElectionConfig{
			Self: members[i].ID, Addrs: members[i].Addrs, Network: TCP(time.Minute), Receiver: in, Logger: zap.NewNop(),
		})
		e.Serve(listeners[i])
		e.SetMembers(members)
		return e, in
	}
	for i := range servers {
		e, in := start(i)
		all, inboxes = append(all, e), append(inboxes, in)
	}
	talk := func(round proto.Round) {
		t.Helper()
		for _, e := range all {
			e.Send([]zk.ServerID{1, 2, 3}, note(round))
		}
		for i, in := range inboxes {
			var want []string
			for id := range zk.ServerID(servers) {
				if int(id) != i {
					want = append(want, fmt.Sprintf("round %d from %d", round, id+1))
				}
			}
			in.await(t, want...)
		}
	}
	talk(1)
	// A restart of any of them.
	for i := range servers {
		all[i].Close()
		l, err := net.Listen("tcp", listeners[i].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		listeners[i] = l
		all[i], inboxes[i] = start(i)
		talk(proto.Round(10 + i))
	}
	for _, e := range all {
		for _, r := range e.Reach() {
			if !r.Linked || r.Class != "" || !r.Member {
				t.Errorf("reach %+v", r)
			}
		}
	}
	for _, e := range all {
		e.Close()
	}
}
