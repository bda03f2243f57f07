package daemon

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"strconv"

	"zkd/daemon/admin"
	"zkd/daemon/config"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// membership says who is in the ensemble. The result is empty for a server that stands alone, which
// one that is the only one in its list does too. Source: QuorumPeerConfig.isDistributed.
func membership(c config.Config) (proto.QuorumConfig, error) {
	m := proto.QuorumConfig{Version: c.Ensemble.Version}
	if len(c.Servers) < 2 {
		return proto.QuorumConfig{}, nil
	}
	for _, s := range c.Servers {
		member, err := memberOf(s)
		if err != nil {
			return proto.QuorumConfig{}, err
		}
		m.Servers = append(m.Servers, member)
	}
	slices.SortFunc(m.Servers, func(a, b proto.QuorumServer) int { return cmp.Compare(a.ID, b.ID) })
	for _, n := range slices.Sorted(maps.Keys(c.Ensemble.Groups)) {
		group := zk.Group{ID: n}
		for _, id := range c.Ensemble.Groups[n] {
			weight, given := c.Ensemble.Weights[id]
			if !given {
				weight = 1
			}
			group.Members = append(group.Members, zk.Weight{ID: id, Weight: weight})
		}
		m.Groups = append(m.Groups, group)
	}
	if _, err := m.View(); err != nil {
		return proto.QuorumConfig{}, Errorf(ExitConfig, "[servers]: %w", err)
	}
	return m, nil
}

// OtherClients returns where the other members of the ensemble serve their clients, as far as the
// configuration says: a member that does not say has the port that this server has.
func OtherClients(c config.Config) map[zk.ServerID]string {
	var ownHost, ownPort string
	if len(c.Client.Listen) > 0 {
		_, ownPort, _ = net.SplitHostPort(c.Client.Listen[0])
	}
	for _, s := range c.Servers {
		if s.ID == c.ID && len(s.Addresses) > 0 {
			ownHost = s.Addresses[0].Host
		}
	}
	others := make(map[zk.ServerID]string)
	for _, s := range c.Servers {
		if s.ID == c.ID || len(s.Addresses) == 0 {
			continue
		}
		if addr := admin.ClientAddress(s.Client, s.Addresses[0].Host, ownHost, ownPort); addr != "" {
			others[s.ID] = addr
		}
	}
	return others
}

func memberOf(s config.Server) (proto.QuorumServer, error) {
	m := proto.QuorumServer{ID: s.ID, Observer: s.Observer}
	for _, a := range s.Addresses {
		m.Addrs = append(m.Addrs, proto.PeerAddr{Host: a.Host, QuorumPort: uint16(a.PeerPort), ElectionPort: uint16(a.ElectionPort)})
	}
	if s.Client == "" {
		return m, nil
	}
	host, portText, err := net.SplitHostPort(s.Client)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil {
		return m, Errorf(ExitConfig, "servers.%d: client address %q: must be host:port", s.ID, s.Client)
	}
	// Servers tell each other 0.0.0.0 for all addresses, of both families.
	m.Client = proto.HostPort{Host: cmp.Or(host, "0.0.0.0"), Port: uint16(port)}
	return m, nil
}
