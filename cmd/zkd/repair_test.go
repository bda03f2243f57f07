package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

// A bit flip in the middle of a log keeps the server from starting, names the repair, and the repair
// gives up what is behind it only when told to.
func TestLogRepairGivesUpOnlyWhenTold(t *testing.T) {
	dir := t.TempDir()
	run := func() (*quorum.Server, error) {
		cfg := quorum.DefaultConfig()
		cfg.DataDir, cfg.ClientAddrs, cfg.PreallocBytes = dir, []string{"127.0.0.1:0"}, 64<<10
		return quorum.Start(cfg, nil)
	}
	s, err := run()
	if err != nil {
		t.Fatal(err)
	}
	c, err := rawclient.Open(s.ClientAddrs()[0], 30000)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/first", "/second", "/third"} {
		if _, err := c.Create(path, nil, proto.OpenACL, zk.ModePersistent); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	if code, _, stderr := zkd(t, "log", "repair", dir); code == 0 || !strings.Contains(stderr, "stop the server first") {
		t.Errorf("repair beside a running server: exit code %d, %s", code, stderr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}

	name := filepath.Join(dir, "version-2", "log.100000001")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text[strings.Index(string(text), "/second")] ^= 1
	if err := os.WriteFile(name, text, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := run(); err == nil || !strings.Contains(err.Error(), "zkd log repair") {
		t.Fatalf("start with a damaged log: %v", err)
	}
	if code, stdout, _ := zkd(t, "log", "repair", dir); code != 74 || !strings.Contains(stdout, "nothing was changed") {
		t.Errorf("repair without being told to give up: exit code %d, %s", code, stdout)
	}
	if _, err := run(); err == nil {
		t.Fatal("the log was repaired without being told to")
	}
	if code, stdout, stderr := zkd(t, "log", "repair", "--give-up", dir); code != 0 || !strings.Contains(stdout, "the log now ends at zxid 0x100000002") {
		t.Fatalf("repair: exit code %d, %s%s", code, stdout, stderr)
	}
	if s, err = run(); err != nil {
		t.Fatal(err)
	}
	defer s.Stop(ctx)
	if forgot := s.Status().ForgotWrites; !strings.Contains(forgot, "acknowledged writes are lost") {
		t.Errorf("the status says %q of the lost writes", forgot)
	}
	if code, stdout, _ := zkd(t, "log", "repair", "--give-up", t.TempDir()); code != 1 && !strings.Contains(stdout, "no repair") {
		t.Errorf("repair of an empty directory: exit code %d, %s", code, stdout)
	}
}

// A server with a raised jute.maxbuffer writes records that one without would call damage.
func TestLogVerifyKnowsTheFrameLimitOfTheServer(t *testing.T) {
	dir := t.TempDir()
	cfg := quorum.DefaultConfig()
	cfg.DataDir, cfg.ClientAddrs, cfg.MaxFrameBytes = dir, []string{"127.0.0.1:0"}, 8<<20
	s, err := quorum.Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rawclient.Open(s.ClientAddrs()[0], 30000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create("/large", make([]byte, 7<<20), proto.OpenACL, zk.ModePersistent); err != nil {
		t.Fatal(err)
	}
	c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	small := write(t, "small.toml", "data_dir = \""+dir+"\"\n")
	large := write(t, "large.toml", "data_dir = \""+dir+"\"\nclient.max_frame = \"8MiB\"\n")
	if code, _, stderr := zkd(t, "log", "verify", "--config", small, dir); code != 74 {
		t.Errorf("by a configuration with a lower limit: exit code %d, %s", code, stderr)
	}
	if code, stdout, stderr := zkd(t, "log", "verify", "--config", large, dir); code != 0 || !strings.Contains(stdout, "verdict") {
		t.Errorf("by that of the server: exit code %d, %s%s", code, stdout, stderr)
	}
	if code, _, _ := zkd(t, "log", "verify", "--config", dir+"/none.toml", dir); code != 78 {
		t.Errorf("with a configuration that is not there: exit code %d", code)
	}
}
