package config

import (
	"fmt"
	"strconv"
	"strings"

	"zkd/quorum/zk"
)

// Ports that nobody names, by ZooKeeper's custom.
const (
	defaultPeerPort     = 2888
	defaultElectionPort = 3888
	usualClientPort     = 2181
)

// Server is one member of the ensemble.
type Server struct {
	ID zk.ServerID
	// Addresses under which the others reach it, at least one.
	Addresses []PeerAddress
	// Observer is a member without a vote.
	Observer bool
	// Client is the client port as "host:port", host "" for all addresses; "" if not given.
	Client string
}

// PeerAddress is a host, name or IP address without brackets, with its two ports, 1..65535.
type PeerAddress struct {
	Host                   string
	PeerPort, ElectionPort int
}

// String returns the server as the value of its key in zkd.toml and zoo.cfg.
func (s Server) String() string {
	var b strings.Builder
	for i, a := range s.Addresses {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(joinHostPort(a.Host, a.PeerPort) + ":" + strconv.Itoa(a.ElectionPort))
		if s.Observer {
			b.WriteString(":observer")
		}
	}
	if s.Client != "" {
		b.WriteString(";" + s.Client)
	}
	return b.String()
}

const serverForm = `must be host:peer port:election port, then perhaps :observer, then perhaps ;client port or ;host:client port`

// parseServer reads the value of server.N:
//
//	address *( "|" address ) [ ";" [ host ":" ] client-port ]
//	address = host ":" peer-port ":" election-port [ ":" ( "participant" | "observer" ) ]
//
// ports says whether both ports may be left out. wrong is "" or says what is wrong with the text.
// Source: QuorumPeer.QuorumServer of ZooKeeper 3.9; the second ";", the TLS client port, is of 3.10.
func parseServer(id zk.ServerID, text string, ports bool) (s Server, wrong string) {
	parts := strings.Split(text, ";")
	if len(parts) > 2 && strings.TrimSpace(parts[2]) != "" {
		return Server{}, "names a TLS client port, which this version of zkd does not have"
	}
	s.ID = id
	roles := map[bool]bool{}
	for member := range strings.SplitSeq(parts[0], "|") {
		address, observer, wrong := parsePeerAddress(strings.TrimSpace(member), ports)
		if wrong != "" {
			return Server{}, wrong
		}
		s.Addresses = append(s.Addresses, address)
		s.Observer = observer
		roles[observer] = true
	}
	if len(roles) > 1 {
		return Server{}, "is an observer by one of its addresses and a participant by another"
	}
	if len(parts) == 1 || strings.TrimSpace(parts[1]) == "" {
		return s, ""
	}
	client := strings.TrimSpace(parts[1])
	if !strings.ContainsRune(client, ':') {
		client = ":" + client
	}
	host, port, wrong := splitHostPort(client)
	if wrong != "" {
		return Server{}, fmt.Sprintf("client port %q: %s", parts[1], wrong)
	}
	if host == "0.0.0.0" { // what ZooKeeper itself writes for all addresses of both families
		host = ""
	}
	s.Client = joinHostPort(host, port)
	return s, ""
}

func parsePeerAddress(text string, ports bool) (a PeerAddress, observer bool, wrong string) {
	hostText, rest, _ := strings.Cut(text, ":")
	if strings.HasPrefix(text, "[") {
		end := strings.IndexByte(text, ']')
		if end < 0 {
			return a, false, "has a [ without its ]"
		}
		hostText, rest = text[:end+1], strings.TrimPrefix(text[end+1:], ":")
	}
	if a.Host, wrong = parseHost(hostText); wrong != "" {
		return a, false, fmt.Sprintf("host %q: %s", hostText, wrong)
	}
	if a.Host == "" {
		return a, false, serverForm
	}
	var words []string
	if rest != "" {
		words = strings.Split(rest, ":")
	}
	if n := len(words); n > 0 {
		switch role := strings.ToLower(strings.TrimSpace(words[n-1])); {
		case role == "observer", role == "participant":
			observer = role == "observer"
			words = words[:n-1]
		case n == 3:
			return a, false, fmt.Sprintf(`role %q: must be "participant" or "observer"`, words[2])
		}
	}
	if len(words) == 0 && ports {
		a.PeerPort, a.ElectionPort = defaultPeerPort, defaultElectionPort
		return a, observer, ""
	}
	if len(words) != 2 {
		return a, false, serverForm
	}
	var ok [2]bool
	a.PeerPort, ok[0] = parsePort(words[0])
	a.ElectionPort, ok[1] = parsePort(words[1])
	switch {
	case !ok[0] || !ok[1] || a.PeerPort == 0 || a.ElectionPort == 0:
		return a, false, "ports must be numbers from 1 to 65535"
	case a.PeerPort == a.ElectionPort:
		return a, false, "the peer port and the election port must differ"
	}
	return a, observer, ""
}

// parseServerID reads the N of server.N.
func parseServerID(text string) (zk.ServerID, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	id := zk.ServerID(n)
	return id, err == nil && wrongID(id) == ""
}
