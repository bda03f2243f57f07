package quorum_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"zkd/quorum"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// patience bounds how long a test waits for what must happen; it is no measure of speed.
const patience = 20 * time.Second

func config(fs vfs.FS) quorum.Config {
	cfg := quorum.DefaultConfig()
	cfg.FS, cfg.DataDir, cfg.ClientAddrs = fs, "/data", []string{"127.0.0.1:0"}
	cfg.TickTime, cfg.PreallocBytes, cfg.MinFreeBytes = 50*time.Millisecond, 64<<10, 0
	cfg.MinSessionTimeout, cfg.MaxSessionTimeout = 100*time.Millisecond, time.Minute
	cfg.FourLetterWords = []string{"*"}
	return cfg
}

func start(t *testing.T, cfg quorum.Config) (*quorum.Server, string) {
	t.Helper()
	s, err := quorum.Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s, s.ClientAddrs()[0]
}

func stop(t *testing.T, s *quorum.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func open(t *testing.T, addr string, timeout time.Duration) *rawclient.Client {
	t.Helper()
	c, err := rawclient.Open(addr, int32(timeout.Milliseconds()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func create(t *testing.T, c *rawclient.Client, path string, data []byte, mode zk.CreateMode) {
	t.Helper()
	if _, err := c.Create(path, data, proto.OpenACL, mode); err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
}

// eventually waits for a condition that must come true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Fault row 31: a client that asks for much and reads nothing is cut off; nobody else notices.
func TestAClientThatDoesNotReadIsCutOffAlone(t *testing.T) {
	s, addr := start(t, config(vfs.NewMem()))
	good := open(t, addr, time.Minute)
	create(t, good, "/big", bytes.Repeat([]byte("x"), 900<<10), zk.ModePersistent)

	// The reads behind the write are answered when it is done, so that their output piles up.
	bad := open(t, addr, time.Minute)
	set := proto.SetDataRequest{Path: "/", Version: -1}
	get := proto.PathWatchRequest{Path: "/big"}
	stream := rawclient.AppendRequest(nil, 1, zk.OpSetData, set.Append(nil))
	for i := range int32(200) {
		stream = rawclient.AppendRequest(stream, 2+i, zk.OpGetData, get.Append(nil))
	}
	if err := bad.WriteRaw(stream); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client that does not read is cut off", func() bool { return s.Stats().SlowReadersCut.Load() == 1 })
	if _, _, err := good.GetData("/big", false); err != nil {
		t.Errorf("another client: %v", err)
	}
	eventually(t, "only the good client is left", func() bool { return len(s.Connections()) == 1 })
}

// Fault row 32: a deep pipeline is answered whole and in order; the client reads while it writes.
func TestADeepPipelineIsAnsweredInOrder(t *testing.T) {
	_, addr := start(t, config(vfs.NewMem()))
	c := open(t, addr, time.Minute)
	create(t, c, "/n", nil, zk.ModePersistent)
	const requests = 30000
	var stream []byte
	for i := range int32(requests) {
		if i%10 == 0 {
			set := proto.SetDataRequest{Path: "/n", Data: fmt.Appendf(nil, "%d", i), Version: -1}
			stream = rawclient.AppendRequest(stream, 10+i, zk.OpSetData, set.Append(nil))
		} else {
			get := proto.PathWatchRequest{Path: "/n"}
			stream = rawclient.AppendRequest(stream, 10+i, zk.OpGetData, get.Append(nil))
		}
	}
	sent := make(chan error, 1)
	go func() { sent <- c.WriteRaw(stream) }()
	last := zk.Zxid(0)
	for i := range int32(requests) {
		r, err := c.Reply()
		if err != nil {
			t.Fatalf("reply %d: %v", i, err)
		}
		if r.Xid != 10+i || r.Err != zk.OK || r.Zxid < last {
			t.Fatalf("reply %d: %+v after zxid %v", i, r.ReplyHeader, last)
		}
		last = r.Zxid
		if i%10 != 0 { // each read sees the write before it, and not the one behind it
			want := fmt.Sprint(i - i%10)
			if n := len(want); string(r.Body[4:4+n]) != want {
				t.Fatalf("reply %d: read %q, want %s", i, r.Body[4:4+n], want)
			}
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestConnectionLimitsSayWhoHoldsTheConnections(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	cfg := config(vfs.NewMem())
	cfg.MaxConnsPerIP, cfg.Logger = 2, zap.New(core)
	s, addr := start(t, cfg)
	a, _ := open(t, addr, time.Minute), open(t, addr, time.Minute)
	if _, err := rawclient.Open(addr, 1000); err == nil {
		t.Error("a third connection was served")
	}
	found := logs.FilterMessage("connection refused: too many").All()
	if len(found) != 1 || !strings.Contains(found[0].ContextMap()["limit"].(string), "127.0.0.1 holds 2 of 2") {
		t.Errorf("log: %v", found)
	}
	a.Close()
	eventually(t, "the slot is free", func() bool { return len(s.Connections()) == 1 })
	open(t, addr, time.Minute)
}

// Fault rows 34 and 37: what is no ZooKeeper client is named, once a minute, and harms nobody.
func TestForeignProtocolsAreNamed(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	cfg := config(vfs.NewMem())
	cfg.Logger = zap.New(core)
	s, addr := start(t, cfg)
	for range 3 {
		for _, hello := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "SSH-2.0-OpenSSH_9.2\r\n", "\xff\xff\xff\xff", "\x7f\xff\xff\xff"} {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, hello); err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(c); len(b) != 0 {
				t.Errorf("%q was answered with %q", hello, b)
			}
			c.Close()
		}
	}
	if n := s.Stats().ForeignProtocols.Load(); n != 9 {
		t.Errorf("%d foreign protocols counted, want 9", n)
	}
	closed := logs.FilterMessage("client connection closed").All()
	if len(closed) != 2 { // one of each class
		t.Errorf("%d log lines for 15 bad connections: %v", len(closed), closed)
	}
	if text := fmt.Sprint(closed[0].ContextMap()["error"]); !strings.Contains(text, "speaks HTTP") {
		t.Errorf("log: %s", text)
	}
	open(t, addr, time.Minute)
}

func TestAHandshakeThatDoesNotComeIsNotWaitedFor(t *testing.T) {
	cfg := config(vfs.NewMem())
	cfg.HandshakeTimeout = 30 * time.Millisecond
	s, addr := start(t, cfg)
	for _, part := range []string{"", "\x00\x00", "\x00\x00\x00\x2c\x00"} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, part); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(c); len(b) != 0 {
			t.Errorf("after %q: %q, %v", part, b, err)
		}
		c.Close()
	}
	eventually(t, "three were counted", func() bool { return s.Stats().SessionlessExpired.Load() == 3 })
}

// A session and its ephemerals outlive a restart if the client comes back in time, and go if not.
func TestSessionsOverARestart(t *testing.T) {
	disk := vfs.NewMem()
	s, addr := start(t, config(disk))
	back, gone := open(t, addr, time.Minute), open(t, addr, 100*time.Millisecond)
	create(t, back, "/back", nil, zk.ModeEphemeral)
	create(t, gone, "/gone", nil, zk.ModeEphemeral)
	stop(t, s)

	_, addr = start(t, config(disk.CrashClone(1)))
	again, err := back.Resume(addr)
	if err != nil {
		t.Fatalf("resume: %v", err)
	}
	defer again.Close()
	if _, err := again.Exists("/back", false); err != nil {
		t.Errorf("the ephemeral of the session that came back: %v", err)
	}
	if _, err := again.Exists("/gone", true); err == nil {
		if e, err := again.WaitEvent(); err != nil || e.Type != zk.EventNodeDeleted || e.Path != "/gone" {
			t.Errorf("event %+v, %v", e, err)
		}
	}
	if _, err := again.Exists("/gone", false); !errors.Is(err, zk.ErrNoNode) {
		t.Errorf("the ephemeral of the session that did not come back: %v", err)
	}
}

// A client that only pings keeps its session; one that falls silent loses it, connected or not.
func TestSilenceExpiresASession(t *testing.T) {
	s, addr := start(t, config(vfs.NewMem()))
	lively, silent := open(t, addr, 300*time.Millisecond), open(t, addr, 300*time.Millisecond)
	create(t, silent, "/silent", nil, zk.ModeEphemeral)
	for deadline := time.Now().Add(patience); ; {
		if _, err := lively.Ping(); err != nil {
			t.Fatalf("the lively session: %v", err)
		}
		if _, err := lively.Exists("/silent", false); errors.Is(err, zk.ErrNoNode) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the silent session does not expire")
		}
		<-time.After(20 * time.Millisecond)
	}
	if _, err := silent.ReadAll(); err != nil {
		t.Errorf("the expired session's connection: %v", err)
	}
	if n := s.Stats().SessionsExpired.Load(); n != 1 {
		t.Errorf("%d sessions expired", n)
	}
}

// Many clients at once, with the race detector: every acknowledged create is there, events come
// before the replies that show the change, and sequence numbers are unique.
func TestManyClientsAtOnce(t *testing.T) {
	s, addr := start(t, config(vfs.NewMem()))
	root := open(t, addr, time.Minute)
	create(t, root, "/seq", nil, zk.ModePersistent)
	var mu sync.Mutex
	names := make(map[string]bool)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			c, err := rawclient.Open(addr, 60000)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.CloseSession()
			for range 50 {
				if _, err := c.GetChildren("/seq", true); err != nil {
					t.Error(err)
					return
				}
				name, err := c.Create("/seq/n-", nil, proto.OpenACL, zk.ModePersistentSequential)
				if err != nil {
					t.Error(err)
					return
				}
				if len(c.Events()) == 0 { // the own create changes /seq: its event precedes its reply
					t.Error("reply before event")
				}
				mu.Lock()
				if names[name] {
					t.Errorf("%s twice", name)
				}
				names[name] = true
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	children, err := root.GetChildren("/seq", false)
	if err != nil || len(children) != len(names) || len(names) != 400 {
		t.Errorf("%d children, %d acknowledged, %v", len(children), len(names), err)
	}
	eventually(t, "all sessions but one are closed", func() bool { return s.Status().Sessions == 1 })
	if n := s.Stats().DigestMismatches.Load(); n != 0 {
		t.Errorf("%d digest mismatches", n)
	}
}

// Clients come, and operators ask, again and again while the server starts: they are turned away, or served.
func TestClientsThatComeWhileTheServerStarts(t *testing.T) {
	cfg := config(vfs.NewMem())
	cfg.ClientAddrs = nil
	var asking sync.WaitGroup
	ask := func(addr string) (string, error) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			return "", err
		}
		defer nc.Close()
		if _, err := nc.Write([]byte("conf")); err != nil {
			return "", err
		}
		text, err := io.ReadAll(nc)
		return string(text), err
	}
	for range 4 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cfg.Listeners = append(cfg.Listeners, l)
		asking.Go(func() {
			for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
				switch text, err := ask(l.Addr().String()); {
				case strings.HasPrefix(text, "clientPort="):
					return
				case text != "" || err != nil && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE):
					t.Errorf("conf: %q, %v", text, err)
					return
				}
			}
			t.Error("conf is never answered")
		})
	}
	start(t, cfg)
	asking.Wait()
}

func TestSettingsThatWouldDoHarmAreRefused(t *testing.T) {
	tests := map[string]func(*quorum.Config){
		"no data directory":             func(c *quorum.Config) { c.DataDir = "" },
		"no address":                    func(c *quorum.Config) { c.ClientAddrs = nil },
		"a tick below a millisecond":    func(c *quorum.Config) { c.TickTime = time.Microsecond },
		"timeouts the wrong way round":  func(c *quorum.Config) { c.MinSessionTimeout = 2 * c.MaxSessionTimeout },
		"a timeout beyond the protocol": func(c *quorum.Config) { c.MaxSessionTimeout = 30 * 24 * time.Hour },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := config(vfs.NewMem())
			spoil(&cfg)
			if s, err := quorum.Start(cfg, nil); err == nil {
				stop(t, s)
				t.Error("the server started")
			}
		})
	}
}

// One request cannot ask for more than a connection may have queued, however often it names a znode.
func TestAMultiReadIsBounded(t *testing.T) {
	_, addr := start(t, config(vfs.NewMem()))
	c := open(t, addr, time.Minute)
	create(t, c, "/big", bytes.Repeat([]byte("x"), 900<<10), zk.ModePersistent)
	var body []byte
	get := proto.PathWatchRequest{Path: "/big"}
	for range 1000 {
		body = get.Append(proto.MultiHeader{Type: zk.OpGetData, Err: -1}.Append(body))
	}
	r, err := c.Call(zk.OpMultiRead, proto.MultiEnd.Append(body))
	if err != nil || r.Err != zk.ErrMarshalling {
		t.Errorf("%d bytes, %v, %v", len(r.Body), r.Err, err)
	}
}
