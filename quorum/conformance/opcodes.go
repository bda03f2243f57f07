package conformance

import (
	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var opcodeCases = group{name: "opcodes", cases: []func(*T){
	unknownOpIsUnimplementedAndClosesTheConnection,
	notificationFromAClientIsUnimplementedAndClosesTheConnection,
	checkOutsideAMultiIsUnimplementedAndClosesTheConnection,
	internalOpsAreUnimplementedAndCloseTheConnection,
	deleteContainerFromAClientDeletesNothing,
	requestsBeforeAnUnknownOpAreAnswered,
	sessionOutlivesAnUnknownOp,
}}

// unimplemented ends the case unless op is answered with -6 and the connection closed.
func (t *T) unimplemented(op zk.Op, record []byte) {
	t.Helper()
	c := t.open()
	reply, err := c.Call(op, record)
	t.ok(err)
	equal(t, op.String(), reply.Err, zk.ErrUnimplemented)
	equal(t, "body bytes", len(reply.Body), 0)
	t.closed(c)
}

func unknownOpIsUnimplementedAndClosesTheConnection(t *T) {
	for _, op := range []zk.Op{10, 23, 99, 108, 1000, -2, -12, zk.OpError} {
		t.unimplemented(op, nil)
	}
}

func notificationFromAClientIsUnimplementedAndClosesTheConnection(t *T) {
	t.unimplemented(zk.OpNotification, nil)
}

// Older releases write a txn that no server can read back (ZOOKEEPER-2623): not tried on them.
func checkOutsideAMultiIsUnimplementedAndClosesTheConnection(t *T) {
	if t.needs(topLevelCheck) {
		t.unimplemented(zk.OpCheck, (&proto.PathVersionRequest{Path: "/", Version: -1}).Append(nil))
	}
}

// Apache ZooKeeper lets any client delete any childless node with deleteContainer, whatever its
// ACL, and start sessions with ids of its choice.
func internalOpsAreUnimplementedAndCloseTheConnection(t *T) {
	if t.needs(internalOpsRefused) {
		t.unimplemented(zk.OpDeleteContainer, jute.AppendString(nil, t.path("a")))
		t.unimplemented(zk.OpCreateSession, jute.AppendInt(nil, 30000))
	}
}

func deleteContainerFromAClientDeletesNothing(t *T) {
	if !t.needs(internalOpsRefused) {
		return
	}
	c, p := t.open(), t.path("a")
	c.createContainer(p)
	t.unimplemented(zk.OpDeleteContainer, jute.AppendString(nil, p))
	c.stat(p)
}

func requestsBeforeAnUnknownOpAreAnswered(t *T) {
	c, p := t.open(), t.path("a")
	create := proto.CreateRequest{Path: p, ACL: proto.OpenACL}
	first, err := c.Send(zk.OpCreate, create.Append(nil, zk.OpCreate))
	t.ok(err)
	c.readReply(first)
	second, err := c.Send(zk.Op(99), nil)
	t.ok(err)
	equal(t, "err", c.readReply(second).Err, zk.ErrUnimplemented)
	t.closed(c)
}

func sessionOutlivesAnUnknownOp(t *T) {
	c := t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	_, err := c.Call(zk.Op(99), nil)
	t.ok(err)
	t.closed(c)
	t.resume(c).stat(p)
}
