package quorum_test

import (
	"testing"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// A connection that ends in the middle of a pipeline answers nothing behind what ended it, and the
// writes that are on their way already do not take the answers of the reads between them.
func TestNothingIsAnsweredBehindTheEndOfAConnection(t *testing.T) {
	path := proto.PathWatchRequest{Path: "/"}
	read := path.Append(nil)
	set := proto.SetDataRequest{Path: "/", Version: -1}
	write := set.Append(nil)
	sync := proto.PathRequest{Path: "/"}
	auth := proto.AuthRequest{Scheme: "none"}
	type request struct {
		op   zk.Op
		body []byte
	}
	tests := map[string][]request{
		"an unknown operation, a read and a write": {
			{zk.OpSetData, write}, {9999, nil}, {zk.OpGetData, read}, {zk.OpSetData, write},
		},
		"closeSession, a read and a sync": {
			{zk.OpCloseSession, nil}, {zk.OpGetData, read}, {zk.OpSync, sync.Append(nil)},
		},
		"a failed authentication behind a read and before a write": {
			{zk.OpSetData, write}, {zk.OpGetData, read}, {zk.OpAuth, auth.Append(nil)}, {zk.OpSetData, write},
		},
		"a failed authentication behind a read and a write": {
			{zk.OpSetData, write}, {zk.OpGetData, read}, {zk.OpSetData, write}, {zk.OpAuth, auth.Append(nil)},
		},
	}
	for name, requests := range tests {
		t.Run(name, func(t *testing.T) {
			_, addr := start(t, config(vfs.NewMem()))
			bystander := open(t, addr, time.Minute)
			c := open(t, addr, time.Minute)
			var stream []byte
			for i, r := range requests {
				stream = rawclient.AppendRequest(stream, int32(1+i), r.op, r.body)
			}
			if err := c.WriteRaw(stream); err != nil {
				t.Fatal(err)
			}
			ended := false
			for range requests {
				r, err := c.Reply()
				if err != nil {
					break
				}
				if ended {
					t.Errorf("reply behind the end: %+v", r.ReplyHeader)
				}
				op := requests[r.Xid-1].op
				ended = op == 9999 || op == zk.OpCloseSession
			}
			if _, _, err := bystander.GetData("/", false); err != nil {
				t.Errorf("another client: %v", err)
			}
		})
	}
}
