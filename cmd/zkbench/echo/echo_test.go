package echo

import (
	"net"
	"testing"
	"time"

	"zkd/cmd/zkbench/wire"
	"zkd/quorum/zk"
)

func TestEveryGetIsAnsweredAndAllElseIsOK(t *testing.T) {
	data := []byte("the only data")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- Serve(listener, data) }()
	c, err := wire.Open(listener.Addr().String(), 10*time.Second, 4*time.Second, 4096)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	const gets = 2000 // more than a buffer holds
	sent := make(chan error, 1)
	go func() { // beside the replies, as neither side's buffers hold them all
		for range gets {
			c.Get([]byte("/any/path/whatever"), false)
		}
		c.Create([]byte("/a"), data, zk.ModePersistent)
		sent <- c.Flush()
	}()
	var r wire.Reply
	for i := range gets {
		if err := c.Take(&r); err != nil {
			t.Fatalf("get %d: %v", i, err)
		}
		if err := wire.CheckGet(&r, data); err != nil {
			t.Fatalf("get %d: %v", i, err)
		}
	}
	if err := c.Take(&r); err != nil || len(r.Body) != 0 {
		t.Errorf("create: body %x, error %v; want none of both", r.Body, err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if err := c.Close(10 * time.Second); err != nil {
		t.Errorf("close: %v", err)
	}
	listener.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v after its listener was closed", err)
	}
}

func TestNonsenseEndsTheConnection(t *testing.T) {
	for name, sent := range map[string][]byte{
		"a frame shorter than a header":  {0, 0, 0, 1, 0},
		"a frame of negative length":     {0xff, 0xff, 0xff, 0xff},
		"a frame longer than the buffer": {0x7f, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			done := make(chan error)
			go func() { done <- Answer(server, nil) }()
			if _, err := client.Write(sent); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err == nil {
				t.Error("Answer returned without an error")
			}
		})
	}
}
