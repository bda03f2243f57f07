package client

import (
	"fmt"
	"sync"

	"zkd/quorum/zk"
)

// State is what a session knows of its connection. Source: Watcher.Event.KeeperState.
type State int32

// The states that events carry.
const (
	Disconnected  State = 0
	SyncConnected State = 3
	AuthFailed    State = 4
	Closed        State = 7
	Expired       State = -112
)

var stateNames = map[State]string{
	Disconnected: "Disconnected", SyncConnected: "SyncConnected", AuthFailed: "AuthFailed", Closed: "Closed", Expired: "Expired",
}

// String returns ZooKeeper's name of the state.
func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("state %d", int32(s))
}

// Events that a server never sends: the client makes them up when it removes a watch.
const (
	EventDataWatchRemoved       zk.EventType = 5
	EventChildWatchRemoved      zk.EventType = 6
	EventPersistentWatchRemoved zk.EventType = 7
)

var eventNames = map[zk.EventType]string{
	zk.EventNone: "None", zk.EventNodeCreated: "NodeCreated", zk.EventNodeDeleted: "NodeDeleted",
	zk.EventNodeDataChanged: "NodeDataChanged", zk.EventNodeChildrenChanged: "NodeChildrenChanged",
	EventDataWatchRemoved: "DataWatchRemoved", EventChildWatchRemoved: "ChildWatchRemoved",
	EventPersistentWatchRemoved: "PersistentWatchRemoved",
}

// EventName returns ZooKeeper's name of an event type.
func EventName(t zk.EventType) string {
	if name, ok := eventNames[t]; ok {
		return name
	}
	return fmt.Sprintf("event %d", int32(t))
}

// Event is what a watch saw, or, with Type [zk.EventNone], a change of the session's state.
type Event struct {
	Type  zk.EventType
	State State
	Path  string  // below the chroot; "" for a change of state
	Zxid  zk.Zxid // of the change; -1 where it is not known, so from servers before 3.9
}

// maxEvents bounds the events that wait for a slow OnEvent, beside as many that it was given together. Beyond
// it the client stops reading, so that the server sees a slow reader; pings go on.
const maxEvents = 10_000

// eventQueue stands between the connection, which must not wait, and the caller's function.
type eventQueue struct {
	mu        sync.Mutex
	moved     *sync.Cond // something was pushed, delivered or closed
	items     []Event
	closed    bool
	pushed    uint64 // since the beginning
	delivered uint64
	// room has an item when the queue may have become shorter than maxEvents.
	room chan struct{}
}

func newEventQueue() *eventQueue {
	q := &eventQueue{room: make(chan struct{}, 1)}
	q.moved = sync.NewCond(&q.mu)
	return q
}

func (q *eventQueue) push(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, e)
	q.pushed++
	q.moved.Broadcast()
}

func (q *eventQueue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) >= maxEvents
}

// close lets deliver end when the queue is empty.
func (q *eventQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.moved.Broadcast()
}

// deliver hands the events to f, one by one, until the queue is closed and empty.
func (q *eventQueue) deliver(f func(Event)) {
	for {
		q.mu.Lock()
		for len(q.items) == 0 && !q.closed {
			q.moved.Wait()
		}
		items := q.items
		q.items = nil
		q.mu.Unlock()
		select {
		case q.room <- struct{}{}:
		default:
		}
		if len(items) == 0 {
			return
		}
		for _, e := range items {
			f(e)
			q.mu.Lock()
			q.delivered++
			q.moved.Broadcast()
			q.mu.Unlock()
		}
	}
}

// flush waits until everything that was pushed before the call is delivered.
func (q *eventQueue) flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for pushed := q.pushed; q.delivered < pushed; {
		q.moved.Wait()
	}
}
