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
