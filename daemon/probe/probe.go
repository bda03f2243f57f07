package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// Target says where to ask.
type Target struct {
	// Admin and Client are host:port of the two ports; those that listen on all addresses are asked
	// on loopback. Either may be empty.
	Admin, Client []string
	// Timeout of each question; 0 is five seconds, as zkServer.sh has.
	Timeout time.Duration
}

// State is what was found out.
type State int

// The states, best first. Where ports disagree, the better one is true.
const (
	Serving    State = iota // clients get answers
	NotServing              // a server is there and serves nobody: no quorum, or still starting
	Unknown                 // something is there, and what it does could not be found out
	NotRunning              // nothing is there
)

// Answer is the result of asking.
type Answer struct {
	State State
	// Text is for standard output: the lines of zkServer.sh status, if there is an answer.
	Text string
	// Reason is one sentence that says why State is not Serving; "" if it is.
	Reason string
}

// Ask asks a server how it is.
func Ask(ctx context.Context, t Target) Answer {
	if t.Timeout <= 0 {
		t.Timeout = 5 * time.Second
	}
	var failures []failure
	for _, addr := range t.Admin {
		a, f := askAdmin(ctx, reachable(addr), t.Timeout)
		if f == nil {
			return a
		}
		failures = append(failures, *f)
	}
	for _, addr := range t.Client {
		a, f := askClient(ctx, reachable(addr), t.Timeout)
		if f == nil {
			return a
		}
		failures = append(failures, *f)
	}
	return sumUp(failures)
}

// failure is one question that was not answered.
type failure struct {
	addr string
	port string // "admin" or "client"
	kind kind
	what string // what the other side did, for Odd
}

type kind int

const (
	refused  kind = iota // nobody listens
	absent               // no such address on this host, or no way to it
	timedOut             // no answer
	odd                  // an answer that is not ours
	mute                 // closed without a word
	notAsked             // srvr is not in the list of words
)

// sumUp says in one sentence why nobody answered.
func sumUp(failures []failure) Answer {
	if len(failures) == 0 {
		return Answer{State: Unknown, Reason: "the configuration names neither an admin port nor a client port to ask"}
	}
	var parts []string
	worst := refused
	for _, f := range failures {
		worst = max(worst, f.kind)
		var did string
		switch f.kind {
		case refused:
			did = "is closed (connection refused)"
		case absent:
			did = "cannot be reached from here (" + f.what + ")"
		case timedOut:
			did = "did not answer in time; a firewall may drop packets, even on loopback, or the server is stuck"
		case notAsked:
			did = "is a server that may not answer srvr: add it to words.allow (4lw.commands.whitelist)"
		case mute:
			did = "closes connections without a word: a server that has its limit of connections from this address, or another program"
		case odd:
			did = "gave an answer that is no server's (" + f.what + "): another program may have the port"
		}
		parts = append(parts, fmt.Sprintf("%s port %s %s", f.port, f.addr, did))
	}
	detail := strings.Join(parts, "; ")
	if worst == refused || worst == absent {
		return Answer{State: NotRunning, Reason: "not running: " + detail}
	}
	return Answer{State: Unknown, Reason: "cannot tell: " + detail}
}

// classify turns an error of dialling or reading into a failure.
func classify(port, addr string, err error) *failure {
	f := &failure{addr: addr, port: port, what: err.Error()}
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		f.kind = refused
	case errors.As(err, &dns), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.ENETUNREACH),
		errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EAFNOSUPPORT):
		f.kind = absent
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		f.kind = timedOut
	default:
		f.kind = odd
	}
	return f
}

// reachable returns the address under which this host reaches a port that listens on addr.
func reachable(addr string) string {
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

// headline is the first line of zkServer.sh status.
func headline(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, ""
	}
	return fmt.Sprintf("Client port found: %s. Client address: %s. Client SSL: false.\n", port, cmp.Or(host, "localhost"))
}
