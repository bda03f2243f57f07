package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"zkd/daemon/admin"
	"zkd/quorum"
	"zkd/quorum/zk"
)

// Target says where to ask.
type Target struct {
	// Admin and Client are host:port of the two ports; those that listen on all addresses are asked
	// on loopback. Either may be empty.
	Admin, Client []string
	// Timeout of each question; 0 is five seconds, as zkServer.sh has.
	Timeout time.Duration
	// Others are the client ports of the other members of the ensemble. They are asked where the admin
	// port does not answer, so that what this server cannot tell is not taken for the state of all.
	Others map[zk.ServerID]string
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
		a, f := askAdmin(ctx, admin.Loopback(addr), t.Timeout)
		if f == nil {
			return a
		}
		failures = append(failures, *f)
	}
	others := rollCall(ctx, t.Others, t.Timeout)
	for _, addr := range t.Client {
		a, f := askClient(ctx, admin.Loopback(addr), t.Timeout)
		if f == nil {
			if others != "" {
				a.Text += "Ensemble: " + others + "\n"
			}
			return a
		}
		failures = append(failures, *f)
	}
	a := sumUp(failures, os.ReadFile)
	if others != "" {
		a.Reason += ". The others: " + others
	}
	return a
}

// rollCall asks the other members, and says in a sentence how the ensemble is without this server's
// word for it; "" if there are no others.
func rollCall(ctx context.Context, others map[zk.ServerID]string, timeout time.Duration) string {
	if len(others) == 0 {
		return ""
	}
	told := (&Members{Timeout: min(timeout, 2*time.Second)}).Ask(ctx, others)
	var leader zk.ServerID
	answered := false
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(others)) {
		m := told[id]
		does := "answers, and may not tell more"
		switch {
		case !m.Client.OK:
			does = "does not answer at " + others[id] + " (" + m.Client.Class + ")"
		case m.Role == quorum.Looking:
			does = "does not serve"
		case m.Role != "":
			does = "is " + string(m.Role)
		}
		if m.Role == quorum.Leader {
			leader = id
		}
		answered = answered || m.Client.OK
		parts = append(parts, fmt.Sprintf("server %d %s", id, does))
	}
	detail := strings.Join(parts, ", ")
	switch {
	case leader != 0:
		return "the ensemble works: " + detail
	case answered:
		return "none of the others leads: " + detail
	default:
		return "none of the others answers: " + detail
	}
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
	dropped              // not even a connection
	silent               // a connection, and no answer
	odd                  // an answer that is not ours
	mute                 // closed without a word
	notAsked             // srvr is not in the list of words
)

// sumUp says in one sentence why nobody answered. read reads the kernel's tables of listeners.
func sumUp(failures []failure, read func(name string) ([]byte, error)) Answer {
	if len(failures) == 0 {
		return Answer{State: Unknown, Reason: "the configuration names neither an admin port nor a client port to ask"}
	}
	var parts []string
	there := false // perhaps something is
	for _, f := range failures {
		var did string
		switch f.kind {
		case refused:
			did = "is closed (connection refused)"
		case absent:
			did = "cannot be reached from here (" + f.what + ")"
		case dropped:
			switch listening, known := listens(f.addr, read); {
			case listening:
				there = true
				did = "takes no connection, though a program listens on it: a firewall of this host drops packets to itself " +
					"(what comes by the interface lo must be let in), or the server is stuck"
			case known:
				did = "takes no connection, and no program listens on it; a firewall drops packets there"
			default:
				there = true
				did = "takes no connection: a firewall drops packets, or the server is stuck"
			}
		case silent:
			did = "takes connections and does not answer in time: the server is stuck, or very slow"
		case notAsked:
			did = "is a server that may not answer srvr: add it to words.allow (4lw.commands.whitelist)"
		case mute:
			did = "closes connections without a word: a server that has its limit of connections from this address, or another program"
		case odd:
			did = "gave an answer that is no server's (" + f.what + "): another program may have the port"
		}
		there = there || f.kind > dropped
		parts = append(parts, fmt.Sprintf("%s port %s %s", f.port, f.addr, did))
	}
	detail := strings.Join(parts, "; ")
	if !there {
		return Answer{State: NotRunning, Reason: "not running: " + detail}
	}
	return Answer{State: Unknown, Reason: "cannot tell: " + detail}
}

// classify turns an error of asking into a failure.
func classify(port, addr string, err error) *failure {
	f := &failure{addr: addr, port: port, what: err.Error()}
	var dns *net.DNSError
	var strange *strangeError
	switch {
	case errors.Is(err, errMute):
		f.kind = mute
	case errors.Is(err, errNotAsked):
		f.kind = notAsked
	case errors.As(err, &strange):
		f.kind, f.what = odd, fmt.Sprintf("%d bytes: %.40q", len(strange.text), strange.text)
	case errors.Is(err, syscall.ECONNREFUSED):
		f.kind = refused
	case errors.As(err, &dns), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.ENETUNREACH),
		errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EAFNOSUPPORT):
		f.kind = absent
	case errors.As(err, new(dialError)):
		f.kind = dropped
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		f.kind = silent
	default:
		f.kind = odd
	}
	return f
}

// headline is the first line of zkServer.sh status.
func headline(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, ""
	}
	return fmt.Sprintf("Client port found: %s. Client address: %s. Client SSL: false.\n", port, cmp.Or(host, "localhost"))
}
