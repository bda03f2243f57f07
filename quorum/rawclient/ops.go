package rawclient

import (
	"fmt"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// do sends one request, and for a reply without error lets decode read the body to its end. A
// reply with an error must have no body, but for addWatch and multi, which do not pass here.
func (c *Client) do(op zk.Op, record []byte, decode func(*jute.Decoder)) error {
	reply, err := c.Call(op, record)
	if err != nil {
		return err
	}
	return finish(op, reply, decode)
}

func finish(op zk.Op, reply Reply, decode func(*jute.Decoder)) error {
	if reply.Err != zk.OK {
		if len(reply.Body) > 0 {
			return fmt.Errorf("rawclient: %v answered %v with a body: %x", op, reply.Err, reply.Body)
		}
		return reply.Err
	}
	d := jute.NewDecoder(reply.Body)
	if decode != nil {
		decode(&d)
	}
	if err := end(&d); err != nil {
		return fmt.Errorf("rawclient: reply body of %v, %x: %w", op, reply.Body, err)
	}
	return nil
}

// Create is op 1.
func (c *Client) Create(path string, data []byte, acl []proto.ACL, mode zk.CreateMode) (created string, err error) {
	request := proto.CreateRequest{Path: path, Data: data, ACL: acl, Mode: mode}
	err = c.do(zk.OpCreate, request.Append(nil, zk.OpCreate), func(d *jute.Decoder) { created = d.String() })
	return created, err
}

// Create2 is op 15, or any other op that answers with path and stat: createContainer, createTTL.
// TTLMillis of request counts for createTTL only.
func (c *Client) Create2(op zk.Op, request proto.CreateRequest) (created string, stat proto.Stat, err error) {
	err = c.do(op, request.Append(nil, op), func(d *jute.Decoder) {
		created = d.String()
		stat.Decode(d)
	})
	return created, stat, err
}

// Delete is op 2; version -1 matches any.
func (c *Client) Delete(path string, version int32) error {
	return c.do(zk.OpDelete, (&proto.PathVersionRequest{Path: path, Version: version}).Append(nil), nil)
}

// Exists is op 3.
func (c *Client) Exists(path string, watch bool) (stat proto.Stat, err error) {
	err = c.do(zk.OpExists, (&proto.PathWatchRequest{Path: path, Watch: watch}).Append(nil), stat.Decode)
	return stat, err
}

// GetData is op 4; data is nil for null.
func (c *Client) GetData(path string, watch bool) (data []byte, stat proto.Stat, err error) {
	err = c.do(zk.OpGetData, (&proto.PathWatchRequest{Path: path, Watch: watch}).Append(nil), func(d *jute.Decoder) {
		data = d.Buffer()
		stat.Decode(d)
	})
	return data, stat, err
}

// SetData is op 5; version -1 matches any.
func (c *Client) SetData(path string, data []byte, version int32) (stat proto.Stat, err error) {
	request := proto.SetDataRequest{Path: path, Data: data, Version: version}
	err = c.do(zk.OpSetData, request.Append(nil), stat.Decode)
	return stat, err
}

// GetACL is op 6.
func (c *Client) GetACL(path string) (acl []proto.ACL, stat proto.Stat, err error) {
	err = c.do(zk.OpGetACL, (&proto.PathRequest{Path: path}).Append(nil), func(d *jute.Decoder) {
		acl = proto.DecodeACLs(d)
		stat.Decode(d)
	})
	return acl, stat, err
}

// SetACL is op 7; version is compared with aversion, -1 matches any.
func (c *Client) SetACL(path string, acl []proto.ACL, version int32) (stat proto.Stat, err error) {
	request := proto.SetACLRequest{Path: path, ACL: acl, Version: version}
	err = c.do(zk.OpSetACL, request.Append(nil), stat.Decode)
	return stat, err
}

// GetChildren is op 8; the names come in no order.
func (c *Client) GetChildren(path string, watch bool) (names []string, err error) {
	err = c.do(zk.OpGetChildren, (&proto.PathWatchRequest{Path: path, Watch: watch}).Append(nil),
		func(d *jute.Decoder) { names = d.Strings() })
	return names, err
}

// GetChildren2 is op 12.
func (c *Client) GetChildren2(path string, watch bool) (names []string, stat proto.Stat, err error) {
	err = c.do(zk.OpGetChildren2, (&proto.PathWatchRequest{Path: path, Watch: watch}).Append(nil), func(d *jute.Decoder) {
		names = d.Strings()
		stat.Decode(d)
	})
	return names, stat, err
}

// Sync is op 9.
func (c *Client) Sync(path string) (answered string, err error) {
	err = c.do(zk.OpSync, (&proto.PathRequest{Path: path}).Append(nil), func(d *jute.Decoder) { answered = d.String() })
	return answered, err
}

// Ping is op 11 with its own xid; it returns the zxid of the reply.
func (c *Client) Ping() (zk.Zxid, error) {
	reply, err := c.CallXid(zk.XidPing, zk.OpPing, nil)
	if err != nil {
		return 0, err
	}
	return reply.Zxid, finish(zk.OpPing, reply, nil)
}

// Auth is op 100 with its own xid.
func (c *Client) Auth(scheme string, auth []byte) error {
	reply, err := c.CallXid(zk.XidAuth, zk.OpAuth, (&proto.AuthRequest{Scheme: scheme, Auth: auth}).Append(nil))
	if err != nil {
		return err
	}
	return finish(zk.OpAuth, reply, nil)
}

// SetWatches is op 101 or, if op says so, 105, with the xid of both.
func (c *Client) SetWatches(op zk.Op, request proto.SetWatchesRequest) error {
	reply, err := c.CallXid(zk.XidSetWatches, op, request.Append(nil, op))
	if err != nil {
		return err
	}
	return finish(op, reply, nil)
}

// AddWatch is op 106. Its reply carries an int, the error once more.
func (c *Client) AddWatch(path string, mode zk.AddWatchMode) error {
	reply, err := c.Call(zk.OpAddWatch, (&proto.PathTypeRequest{Path: path, Type: int32(mode)}).Append(nil))
	if err != nil {
		return err
	}
	return finish(zk.OpAddWatch, reply, func(d *jute.Decoder) {
		if code := zk.Code(d.Int()); code != zk.OK {
			d.Fail(fmt.Errorf("body says %w", code))
		}
	})
}

// CheckWatches is op 17.
func (c *Client) CheckWatches(path string, t zk.WatcherType) error {
	return c.do(zk.OpCheckWatches, (&proto.PathTypeRequest{Path: path, Type: int32(t)}).Append(nil), nil)
}

// RemoveWatches is op 18.
func (c *Client) RemoveWatches(path string, t zk.WatcherType) error {
	return c.do(zk.OpRemoveWatches, (&proto.PathTypeRequest{Path: path, Type: int32(t)}).Append(nil), nil)
}

// GetEphemerals is op 103.
func (c *Client) GetEphemerals(prefix string) (paths []string, err error) {
	err = c.do(zk.OpGetEphemerals, (&proto.PathRequest{Path: prefix}).Append(nil), func(d *jute.Decoder) { paths = d.Strings() })
	return paths, err
}

// GetAllChildrenNumber is op 104.
func (c *Client) GetAllChildrenNumber(path string) (n int32, err error) {
	err = c.do(zk.OpGetAllChildrenNumber, (&proto.PathRequest{Path: path}).Append(nil), func(d *jute.Decoder) { n = d.Int() })
	return n, err
}

// WhoAmI is op 107.
func (c *Client) WhoAmI() (infos []proto.ClientInfo, err error) {
	err = c.do(zk.OpWhoAmI, nil, func(d *jute.Decoder) { infos = proto.DecodeClientInfos(d) })
	return infos, err
}

// CloseSession is op -11: the server answers and closes the connection.
func (c *Client) CloseSession() error {
	if err := c.do(zk.OpCloseSession, nil, nil); err != nil {
		return err
	}
	return c.Close()
}
