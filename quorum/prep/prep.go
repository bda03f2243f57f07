// Package prep turns write requests into txns: it is where everything is decided.
//
// A request asks ("delete if the version is 7"); the txn that is made of it states a result
// ("deleted"), which every server applies without asking again. So the state that a request is
// judged by must be that of the moment at which its txn will be applied: the tree, plus the changes
// of all txns that were prepared but are not applied yet. Those are the pending changes, kept as one
// record per path that says what the node will be.
//
//	request ──> decode ──> checks, in ZooKeeper's order ──> txn
//	                          |                              |
//	            tree <── pending changes <───────────────────+
//	                          ^
//	            Applied(zxid) forgets what the tree has by now
//
// Every request gets a txn and uses its zxid, a refused one too, so that zxids have no gaps: a
// txn of type error with the code, or, for a multi that decodes, a multi whose bodies are errors
// from the failing operation on. A txn that was made here can be applied: nothing in a request,
// however odd, may make one that an applier chokes on or that the log cannot hold.
//
// The room does no input or output and keeps no clock; the caller brings zxid and time.
//
// Source: PrepRequestProcessor of Apache ZooKeeper 3.9.
package prep

import (
	"zkd/quorum/auth"
	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// Request is a write request, or one of the server's own: createSession, closeSession, and
// deleteContainer with session 0 from the reaper.
type Request struct {
	Session zk.SessionID
	Cxid    int32
	Op      zk.Op
	// Body is the record behind the request header; empty for createSession and closeSession.
	Body []byte
	// IDs are the identities of the connection.
	IDs []proto.ID
	// TimeoutMillis is the timeout of a session that createSession opens.
	TimeoutMillis int32
}

// Config holds the settings that decide about requests.
type Config struct {
	// ExtendedTypes allows TTL nodes; it must be that of the tree.
	ExtendedTypes bool
	// EnforceQuota makes hard limits refuse creates and sets.
	EnforceQuota bool
	// ReconfigEnabled lets reconfig get beyond the answer that it is disabled.
	ReconfigEnabled bool
	// MaxTxnBytes bounds the encoding of a txn; 0 is no bound.
	MaxTxnBytes int
	// DigestEnabled puts the digest of the tree into the txns.
	DigestEnabled bool
	// ContainerNeverUsedMillis is the age at which a container that never had a child may be
	// reaped, 0 for never.
	ContainerNeverUsedMillis int64
}

// Prep prepares txns. It is not safe for concurrent use, and reads the tree: no txn may be applied
// during a call.
type Prep struct {
	cfg  Config
	auth *auth.Auth
	pending
	requests []request // of one multi; reused
}

// New returns a Prep without pending changes over t.
func New(t *tree.Tree, a *auth.Auth, cfg Config) *Prep {
	p := &Prep{cfg: cfg, auth: a}
	p.Reset(t)
	return p
}

// Reset forgets all pending changes and goes on from t: a new role has begun.
func (p *Prep) Reset(t *tree.Tree) { p.pending.reset(t, p.cfg.DigestEnabled) }

// Applied tells that the tree has all txns up to zxid.
func (p *Prep) Applied(zxid zk.Zxid) { p.pending.forget(zxid) }

// call is what all operations of one request share.
type call struct {
	session   zk.SessionID
	ids       []proto.ID
	zxid      zk.Zxid
	nowMillis int64
}

// Prepare makes the txn with that zxid from r; nowMillis is the leader's wall clock, ms since 1970.
// It never fails: the txn of a refused request says why. txn may hold views of r.Body, which is not
// changed and must stay as it is until txn is applied.
//
// Codes of a refusal, beside those of each operation: zk.ErrMarshalling for a body that does not
// decode and for a txn that would be longer than MaxTxnBytes; zk.ErrUnimplemented for an operation
// that is none of those above, check outside a multi included; zk.ErrSessionExpired where the
// session is not open or a closeSession of it is pending.
func (p *Prep) Prepare(r *Request, zxid zk.Zxid, nowMillis int64, txn *proto.Txn) {
	*txn = proto.Txn{Header: proto.TxnHeader{
		ClientID: r.Session, Cxid: r.Cxid, Zxid: zxid, TimeMillis: nowMillis, Type: r.Op,
	}}
	txn.Body.Type = r.Op
	c := call{r.Session, r.IDs, zxid, nowMillis}
	p.begin()
	code := p.prepare(&c, r, &txn.Body)
	if code == zk.OK && !p.fits(txn) {
		code = p.shorten(txn)
	}
	if code != zk.OK {
		p.rollback()
		txn.Header.Type = zk.OpError
		txn.Body = proto.TxnBody{Type: zk.OpError, Err: code}
		return
	}
	if p.cfg.DigestEnabled && !isBare(&txn.Body) {
		txn.HasDigest = true
		txn.Digest = proto.TxnDigest{Version: proto.DigestVersion, Tree: p.digest}
	}
}

// Refuse makes the txn of a request that the caller refuses: an error txn with the code. It uses a zxid like
// any other, since a learner that forwarded the request hears of its end by a txn only.
func (p *Prep) Refuse(r *Request, zxid zk.Zxid, nowMillis int64, code zk.Code, txn *proto.Txn) {
	*txn = proto.Txn{
		Header: proto.TxnHeader{ClientID: r.Session, Cxid: r.Cxid, Zxid: zxid, TimeMillis: nowMillis, Type: zk.OpError},
		Body:   proto.TxnBody{Type: zk.OpError, Err: code},
	}
}

// prepare fills body as r asks and records the pending changes.
func (p *Prep) prepare(c *call, r *Request, body *proto.TxnBody) zk.Code {
	switch r.Op {
	case zk.OpCreateSession:
		return p.openSession(c, r.TimeoutMillis, body)
	case zk.OpCloseSession:
		body.Paths = p.closeSession(c)
		return zk.OK
	case zk.OpMulti:
		return p.multi(c, r.Body, body)
	case zk.OpReconfig:
		return p.reconfig(c, r.Body)
	case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL, zk.OpDelete,
		zk.OpSetData, zk.OpSetACL:
	case zk.OpDeleteContainer:
		if r.Session != 0 {
			return zk.ErrUnimplemented
		}
	default:
		return zk.ErrUnimplemented
	}
	d := jute.NewDecoder(r.Body)
	var q request
	q.decode(&d, r.Op)
	if d.Err() != nil {
		return zk.ErrMarshalling
	}
	return p.perform(c, &q, body)
}

// perform does one operation, by itself or within a multi. On an error the pending changes may be
// half done: the caller rolls back.
func (p *Prep) perform(c *call, q *request, body *proto.TxnBody) zk.Code {
	switch q.op {
	case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL:
		return p.create(c, q, body)
	case zk.OpDelete:
		return p.delete(c, q, body)
	case zk.OpDeleteContainer:
		return p.deleteContainer(c, q, body)
	case zk.OpSetData:
		return p.setData(c, q, body)
	case zk.OpSetACL:
		return p.setACL(c, q, body)
	case zk.OpCheck:
		return p.check(c, q, body)
	}
	return zk.ErrUnimplemented
}

// reconfig refuses: changing the membership needs an ensemble.
func (p *Prep) reconfig(c *call, record []byte) zk.Code {
	d := jute.NewDecoder(record)
	var q proto.ReconfigRequest
	q.Decode(&d)
	switch {
	case d.Err() != nil:
		return zk.ErrMarshalling
	case !p.cfg.ReconfigEnabled:
		return zk.ErrReconfigDisabled
	case !p.isOpen(c.session):
		return zk.ErrSessionExpired
	}
	return zk.ErrUnimplemented
}
