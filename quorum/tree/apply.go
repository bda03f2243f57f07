package tree

import (
	"fmt"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Result is what a txn came to.
type Result struct {
	Err  zk.Code    // first failure of a multi
	Path string     // of the node that was created, deleted or changed; may be kept
	Stat proto.Stat // of the node that was created or changed, as clients see it
	// Multi has one Result per operation. Operations before the failed one have Err 0, those
	// behind it zk.ErrRuntimeInconsistency, and all have Type zk.OpError.
	Multi []Result
	Type  zk.Op
}

// Event is something that watchers may want to know. For each change the event for the data
// watches comes first, then the one for the child watches:
//
//	create   NodeCreated(path)      NodeChildrenChanged(parent)
//	delete   NodeDeleted(path)      NodeChildrenChanged(parent)
//	setData  NodeDataChanged(path)
//
// ACL is what a watcher must have READ in: of the node itself, for a delete as it was, and for
// NodeChildrenChanged of the parent. It is shared and must not be changed. Path may be kept.
type Event struct {
	Type zk.EventType
	Path string
	ACL  []proto.ACL
}

// Apply applies txn, of which it retains nothing, and appends the events in the order in which
// they fire, all of which have the txn's zxid. A txn of a type that is none of a txn is a bug of
// the caller (decoding refuses it) and panics.
// Source: DataTree.processTxn.
func (t *Tree) Apply(txn *proto.Txn, events []Event) (Result, []Event) {
	t.reclaim()
	c := change{Tree: t, header: &txn.Header, emit: true, events: events}
	var r Result
	if err := c.apply(&txn.Body, &r); err != nil {
		panic(fmt.Sprintf("tree: apply of txn %v: %v", txn.Header.Zxid, err))
	}
	t.lastZxid = max(t.lastZxid, txn.Header.Zxid)
	return r, c.events
}

// Replay applies txn during recovery, when the tree may come from a fuzzy snapshot and be ahead of
// it: what is there already, or gone already, is no error. Once every txn that the snapshot may
// have seen is replayed, the tree is exact. The error is proto.ErrUnknownTxn: leaving out a txn
// would make the tree differ from those of the other servers.
func (t *Tree) Replay(txn *proto.Txn) error {
	t.reclaim()
	c := change{Tree: t, header: &txn.Header}
	var r Result
	if err := c.apply(&txn.Body, &r); err != nil {
		return fmt.Errorf("tree: replay of txn %v: %w", txn.Header.Zxid, err)
	}
	t.lastZxid = max(t.lastZxid, txn.Header.Zxid)
	return nil
}

// apply does b and fills in r. The error is proto.ErrUnknownTxn for types that are no txn of their
// own.
func (c *change) apply(b *proto.TxnBody, r *Result) error {
	r.Type = b.Type
	switch b.Type {
	case zk.OpCreateSession:
		c.sessions.put(c.header.ClientID, b.TimeoutMillis)
	case zk.OpCloseSession:
		c.closeSession(b.Paths)
	case zk.OpError:
		r.Err = b.Err
	case zk.OpMulti:
		return c.multi(b, r)
	default:
		return c.one(b, r)
	}
	return nil
}

// one does a txn that changes one node. Reconfig is a setData.
func (c *change) one(b *proto.TxnBody, r *Result) error {
	r.Type = b.Type
	path := c.keep(b.Path)
	var id NodeID
	switch b.Type {
	case zk.OpCreate, zk.OpCreate2:
		owner := zk.OwnerNone
		if b.Ephemeral {
			owner = int64(c.header.ClientID)
		}
		id, r.Err = c.create(path, b, owner)
	case zk.OpCreateContainer:
		id, r.Err = c.create(path, b, zk.OwnerContainer)
	case zk.OpCreateTTL:
		id, r.Err = c.create(path, b, zk.TTLOwner(b.TTLMillis))
	case zk.OpDelete, zk.OpDeleteContainer:
		r.Err = c.delete(path)
	case zk.OpSetData, zk.OpReconfig:
		id, r.Err = c.setData(path, b)
	case zk.OpSetACL:
		id, r.Err = c.setACL(path, b)
	default:
		return fmt.Errorf("%w: %v", proto.ErrUnknownTxn, b.Type)
	}
	if c.emit {
		r.Path = path
		if id != 0 {
			r.Stat = c.Stat(id)
		}
	}
	return nil
}

// multi does all operations of a multi, or none if one of them is an error.
func (c *change) multi(b *proto.TxnBody, r *Result) error {
	if c.emit {
		r.Multi = make([]Result, 0, len(b.Sub))
	}
	failed, past := b.IsFailedMulti(), false
	for i := range b.Sub {
		sub := &b.Sub[i]
		var one Result
		switch {
		case sub.Type == zk.OpError:
			past = true
			one = Result{Type: zk.OpError, Err: sub.Err}
		case failed && past:
			one = Result{Type: zk.OpError, Err: zk.ErrRuntimeInconsistency}
		case failed:
			one = Result{Type: zk.OpError}
		case sub.Type == zk.OpCheck:
			one = Result{Type: zk.OpCheck}
			if c.emit {
				one.Path = c.keep(sub.Path)
			}
		case !proto.InMulti(sub.Type):
			return fmt.Errorf("%w: %v in a multi", proto.ErrUnknownTxn, sub.Type)
		default:
			if err := c.one(sub, &one); err != nil {
				return err
			}
		}
		if r.Err == zk.OK {
			r.Err = one.Err
		}
		if c.emit {
			r.Multi = append(r.Multi, one)
		}
	}
	return nil
}
