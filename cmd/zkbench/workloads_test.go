package main

import (
	"context"
	"net"
	"testing"
	"time"

	"zkd/cmd/zkbench/echo"
	"zkd/cmd/zkbench/load"
	"zkd/quorum"
)

// serveZKD starts a zkd in this process and returns its address.
func serveZKD(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := quorum.DefaultConfig()
	cfg.DataDir, cfg.Listeners, cfg.MaxConnsPerIP = t.TempDir(), []net.Listener{listener}, 0
	cfg.NoForceSync = true // durability is not what is tested here
	server, err := quorum.Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// runBriefly runs w twice on the server at addr, as the rounds of a benchmark do.
func runBriefly(t *testing.T, w workload, addr string, isEcho bool) {
	t.Helper()
	for run := range 2 {
		trial, err := w.prepare(addr, place{run: run, echo: isEcho})
		if err != nil {
			t.Fatalf("prepare: %v", err)
		}
		latency, err := trial.run(load.NewWindow(0, 200*time.Millisecond))
		if err != nil {
			t.Errorf("run: %v", err)
		}
		if latency.Count() == 0 {
			t.Error("no operation was counted")
		}
		if err := trial.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func TestEveryWorkloadRunsOnZKDAndAcceptsItsReplies(t *testing.T) {
	addr := serveZKD(t)
	for _, w := range workloads() {
		t.Run(w.name, func(t *testing.T) { runBriefly(t, w, addr, false) })
	}
}

func TestWorkloadsWithACeilingRunOnTheServerThatKeepsNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served, f := make(chan error), keys()
	go func() { served <- echo.Serve(listener, f.appendData(nil, 0)) }()
	for _, w := range workloads() {
		if w.echo {
			t.Run(w.name, func(t *testing.T) { runBriefly(t, w, listener.Addr().String(), true) })
		}
	}
	listener.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// A server that answers without doing anything must not pass for one that works.
func TestWorkloadsNoticeAServerThatKeepsNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	f := keys()
	go func() { _ = echo.Serve(listener, f.appendData(nil, 0)) }()
	for _, name := range []string{"get", "set", "create", "ephemeral", "watch"} {
		for _, w := range workloads() {
			if w.name != name {
				continue
			}
			trial, err := w.prepare(listener.Addr().String(), place{})
			if err == nil {
				_, err = trial.run(load.NewWindow(0, 100*time.Millisecond))
				_ = trial.close() // it fails too, for the same reason
			}
			if err == nil {
				t.Errorf("%s accepted the replies", name)
			}
		}
	}
}

func TestIdleSessionsAreOpenedAndServed(t *testing.T) {
	conns, err := openIdle(serveZKD(t), 50)
	if err != nil {
		t.Fatal(err)
	}
	if len(conns) != 50 {
		t.Errorf("opened %d sessions, want 50", len(conns))
	}
	closeAll(conns)
}

func TestSetsUnderSnapshotsRunBothTimes(t *testing.T) {
	addr := serveZKD(t)
	s := suite{options: options{znodes: 100, snapshotTime: time.Second}}
	if err := makeZnodes(addr, newFamily("fill", fillConns), 100, time.Minute); err != nil {
		t.Fatal(err)
	}
	large := newFamily("ballast", 1)
	if err := makeZnodes(addr, large, 1, time.Minute); err != nil {
		t.Fatal(err)
	}
	conns, err := openAll(addr, 3)
	defer closeAll(conns)
	if err != nil {
		t.Fatal(err)
	}
	alone, beside, err := s.twoRunsOfSets(conns[:2], conns[2], large)
	if err != nil {
		t.Fatal(err)
	}
	if len(alone) < setsPerSecond/3 || len(beside) != setsPerSecond {
		t.Errorf("%d sets alone and %d beside large ones; want %d and %d", len(alone), len(beside), setsPerSecond/3, setsPerSecond)
	}
}
