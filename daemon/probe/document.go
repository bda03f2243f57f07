package probe

import (
	"encoding/json"
	"fmt"
)

// DocumentSchema is the version of [Document]: fields may be added, none changes or goes.
const DocumentSchema = 1

// Document is an answer for programs.
type Document struct {
	Schema   int    `json:"schema"`
	Verdict  string `json:"verdict"`   // see [State.String]
	ExitCode int    `json:"exit_code"` // of the command that asked
	Reason   string `json:"reason"`    // why it does not serve, in a sentence; "" if it does
	// Mode is standalone, leader, follower, observer, or looking for a server that does not serve; ""
	// where nobody said.
	Mode string `json:"mode"`
	// Ports are those that were asked, in this order; the first that answers is the last.
	Ports []Port `json:"ports"`
	// Others are what the other members say; null where the admin port answered, since status has them
	// then, and for a server alone.
	Others *Others `json:"others"`
	// Status is the /status document of the server, as it came; null where the admin port did not
	// answer.
	Status json.RawMessage `json:"status"`
}

// Port is one question.
type Port struct {
	Port    string `json:"port"` // admin or client
	Address string `json:"address"`
	Result  string `json:"result"` // answered, or one of results
	Detail  string `json:"detail"` // what it did in place of an answer, in words

	there bool // perhaps a server is behind it
}

// Others is the ensemble without this server's word for it.
type Others struct {
	Summary string   `json:"summary"` // in a sentence
	Members []Member `json:"members"`
}

// Member is what another server says of itself.
type Member struct {
	ID      int64  `json:"id"`
	Address string `json:"address"` // of its client port
	Answers bool   `json:"answers"`
	Class   string `json:"class"` // why it does not answer, as in /status; "" if it does
	Role    string `json:"role"`  // looking for one that does not serve; "" if it did not say
	Zxid    string `json:"zxid"`  // last transaction, as 0x and hex; "" if it did not say
}

// answered is the [Port.Result] of a port that answered.
const answered = "answered"

// results are the [Port.Result] of those that did not.
var results = map[kind]string{
	refused: "refused", absent: "unreachable", dropped: "timed out", silent: "no answer", odd: "not a server", mute: "closed", notAsked: "not allowed",
}

// String is the verdict of a [Document].
func (s State) String() string {
	switch s {
	case Serving:
		return "serving"
	case NotServing:
		return "not serving"
	case Unknown:
		return "unknown"
	case NotRunning:
		return "not running"
	default:
		panic(fmt.Sprintf("probe: state %d", int(s)))
	}
}

// Document says the same as a.Text and a.Reason.
func (a Answer) Document(exitCode int) Document {
	d := Document{Schema: DocumentSchema, Verdict: a.State.String(), ExitCode: exitCode, Reason: a.Reason, Mode: a.mode, Ports: a.ports, Status: a.status}
	if d.Ports == nil {
		d.Ports = []Port{} // an empty list, not null
	}
	if a.others != nil {
		d.Others = &Others{Summary: a.roll, Members: a.others}
	}
	return d
}
