package main

import (
	"context"
	"io"
	"testing"

	"zkd/quorum"
)

// The session at the prompt outlives its server's restart, with its ephemerals, its identities and its watches.
func TestThePromptOutlivesARestart(t *testing.T) {
	cfg := quorum.DefaultConfig()
	cfg.DataDir, cfg.ClientAddrs, cfg.PreallocBytes = t.TempDir(), []string{"127.0.0.1:0"}, 1<<20
	start := func() *quorum.Server {
		t.Helper()
		s, err := quorum.Start(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	stop := func(s *quorum.Server) {
		t.Helper()
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	s := start()
	cfg.ClientAddrs = s.ClientAddrs()
	u := user{t, cfg.ClientAddrs[0], ""}
	stdin, keyboard := io.Pipe()
	out, errs, end := u.begin(stdin)
	for _, line := range []string{"addauth digest bob:secret", "create /mine x auth::cdrwa", "create -e /held x", "addWatch /mine", "get -w /held"} {
		io.WriteString(keyboard, line+"\n")
	}
	out.await(t, `^Created /held\nx$`)
	stop(s)
	out.await(t, `^WatchedEvent state:Disconnected type:None path:null zxid: -1$`)
	s = start()
	t.Cleanup(func() { stop(s) })
	out.await(t, `(?s)Disconnected.*WatchedEvent state:SyncConnected type:None path:null zxid: -1$`)
	for _, line := range []string{"getEphemerals", "set /mine y", "get /mine", "set /held z"} {
		io.WriteString(keyboard, line+"\n")
	}
	out.await(t, `(?s)^\[/held\]$.*type:NodeDataChanged path:/mine .*^y$.*type:NodeDataChanged path:/held `)
	keyboard.Close()
	if code := end(); code != exitOK {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

// An expired session is followed by another with the same identities, which is said.
func TestAnExpiredSessionIsReplaced(t *testing.T) {
	s := startServer(t)
	u := user{t, s.ClientAddrs()[0], ""}
	expire := func() {
		t.Helper()
		sessions := s.Sessions()
		if len(sessions) != 1 {
			t.Fatalf("%d sessions", len(sessions))
		}
		if err := s.CloseSession(sessions[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	stdin, keyboard := io.Pipe()
	out, errs, end := u.begin(stdin)
	io.WriteString(keyboard, "addauth digest bob:secret\ncreate /mine x auth::cdrwa\ncreate -e /held\n")
	out.await(t, `^Created /held$`)
	expire()
	out.await(t, `^WatchedEvent state:Expired type:None path:null zxid: -1$`)
	io.WriteString(keyboard, "get /mine\nget /held\n")
	errs.await(t, `^zkctl: the session expired, and its ephemerals and watches with it; this is a new one\nNode does not exist: /held$`)
	out.await(t, `^x$`)
	keyboard.Close()
	if code := end(); code != exitNoNode {
		t.Errorf("exit code %d", code)
	}

	u.ok("create", "/w")
	out, errs, end = u.begin(nil, "watch", "/w")
	errs.await(t, `^zkctl: watching /w$`)
	expire()
	errs.await(t, `(?s)the session expired: changes may have been missed\n.*watching /w$`)
	u.ok("set", "/w", "y")
	out.await(t, `^NodeDataChanged /w 0x`)
	end()
}
