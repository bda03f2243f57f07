package client

import (
	"maps"
	"slices"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// watchKind is one of the five tables of a session's watches.
type watchKind int

const (
	dataWatch watchKind = iota
	existWatch
	childWatch
	persistentWatch
	recursiveWatch
	watchKinds
)

// watches are the full paths that a session watches, by kind: what a new connection must be told.
// The server tells which watch an event used up only by its type. Source: ZKWatchManager.
type watches [watchKinds]map[string]bool

func (w *watches) add(kind watchKind, path string) {
	if w[kind] == nil {
		w[kind] = make(map[string]bool)
	}
	w[kind][path] = true
}

// uses are the one-shot watches that an event uses up.
var uses = map[zk.EventType][]watchKind{
	zk.EventNodeCreated:         {dataWatch, existWatch},
	zk.EventNodeDataChanged:     {dataWatch, existWatch},
	zk.EventNodeChildrenChanged: {childWatch},
	zk.EventNodeDeleted:         {dataWatch, existWatch, childWatch},
}

func (w *watches) used(t zk.EventType, path string) {
	for _, kind := range uses[t] {
		delete(w[kind], path)
	}
}

// selects are the kinds that each watcher type removes.
var selects = map[zk.WatcherType][]watchKind{
	zk.WatcherChildren:            {childWatch},
	zk.WatcherData:                {dataWatch, existWatch},
	zk.WatcherPersistent:          {persistentWatch},
	zk.WatcherPersistentRecursive: {recursiveWatch},
	zk.WatcherAny:                 {childWatch, dataWatch, existWatch, persistentWatch, recursiveWatch},
}

func (w *watches) has(t zk.WatcherType, path string) bool {
	return slices.ContainsFunc(selects[t], func(kind watchKind) bool { return w[kind][path] })
}

// removed are the events that a client makes up for a removed watch.
var removed = [watchKinds]zk.EventType{
	dataWatch: EventDataWatchRemoved, existWatch: EventDataWatchRemoved, childWatch: EventChildWatchRemoved,
	persistentWatch: EventPersistentWatchRemoved, recursiveWatch: EventPersistentWatchRemoved,
}

// remove forgets the watches of a type and returns the event types to tell, each once.
func (w *watches) remove(t zk.WatcherType, path string) []zk.EventType {
	var events []zk.EventType
	for _, kind := range selects[t] {
		if w[kind][path] {
			delete(w[kind], path)
			if !slices.Contains(events, removed[kind]) {
				events = append(events, removed[kind])
			}
		}
	}
	return events
}

// maxSetWatchesBytes bounds the paths in one request: far below what any server takes.
const maxSetWatchesBytes = 128 << 10

// requests returns the setWatches2 requests that register everything on a new connection. seen is the
// highest zxid whose effects the client has seen: the server sends at once what it missed since.
func (w *watches) requests(seen zk.Zxid) []proto.SetWatchesRequest {
	var all []proto.SetWatchesRequest
	var r *proto.SetWatchesRequest
	bytes := 0
	for kind := range watchKinds {
		for _, path := range slices.Sorted(maps.Keys(w[kind])) {
			if r == nil || bytes+len(path) > maxSetWatchesBytes {
				all = append(all, proto.SetWatchesRequest{RelativeZxid: seen, Data: []string{}, Exist: []string{},
					Child: []string{}, Persistent: []string{}, PersistentRecursive: []string{}})
				r, bytes = &all[len(all)-1], 0
			}
			list := [watchKinds]*[]string{&r.Data, &r.Exist, &r.Child, &r.Persistent, &r.PersistentRecursive}[kind]
			*list = append(*list, path)
			bytes += len(path) + 4
		}
	}
	return all
}
