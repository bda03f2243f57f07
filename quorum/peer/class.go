package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"zkd/quorum/zk"
)

// Class sorts why a server cannot be reached, in the words of /status.
type Class string

// The classes.
const (
	Refused     Class = "refused"      // the host answers, nobody listens
	TimedOut    Class = "timed out"    // no answer: host down, packets dropped
	Broken      Class = "reset"        // a connection that was there broke or was closed
	NoRoute     Class = "no route"     // the own host or a router knows no way, or a firewall says so
	NameUnknown Class = "name unknown" // the name has no address
	NoAnswer    Class = "no answer"    // it takes connections, but makes none in return
	WrongID     Class = "wrong id"     // who lives at its address says to be another
	NotMember   Class = "not in configuration"
	OtherError  Class = "other"
)

var (
	errNoAnswer = errors.New("peer: the server took the hello but did not connect in return")
	errClosed   = errors.New("peer: closed by the other side")
)

// Classify sorts the error of a dial, or of the end of a connection.
func Classify(err error) Class {
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && !name.IsTimeout && !name.IsTemporary, errors.Is(err, errNoAddress):
		return NameUnknown
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, errNoAnswer):
		return NoAnswer
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errClosed), errors.Is(err, syscall.ECONNABORTED):
		return Broken
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL),
		errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return NoRoute
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT),
		errors.As(err, &name):
		return TimedOut
	}
	return OtherError
}

// Reach says whether a server can be reached from here.
type Reach struct {
	Server zk.ServerID
	// Member is false for a server that connected without being in the configuration.
	Member bool
	// Linked says that there is a connection, since Since.
	Linked bool
	// Class and Error say why not, as far as it was tried: of the last try. Kept while linked only if
	// Class is NotMember.
	Class Class
	Error string
	// Since is when Linked or Class last changed; zero where nothing was tried yet.
	Since time.Time
}
