package replica

import (
	"sync"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// View is the state of the replica while it stands still: it is valid only inside the call that
// passed it.
type View struct{ r *Replica }

// Read calls f with the state locked for reading: the tree stands still, watches may be set. f must
// not block, and must not call Read.
func (r *Replica) Read(f func(v *View)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	f(&r.view)
}

// RLock locks the state for reading and returns the View, valid until RUnlock. It is Read for callers
// on the hot path.
func (r *Replica) RLock() *View {
	r.mu.RLock()
	return &r.view
}

// RUnlock ends RLock.
func (r *Replica) RUnlock() { r.mu.RUnlock() }

// Tree returns the znodes, which must only be read.
func (v *View) Tree() *tree.Tree { return v.r.tree }

// Zxid returns the last applied zxid.
func (v *View) Zxid() zk.Zxid { return v.r.tree.LastZxid() }

// Term returns the role in which clients are served, 0 for none.
func (v *View) Term() Term { return v.r.serving }

// Serving returns the role in which clients are served, 0 for none.
func (r *Replica) Serving() Term {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.serving
}

// AwaitServing waits until clients are served, for so long at most, and returns the role; 0 if there is none.
func (r *Replica) AwaitServing(patience time.Duration) Term {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		began := r.serves.wait()
		if term := r.Serving(); term != 0 {
			return term
		}
		select {
		case <-began:
		case <-deadline.C:
			return 0
		case <-r.done:
			return 0
		}
	}
}

// announcement is a channel that is closed when something happens, and then made anew.
type announcement struct {
	mu sync.Mutex
	c  chan struct{}
}

// wait returns what is closed the next time.
func (a *announcement) wait() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.c == nil {
		a.c = make(chan struct{})
	}
	return a.c
}

func (a *announcement) make() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.c != nil {
		close(a.c)
		a.c = nil
	}
}

// WatchData sets a one-shot watch for w on the data table (getData, exists). path is cloned if kept. It returns how many
// watches w then has; one that is on both tables counts twice. So do the others.
func (v *View) WatchData(path string, w Watcher) int {
	v.r.watchMu.Lock()
	defer v.r.watchMu.Unlock()
	return v.r.watches.AddData(path, w)
}

// WatchChildren sets a one-shot watch for w on the child table. path is cloned if kept.
func (v *View) WatchChildren(path string, w Watcher) int {
	v.r.watchMu.Lock()
	defer v.r.watchMu.Unlock()
	return v.r.watches.AddChild(path, w)
}

// WatchPersistent sets a persistent watch for w. path is cloned if kept.
func (v *View) WatchPersistent(path string, w Watcher, recursive bool) int {
	v.r.watchMu.Lock()
	defer v.r.watchMu.Unlock()
	return v.r.watches.AddPersistent(path, w, recursive)
}

// HasWatch reports whether w has a watch of the type on path.
func (v *View) HasWatch(path string, w Watcher, t zk.WatcherType) bool {
	v.r.watchMu.Lock()
	defer v.r.watchMu.Unlock()
	return v.r.watches.Has(path, w, t)
}

// RemoveWatch removes w's watches of the type on path and reports whether there were any.
func (v *View) RemoveWatch(path string, w Watcher, t zk.WatcherType) bool {
	v.r.watchMu.Lock()
	defer v.r.watchMu.Unlock()
	return v.r.watches.Remove(path, w, t)
}

// DropWatcher removes all watches of w.
func (r *Replica) DropWatcher(w Watcher) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	r.watchMu.Lock()
	defer r.watchMu.Unlock()
	r.watches.RemoveAll(w)
}

// fire tells everyone who watches. The loop holds mu, so nobody sets watches meanwhile.
func (r *Replica) fire(ev *tree.Event, zxid zk.Zxid) {
	r.notice = Notice{Type: ev.Type, Path: ev.Path, Zxid: zxid, ACL: ev.ACL}
	r.told = 0
	r.watches.Trigger(ev.Type, ev.Path, r.tellWatcher)
	told := r.told
	if told == 0 {
		return
	}
	switch ev.Type {
	case zk.EventNodeCreated:
		r.stats.NodeCreatedWatches.Observe(told)
	case zk.EventNodeDeleted:
		r.stats.NodeDeletedWatches.Observe(told)
	case zk.EventNodeDataChanged:
		r.stats.NodeChangedWatches.Observe(told)
	case zk.EventNodeChildrenChanged:
		r.stats.NodeChildrenWatches.Observe(told)
	}
}

func (r *Replica) notify(w Watcher) {
	r.told++
	if w.Notify(&r.notice) {
		r.dirty = append(r.dirty, w)
	}
}

func appendPath(path string) []byte {
	req := proto.PathRequest{Path: path}
	return req.Append(nil)
}
