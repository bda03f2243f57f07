package client

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

func connected() Event { return Event{Type: zk.EventNone, State: SyncConnected, Zxid: -1} }
func lost() Event      { return Event{Type: zk.EventNone, State: Disconnected, Zxid: -1} }

func statReply() []byte { return new(proto.Stat).Append(nil) }

// On a new connection: the session, then identities, then watches, then the read that was not answered.
func TestANewConnectionIsToldWhatTheOldOneKnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g got
		e, c, p := start(t, &g)
		auth := async(func() error { return c.AddAuth(t.Context(), "digest", []byte("bob:secret")) })
		p.want(zk.OpAuth)
		p.reply(zk.XidAuth, 0, zk.OK, nil)
		wantError(t, <-auth, nil)
		for _, call := range []struct {
			op   zk.Op
			do   func() error
			code zk.Code
			body []byte
		}{
			{zk.OpGetData, func() error { _, _, err := c.Get(t.Context(), "/d", true); return err }, zk.OK, append(jute.AppendBuffer(nil, nil), statReply()...)},
			{zk.OpExists, func() error { _, err := c.Exists(t.Context(), "/e", true); return err }, zk.ErrNoNode, nil},
			{zk.OpExists, func() error { _, err := c.Exists(t.Context(), "/used", true); return err }, zk.OK, statReply()},
			{zk.OpGetChildren2, func() error { _, _, err := c.Children(t.Context(), "/c", true); return err }, zk.OK, append(jute.AppendStrings(nil, []string{"b", "a"}), statReply()...)},
			{zk.OpAddWatch, func() error { return c.AddWatch(t.Context(), "/p", zk.WatchPersistent) }, zk.OK, jute.AppendInt(nil, 0)},
			{zk.OpAddWatch, func() error { return c.AddWatch(t.Context(), "/r", zk.WatchPersistentRecursive) }, zk.OK, jute.AppendInt(nil, 0)},
			{zk.OpGetData, func() error { _, _, err := c.Get(t.Context(), "/none", true); return err }, zk.ErrNoNode, nil},
		} {
			done := async(call.do)
			xid, _ := p.want(call.op)
			p.reply(xid, 0x100000005, call.code, call.body)
			if err := <-done; call.code == zk.OK && err != nil || call.code != zk.OK && !IsCode(err, call.code) {
				t.Errorf("%v: %v", call.op, err)
			}
		}
		p.notify(zk.EventNodeDataChanged, "/used", 0x100000006)
		synctest.Wait()
		c.Flush() // returns, since all is delivered
		read := async(func() error { _, _, err := c.Get(t.Context(), "/pending", false); return err })
		p.want(zk.OpGetData)
		p.conn.Close()

		p = <-e.conns
		if p.address != "b:2" {
			t.Errorf("the next server is %s, want b:2", p.address)
		}
		request := p.welcome(0x10)
		if request.SessionID != 0x10 || request.Password[0] != 7 || request.LastZxidSeen != 0x100000005 {
			t.Errorf("the session is taken up with %+v", request)
		}
		if _, record := p.want(zk.OpAuth); !strings.Contains(string(record), "bob:secret") {
			t.Errorf("identity %q", record)
		}
		_, record := p.want(zk.OpSetWatches2)
		var r proto.SetWatchesRequest
		d := jute.NewDecoder(record)
		r.Decode(&d, zk.OpSetWatches2)
		if r.RelativeZxid != 0x100000005 || !slices.Equal(r.Data, []string{"/d"}) || !slices.Equal(r.Exist, []string{"/e"}) ||
			!slices.Equal(r.Child, []string{"/c"}) || !slices.Equal(r.Persistent, []string{"/p"}) || !slices.Equal(r.PersistentRecursive, []string{"/r"}) {
			t.Errorf("watches %+v", r)
		}
		p.reply(zk.XidAuth, 0, zk.OK, nil)
		p.reply(zk.XidSetWatches, 0, zk.OK, nil)
		xid, _ := p.want(zk.OpGetData)
		p.reply(xid, 0x100000006, zk.OK, append(jute.AppendBuffer(nil, []byte("x")), statReply()...))
		wantError(t, <-read, nil)
		synctest.Wait()
		wantEvents(t, g.take(), []Event{connected(),
			{Type: zk.EventNodeDataChanged, State: SyncConnected, Path: "/used", Zxid: 0x100000006}, lost(), connected()})
		finish(t, c, p)
	})
}

func TestAWriteWithoutAnAnswerIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g got
		e, c, p := start(t, &g)
		write := async(func() error { _, err := c.Set(t.Context(), "/x", nil, AnyVersion); return err })
		p.want(zk.OpSetData)
		p.conn.Close()
		wantError(t, <-write, ErrConnectionLoss)
		p = <-e.conns
		p.welcome(0x10)
		next := async(func() error { return c.Sync(t.Context(), "/") })
		xid, _ := p.want(zk.OpSync)
		p.reply(xid, 1, zk.OK, jute.AppendString(nil, "/"))
		wantError(t, <-next, nil)
		finish(t, c, p)
	})
}

func TestAnExpiredSessionIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g got
		e, c, p := start(t, &g)
		read := async(func() error { _, _, err := c.Get(t.Context(), "/x", false); return err })
		p.want(zk.OpGetData)
		p.conn.Close()
		(<-e.conns).welcome(0)
		wantError(t, <-read, zk.ErrSessionExpired)
		_, err := c.Exists(t.Context(), "/x", false)
		wantError(t, err, zk.ErrSessionExpired)
		wantError(t, c.Connect(t.Context()), zk.ErrSessionExpired)
		wantError(t, c.Close(t.Context()), nil)
		wantEvents(t, g.take(), []Event{connected(), lost(), {Type: zk.EventNone, State: Expired, Zxid: -1}})
	})
}

// A refused identity fails its call and is not sent to the next server, which would refuse it as well.
func TestARefusedIdentityIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g got
		e, c, p := start(t, &g)
		auth := async(func() error { return c.AddAuth(t.Context(), "foo", nil) })
		p.want(zk.OpAuth)
		p.reply(zk.XidAuth, 0, zk.ErrAuthFailed, nil)
		wantError(t, <-auth, zk.ErrAuthFailed)
		p.conn.Close() // as servers do
		p = <-e.conns
		p.welcome(0x10)
		next := async(func() error { return c.Sync(t.Context(), "/") })
		p.want(zk.OpSync)
		finish(t, c, p)
		wantError(t, <-next, ErrClosed)
		wantEvents(t, g.take(), []Event{connected(), {Type: zk.EventNone, State: AuthFailed, Zxid: -1}, lost(), connected(),
			lost(), {Type: zk.EventNone, State: Closed, Zxid: -1}})
	})
}

func TestAnIdleSessionPingsAndASilentServerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g got
		e, c, p := start(t, &g)
		for range 5 {
			began := time.Now()
			d := jute.NewDecoder(p.frame())
			var h proto.RequestHeader
			h.Decode(&d)
			if h.Op != zk.OpPing || h.Xid != zk.XidPing || time.Since(began) > testTimeout/3 {
				t.Errorf("%v with xid %d after %v", h.Op, h.Xid, time.Since(began))
			}
			p.reply(h.Xid, 0, zk.OK, nil)
		}
		began := time.Now()
		go io.Copy(io.Discard, p.conn) // it takes everything, and says nothing
		p = <-e.conns
		if silent := time.Since(began); silent < testTimeout/2 || silent > testTimeout {
			t.Errorf("the silent server was left after %v", silent)
		}
		p.welcome(0x10)
		finish(t, c, p)
	})
}

func TestUnreachableServersAreNamedWithTheirReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble(t)
		e.refuse["a:1"], e.refuse["b:2"] = errors.New("refused"), errors.New("no route")
		c, err := New(Config{Servers: []string{"a:1", "b:2"}, Dial: e.dial, OperationTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		const want = "no server answers: a:1: refused; b:2: no route"
		if err := c.Connect(ctx); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		var unreachable *UnreachableError
		if _, err := c.Exists(t.Context(), "/", false); !errors.As(err, &unreachable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an operation: %v", err)
		}
		e.mu.Lock()
		if n := len(e.dialled); n < 4 || n > 40 {
			t.Errorf("%d attempts in two seconds", n)
		}
		e.mu.Unlock()
		wantError(t, c.Close(t.Context()), nil)
	})
}

// A server that takes the connection and says nothing must not keep the client from the next one.
func TestAServerThatDoesNotShakeHandsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble(t)
		c, err := New(Config{Servers: []string{"a:1", "b:2"}, ConnectTimeout: time.Second, Dial: e.dial})
		if err != nil {
			t.Fatal(err)
		}
		(<-e.conns).frame()
		began := time.Now()
		p := <-e.conns
		if waited := time.Since(began); p.address != "b:2" || waited != time.Second {
			t.Errorf("%s after %v", p.address, waited)
		}
		p.welcome(0x10)
		wantError(t, c.Connect(t.Context()), nil)
		finish(t, c, p)
	})
}

func TestAnswersOutOfTurnEndTheConnection(t *testing.T) {
	for name, answer := range map[string]func(p *peer, xid int32){
		"another request":        func(p *peer, xid int32) { p.reply(xid+1, 0, zk.OK, nil) },
		"an identity never sent": func(p *peer, _ int32) { p.reply(zk.XidAuth, 0, zk.OK, nil) },
		"half a header":          func(p *peer, _ int32) { p.send([]byte{0, 0, 0}) },
		"half a notification":    func(p *peer, _ int32) { p.reply(zk.XidNotification, 0, zk.OK, []byte{0}) },
		"a frame too long":       func(p *peer, _ int32) { p.conn.Write([]byte{0x7f, 0, 0, 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g got
				e, c, p := start(t, &g)
				write := async(func() error { return c.Delete(t.Context(), "/x", AnyVersion) })
				xid, _ := p.want(zk.OpDelete)
				answer(p, xid)
				wantError(t, <-write, ErrConnectionLoss)
				p = <-e.conns
				p.welcome(0x10)
				finish(t, c, p)
			})
		})
	}
}

// While the caller does not take its events the client keeps its session and reads no more than its bound.
func TestASlowTakerOfEventsKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble(t)
		gate := make(chan struct{})
		c, err := New(Config{Servers: []string{"a:1"}, Dial: e.dial, OnEvent: func(Event) { <-gate }})
		if err != nil {
			t.Fatal(err)
		}
		p := <-e.conns
		p.welcome(0x10)
		sent := make(chan int)
		go func() {
			n := 0
			for ; n < 3*maxEvents; n++ {
				if err := p.conn.SetWriteDeadline(time.Now().Add(10 * testTimeout)); err != nil {
					break
				}
				b := proto.ReplyHeader{Xid: zk.XidNotification}.Append(nil)
				b = (&proto.WatcherEvent{Type: zk.EventNodeCreated, State: 3, Path: "/x"}).Append(b)
				if _, err := p.conn.Write(appendFrame(nil, b)); err != nil {
					break
				}
			}
			sent <- n
		}()
		for range 10 { // their answers wait behind the notifications
			began := time.Now()
			d := jute.NewDecoder(p.frame())
			var h proto.RequestHeader
			if h.Decode(&d); h.Op != zk.OpPing || time.Since(began) > testTimeout/2 {
				t.Errorf("the client sent %v after %v", h.Op, time.Since(began))
			}
		}
		if n := <-sent; n >= 3*maxEvents || n < maxEvents {
			t.Errorf("the client took %d notifications", n)
		}
		if !c.Connected() {
			t.Error("the client gave the connection up")
		}
		close(gate)
		finish(t, c, p)
	})
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no server":         {},
		"a relative chroot": {Servers: []string{"a:1"}, Chroot: "app"},
	} {
		if c, err := New(cfg); err == nil {
			t.Errorf("%s is taken", name)
			_ = c.Close(t.Context())
		}
	}
}
