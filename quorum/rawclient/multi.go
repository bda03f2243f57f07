package rawclient

import (
	"fmt"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// SubOp is one operation of a multi or multiRead: its op and its record without any header.
type SubOp struct {
	Op     zk.Op
	Record []byte
}

// SubResult is one result of a multi or multiRead. Op is the type that the server named: it is not
// always that of the request (createContainer and createTTL answer as create2), and -1 for an
// error, whose code is in Err, from the body, and in HeaderErr, from the MultiHeader.
type SubResult struct {
	Op             zk.Op
	HeaderErr, Err zk.Code
	Path           string // create, create2
	Stat           proto.Stat
	Data           []byte   // getData
	Children       []string // getChildren
}

// CreateOp returns the create, create2, createContainer or createTTL of a multi.
func CreateOp(op zk.Op, request proto.CreateRequest) SubOp {
	return SubOp{op, request.Append(nil, op)}
}

// DeleteOp returns the delete of a multi.
func DeleteOp(path string, version int32) SubOp {
	return SubOp{zk.OpDelete, (&proto.PathVersionRequest{Path: path, Version: version}).Append(nil)}
}

// SetDataOp returns the setData of a multi.
func SetDataOp(path string, data []byte, version int32) SubOp {
	return SubOp{zk.OpSetData, (&proto.SetDataRequest{Path: path, Data: data, Version: version}).Append(nil)}
}

// CheckOp returns the check of a multi.
func CheckOp(path string, version int32) SubOp {
	return SubOp{zk.OpCheck, (&proto.PathVersionRequest{Path: path, Version: version}).Append(nil)}
}

// GetDataOp returns the getData of a multiRead.
func GetDataOp(path string) SubOp {
	return SubOp{zk.OpGetData, (&proto.PathWatchRequest{Path: path}).Append(nil)}
}

// GetChildrenOp returns the getChildren of a multiRead.
func GetChildrenOp(path string) SubOp {
	return SubOp{zk.OpGetChildren, (&proto.PathWatchRequest{Path: path}).Append(nil)}
}

// AppendMulti appends the record of a multi.
func AppendMulti(b []byte, ops []SubOp) []byte {
	for _, op := range ops {
		b = proto.MultiHeader{Type: op.Op, Err: -1}.Append(b)
		b = append(b, op.Record...)
	}
	return proto.MultiEnd.Append(b)
}

// Multi is op 14. The error is the one of the reply header, which stays OK when an operation
// fails: the results tell (see [FirstError]).
func (c *Client) Multi(ops ...SubOp) ([]SubResult, error) { return c.multi(zk.OpMulti, ops) }

// MultiRead is op 22.
func (c *Client) MultiRead(ops ...SubOp) ([]SubResult, error) { return c.multi(zk.OpMultiRead, ops) }

func (c *Client) multi(op zk.Op, ops []SubOp) (results []SubResult, err error) {
	err = c.do(op, AppendMulti(nil, ops), func(d *jute.Decoder) { results = DecodeMultiResponse(d) })
	return results, err
}

// DecodeMultiResponse reads the results of a multi or multiRead; none if d fails.
func DecodeMultiResponse(d *jute.Decoder) []SubResult {
	var results []SubResult
	for d.Err() == nil {
		var h proto.MultiHeader
		h.Decode(d)
		if h.Done {
			if h != proto.MultiEnd {
				d.Fail(fmt.Errorf("multi ends with %+v", h))
			}
			break
		}
		result := SubResult{Op: h.Type, HeaderErr: h.Err}
		switch h.Type {
		case zk.OpCreate:
			result.Path = d.String()
		case zk.OpCreate2:
			result.Path = d.String()
			result.Stat.Decode(d)
		case zk.OpSetData:
			result.Stat.Decode(d)
		case zk.OpGetData:
			result.Data = d.Buffer()
			result.Stat.Decode(d)
		case zk.OpGetChildren:
			result.Children = d.Strings()
		case zk.OpDelete, zk.OpCheck:
		case zk.OpError:
			result.Err = zk.Code(d.Int())
		default:
			d.Fail(fmt.Errorf("multi result of type %v", h.Type))
		}
		results = append(results, result)
	}
	if d.Err() != nil {
		return nil
	}
	return results
}

// FirstError returns the code of the operation that made a multi fail, or OK.
func FirstError(results []SubResult) zk.Code {
	for _, r := range results {
		if r.Op == zk.OpError && r.Err != zk.OK {
			return r.Err
		}
	}
	return zk.OK
}
