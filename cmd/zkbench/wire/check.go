package wire

import (
	"errors"
	"fmt"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var (
	errData    = errors.New("get: the data is not what was written")
	errStat    = errors.New("the stat does not fit the data")
	errPath    = errors.New("create: the path is not the one asked for")
	errTrailed = errors.New("bytes behind the record")
)

// Code returns the error of the reply, a [zk.Code], or nil.
func (r *Reply) Code() error {
	if r.Err == zk.OK {
		return nil
	}
	return r.Err
}

// whole returns err, or what is wrong with the record that d has read.
func whole(d *jute.Decoder, err error) error {
	switch {
	case d.Err() != nil:
		return d.Err()
	case d.Len() > 0:
		return errTrailed
	}
	return err
}

// CheckGet verifies the reply of a get: the data, its length in the stat, and nothing else.
func CheckGet(r *Reply, want []byte) error {
	if r.Err != zk.OK {
		return r.Err
	}
	d := jute.NewDecoder(r.Body)
	var err error
	if string(d.Buffer()) != string(want) {
		err = errData
	}
	var stat proto.Stat
	if stat.Decode(&d); err == nil && stat.DataLength != int32(len(want)) {
		err = errStat
	}
	return whole(&d, err)
}

// CheckSet verifies the reply of a set of dataBytes bytes: a stat with that length, with a
// version that only a set makes, and no younger than the reply.
func CheckSet(r *Reply, dataBytes int) error {
	if r.Err != zk.OK {
		return r.Err
	}
	d := jute.NewDecoder(r.Body)
	var stat proto.Stat
	stat.Decode(&d)
	var err error
	if stat.DataLength != int32(dataBytes) || stat.Version < 1 || stat.Mzxid > r.Zxid {
		err = errStat
	}
	return whole(&d, err)
}

// CheckCreate verifies the reply of a create: the path.
func CheckCreate(r *Reply, path []byte) error {
	if r.Err != zk.OK {
		return r.Err
	}
	d := jute.NewDecoder(r.Body)
	var err error
	if string(d.Buffer()) != string(path) {
		err = errPath
	}
	return whole(&d, err)
}

// CheckDataChanged verifies the notification of a change of the data of path.
func CheckDataChanged(r *Reply, path []byte) error {
	if !r.Notification() {
		return fmt.Errorf("reply %d where a notification was due", r.Xid)
	}
	d := jute.NewDecoder(r.Body)
	var event proto.WatcherEvent
	event.Decode(&d)
	var err error
	if event.Type != zk.EventNodeDataChanged || event.State != zk.StateSyncConnected || event.Path != string(path) {
		err = fmt.Errorf("notification of %v of %q where a change of %q was due", event.Type, event.Path, path)
	}
	return whole(&d, err)
}
