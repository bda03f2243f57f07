package serve

import (
	"testing"

	"zkd/quorum/proto"
)

// A client that pipelines for ever, so that its queue is never empty, holds no more memory for it.
func TestAQueueThatIsNeverEmptyDoesNotGrow(t *testing.T) {
	var c conn
	c.push(waiting{})
	for i := range 100000 {
		c.push(waiting{header: proto.RequestHeader{Xid: int32(i)}, body: make([]byte, 1)})
		if i > 0 {
			if w := c.pop(); i > 1 && w.header.Xid != int32(i-2) {
				t.Fatalf("request %d came out in the place of %d", w.header.Xid, i-2)
			}
		}
	}
	if cap(c.queue) > 64 || c.queuedBytes != 2 {
		t.Errorf("room for %d requests, %d bytes counted", cap(c.queue), c.queuedBytes)
	}
}
