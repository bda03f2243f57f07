package client

import (
	"context"
	"slices"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// AnyVersion is the version that every node has.
const AnyVersion int32 = -1

// ConfigPath is where an ensemble keeps its membership, outside of every chroot.
const ConfigPath = "/zookeeper/config"

// Create makes a node and returns its path, which the server completes for sequential modes. data nil is
// no data, which is not the same as empty. ttlMillis counts for the TTL modes only.
func (c *Client) Create(ctx context.Context, path string, data []byte, acl []proto.ACL, mode zk.CreateMode, ttlMillis int64) (created string, stat proto.Stat, err error) {
	op := createOp(mode)
	r := proto.CreateRequest{Path: c.full(path), Data: data, ACL: acl, Mode: mode, TTLMillis: ttlMillis}
	if path == "/" && mode.Sequential() { // full takes the slash away, behind which the number goes
		r.Path = c.cfg.Chroot + "/"
	}
	err = c.request(ctx, op, path, r.Append(nil, op), func(d *jute.Decoder) {
		created = c.below(d.String())
		stat.Decode(d)
	}, nil)
	return created, stat, err
}

func createOp(mode zk.CreateMode) zk.Op {
	switch {
	case mode == zk.ModeContainer:
		return zk.OpCreateContainer
	case mode.TTL():
		return zk.OpCreateTTL
	}
	return zk.OpCreate2
}

// Delete removes a node without children if its data has this version.
func (c *Client) Delete(ctx context.Context, path string, version int32) error {
	r := proto.PathVersionRequest{Path: c.full(path), Version: version}
	return c.request(ctx, zk.OpDelete, path, r.Append(nil), nil, nil)
}

// Exists returns the node's stat. A watch is set also where the answer is [zk.ErrNoNode]: it waits for the
// node to come.
func (c *Client) Exists(ctx context.Context, path string, watch bool) (stat proto.Stat, err error) {
	r := proto.PathWatchRequest{Path: c.full(path), Watch: watch}
	err = c.request(ctx, zk.OpExists, path, r.Append(nil), stat.Decode, func(code zk.Code) {
		switch {
		case watch && code == zk.OK:
			c.watches.add(dataWatch, r.Path)
		case watch && code == zk.ErrNoNode:
			c.watches.add(existWatch, r.Path)
		}
	})
	return stat, err
}

// Get returns the node's data, nil if it has none, and its stat.
func (c *Client) Get(ctx context.Context, path string, watch bool) (data []byte, stat proto.Stat, err error) {
	return c.get(ctx, path, c.full(path), watch)
}

// Configuration is Get for [ConfigPath], whatever the chroot is.
func (c *Client) Configuration(ctx context.Context, watch bool) (data []byte, stat proto.Stat, err error) {
	return c.get(ctx, ConfigPath, ConfigPath, watch)
}

func (c *Client) get(ctx context.Context, path, full string, watch bool) (data []byte, stat proto.Stat, err error) {
	r := proto.PathWatchRequest{Path: full, Watch: watch}
	err = c.request(ctx, zk.OpGetData, path, r.Append(nil), func(d *jute.Decoder) {
		data = d.Buffer()
		stat.Decode(d)
	}, c.watching(watch, dataWatch, full))
	return data, stat, err
}

// watching returns what notes a watch when its request has succeeded.
func (c *Client) watching(watch bool, kind watchKind, full string) func(zk.Code) {
	if !watch {
		return nil
	}
	return func(code zk.Code) {
		if code == zk.OK {
			c.watches.add(kind, full)
		}
	}
}

// Children returns the names of the node's children, sorted, and its stat.
func (c *Client) Children(ctx context.Context, path string, watch bool) (names []string, stat proto.Stat, err error) {
	r := proto.PathWatchRequest{Path: c.full(path), Watch: watch}
	err = c.request(ctx, zk.OpGetChildren2, path, r.Append(nil), func(d *jute.Decoder) {
		names = d.Strings()
		stat.Decode(d)
	}, c.watching(watch, childWatch, r.Path))
	slices.Sort(names)
	return names, stat, err
}

// Set writes the node's data if it has this version.
func (c *Client) Set(ctx context.Context, path string, data []byte, version int32) (stat proto.Stat, err error) {
	r := proto.SetDataRequest{Path: c.full(path), Data: data, Version: version}
	err = c.request(ctx, zk.OpSetData, path, r.Append(nil), stat.Decode, nil)
	return stat, err
}

// GetACL returns who may do what with the node. To whom lacks the permission, a server shows the hashes of
// digest identities as "x".
func (c *Client) GetACL(ctx context.Context, path string) (acl []proto.ACL, stat proto.Stat, err error) {
	r := proto.PathRequest{Path: c.full(path)}
	err = c.request(ctx, zk.OpGetACL, path, r.Append(nil), func(d *jute.Decoder) {
		acl = proto.DecodeACLs(d)
		stat.Decode(d)
	}, nil)
	return acl, stat, err
}

// SetACL writes who may do what with the node if the ACL has this version.
func (c *Client) SetACL(ctx context.Context, path string, acl []proto.ACL, version int32) (stat proto.Stat, err error) {
	r := proto.SetACLRequest{Path: c.full(path), ACL: acl, Version: version}
	err = c.request(ctx, zk.OpSetACL, path, r.Append(nil), stat.Decode, nil)
	return stat, err
}

// Sync returns when the server knows everything that the ensemble had agreed upon at the call.
func (c *Client) Sync(ctx context.Context, path string) error {
	r := proto.PathRequest{Path: c.full(path)}
	return c.request(ctx, zk.OpSync, path, r.Append(nil), nil, nil)
}

// Ephemerals returns the ephemeral nodes of this session whose path begins with prefix, sorted.
func (c *Client) Ephemerals(ctx context.Context, prefix string) (paths []string, err error) {
	r := proto.PathRequest{Path: c.full(prefix)}
	err = c.request(ctx, zk.OpGetEphemerals, prefix, r.Append(nil), func(d *jute.Decoder) { paths = d.Strings() }, nil)
	for i := range paths {
		paths[i] = c.below(paths[i])
	}
	slices.Sort(paths)
	return paths, err
}

// AllChildrenNumber returns how many nodes there are below path.
func (c *Client) AllChildrenNumber(ctx context.Context, path string) (n int32, err error) {
	r := proto.PathRequest{Path: c.full(path)}
	err = c.request(ctx, zk.OpGetAllChildrenNumber, path, r.Append(nil), func(d *jute.Decoder) { n = d.Int() }, nil)
	return n, err
}

// WhoAmI returns the identities of the connection.
func (c *Client) WhoAmI(ctx context.Context) (infos []proto.ClientInfo, err error) {
	err = c.request(ctx, zk.OpWhoAmI, "", nil, func(d *jute.Decoder) { infos = proto.DecodeClientInfos(d) }, nil)
	return infos, err
}

// AddAuth adds an identity to this connection and, if the server takes it, to every later one. A server that
// does not take it closes the connection.
func (c *Client) AddAuth(ctx context.Context, scheme string, auth []byte) error {
	r := proto.AuthRequest{Scheme: scheme, Auth: auth}
	return c.request(ctx, zk.OpAuth, "", r.Append(nil), nil, nil)
}

// knows returns where a is among the identities, or -1. The client is locked.
func (c *Client) knows(a proto.AuthRequest) int {
	return slices.IndexFunc(c.auths, func(b proto.AuthRequest) bool {
		return a.Scheme == b.Scheme && string(a.Auth) == string(b.Auth)
	})
}

// AddWatch watches a path, whether or not there is a node, until [Client.RemoveWatches].
func (c *Client) AddWatch(ctx context.Context, path string, mode zk.AddWatchMode) error {
	r := proto.PathTypeRequest{Path: c.full(path), Type: int32(mode)}
	kind := persistentWatch
	if mode == zk.WatchPersistentRecursive {
		kind = recursiveWatch
	}
	return c.request(ctx, zk.OpAddWatch, path, r.Append(nil), nil, c.watching(true, kind, r.Path))
}

// RemoveWatches removes the watches of a type on path and makes up an event for each kind of them. Without such a
// watch it returns [zk.ErrNoWatcher] and asks nobody. local removes them also if the server cannot be asked.
func (c *Client) RemoveWatches(ctx context.Context, path string, t zk.WatcherType, local bool) error {
	r := proto.PathTypeRequest{Path: c.full(path), Type: int32(t)}
	c.mu.Lock()
	has := c.watches.has(t, r.Path)
	c.mu.Unlock()
	if !has {
		return c.wrap(zk.OpRemoveWatches, path, zk.ErrNoWatcher)
	}
	forget := func() {
		for _, event := range c.watches.remove(t, r.Path) {
			c.tell(Event{Type: event, State: SyncConnected, Path: path, Zxid: -1})
		}
	}
	err := c.request(ctx, zk.OpRemoveWatches, path, r.Append(nil), nil, func(code zk.Code) {
		if code == zk.OK {
			forget()
		}
	})
	if err != nil && local {
		c.mu.Lock()
		defer c.mu.Unlock()
		forget()
		return nil
	}
	return err
}

// Reconfig changes the membership of the ensemble, either by servers that join and ids that leave, or to
// members as a whole. version is that of the configuration it is a change to, or -1. It returns the new one.
func (c *Client) Reconfig(ctx context.Context, joining, leaving, members string, version int64) (config []byte, stat proto.Stat, err error) {
	// What is not meant must be null: an empty list of members is a wish for an ensemble of nobody.
	var record []byte
	for _, list := range []string{joining, leaving, members} {
		if list == "" {
			record = jute.AppendBuffer(record, nil)
		} else {
			record = jute.AppendString(record, list)
		}
	}
	err = c.request(ctx, zk.OpReconfig, "", jute.AppendLong(record, version), func(d *jute.Decoder) {
		config = d.Buffer()
		stat.Decode(d)
	}, nil)
	return config, stat, err
}
