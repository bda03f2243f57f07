package admin

import (
	"errors"
	"net"
	"strconv"

	"zkd/quorum"
)

// The commands about the ensemble. What a standalone server answers is ZooKeeper's, too.

func (s *Server) leader() (object, error) {
	st := s.o.Source.Status()
	if st.Ensemble == nil {
		return nil, errors.New("server is not initialized")
	}
	host := ""
	for _, m := range st.Ensemble.Members {
		if m.ID == st.Ensemble.Leader {
			host = hostOf(m.PeerAddr)
		}
	}
	return object{{"is_leader", st.Role == quorum.Leader}, {"leader_id", int64(st.Ensemble.Leader)}, {"leader_ip", host}}, nil
}

// observers lists what a leader knows of each observer that has its history; ZooKeeper's answer also
// counts the packets of the connection.
func (s *Server) observers() (object, error) {
	all := []object{}
	if st := s.o.Source.Status(); st.Ensemble != nil && st.Role == quorum.Leader {
		for _, m := range st.Ensemble.Members {
			if m.Observer && m.Synced {
				all = append(all, object{{"sid", int64(m.ID)}, {"last_zxid", int64(m.Zxid)}})
			}
		}
	}
	return object{{"synced_observers", len(all)}, {"observers", all}}, nil
}

func (s *Server) votingView() (object, error) {
	voters := object{}
	if st := s.o.Source.Status(); st.Ensemble != nil {
		for _, m := range st.Ensemble.Members {
			if !m.Observer {
				voters = append(voters, member{strconv.FormatInt(int64(m.ID), 10), object{
					{"server_addresses", []string{m.PeerAddr}}, {"election_addresses", []string{m.ElectionAddr}},
					{"client_address", ownClientAddr(st, m)}, {"learner_type", "participant"},
				}})
			}
		}
	}
	return object{{"current_config", voters}}, nil
}

// ownClientAddr is the address of a member's client port in the configuration; of this server's, by
// any key of it.
func ownClientAddr(st quorum.Status, m quorum.MemberStatus) string {
	if m.Self && m.ClientAddr == "" && len(st.ClientAddrs) > 0 {
		return st.ClientAddrs[0]
	}
	return m.ClientAddr
}

func (s *Server) zabState() (object, error) {
	st := s.o.Source.Status()
	if st.Ensemble == nil {
		return object{{"voting", false}, {"zabstate", ""}}, nil
	}
	state := "broadcast"
	switch {
	case st.Serving:
	case st.Ensemble.Leader == 0:
		state = "election"
	case st.Ensemble.Sync != "":
		state = "synchronization"
	default:
		state = "discovery"
	}
	for _, m := range st.Ensemble.Members {
		if m.Self {
			return object{
				{"myid", int64(st.ID)}, {"is_leader", st.Role == quorum.Leader},
				{"quorum_address", addresses(m.PeerAddr)}, {"election_address", addresses(m.ElectionAddr)},
				{"client_address", ownClientAddr(st, m)}, {"voting", !m.Observer},
				{"last_zxid", st.LastZxid.String()}, {"zab_epoch", int64(st.LastZxid.Epoch())},
				{"zab_counter", int64(st.LastZxid.Counter())}, {"zabstate", state},
			}, nil
		}
	}
	return nil, errors.New("this server is no member of its ensemble")
}

// addresses is one address in the form in which ZooKeeper shows the list that it could be.
func addresses(addr string) object {
	host, portText, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(portText)
	wildcard := net.JoinHostPort("0.0.0.0", portText)
	list := []string{addr}
	return object{
		{"empty", false}, {"all_addresses", list}, {"wildcard_addresses", []string{wildcard}}, {"all_ports", []int{port}},
		{"all_host_strings", []string{host}}, {"reachable_address", addr}, {"all_reachable_addresses", list},
		{"all_reachable_addresses_or_all", list}, {"reachable_or_one", addr}, {"one", addr},
	}
}
