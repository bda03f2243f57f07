package proto

import (
	"errors"
	"fmt"

	"zkd/quorum/jute"
	"zkd/quorum/zk"
)

// TxnHeader says who caused a txn, where it stands in the history and when it was made: 32 bytes.
type TxnHeader struct {
	ClientID   zk.SessionID
	Cxid       int32
	Zxid       zk.Zxid
	TimeMillis int64 // leader's wall clock, ms since 1970
	Type       zk.Op
}

// TxnHeaderBytes is the encoded size of a TxnHeader.
const TxnHeaderBytes = 32

// Append encodes h.
func (h *TxnHeader) Append(b []byte) []byte {
	b = jute.AppendLong(b, int64(h.ClientID))
	b = jute.AppendInt(b, h.Cxid)
	b = jute.AppendLong(b, int64(h.Zxid))
	b = jute.AppendLong(b, h.TimeMillis)
	return jute.AppendInt(b, int32(h.Type))
}

// Decode reads h.
func (h *TxnHeader) Decode(d *jute.Decoder) {
	h.ClientID, h.Cxid = zk.SessionID(d.Long()), d.Int()
	h.Zxid, h.TimeMillis, h.Type = zk.Zxid(d.Long()), d.Long(), zk.Op(d.Int())
}

// DigestVersion is the only tree digest version that zkd computes and compares.
const DigestVersion = 2

// TxnDigest is the digest that the tree must have once the txn is applied: 12 bytes.
type TxnDigest struct {
	Version int32
	Tree    uint64
}

const txnDigestBytes = 12

// TxnBody is what a txn does: results ("version becomes 8"), never instructions ("add 1"), so that
// applying it twice does no harm. Type says which fields count:
//
//	create, create2      Path Data ACL Ephemeral ParentCversion
//	createContainer      Path Data ACL ParentCversion
//	createTTL            Path Data ACL ParentCversion TTLMillis
//	delete, deleteContainer  Path
//	setData, reconfig    Path Data Version (the new one)
//	setACL               Path ACL Version (the new aversion)
//	check                Path Version; only inside a multi
//	createSession        TimeoutMillis
//	closeSession         Paths; nil where the body is absent (closeSessionTxn off, before 3.6)
//	error                Err
//	multi                Sub
type TxnBody struct {
	Type      zk.Op
	Ephemeral bool
	Err       zk.Code

	Path           string
	Data           []byte
	ACL            []ACL
	Version        int32
	ParentCversion int32
	TimeoutMillis  int32
	TTLMillis      int64

	Paths []string
	Sub   []TxnBody
}

// Txn is one entry of the history, as it stands in the log and in a PROPOSAL: header, body and,
// where HasDigest, the digest. For a failed multi Header.Type is multi and the bodies in Sub are
// errors but for those before the failing one (see IsFailedMulti).
type Txn struct {
	Header    TxnHeader
	Body      TxnBody
	HasDigest bool
	Digest    TxnDigest
}

// ErrUnknownTxn says that a txn has a type that this version cannot apply: skipping it would make
// this server's tree differ from its peers', so it must stop.
var ErrUnknownTxn = errors.New("proto: unknown txn type")

// ErrTrailingBytes says that a txn has bytes behind its last field.
var ErrTrailingBytes = errors.New("proto: trailing bytes in txn")

// InMulti reports whether a multi may hold a txn of that type. ZooKeeper throws away the rest of a multi behind any
// other. Source: DataTree.processTxn.
func InMulti(t zk.Op) bool {
	switch t {
	case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL, zk.OpDelete, zk.OpDeleteContainer, zk.OpSetData,
		zk.OpCheck, zk.OpError:
		return true
	}
	return false
}

// Append encodes t.
func (t *Txn) Append(b []byte) []byte {
	b = t.Header.Append(b)
	b = t.Body.appendTo(b)
	if t.HasDigest {
		b = jute.AppendLong(jute.AppendInt(b, t.Digest.Version), int64(t.Digest.Tree))
	}
	return b
}

func (t *TxnBody) appendTo(b []byte) []byte {
	switch t.Type {
	case zk.OpCreate, zk.OpCreate2:
		b = t.appendCreate(b)
		b = jute.AppendBool(b, t.Ephemeral)
		return jute.AppendInt(b, t.ParentCversion)
	case zk.OpCreateContainer:
		return jute.AppendInt(t.appendCreate(b), t.ParentCversion)
	case zk.OpCreateTTL:
		return jute.AppendLong(jute.AppendInt(t.appendCreate(b), t.ParentCversion), t.TTLMillis)
	case zk.OpDelete, zk.OpDeleteContainer:
		return jute.AppendString(b, t.Path)
	case zk.OpSetData, zk.OpReconfig:
		return jute.AppendInt(jute.AppendBuffer(jute.AppendString(b, t.Path), t.Data), t.Version)
	case zk.OpSetACL:
		return jute.AppendInt(AppendACLs(jute.AppendString(b, t.Path), t.ACL), t.Version)
	case zk.OpCheck:
		return jute.AppendInt(jute.AppendString(b, t.Path), t.Version)
	case zk.OpCreateSession:
		return jute.AppendInt(b, t.TimeoutMillis)
	case zk.OpCloseSession:
		if t.Paths == nil {
			return b
		}
		return jute.AppendStrings(b, t.Paths)
	case zk.OpError:
		return jute.AppendInt(b, int32(t.Err))
	case zk.OpMulti:
		b = jute.AppendInt(b, int32(len(t.Sub)))
		for i := range t.Sub {
			b = jute.AppendInt(b, int32(t.Sub[i].Type))
			lengthAt := len(b)
			b = jute.AppendInt(b, 0)
			b = t.Sub[i].appendTo(b)
			jute.AppendInt(b[:lengthAt], int32(len(b)-lengthAt-4))
		}
		return b
	}
	panic(fmt.Sprintf("proto: append of txn type %v", t.Type))
}

func (t *TxnBody) appendCreate(b []byte) []byte {
	b = jute.AppendString(b, t.Path)
	b = jute.AppendBuffer(b, t.Data)
	return AppendACLs(b, t.ACL)
}

// DecodeTxn reads a whole txn: the payload of a log record or the data of a PROPOSAL. Strings and
// slices are views of payload. Errors: jute's, ErrUnknownTxn, ErrTrailingBytes.
func DecodeTxn(payload []byte, t *Txn) error {
	*t = Txn{}
	d := jute.NewDecoder(payload)
	t.Header.Decode(&d)
	if d.Err() != nil {
		return fmt.Errorf("txn header: %w", d.Err())
	}
	t.Body.Type = t.Header.Type
	t.Body.decode(&d, false)
	if d.Err() == nil && d.Len() > 0 {
		t.HasDigest = true
		t.Digest = TxnDigest{d.Int(), uint64(d.Long())}
		if d.Err() == nil && d.Len() > 0 {
			d.Fail(fmt.Errorf("%w: %d", ErrTrailingBytes, d.Len()))
		}
	}
	if d.Err() != nil {
		return fmt.Errorf("txn %v of type %v: %w", t.Header.Zxid, t.Header.Type, d.Err())
	}
	return nil
}

func (t *TxnBody) decode(d *jute.Decoder, inMulti bool) {
	if inMulti && !InMulti(t.Type) {
		d.Fail(fmt.Errorf("%w: %v inside a multi", ErrUnknownTxn, t.Type))
		return
	}
	switch t.Type {
	case zk.OpCreate, zk.OpCreate2:
		t.decodeCreate(d)
		t.Ephemeral = d.Bool()
		t.ParentCversion = -1
		// A txn of ZooKeeper 3.3 (CreateTxnV0) ends here: the applier counts for itself.
		if d.Len() != 0 && d.Len() != txnDigestBytes {
			t.ParentCversion = d.Int()
		}
	case zk.OpCreateContainer:
		t.decodeCreate(d)
		t.ParentCversion = d.Int()
	case zk.OpCreateTTL:
		t.decodeCreate(d)
		t.ParentCversion, t.TTLMillis = d.Int(), d.Long()
	case zk.OpDelete, zk.OpDeleteContainer:
		t.Path = d.String()
	case zk.OpSetData, zk.OpReconfig:
		t.Path, t.Data, t.Version = d.String(), d.Buffer(), d.Int()
	case zk.OpSetACL:
		t.Path, t.ACL, t.Version = d.String(), DecodeACLs(d), d.Int()
	case zk.OpCreateSession:
		t.TimeoutMillis = d.Int()
	case zk.OpCloseSession:
		// No body (0 bytes left, or just a digest) is what ZooKeeper writes before 3.6 and with
		// closeSessionTxn.enabled=false.
		if d.Len() != 0 && d.Len() != txnDigestBytes {
			t.Paths = d.Strings()
		} else if d.Len() == txnDigestBytes {
			t.Paths = closeSessionPathsOrDigest(d)
		}
	case zk.OpError:
		t.Err = zk.Code(d.Int())
	case zk.OpCheck:
		if !inMulti { // ZOOKEEPER-2623: nobody can replay it
			d.Fail(fmt.Errorf("%w: check outside a multi", ErrUnknownTxn))
			return
		}
		t.Path, t.Version = d.String(), d.Int()
	case zk.OpMulti:
		t.decodeMulti(d)
	default:
		d.Fail(fmt.Errorf("%w: %d", ErrUnknownTxn, int32(t.Type)))
	}
}

// closeSessionPathsOrDigest decides what exactly 12 bytes behind a closeSession header are: a
// digest, whose first int is its version, or a list of paths that happens to be as long. A list
// of 12 bytes holds 2 empty strings or 1 of 4 bytes; only the latter can be a path, and its count
// is 1 where a digest has version 2.
func closeSessionPathsOrDigest(d *jute.Decoder) []string {
	peek := *d
	if peek.Int() == 1 {
		return d.Strings()
	}
	return nil
}

func (t *TxnBody) decodeCreate(d *jute.Decoder) {
	t.Path, t.Data, t.ACL = d.String(), d.Buffer(), DecodeACLs(d)
}

func (t *TxnBody) decodeMulti(d *jute.Decoder) {
	n, _ := d.Count(8)
	t.Sub = make([]TxnBody, n)
	for i := range t.Sub {
		sub := &t.Sub[i]
		sub.Type = zk.Op(d.Int())
		body := d.Buffer()
		if d.Err() != nil {
			return
		}
		inner := jute.NewDecoder(body)
		sub.decode(&inner, true)
		if inner.Err() == nil && inner.Len() > 0 {
			inner.Fail(fmt.Errorf("%w: %d", ErrTrailingBytes, inner.Len()))
		}
		if inner.Err() != nil {
			d.Fail(fmt.Errorf("operation %d of the multi: %w", i, inner.Err()))
			return
		}
	}
}

// IsFailedMulti reports whether t is a multi that changes nothing because one of its operations
// failed: one of its bodies is an error.
func (t *TxnBody) IsFailedMulti() bool {
	for i := range t.Sub {
		if t.Sub[i].Type == zk.OpError {
			return true
		}
	}
	return false
}
