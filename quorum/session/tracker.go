// Package session knows which client sessions are alive and when they expire.
//
// Time arrives as an argument, in milliseconds of a monotonic clock. Deadlines are rounded up to
// the next multiple of a tick, and sessions with the same deadline share a bucket: a session lives
// for its timeout and up to one tick more. That a session was heard from is not told to the room
// each time; it asks, when the session's bucket is due.
//
// The room decides that a session has expired. Making it so, for all servers, is a closeSession
// txn; until that is applied the session is closing.
//
// Source: SessionTrackerImpl and ExpiryQueue.
package session

import (
	"iter"
	"maps"
	"slices"

	"zkd/quorum/zk"
)

// Tracker holds the live sessions. It is not safe for concurrent use.
type Tracker struct {
	tickMillis int64
	sessions   map[zk.SessionID]tracked

	// buckets lists the sessions that are due at a time. A session that has been removed or put
	// into another bucket stays listed here until the bucket is due: its tracked.due says so.
	buckets map[int64][]zk.SessionID
}

type tracked struct {
	addedMillis   int64 // counts as heard from then
	dueMillis     int64 // its bucket
	timeoutMillis int32
	closing       bool
}

// NewTracker returns an empty Tracker. tickMillis is at least 1.
func NewTracker(tickMillis int64) *Tracker {
	return &Tracker{
		tickMillis: max(tickMillis, 1),
		sessions:   make(map[zk.SessionID]tracked),
		buckets:    make(map[int64][]zk.SessionID),
	}
}

// Add starts or restarts the life of a session: it has its full timeout from nowMillis on. A
// session that is closing stays so.
func (t *Tracker) Add(id zk.SessionID, timeoutMillis int32, nowMillis int64) {
	old, known := t.sessions[id]
	s := tracked{addedMillis: nowMillis, timeoutMillis: timeoutMillis, closing: old.closing}
	s.dueMillis = t.deadline(nowMillis, timeoutMillis)
	t.sessions[id] = s
	if !known || s.dueMillis != old.dueMillis {
		t.buckets[s.dueMillis] = append(t.buckets[s.dueMillis], id)
	}
}

// deadline is when a session that was last heard from at heardMillis expires.
func (t *Tracker) deadline(heardMillis int64, timeoutMillis int32) int64 {
	return ((heardMillis+int64(timeoutMillis))/t.tickMillis + 1) * t.tickMillis
}

// Remove forgets a session.
func (t *Tracker) Remove(id zk.SessionID) { delete(t.sessions, id) }

// Has reports whether the session is known, closing or not.
func (t *Tracker) Has(id zk.SessionID) bool {
	_, ok := t.sessions[id]
	return ok
}

// Len returns how many sessions are known, those that are closing included.
func (t *Tracker) Len() int { return len(t.sessions) }

// Closing marks a session as about to be removed: it does not expire any more. Unknown ids are
// ignored.
func (t *Tracker) Closing(id zk.SessionID) {
	if s, ok := t.sessions[id]; ok {
		s.closing = true
		t.sessions[id] = s
	}
}

// IsClosing reports whether the session is known and marked as closing.
func (t *Tracker) IsClosing(id zk.SessionID) bool { return t.sessions[id].closing }

// Expire looks at every session whose deadline is at or before nowMillis. lastHeard tells when a
// session was last heard from, 0 for not since it was added. Those whose timeout has not passed
// since then get a new deadline; the others are marked as closing and appended to expired, in
// ascending order.
func (t *Tracker) Expire(nowMillis int64, lastHeard func(zk.SessionID) int64, expired []zk.SessionID) []zk.SessionID {
	first := len(expired)
	for due := range t.buckets {
		if due > nowMillis {
			continue
		}
		ids := t.buckets[due]
		delete(t.buckets, due)
		for _, id := range ids {
			s, ok := t.sessions[id]
			if !ok || s.dueMillis != due || s.closing {
				continue
			}
			s.dueMillis = t.deadline(max(lastHeard(id), s.addedMillis), s.timeoutMillis)
			if s.dueMillis > nowMillis {
				t.buckets[s.dueMillis] = append(t.buckets[s.dueMillis], id)
			} else {
				s.closing = true
				expired = append(expired, id)
			}
			t.sessions[id] = s
		}
	}
	// Buckets come in the order of the map; the result must not.
	slices.Sort(expired[first:])
	return expired
}

// Buckets yields the deadlines in ascending order, each with the ids of the sessions that are due
// then in ascending order. Sessions that are closing are left out. The deadlines are those of the
// last look at each session: hearing from it moves them only when they are reached.
func (t *Tracker) Buckets() iter.Seq2[int64, []zk.SessionID] {
	return func(yield func(int64, []zk.SessionID) bool) {
		for _, due := range slices.Sorted(maps.Keys(t.buckets)) {
			var ids []zk.SessionID
			for _, id := range t.buckets[due] {
				if s, ok := t.sessions[id]; ok && s.dueMillis == due && !s.closing {
					ids = append(ids, id)
				}
			}
			slices.Sort(ids)
			ids = slices.Compact(ids)
			if len(ids) > 0 && !yield(due, ids) {
				return
			}
		}
	}
}
