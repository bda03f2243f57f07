package proto

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"zkd/quorum/zk"
)

// QuorumConfig is the membership of an ensemble as its servers tell it to each other, in
// notifications, in NEWLEADER and in /zookeeper/config: Java properties, in any order,
//
//	server.1=h1:2888:3888:participant;0.0.0.0:2181
//	server.2=h2:2888:3888|h3:2889:3889:observer
//	group.1=1:2                  hierarchical quorums: members of a group,
//	weight.1=1                   and the weight of each
//	version=100000000            hex; last, without newline
//
// Source: QuorumPeer.QuorumServer, QuorumMaj, QuorumHierarchical; protocol reference 13.
type QuorumConfig struct {
	Servers []QuorumServer // ascending id
	// Groups, if any, hold the participants; ascending id. A member that the text gives no weight
	// has weight 1.
	Groups []zk.Group
	// Version is that of the last committed reconfiguration: its zxid; 0 for a static configuration.
	Version int64
}

// QuorumServer is one member.
type QuorumServer struct {
	ID       zk.ServerID
	Addrs    []PeerAddr // one, or more with multi-address
	Observer bool
	// Client is where clients connect. The zero HostPort if the text does not say, as where a static
	// file sets the port.
	Client HostPort
}

// PeerAddr is one address of a member, with its two ports.
type PeerAddr struct {
	Host         string
	QuorumPort   uint16
	ElectionPort uint16
}

// Quorum returns the address of the peer port.
func (a PeerAddr) Quorum() HostPort { return HostPort{a.Host, a.QuorumPort} }

// Election returns the address of the election port.
func (a PeerAddr) Election() HostPort { return HostPort{a.Host, a.ElectionPort} }

// ErrQuorumConfig says that a text is no configuration of an ensemble.
var ErrQuorumConfig = errors.New("proto: quorum configuration")

// ParseQuorumConfig reads a configuration text. It refuses what Java refuses: unknown keys, addresses
// that are none, equal peer and election ports, a participant in no group; and what would stop Java:
// no participant. Third parts of a server ("secure client", master only) are overlooked.
func ParseQuorumConfig(text string) (QuorumConfig, error) {
	c, err := parseQuorumConfig(text)
	if err == nil {
		_, err = c.View()
	}
	if err != nil {
		return QuorumConfig{}, fmt.Errorf("%w: %w", ErrQuorumConfig, err)
	}
	return c, nil
}

func parseQuorumConfig(text string) (c QuorumConfig, err error) {
	if !utf8.ValidString(text) {
		return c, errors.New("the text is not UTF-8")
	}
	properties, err := parseProperties(text)
	if err != nil {
		return c, err
	}
	weights := make(map[zk.ServerID]int64)
	for _, p := range properties {
		key, value := strings.TrimSpace(p.key), strings.TrimSpace(p.value)
		kind, number, _ := strings.Cut(key, ".")
		switch {
		case kind == "server":
			err = c.addServer(number, value)
		case kind == "group":
			err = c.addGroup(number, value)
		case kind == "weight":
			err = addWeight(weights, number, value)
		case key == "version":
			c.Version, err = parseVersion(value)
		default:
			err = errors.New("unknown key")
		}
		if err != nil {
			return c, fmt.Errorf("%.80q: %w", key, err)
		}
	}
	slices.SortFunc(c.Servers, func(a, b QuorumServer) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.Groups, func(a, b zk.Group) int { return cmp.Compare(a.ID, b.ID) })
	if len(c.Groups) == 0 && len(weights) > 0 {
		return c, errors.New("there are weights but no groups")
	}
	for _, g := range c.Groups {
		for i, m := range g.Members {
			if w, ok := weights[m.ID]; ok {
				g.Members[i].Weight = w
			}
		}
	}
	return c, nil
}

func parseVersion(text string) (int64, error) {
	v, err := strconv.ParseInt(text, 16, 64)
	if err != nil || v < 0 {
		return 0, fmt.Errorf("%.80q is no version", text)
	}
	return v, nil
}

func parseID(text string) (zk.ServerID, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 0 {
		return 0, fmt.Errorf("%.80q is no server id", text)
	}
	return zk.ServerID(id), nil
}

func (c *QuorumConfig) addServer(number, value string) error {
	id, err := parseID(number)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(c.Servers, func(s QuorumServer) bool { return s.ID == id }) {
		return fmt.Errorf("server %d is given twice", id)
	}
	s, err := ParseQuorumServer(id, value)
	if err != nil {
		return err
	}
	c.Servers = append(c.Servers, s)
	return nil
}

func (c *QuorumConfig) addGroup(number, value string) error {
	g, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return fmt.Errorf("%.80q is no group", number)
	}
	if slices.ContainsFunc(c.Groups, func(o zk.Group) bool { return o.ID == g }) {
		return fmt.Errorf("group %d is given twice", g)
	}
	group := zk.Group{ID: g}
	for text := range strings.SplitSeq(value, ":") {
		id, err := parseID(text)
		if err != nil {
			return err
		}
		group.Members = append(group.Members, zk.Weight{ID: id, Weight: 1})
	}
	c.Groups = append(c.Groups, group)
	return nil
}

func addWeight(weights map[zk.ServerID]int64, number, value string) error {
	id, err := parseID(number)
	if err != nil {
		return err
	}
	w, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("%.80q is no weight", value)
	}
	weights[id] = w
	return nil
}

// ParseQuorumServer reads the value of a server.N line:
//
//	host:quorumPort:electionPort[:role][|host:quorumPort:electionPort[:role]...][;[clientHost:]clientPort]
//
// An IPv6 address stands in brackets. The role, participant or observer in any case, is participant
// where none is given, and the same wherever it is given.
func ParseQuorumServer(id zk.ServerID, value string) (QuorumServer, error) {
	s := QuorumServer{ID: id}
	servers, rest, _ := strings.Cut(value, ";")
	client, _, _ := strings.Cut(rest, ";")
	known := ""
	for text := range strings.SplitSeq(servers, "|") {
		parts, err := splitAddr(text)
		if err != nil {
			return QuorumServer{}, err
		}
		if len(parts) < 3 || len(parts) > 4 {
			return QuorumServer{}, fmt.Errorf("%.80q is not host:port:port or host:port:port:role", text)
		}
		quorum, err := parseHostPort(parts[:2])
		if err != nil {
			return QuorumServer{}, err
		}
		election, err := parseHostPort([]string{parts[0], parts[2]})
		if err != nil {
			return QuorumServer{}, err
		}
		if quorum.Port == election.Port {
			return QuorumServer{}, fmt.Errorf("port %d is for peers and for elections", quorum.Port)
		}
		s.Addrs = append(s.Addrs, PeerAddr{quorum.Host, quorum.Port, election.Port})
		if len(parts) == 3 {
			continue
		}
		role := strings.ToLower(strings.TrimSpace(parts[3]))
		if role != "participant" && role != "observer" {
			return QuorumServer{}, fmt.Errorf("role %.80q", parts[3])
		}
		if known != "" && known != role {
			return QuorumServer{}, errors.New("is an observer by one address and a participant by another")
		}
		known = role
	}
	s.Observer = known == "observer"
	if client == "" {
		return s, nil
	}
	parts, err := splitAddr(client)
	if err != nil {
		return QuorumServer{}, err
	}
	if len(parts) == 1 {
		parts = []string{"0.0.0.0", parts[0]}
	}
	if s.Client, err = parseHostPort(parts); err != nil {
		return QuorumServer{}, err
	}
	return s, nil
}

// splitAddr splits at colons, but not inside the brackets of an IPv6 address, which are taken off.
func splitAddr(text string) ([]string, error) {
	inner, ok := strings.CutPrefix(text, "[")
	if !ok {
		return strings.Split(text, ":"), nil
	}
	host, rest, ok := strings.Cut(inner, "]")
	if !ok || !strings.HasPrefix(rest, ":") {
		return nil, fmt.Errorf("%.80q is not [address]:port", text)
	}
	return append([]string{host}, strings.Split(rest[1:], ":")...), nil
}

func parseHostPort(parts []string) (HostPort, error) {
	if len(parts) != 2 {
		return HostPort{}, errors.New("not host:port")
	}
	// The host comes from the network and goes into dials, logs and other texts.
	unfit := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`|;[]\=#`, r) }
	if parts[0] == "" || !utf8.ValidString(parts[0]) || strings.ContainsFunc(parts[0], unfit) {
		return HostPort{}, fmt.Errorf("%.80q is no host", parts[0])
	}
	port, err := strconv.ParseUint(parts[1], 10, 16)
	if err != nil {
		return HostPort{}, fmt.Errorf("%.80q is no port", parts[1])
	}
	return HostPort{parts[0], uint16(port)}, nil
}

// View returns who votes, and which of them decide. It is an error if nobody does.
func (c *QuorumConfig) View() (zk.View, error) {
	var voters, observers []zk.ServerID
	for _, s := range c.Servers {
		if s.Observer {
			observers = append(observers, s.ID)
		} else {
			voters = append(voters, s.ID)
		}
	}
	if len(voters) == 0 {
		return zk.View{}, errors.New("there are no participants")
	}
	view := zk.NewView(voters...)
	if len(c.Groups) > 0 {
		var err error
		if view, err = zk.NewGroupedView(voters, c.Groups); err != nil {
			return zk.View{}, err
		}
	}
	return view.WithObservers(observers...), nil
}

// Server returns the member with that id.
func (c *QuorumConfig) Server(id zk.ServerID) (s QuorumServer, ok bool) {
	for _, s := range c.Servers {
		if s.ID == id {
			return s, true
		}
	}
	return QuorumServer{}, false
}

// String returns the text of c that Java parses and writes: servers, groups, weights, version.
func (c *QuorumConfig) String() string {
	var b strings.Builder
	for _, s := range c.Servers {
		fmt.Fprintf(&b, "server.%d=%s\n", s.ID, s)
	}
	for _, g := range c.Groups {
		fmt.Fprintf(&b, "group.%d=", g.ID)
		for i, m := range g.Members {
			if i > 0 {
				b.WriteByte(':')
			}
			fmt.Fprint(&b, int64(m.ID))
		}
		b.WriteByte('\n')
	}
	for _, g := range c.Groups {
		for _, m := range g.Members {
			fmt.Fprintf(&b, "weight.%d=%d\n", m.ID, m.Weight)
		}
	}
	fmt.Fprintf(&b, "version=%x", uint64(c.Version))
	return b.String()
}

// String returns the value of the server.N line, with the role always and the addresses in order of
// their hosts, as Java writes it.
func (s QuorumServer) String() string {
	addrs := slices.Clone(s.Addrs)
	slices.SortStableFunc(addrs, func(a, b PeerAddr) int { return cmp.Compare(a.Host, b.Host) })
	var b strings.Builder
	for i, a := range addrs {
		if i > 0 {
			b.WriteByte('|')
		}
		fmt.Fprintf(&b, "%s:%d:%d", bracketed(a.Host), a.QuorumPort, a.ElectionPort)
	}
	if s.Observer {
		b.WriteString(":observer")
	} else {
		b.WriteString(":participant")
	}
	if s.Client != (HostPort{}) {
		fmt.Fprintf(&b, ";%s", s.Client)
	}
	return b.String()
}
