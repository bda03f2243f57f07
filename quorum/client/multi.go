package client

import (
	"context"
	"fmt"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Operation is one step of a multi. Op is create, by its mode, delete, setData or check.
type Operation struct {
	Op        zk.Op
	Path      string
	Data      []byte
	ACL       []proto.ACL
	Mode      zk.CreateMode
	TTLMillis int64
	Version   int32
}

// CreateOp is the step that [Client.Create] does.
func CreateOp(path string, data []byte, acl []proto.ACL, mode zk.CreateMode, ttlMillis int64) Operation {
	return Operation{Op: createOp(mode), Path: path, Data: data, ACL: acl, Mode: mode, TTLMillis: ttlMillis}
}

// DeleteOp is the step that [Client.Delete] does.
func DeleteOp(path string, version int32) Operation {
	return Operation{Op: zk.OpDelete, Path: path, Version: version}
}

// SetOp is the step that [Client.Set] does.
func SetOp(path string, data []byte, version int32) Operation {
	return Operation{Op: zk.OpSetData, Path: path, Data: data, Version: version}
}

func (c *Client) appendOperation(b []byte, o Operation) []byte {
	b = proto.MultiHeader{Type: o.Op, Err: -1}.Append(b)
	path := c.full(o.Path)
	switch o.Op {
	case zk.OpDelete, zk.OpCheck:
		return (&proto.PathVersionRequest{Path: path, Version: o.Version}).Append(b)
	case zk.OpSetData:
		return (&proto.SetDataRequest{Path: path, Data: o.Data, Version: o.Version}).Append(b)
	case zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL:
		return (&proto.CreateRequest{Path: path, Data: o.Data, ACL: o.ACL, Mode: o.Mode, TTLMillis: o.TTLMillis}).Append(b, o.Op)
	}
	panic(fmt.Sprintf("client: no %v in a multi", o.Op)) // a bug in the caller, not input
}

// Size returns about how many bytes the operation takes in a request.
func (o Operation) Size() int { return 9 + 20 + len(o.Path) + len(o.Data) + 40*len(o.ACL) }

// MultiError says which operation of a multi was refused; none was done.
type MultiError struct {
	Index int
	Err   zk.Code
}

func (e *MultiError) Error() string { return fmt.Sprintf("operation %d: %v", e.Index, e.Err) }

// Unwrap returns the server's answer.
func (e *MultiError) Unwrap() error { return e.Err }

// Multi does all of the operations or none. The [Error] has the path of the one that was refused.
func (c *Client) Multi(ctx context.Context, operations []Operation) error {
	var b []byte
	for _, o := range operations {
		b = c.appendOperation(b, o)
	}
	body, err := c.do(ctx, &call{op: zk.OpMulti, record: proto.MultiEnd.Append(b)})
	if err != nil {
		return c.wrap(zk.OpMulti, "", err)
	}
	d := jute.NewDecoder(body)
	for i := 0; ; i++ {
		var h proto.MultiHeader
		h.Decode(&d)
		switch {
		case d.Err() != nil:
			return c.wrap(zk.OpMulti, "", d.Err())
		case h.Done:
			return nil
		case i >= len(operations):
			return c.wrap(zk.OpMulti, "", fmt.Errorf("answered more than %d operations", len(operations)))
		}
		if h.Type != zk.OpError {
			skipResult(&d, h.Type)
			continue
		}
		// The one at fault is the first whose code is neither success nor "another one failed".
		if code := zk.Code(d.Int()); code != zk.OK && code != zk.ErrRuntimeInconsistency {
			o := operations[i]
			return &Error{o.Op, o.Path, &MultiError{i, code}}
		}
	}
}

func skipResult(d *jute.Decoder, op zk.Op) {
	var stat proto.Stat
	switch op {
	case zk.OpCreate:
		_ = d.String()
	case zk.OpCreate2:
		_ = d.String()
		stat.Decode(d)
	case zk.OpSetData:
		stat.Decode(d)
	}
}
