package admin

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"zkd/quorum"
	"zkd/quorum/zk"
)

// Asker asks members on their client ports for what a server cannot know of another.
type Asker interface {
	// Ask asks all addresses at once and does not wait for long. Its answers, by address, may be seconds old.
	Ask(ctx context.Context, addrs []string) map[string]Told
}

// Told is what a member said of itself.
type Told struct {
	Client quorum.Reach // of its client port
	// Role is looking for a member that answers and does not serve; "" if it did not say.
	Role quorum.Role
	Zxid zk.Zxid // applied; -1 if it did not say
}

// EnsembleReport is the ensemble as this server sees it.
type EnsembleReport struct {
	Summary      string         `json:"summary" doc:"The ensemble in a sentence."`
	Leader       int64          `json:"leader" doc:"Id of the server that leads; 0 if none is known to."`
	Quorum       bool           `json:"quorum" doc:"Whether a quorum is at work, as far as this server can see."`
	Voters       int            `json:"voters" doc:"How many members vote."`
	NeededVoters int            `json:"needed_voters" doc:"How many of them make a quorum, without groups."`
	Losses       int            `json:"losses" doc:"How many more voters may be lost; 0 if the next loss ends the service, -1 without a quorum."`
	Election     string         `json:"election" doc:"How the election stands; empty while there is a leader."`
	Sync         string         `json:"sync" doc:"How far this server has taken over the history of the leader; empty if it is not doing so."`
	Members      []MemberReport `json:"members" doc:"All members, by ascending id."`
}

// MemberReport is one member.
type MemberReport struct {
	ID       int64      `json:"id" doc:"Its number in the ensemble."`
	Self     bool       `json:"self" doc:"Whether it is the server that answers."`
	Observer bool       `json:"observer" doc:"Whether it has no vote, by the configuration."`
	Role     string     `json:"role" doc:"leader, follower, observer or looking; empty if not known."`
	Synced   bool       `json:"synced" doc:"Whether it is known to have the history of the leader: the leader knows, and each of itself."`
	Epoch    int64      `json:"epoch" doc:"Epoch that it is in, where this server knows: its own, that of its leader and of those that follow it; else that of its last transaction; -1 if not known."`
	Zxid     string     `json:"zxid" doc:"Its last transaction, as 0x and hex; empty if not known."`
	Lag      int64      `json:"lag" doc:"Transactions that it is behind the leader; -1 if not known."`
	Election PortReport `json:"election" doc:"Its election port, which all members connect with."`
	Peer     PortReport `json:"peer" doc:"Its peer port, which is open while it leads."`
	Client   PortReport `json:"client" doc:"Its client port, asked by srvr."`
}

// PortReport says whether a port can be reached from this server.
type PortReport struct {
	Address string     `json:"address" doc:"host:port; empty if not known."`
	Known   bool       `json:"known" doc:"Whether it was tried, or is in use."`
	OK      bool       `json:"ok" doc:"Whether it can be reached."`
	Class   string     `json:"class" doc:"Kind of the last error: refused, timed out, reset, no route, name unknown, no answer, wrong id, not in configuration or other."`
	Error   string     `json:"error" doc:"The last error; empty if there is none."`
	Since   *time.Time `json:"since" doc:"Since when; null if not known."`
}

func portReport(addr string, r quorum.Reach) PortReport {
	p := PortReport{Address: addr, Known: r.Known, OK: r.Known && r.OK, Class: r.Class, Error: r.Error}
	if !r.Since.IsZero() {
		since := r.Since.UTC()
		p.Since = &since
	}
	return p
}

// heard is what members have said.
type heard struct {
	addrs map[zk.ServerID]string // where they were asked; this server, at an address that did not answer if there is one
	told  map[zk.ServerID]Told   // nil if nobody was asked
	shut  []PortReport           // addresses of the own client port that this host itself cannot reach
}

// askMembers asks the client ports of all members, and each address of this server's own: a host may be shut off from
// itself, or from one of its addresses.
func (s *Server) askMembers(ctx context.Context, st quorum.Status) heard {
	h, own := heard{addrs: clientAddrs(st)}, ownAddrs(st)
	if len(own) > 0 {
		h.addrs[st.ID] = own[0]
	}
	if s.o.Asker == nil {
		return h
	}
	all := slices.Clone(own)
	for id, addr := range h.addrs {
		if id != st.ID {
			all = append(all, addr)
		}
	}
	answers := s.o.Asker.Ask(ctx, all)
	for _, addr := range own {
		if c := answers[addr].Client; c.Known && !c.OK {
			h.shut = append(h.shut, portReport(addr, c))
		}
	}
	if len(h.shut) > 0 {
		h.addrs[st.ID] = h.shut[0].Address
	}
	h.told = make(map[zk.ServerID]Told)
	for id, addr := range h.addrs {
		if t, ok := answers[addr]; ok {
			h.told[id] = t
		}
	}
	return h
}

// ownAddrs returns where this host reaches its own client port, once each.
func ownAddrs(st quorum.Status) (addrs []string) {
	for _, own := range st.ClientAddrs {
		// What listens on all addresses takes IPv4 too, which is how most clients come.
		if addr := Loopback(strings.Replace(own, "[::]:", "0.0.0.0:", 1)); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// clientAddrs returns where the other members serve their clients, as far as that is known.
func clientAddrs(st quorum.Status) map[zk.ServerID]string {
	addrs := make(map[zk.ServerID]string)
	if len(st.ClientAddrs) == 0 {
		return addrs
	}
	_, ownPort, _ := net.SplitHostPort(st.ClientAddrs[0])
	ownHost := ""
	for _, m := range st.Ensemble.Members {
		if m.Self {
			ownHost = hostOf(m.PeerAddr)
		}
	}
	for _, m := range st.Ensemble.Members {
		if addr := ClientAddress(m.ClientAddr, hostOf(m.PeerAddr), ownHost, ownPort); !m.Self && addr != "" {
			addrs[m.ID] = addr
		}
	}
	return addrs
}

func hostOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}

// ClientAddress returns the address of the client port of another member: the configured one, with
// the member's host for a wildcard; without one, the member's host with this server's own client
// port. "" for a member on this server's host that does not say, since the own port is the own.
func ClientAddress(configured, host, ownHost, ownPort string) string {
	if configured == "" {
		if strings.EqualFold(host, ownHost) || host == "" {
			return ""
		}
		return net.JoinHostPort(host, ownPort)
	}
	h, port, err := net.SplitHostPort(configured)
	if err != nil {
		return configured
	}
	if ip, err := netip.ParseAddr(h); h == "" || err == nil && ip.IsUnspecified() {
		return net.JoinHostPort(host, port)
	}
	return configured
}

// Loopback returns the address under which a host reaches its own port that listens on addr.
func Loopback(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip.Is4() && ip.IsUnspecified():
		return net.JoinHostPort("127.0.0.1", port)
	case err == nil && ip.IsUnspecified():
		return net.JoinHostPort("::1", port)
	}
	return addr
}

// ensembleReport joins what this server knows with what the members said.
func ensembleReport(st quorum.Status, h heard) *EnsembleReport {
	e := st.Ensemble
	if e == nil {
		return nil
	}
	r := &EnsembleReport{Summary: summary(st, h.told), Leader: int64(e.Leader), Quorum: e.Quorum, Voters: e.Voters,
		NeededVoters: e.NeededVoters, Losses: e.Losses, Election: e.Election, Sync: e.Sync, Members: []MemberReport{}}
	newest := leaderZxid(st, h.told)
	for _, m := range e.Members {
		role, zxid, lag := m.Role, m.Zxid, m.Lag
		said, asked := h.told[m.ID]
		switch {
		case m.Self:
			role, zxid = st.Role, max(st.LastZxid, st.LoggedZxid)
		case zxid == 0: // of an empty history, or rather nothing is known
			zxid = -1
		}
		if asked && role == "" {
			role = said.Role
		}
		if asked {
			zxid = max(zxid, said.Zxid) // applied there, so it is durable there
		}
		if lag < 0 {
			lag = behind(zxid, newest)
		}
		mr := MemberReport{ID: int64(m.ID), Self: m.Self, Observer: m.Observer, Role: string(role), Synced: m.Synced,
			Epoch: -1, Lag: lag, Election: portReport(m.ElectionAddr, m.Election), Peer: portReport(m.PeerAddr, m.Peer),
			Client: portReport(h.addrs[m.ID], said.Client)}
		if zxid >= 0 {
			mr.Epoch, mr.Zxid = int64(zxid.Epoch()), zxid.String()
		}
		if m.Self || m.ID == e.Leader || st.Role == quorum.Leader && m.Synced {
			mr.Epoch = int64(st.Epoch)
		}
		r.Members = append(r.Members, mr)
	}
	return r
}

// leaderZxid is the newest transaction of the leader, -1 if that is not known.
func leaderZxid(st quorum.Status, told map[zk.ServerID]Told) zk.Zxid {
	if st.Role == quorum.Leader {
		return st.LastZxid
	}
	for _, m := range st.Ensemble.Members {
		if m.ID == st.Ensemble.Leader && m.Zxid > 0 {
			return m.Zxid
		}
	}
	if said, ok := told[st.Ensemble.Leader]; ok {
		return said.Zxid
	}
	return -1
}

// behind is by how many transactions z is behind newest; -1 if that cannot be counted.
func behind(z, newest zk.Zxid) int64 {
	if z < 0 || newest < 0 || z.Epoch() != newest.Epoch() {
		return -1
	}
	return max(0, int64(newest-z)) // the two were not asked at the same moment
}

// summary is the verdict, or for a server without a leader what others say of one.
func summary(st quorum.Status, told map[zk.ServerID]Told) string {
	if id := leaderElsewhere(st, told); id != 0 {
		return fmt.Sprintf("cut off: server %d says that it leads, and this server cannot join it", id)
	}
	return Verdict(st)
}

// leaderElsewhere is the member that says to lead while this server knows no leader; 0 if there is
// none.
func leaderElsewhere(st quorum.Status, told map[zk.ServerID]Told) zk.ServerID {
	if st.Ensemble.Leader != 0 {
		return 0
	}
	for _, m := range st.Ensemble.Members {
		if !m.Self && told[m.ID].Role == quorum.Leader {
			return m.ID
		}
	}
	return 0
}
