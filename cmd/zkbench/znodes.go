package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"zkd/cmd/zkbench/load"
	"zkd/cmd/zkbench/wire"
	"zkd/quorum/zk"
)

const (
	dialTimeout    = 10 * time.Second
	sessionTimeout = 40 * time.Second // the most that a tick of two seconds allows
	bufferBytes    = 64 << 10
	valueBytes     = 100
	root           = "/zkbench"
	fillDepth      = 100 // creates that a filling connection has outstanding
)

// family is a set of znodes that are told apart by their number, from 0. Znode k is child
// node-(k / len(parents)) of parent k % len(parents): 12 bytes of name, 100 of data.
type family struct {
	parents []string
	// sameData gives all of them the data of znode 0; otherwise each has its own, so that a reply
	// with the data of another is noticed.
	sameData bool
}

// newFamily returns the family below root/name with that many parents.
func newFamily(name string, parents int) family {
	var f family
	for i := range parents {
		f.parents = append(f.parents, fmt.Sprintf("%s/%s/p%d", root, name, i))
	}
	return f
}

// appendNumber appends k with seven digits at least.
func appendNumber(b []byte, k int64) []byte {
	for limit := int64(1e6); k < limit && limit > 1; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, k, 10)
}

// appendPath appends the path of znode k.
func (f *family) appendPath(b []byte, k int64) []byte {
	parents := int64(len(f.parents))
	b = append(b, f.parents[k%parents]...)
	b = append(b, "/node-"...)
	return appendNumber(b, k/parents)
}

var filler = strings.Repeat("abcdefghij", valueBytes/10)

// appendData appends the data of znode k.
func (f *family) appendData(b []byte, k int64) []byte {
	if f.sameData {
		k = 0
	}
	before := len(b)
	b = appendNumber(b, k)
	return append(b, filler[len(b)-before:]...)
}

// pick chooses one of count numbers for request n of a stream: evenly spread, and the same in every
// run (splitmix64).
func pick(stream int, n int64, count int64) int64 {
	z := uint64(n)*0x9e3779b97f4a7c15 + uint64(stream+1)*0xd1b54a32d192ed03
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int64((z ^ z>>31) % uint64(count))
}

// scratch is where a work builds paths and data: one for Issue and one for Check.
type scratch struct{ path, data []byte }

// getWork reads znodes of a family at random.
type getWork struct {
	family
	stream int
	count  int64
	out    scratch
	in     scratch
}

func (w *getWork) Issue(c *wire.Conn, n int64) {
	w.out.path = w.appendPath(w.out.path[:0], pick(w.stream, n, w.count))
	c.Get(w.out.path, false)
}

func (w *getWork) Check(r *wire.Reply, n int64) error {
	w.in.data = w.appendData(w.in.data[:0], pick(w.stream, n, w.count))
	return wire.CheckGet(r, w.in.data)
}

// setWork sets znodes of a family at random, to the data that they have.
type setWork struct {
	family
	stream int
	count  int64
	out    scratch
}

func (w *setWork) Issue(c *wire.Conn, n int64) {
	k := pick(w.stream, n, w.count)
	w.out.path = w.appendPath(w.out.path[:0], k)
	w.out.data = w.appendData(w.out.data[:0], k)
	c.Set(w.out.path, w.out.data)
}

func (w *setWork) Check(r *wire.Reply, _ int64) error { return wire.CheckSet(r, valueBytes) }

// createWork makes the children of one parent, in order. repeat accepts those that exist already.
type createWork struct {
	family
	stream int // the number of the parent
	repeat bool
	out    scratch
	in     scratch
	issued int64
}

// number is that of the znode which request n makes.
func (w *createWork) number(n int64) int64 { return n*int64(len(w.parents)) + int64(w.stream) }

func (w *createWork) Issue(c *wire.Conn, n int64) {
	w.issued = n + 1
	w.out.path = w.appendPath(w.out.path[:0], w.number(n))
	w.out.data = w.appendData(w.out.data[:0], w.number(n))
	c.Create(w.out.path, w.out.data, zk.ModePersistent)
}

func (w *createWork) Check(r *wire.Reply, n int64) error {
	if w.repeat && r.Err == zk.ErrNodeExists {
		return nil
	}
	w.in.path = w.appendPath(w.in.path[:0], w.number(n))
	return wire.CheckCreate(r, w.in.path)
}

// deleteWork removes what a createWork has made.
type deleteWork struct{ *createWork }

func (w deleteWork) Issue(c *wire.Conn, n int64) {
	w.out.path = w.appendPath(w.out.path[:0], w.number(n))
	c.Delete(w.out.path)
}

func (w deleteWork) Check(r *wire.Reply, _ int64) error { return r.Code() }

// open opens a session for load.
func open(addr string) (*wire.Conn, error) {
	return wire.Open(addr, dialTimeout, sessionTimeout, bufferBytes)
}

// openAll opens count sessions for load. They are closed by closeAll, also after an error.
func openAll(addr string, count int) ([]*wire.Conn, error) {
	var conns []*wire.Conn
	for range count {
		c, err := open(addr)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func closeAll(conns []*wire.Conn) {
	for _, c := range conns {
		// It is over: an error here would only repeat one that the run has returned.
		_ = c.Close(dialTimeout)
	}
}

// makeParents makes the parents of f, and theirs.
func makeParents(addr string, f family) error {
	c, err := open(addr)
	if err != nil {
		return err
	}
	defer closeAll([]*wire.Conn{c})
	c.SetDeadline(time.Now().Add(dialTimeout))
	above := f.parents[0][:strings.LastIndexByte(f.parents[0], '/')]
	for _, path := range append([]string{root, above}, f.parents...) {
		var r wire.Reply
		c.Create([]byte(path), nil, zk.ModePersistent)
		if err := c.Await(&r); err != nil && err != error(zk.ErrNodeExists) {
			return fmt.Errorf("create %s: %w", path, err)
		}
	}
	return nil
}

// makeZnodes makes the first count znodes of f, count being a multiple of its parents, within limit.
func makeZnodes(addr string, f family, count int64, limit time.Duration) error {
	if err := makeParents(addr, f); err != nil {
		return err
	}
	conns, err := openAll(addr, len(f.parents))
	defer closeAll(conns)
	if err != nil {
		return err
	}
	var streams []load.Stream
	for i, c := range conns {
		work := &createWork{family: f, stream: i, repeat: true}
		streams = append(streams, load.Stream{Conn: c, Work: work, Count: count / int64(len(conns))})
	}
	w := load.NewWindow(0, limit)
	done, err := load.Closed(streams, fillDepth, w)
	if err == nil && done.Count() < count {
		err = fmt.Errorf("made %d of %d znodes in %v", done.Count(), count, limit)
	}
	return err
}
