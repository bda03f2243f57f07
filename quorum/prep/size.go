package prep

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// digestBytes is the encoded size of a TxnDigest.
const digestBytes = 12

// fits reports whether the encoding of txn, with a digest, is within the bound.
func (p *Prep) fits(txn *proto.Txn) bool {
	return p.cfg.MaxTxnBytes <= 0 ||
		proto.TxnHeaderBytes+bodyBytes(&txn.Body)+digestBytes <= p.cfg.MaxTxnBytes
}

// shorten makes a txn that is too long fit, or returns the code of a refusal.
//
// A session must be closed however many ephemeral nodes it has (ZOOKEEPER-4306). Without the list
// every applier deletes the nodes that it knows of, which are the same ones: that is the txn of
// ZooKeeper before 3.6 and with closeSessionTxn.enabled=false. Java reads it only without a digest
// behind it.
func (p *Prep) shorten(txn *proto.Txn) zk.Code {
	if txn.Body.Type != zk.OpCloseSession {
		return zk.ErrMarshalling
	}
	txn.Body.Paths = nil
	return zk.OK
}

// isBare reports whether body is that of a closeSession without a list of paths.
func isBare(body *proto.TxnBody) bool {
	return body.Type == zk.OpCloseSession && body.Paths == nil
}

// bodyBytes returns the encoded size of the body of a txn.
func bodyBytes(b *proto.TxnBody) int {
	const length, boolean, integer, long = 4, 1, 4, 8
	switch b.Type {
	case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL:
		n := length + len(b.Path) + length + len(b.Data) + aclBytes(b.ACL) + integer
		switch b.Type {
		case zk.OpCreateTTL:
			n += long
		case zk.OpCreate, zk.OpCreate2:
			n += boolean
		}
		return n
	case zk.OpDelete, zk.OpDeleteContainer:
		return length + len(b.Path)
	case zk.OpSetData:
		return length + len(b.Path) + length + len(b.Data) + integer
	case zk.OpSetACL:
		return length + len(b.Path) + aclBytes(b.ACL) + integer
	case zk.OpCheck:
		return length + len(b.Path) + integer
	case zk.OpCloseSession:
		n := length
		for _, path := range b.Paths {
			n += length + len(path)
		}
		return n
	case zk.OpMulti:
		n := length
		for i := range b.Sub {
			n += integer + length + bodyBytes(&b.Sub[i])
		}
		return n
	default: // createSession, error
		return integer
	}
}

// aclBytes returns the encoded size of an ACL.
func aclBytes(acl []proto.ACL) int {
	n := 4
	for i := range acl {
		n += 12 + len(acl[i].ID.Scheme) + len(acl[i].ID.ID)
	}
	return n
}
