// Package watch remembers who wants to hear of which path, and tells them when something happens
// there.
//
// ZooKeeper speaks of two tables, of data watches and of child watches. Here each pair of path and
// watcher is one entry that says by which kinds of watch they are joined, and each kind belongs to
// a table:
//
//	kind                  set by                   table       consumed by an event
//	data (one-shot)       exists, getData          data        yes
//	child (one-shot)      getChildren              child       yes
//	persistent            addWatch mode 0          both        no
//	persistent recursive  addWatch mode 1          data        no
//
//	event                 goes to
//	NodeCreated           data table
//	NodeDataChanged       data table
//	NodeDeleted           both tables
//	NodeChildrenChanged   child table
//
// A recursive watch hears what the data table hears of its path and of every path below. Whoever
// is joined to a path in several ways hears of an event once.
//
// Source: WatchManager, WatchStats and DataTree of Apache ZooKeeper 3.9.
package watch

import (
	"strings"

	"zkd/quorum/zk"
)

// kinds is the set of kinds of watch by which a watcher is joined to a path.
type kinds uint8

const (
	data kinds = 1 << iota
	child
	persistent
	recursive

	oneShot    = data | child
	dataTable  = data | persistent | recursive
	childTable = child | persistent
)

// index names a path, a watcher or an entry within its slab. 0 is none: each slab wastes its first
// place.
type index uint32

// path is a watched path: one with entries.
type path struct {
	name        string
	first, last index  // its entries, in the order in which the watchers came
	inData      uint32 // how many of the entries are in the data table
	inChild     uint32 // and in the child table
	recursives  uint32 // and have a recursive watch
}

// watcher is somebody who watches at least one path.
type watcher[W comparable] struct {
	handle  W
	first   index  // its entries
	inData  uint32 // as in path
	inChild uint32
	heard   uint64 // number of the last event it was told of
}

// pair is what an entry joins.
type pair struct{ path, watcher index }

// entry joins a path and a watcher. It stands in two lists: of its path and of its watcher.
type entry struct {
	pair
	nextOfPath, prevOfPath       index
	nextOfWatcher, prevOfWatcher index
	kinds                        kinds
}

// Manager holds all watches of a server. W is a handle of a watcher, such as a connection. It is
// not safe for concurrent use.
type Manager[W comparable] struct {
	paths    slab[path]
	watchers slab[watcher[W]]
	entries  slab[entry]

	pathByName      map[string]index
	watcherByHandle map[W]index
	entryByPair     map[pair]index

	watches    int    // in both tables
	inData     totals // in the data table
	recursives int    // entries with a recursive watch; while there is none, parents are not looked at

	events  uint64 // number of the current event
	toldBuf []W
}

// totals counts a table.
type totals struct{ watches, paths, watchers int }

// NewManager returns an empty Manager.
func NewManager[W comparable]() *Manager[W] {
	return &Manager[W]{
		paths:           newSlab[path](),
		watchers:        newSlab[watcher[W]](),
		entries:         newSlab[entry](),
		pathByName:      make(map[string]index),
		watcherByHandle: make(map[W]index),
		entryByPair:     make(map[pair]index),
	}
}

// AddData sets a one-shot data watch, as exists and getData do. The name is copied if it is kept. It returns how many
// watches w then has, as [Manager.CountOf] counts them; so do the others.
func (m *Manager[W]) AddData(name string, w W) int { return m.add(name, w, data) }

// AddChild sets a one-shot child watch, as getChildren does.
func (m *Manager[W]) AddChild(name string, w W) int { return m.add(name, w, child) }

// AddPersistent sets a watch that lasts until it is removed, as addWatch does.
func (m *Manager[W]) AddPersistent(name string, w W, recursively bool) int {
	if recursively {
		return m.add(name, w, recursive)
	}
	return m.add(name, w, persistent)
}

func (m *Manager[W]) add(name string, w W, k kinds) int {
	pi, ok := m.pathByName[name]
	if !ok {
		name = strings.Clone(name)
		pi = m.paths.take(path{name: name})
		m.pathByName[name] = pi
	}
	wi, ok := m.watcherByHandle[w]
	if !ok {
		wi = m.watchers.take(watcher[W]{handle: w})
		m.watcherByHandle[w] = wi
	}
	ei, ok := m.entryByPair[pair{pi, wi}]
	if !ok {
		ei = m.link(pair{pi, wi})
	}
	m.setKinds(ei, m.entries.at(ei).kinds|k)
	return m.watchers.at(wi).count()
}

// Trigger calls fire for every watcher that hears of an event of type t on the path called name,
// each once, and consumes the one-shot watches that did. It is done with its own work before the
// first call of fire, which may therefore change the Manager.
func (m *Manager[W]) Trigger(t zk.EventType, name string, fire func(W)) {
	var tables kinds
	switch t {
	case zk.EventNodeCreated, zk.EventNodeDataChanged:
		tables = dataTable
	case zk.EventNodeDeleted:
		tables = dataTable | childTable
	case zk.EventNodeChildrenChanged:
		tables = childTable
	default:
		return
	}
	m.events++
	told := m.toldBuf[:0]
	m.toldBuf = nil // fire may lead here again
	told = m.collect(name, tables, told)
	if m.recursives > 0 && tables&recursive != 0 {
		for parent, ok := parentOf(name); ok; parent, ok = parentOf(parent) {
			told = m.collectRecursive(parent, told)
		}
	}
	for _, w := range told {
		fire(w)
	}
	clear(told)
	m.toldBuf = told
}

// collect appends those who are joined to the path called name in one of tables, and consumes.
func (m *Manager[W]) collect(name string, tables kinds, told []W) []W {
	pi, ok := m.pathByName[name]
	if !ok {
		return told
	}
	p := m.paths.at(pi)
	if (tables&data == 0 || p.inData == 0) && (tables&child == 0 || p.inChild == 0) {
		return told
	}
	for ei := p.first; ei != 0; {
		e := m.entries.at(ei)
		next := e.nextOfPath
		if e.kinds&tables != 0 {
			told = m.tell(e.watcher, told)
			m.setKinds(ei, e.kinds&^(tables&oneShot))
		}
		ei = next
	}
	return told
}

// collectRecursive appends those with a recursive watch on the path called name.
func (m *Manager[W]) collectRecursive(name string, told []W) []W {
	pi, ok := m.pathByName[name]
	if !ok {
		return told
	}
	p := m.paths.at(pi)
	if p.recursives == 0 {
		return told
	}
	for ei := p.first; ei != 0; {
		e := m.entries.at(ei)
		if e.kinds&recursive != 0 {
			told = m.tell(e.watcher, told)
		}
		ei = e.nextOfPath
	}
	return told
}

// tell appends a watcher unless it has been told of this event.
func (m *Manager[W]) tell(wi index, told []W) []W {
	w := m.watchers.at(wi)
	if w.heard == m.events {
		return told
	}
	w.heard = m.events
	return append(told, w.handle)
}

// parentOf returns the path that name is below; ok is false for the root.
func parentOf(name string) (parent string, ok bool) {
	if len(name) <= 1 {
		return "", false
	}
	switch i := strings.LastIndexByte(name, '/'); i {
	case -1:
		return "", false
	case 0:
		return "/", true
	default:
		return name[:i], true
	}
}

// kindsOf returns what a watcher type selects; each may be in one of several kinds.
func kindsOf(t zk.WatcherType) kinds {
	switch t {
	case zk.WatcherChildren:
		return child
	case zk.WatcherData:
		return data
	case zk.WatcherPersistent:
		return persistent
	case zk.WatcherPersistentRecursive:
		return recursive
	case zk.WatcherAny:
		return data | child | persistent | recursive
	}
	return 0
}

// Has reports whether w has a watch of that type on the path called name itself.
func (m *Manager[W]) Has(name string, w W, t zk.WatcherType) bool {
	ei, ok := m.find(name, w)
	return ok && m.entries.at(ei).kinds&kindsOf(t) != 0
}

// Remove removes the watches of that type that w has on the path called name; it reports whether
// there were any.
func (m *Manager[W]) Remove(name string, w W, t zk.WatcherType) bool {
	ei, ok := m.find(name, w)
	if !ok {
		return false
	}
	had := m.entries.at(ei).kinds
	if had&kindsOf(t) == 0 {
		return false
	}
	m.setKinds(ei, had&^kindsOf(t))
	return true
}

// RemoveAll forgets a watcher. Its cost is that of the watches it has.
func (m *Manager[W]) RemoveAll(w W) {
	wi, ok := m.watcherByHandle[w]
	if !ok {
		return
	}
	for ei := m.watchers.at(wi).first; ei != 0; {
		next := m.entries.at(ei).nextOfWatcher
		m.setKinds(ei, 0)
		ei = next
	}
}

func (m *Manager[W]) find(name string, w W) (index, bool) {
	pi, ok := m.pathByName[name]
	if !ok {
		return 0, false
	}
	wi, ok := m.watcherByHandle[w]
	if !ok {
		return 0, false
	}
	ei, ok := m.entryByPair[pair{pi, wi}]
	return ei, ok
}
