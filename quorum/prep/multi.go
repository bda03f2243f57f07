package prep

import (
	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// multi prepares all operations of a multi with one zxid, each seeing the ones before it. If one
// fails, none counts, and the txn is a failed multi: the bodies before the failing one stay, the
// failing one is an error with its code, each later one an error ErrRuntimeInconsistency. That is
// no refusal: the answer is made of the bodies.
//
// Code: ErrMarshalling for a list that does not decode or holds anything but create, create2,
// createContainer, createTTL, delete, setData and check. An empty list is a txn without bodies.
func (p *Prep) multi(c *call, record []byte, body *proto.TxnBody) zk.Code {
	defer p.dropRequests()
	if !p.decodeMulti(record) {
		return zk.ErrMarshalling
	}
	body.Sub = make([]proto.TxnBody, len(p.requests))
	for i := range p.requests {
		code := p.perform(c, &p.requests[i], &body.Sub[i])
		if code == zk.OK {
			continue
		}
		p.rollback()
		body.Sub[i] = proto.TxnBody{Type: zk.OpError, Err: code}
		for j := i + 1; j < len(body.Sub); j++ {
			body.Sub[j] = proto.TxnBody{Type: zk.OpError, Err: zk.ErrRuntimeInconsistency}
		}
		break
	}
	return zk.OK
}

// decodeMulti reads a list of operations into p.requests.
func (p *Prep) decodeMulti(record []byte) bool {
	d := jute.NewDecoder(record)
	for {
		var h proto.MultiHeader
		h.Decode(&d)
		if d.Err() != nil || h.Done {
			return d.Err() == nil
		}
		switch h.Type {
		case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL, zk.OpDelete,
			zk.OpSetData, zk.OpCheck:
		default:
			return false
		}
		var q request
		q.decode(&d, h.Type)
		p.requests = append(p.requests, q)
	}
}

// dropRequests lets go of the views of the request's body.
func (p *Prep) dropRequests() {
	clear(p.requests)
	p.requests = p.requests[:0]
	if cap(p.requests) > maxKeptRequests {
		p.requests = nil
	}
}
