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

	// The same in parts, for [Answer.Document].

	mode   string   // role of the server; "" if it did not say
	status []byte   // the /status document as it came; nil without one
	ports  []Port   // in the order in which they were asked
	others []Member // by id; nil if they were not asked
	roll   string   // others in a sentence
}

// Ask asks a server how it is.
func Ask(ctx context.Context, t Target) Answer {
	if t.Timeout <= 0 {
		t.Timeout = 5 * time.Second
	}
	var failures []failure
	for _, addr := range t.Admin {
		addr = admin.Loopback(addr)
		a, f := askAdmin(ctx, addr, t.Timeout)
		if f == nil {
			a.ports = append(portsOf(failures, os.ReadFile), Port{Port: "admin", Address: addr, Result: answered})
			return a
		}
		failures = append(failures, *f)
	}
	others := rollCall(ctx, t.Others, t.Timeout)
	roll := summary(others)
	for _, addr := range t.Client {
		addr = admin.Loopback(addr)
		a, f := askClient(ctx, addr, t.Timeout)
		if f == nil {
			if roll != "" {
				a.Text += "Ensemble: " + roll + "\n"
			}
			a.ports = append(portsOf(failures, os.ReadFile), Port{Port: "client", Address: addr, Result: answered})
			a.others, a.roll = others, roll
			return a
		}
		failures = append(failures, *f)
	}
	a := sumUp(failures, os.ReadFile)
	if roll != "" {
		a.Reason += ". The others: " + roll
	}
	a.others, a.roll = others, roll
	return a
}

// rollCall asks the other members; nil if there are none.
func rollCall(ctx context.Context, others map[zk.ServerID]string, timeout time.Duration) []Member {
	if len(others) == 0 {
		return nil
	}
	told := (&Members{Timeout: min(timeout, 2*time.Second)}).Ask(ctx, slices.Collect(maps.Values(others)))
	var members []Member
	for _, id := range slices.Sorted(maps.Keys(others)) {
		t := told[others[id]]
		m := Member{ID: int64(id), Address: others[id], Answers: t.Client.OK, Class: t.Client.Class, Role: string(t.Role)}
		if t.Zxid >= 0 {
			m.Zxid = t.Zxid.String()
		}
		members = append(members, m)
	}
	return members
}

// summary says in a sentence how the ensemble is without this server's word for it; "" if there are no
// others.
func summary(others []Member) string {
	if len(others) == 0 {
		return ""
	}
	leads, answers := false, false
	var parts []string
	for _, m := range others {
		does := "answers, and may not tell more"
		switch {
		case !m.Answers:
			does = "does not answer at " + m.Address + " (" + m.Class + ")"
		case m.Role == string(quorum.Looking):
			does = "does not serve"
		case m.Role != "":
			does = "is " + m.Role
		}
		leads = leads || m.Role == string(quorum.Leader)
		answers = answers || m.Answers
		parts = append(parts, fmt.Sprintf("server %d %s", m.ID, does))
	}
	detail := strings.Join(parts, ", ")
	switch {
	case leads:
		return "the ensemble works: " + detail
	case answers:
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
	ports := portsOf(failures, read)
	var parts []string
	there := false // perhaps something is
	for _, p := range ports {
		there = there || p.there
		parts = append(parts, fmt.Sprintf("%s port %s %s", p.Port, p.Address, p.Detail))
	}
	a := Answer{State: Unknown, Reason: "cannot tell: " + strings.Join(parts, "; "), ports: ports}
	if !there {
		a.State, a.Reason = NotRunning, "not running: "+strings.Join(parts, "; ")
	}
	return a
}

// portsOf says of each port what it did in place of an answer.
func portsOf(failures []failure, read func(name string) ([]byte, error)) []Port {
	var ports []Port
	for _, f := range failures {
		p := Port{Port: f.port, Address: f.addr, Result: results[f.kind], there: f.kind > dropped}
		switch f.kind {
		case refused:
			p.Detail = "is closed (connection refused)"
		case absent:
			p.Detail = "cannot be reached from here (" + f.what + ")"
		case dropped:
			switch listening, known := listens(f.addr, read); {
			case listening:
				p.there = true
				p.Detail = "takes no connection, though a program listens on it: a firewall of this host drops packets to itself " +
					"(what comes by the interface lo must be let in), or the server is stuck"
			case known:
				p.Detail = "takes no connection, and no program listens on it; a firewall drops packets there"
			default:
				p.there = true
				p.Detail = "takes no connection: a firewall drops packets, or the server is stuck"
			}
		case silent:
			p.Detail = "takes connections and does not answer in time: the server is stuck, or very slow"
		case notAsked:
			p.Detail = "is a server that may not answer srvr: add it to words.allow (4lw.commands.whitelist)"
		case mute:
			p.Detail = "closes connections without a word: a server that has its limit of connections from this address, or another program"
		case odd:
			p.Detail = "gave an answer that is no server's (" + f.what + "): another program may have the port"
		}
		ports = append(ports, p)
	}
	return ports
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
