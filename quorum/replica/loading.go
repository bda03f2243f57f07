package replica

import (
	"fmt"

	"zkd/quorum/proto"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

const (
	loadBatchBytes = 256 << 10
	loadAhead      = 4 // batches between the two goroutines
)

// loading builds a tree beside the goroutine that reads the snapshot: reading, decoding and the
// checksums take about as long as building. It is a snap.Sink.
type loading struct {
	loader  *tree.Loader
	batch   *loadBatch
	filled  chan *loadBatch
	emptied chan *loadBatch
	done    chan struct{}
	err     error // of the building goroutine, set before done is closed
	closed  bool
}

// loadBatch is znodes in the order of the file.
type loadBatch struct {
	text  []byte // paths and data, one behind the other
	nodes []loadNode
}

type loadNode struct {
	pathLen, dataLen int // dataLen -1 is null
	acl              int64
	stat             proto.StatPersisted
	sums             tree.Sums
}

func newLoading(options tree.Options) *loading {
	l := &loading{
		loader: tree.NewLoader(options),
		batch:  new(loadBatch),
		filled: make(chan *loadBatch, loadAhead), emptied: make(chan *loadBatch, loadAhead+1), // room for all
		done: make(chan struct{}),
	}
	for range loadAhead {
		l.emptied <- new(loadBatch)
	}
	go l.build()
	return l
}

func (l *loading) build() {
	defer close(l.done)
	for b := range l.filled {
		if l.err == nil {
			l.err = b.load(l.loader)
		}
		b.text, b.nodes = b.text[:0], b.nodes[:0]
		l.emptied <- b
	}
}

func (b *loadBatch) load(into *tree.Loader) error {
	rest := b.text
	for i := range b.nodes {
		n := &b.nodes[i]
		into.Expect(rest[:n.pathLen])
		rest = rest[n.pathLen+max(n.dataLen, 0):]
	}
	rest = b.text
	for i := range b.nodes {
		n := &b.nodes[i]
		path := rest[:n.pathLen]
		rest = rest[n.pathLen:]
		var data []byte
		if n.dataLen >= 0 {
			data = rest[:n.dataLen:n.dataLen]
			rest = rest[n.dataLen:]
		}
		if err := into.Summed(path, data, n.acl, &n.stat, n.sums); err != nil {
			return fmt.Errorf("znode %s: %w", path, err)
		}
	}
	return nil
}

// Session takes a session; all come before the first znode.
func (l *loading) Session(id zk.SessionID, timeoutMillis int32) {
	l.loader.Session(id, timeoutMillis)
}

// ACL takes an ACL; all come before the first znode.
func (l *loading) ACL(id int64, acl []proto.ACL) error { return l.loader.ACL(id, acl) }

// Node takes a znode. What is wrong with it is told by finish.
func (l *loading) Node(path, data []byte, acl int64, stat *proto.StatPersisted) error {
	b := l.batch
	b.text = append(append(b.text, path...), data...)
	dataLen := len(data)
	if data == nil {
		dataLen = -1
	}
	b.nodes = append(b.nodes, loadNode{len(path), dataLen, acl, *stat, tree.SumsOf(path, data, stat)})
	if len(b.text) >= loadBatchBytes {
		l.filled <- b
		l.batch = <-l.emptied
	}
	return nil
}

// finish waits for the building goroutine and returns the tree at zxid.
func (l *loading) finish(zxid zk.Zxid) (*tree.Tree, error) {
	l.filled <- l.batch
	l.abandon()
	if l.err != nil {
		return nil, l.err
	}
	return l.loader.Finish(zxid)
}

// abandon ends the building goroutine; it may be called again.
func (l *loading) abandon() {
	if !l.closed {
		l.closed = true
		close(l.filled)
	}
	<-l.done
}
