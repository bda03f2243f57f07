package serve

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// ConnInfo is one connection as the cons command shows it.
type ConnInfo struct {
	Remote         string       // ip:port
	Session        zk.SessionID // 0 before the handshake
	Queued         int
	Received, Sent int64
	LastOp         string // as in cons: PING, CREA, GETD, ...
	Established    time.Time
	TimeoutMillis  int32
	LastCxid       int32 // meaningful if HasCxid
	HasCxid        bool
	LastZxid       zk.Zxid
	LastResponse   time.Time
	LastLatency    time.Duration
	MinLatency     time.Duration
	AvgLatency     time.Duration
	MaxLatency     time.Duration
	Interest       int // interest ops, printed in brackets: 1 read, 4 write
}

// Connections returns all connections in the order of their addresses.
func (s *Server) Connections() []ConnInfo {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	slices.SortFunc(conns, func(a, b *conn) int {
		return cmp.Or(a.remote.Addr().Compare(b.remote.Addr()), cmp.Compare(a.remote.Port(), b.remote.Port()))
	})
	infos := make([]ConnInfo, len(conns))
	for i, c := range conns {
		infos[i] = c.info()
	}
	return infos
}

func (c *conn) info() ConnInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.record
	info := ConnInfo{
		Remote: c.remote.String(), Session: c.sessionID(), Queued: len(c.queue) - c.head, Received: r.received, Sent: r.sent,
		LastOp: opCode(r.lastOp), Established: c.established, TimeoutMillis: r.timeoutMillis, LastCxid: r.lastCxid, HasCxid: r.hasCxid,
		LastZxid: r.lastZxid, LastResponse: r.lastResponse, LastLatency: r.lastLatency, MinLatency: r.minLatency, MaxLatency: r.maxLatency,
		Interest: 1,
	}
	if r.latencyCount > 0 {
		info.AvgLatency = r.sumLatency / time.Duration(r.latencyCount)
	}
	if c.out.sending {
		info.Interest |= 4
	}
	return info
}

// ResetConnStats sets the counters of all connections to 0 (crst).
func (s *Server) ResetConnStats() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		c.record.reset()
		c.mu.Unlock()
	}
}

// ShedConnections closes a share of the connections, chosen at random, and returns how many. Their clients keep
// their sessions and go on with another server of their lists, or with this one. percent is from 0 to 100.
func (s *Server) ShedConnections(percent int) int {
	s.mu.Lock()
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	shed := conns[:(len(conns)*min(max(percent, 0), 100)+99)/100]
	for _, c := range shed {
		c.cut()
	}
	return len(shed)
}

// SessionInfo is one session.
type SessionInfo struct {
	ID            zk.SessionID
	TimeoutMillis int32
	ExpiresAt     time.Time // when it is looked at next; zero if unknown
	Ephemerals    []string
	Remote        string // of the connection that holds it, "" if none does
}

// Sessions returns all sessions in the order of their ids.
func (s *Server) Sessions() []SessionInfo {
	ephemerals := s.ephemerals()
	var all []SessionInfo
	s.cfg.Replica.Read(func(v *replica.View) {
		for id, timeout := range v.Tree().Sessions() {
			all = append(all, SessionInfo{ID: id, TimeoutMillis: timeout, Ephemerals: ephemerals[id]})
		}
	})
	expiresAt := make(map[zk.SessionID]time.Time)
	expiries, _ := s.cfg.Replica.Expiries() // none while stopping
	for _, e := range expiries {
		for _, id := range e.Sessions {
			expiresAt[id] = e.At
		}
	}
	for i := range all {
		all[i].ExpiresAt = expiresAt[all[i].ID]
		if c := s.holder(all[i].ID); c != nil {
			all[i].Remote = c.remote.String()
		}
	}
	return all
}
