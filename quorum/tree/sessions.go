package tree

import (
	"iter"
	"slices"

	"zkd/quorum/zk"
)

// session is one open session.
type session struct {
	id            zk.SessionID
	timeoutMillis int32
}

// sessionTable keeps the sessions in a plain array, so that a view is one copy of it, and a map
// into it.
type sessionTable struct {
	all []session
	at  map[zk.SessionID]int32
}

func newSessionTable() sessionTable {
	return sessionTable{at: make(map[zk.SessionID]int32)}
}

func (t *sessionTable) len() int { return len(t.all) }

func (t *sessionTable) put(id zk.SessionID, timeoutMillis int32) {
	if i, ok := t.at[id]; ok {
		t.all[i].timeoutMillis = timeoutMillis
		return
	}
	t.at[id] = int32(len(t.all))
	t.all = append(t.all, session{id, timeoutMillis})
}

func (t *sessionTable) remove(id zk.SessionID) {
	i, ok := t.at[id]
	if !ok {
		return
	}
	last := t.all[len(t.all)-1]
	t.all[i] = last
	t.at[last.id] = i
	t.all = t.all[:len(t.all)-1]
	delete(t.at, id)
}

func sortSessions(all []session) {
	slices.SortFunc(all, func(a, b session) int {
		switch {
		case a.id < b.id:
			return -1
		case a.id > b.id:
			return 1
		}
		return 0
	})
}

// Sessions visits the sessions in ascending order of id, with their timeouts in milliseconds.
func (t *Tree) Sessions() iter.Seq2[zk.SessionID, int32] {
	return func(yield func(zk.SessionID, int32) bool) {
		all := slices.Clone(t.sessions.all)
		sortSessions(all)
		for _, s := range all {
			if !yield(s.id, s.timeoutMillis) {
				return
			}
		}
	}
}

// SessionTimeout returns the timeout of a session, in milliseconds; ok is false if it is not open.
func (t *Tree) SessionTimeout(s zk.SessionID) (ms int32, ok bool) {
	i, ok := t.sessions.at[s]
	if !ok {
		return 0, false
	}
	return t.sessions.all[i].timeoutMillis, true
}

// SessionCount returns the number of open sessions.
func (t *Tree) SessionCount() int { return t.sessions.len() }
