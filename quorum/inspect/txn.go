package inspect

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// txn prints one txn: a line in text, with one more for each operation of a multi; one object in
// JSON.
func (p *printer) txn(t *proto.Txn, sizeBytes int) {
	p.begin("txn")
	p.zxid("zxid", t.Header.Zxid)
	p.time("time", t.Header.TimeMillis)
	p.hex("session", uint64(t.Header.ClientID))
	p.int("cxid", int64(t.Header.Cxid))
	p.word("type", t.Header.Type.String())
	p.body(&t.Body)
	if t.HasDigest {
		p.hex("digest", t.Digest.Tree)
		if t.Digest.Version != proto.DigestVersion {
			p.int("digest_version", int64(t.Digest.Version))
		}
	}
	p.int("bytes", int64(sizeBytes))
	if t.Body.Type == zk.OpMulti {
		p.operations(t.Body.Sub)
	}
	p.end()
}

// operations prints those of a multi.
func (p *printer) operations(ops []proto.TxnBody) {
	if !p.options.JSON {
		p.int("ops", int64(len(ops)))
		for i := range ops {
			p.line, p.first = append(p.line, "\n  op"...), false
			p.word("type", ops[i].Type.String())
			p.body(&ops[i])
		}
		return
	}
	p.key("ops")
	p.line = append(p.line, '[')
	for i := range ops {
		if i > 0 {
			p.line = append(p.line, ',')
		}
		p.line, p.first = append(p.line, '{'), true
		p.word("type", ops[i].Type.String())
		p.body(&ops[i])
		p.line = append(p.line, '}')
	}
	p.line, p.first = append(p.line, ']'), false
}

// body prints the fields that count for the type of txn.
func (p *printer) body(b *proto.TxnBody) {
	switch b.Type {
	case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL:
		p.text("path", b.Path)
		p.data(b.Data)
		p.acl(b.ACL)
		if b.Type == zk.OpCreate || b.Type == zk.OpCreate2 {
			p.bool("ephemeral", b.Ephemeral)
		}
		p.int("parent_cversion", int64(b.ParentCversion))
		if b.Type == zk.OpCreateTTL {
			p.int("ttl_ms", b.TTLMillis)
		}
	case zk.OpDelete, zk.OpDeleteContainer:
		p.text("path", b.Path)
	case zk.OpSetData, zk.OpReconfig:
		p.text("path", b.Path)
		p.data(b.Data)
		p.int("version", int64(b.Version))
	case zk.OpSetACL:
		p.text("path", b.Path)
		p.acl(b.ACL)
		p.int("aversion", int64(b.Version))
	case zk.OpCheck:
		p.text("path", b.Path)
		p.int("version", int64(b.Version))
	case zk.OpCreateSession:
		p.int("timeout_ms", int64(b.TimeoutMillis))
	case zk.OpCloseSession:
		p.paths(b.Paths)
	case zk.OpError:
		p.int("error", int64(b.Err))
		if b.Err != zk.OK {
			p.text("meaning", b.Err.Error())
		}
	}
}

// paths prints the znodes that go with a session. Null, which means that the log does not say, is
// left out.
func (p *printer) paths(paths []string) {
	if paths == nil {
		return
	}
	p.key("paths")
	if p.options.JSON {
		p.line = append(p.line, '[')
	}
	for i, path := range paths {
		if i > 0 {
			p.line = append(p.line, ',')
		}
		p.quote(path)
	}
	if p.options.JSON {
		p.line = append(p.line, ']')
	}
}
