package peer

import "bytes"

// port is one of the two that servers have for each other.
type port uint8

const (
	electionPort port = iota
	peerPort
)

// foreignHellos are the first bytes of other protocols.
var foreignHellos = [...]struct{ prefix, name string }{
	{"\x16\x03", "TLS"},
	{"GET ", "HTTP"}, {"POST", "HTTP"}, {"HEAD", "HTTP"}, {"PUT ", "HTTP"}, {"OPTI", "HTTP"}, {"DELE", "HTTP"},
	{"PRI ", "HTTP/2"}, {"SSH-", "SSH"},
	{"\x5f\x24\x35\x01\x35\x01\xed\xcc", "SASL of ZooKeeper servers, which is not in use here"},
	{"\x00\x00\x00\x2c\x00\x00\x00\x00", "ZooKeeper's client protocol"},
	{"\x00\x00\x00\x2d\x00\x00\x00\x00", "ZooKeeper's client protocol"},
}

// foreignBytes is how many first bytes tell a foreign protocol.
const foreignBytes = 8

// foreign names the protocol that a connection to the port begins with, "" if it may be the right
// one, or too little is there to tell.
func foreign(on port, first []byte) string {
	for _, hello := range foreignHellos {
		if bytes.HasPrefix(first, []byte(hello.prefix)) {
			return hello.name
		}
	}
	switch {
	case on == peerPort && bytes.HasPrefix(first, []byte("\xff\xff\xff\xff\xff\xff\x00")):
		return "ZooKeeper's election protocol: are the two ports exchanged?"
	case on == electionPort && (bytes.HasPrefix(first, []byte("\x00\x00\x00\x0b")) || bytes.HasPrefix(first, []byte("\x00\x00\x00\x10"))):
		return "ZooKeeper's peer protocol: are the two ports exchanged?"
	case len(first) >= 4 && isWord(first[:4]):
		return "a four-letter word, which is for the client port"
	}
	return ""
}

func isWord(b []byte) bool {
	for _, c := range b {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
