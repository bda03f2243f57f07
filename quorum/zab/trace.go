package zab

import (
	"fmt"
	"strings"

	"zkd/quorum/proto"
)

// Every action has a text, so that a trace of a core can be read, compared and replayed by a person.

func (a Send) String() string {
	to := "leader"
	if a.To != nil {
		to = fmt.Sprint(a.To)
	}
	return "send " + to + ": " + packetsText(a.Packets)
}

func packetsText(packets []proto.QuorumPacket) string {
	text := make([]string, len(packets))
	for i, p := range packets {
		text[i] = fmt.Sprintf("%v %v", p.Type, p.Zxid)
	}
	return strings.Join(text, ", ")
}

func txnsText(txns []Txn) string {
	switch n := len(txns); n {
	case 0:
		return "nothing"
	case 1:
		return txns[0].Zxid.String()
	default:
		return fmt.Sprintf("%v to %v", txns[0].Zxid, txns[n-1].Zxid)
	}
}

func withDetail(text string, reason Reason, detail string) string {
	text += ": " + string(reason)
	if detail != "" {
		text += " (" + detail + ")"
	}
	return text
}

func (a Close) String() string {
	return withDetail(fmt.Sprintf("close %d of server %d", a.Link, a.Server), a.Reason, a.Detail)
}

func (a End) String() string {
	text := withDetail("end", a.Reason, a.Detail)
	if a.ForceSnap {
		text += "; ask for a snapshot next"
	}
	return text
}

func (a SaveAccepted) String() string { return fmt.Sprintf("save acceptedEpoch %d", a.Epoch) }
func (a SaveCurrent) String() string  { return fmt.Sprintf("save currentEpoch %d", a.Epoch) }
func (a Persist) String() string      { return "log " + txnsText(a.Txns) }
func (a Deliver) String() string      { return "apply " + txnsText(a.Txns) }
func (a Activate) String() string     { return fmt.Sprintf("serve in epoch %d", a.Epoch) }

func (a StreamTxns) String() string {
	return fmt.Sprintf("stream to %d: txns above %v to %v", a.Link, a.After, a.Upto)
}

func (a StreamSnapshot) String() string {
	return fmt.Sprintf("stream to %d: snapshot at %v", a.Link, a.At)
}

func (a Forward) String() string {
	return fmt.Sprintf("forward from server %d: %s", a.Server, packetsText(a.Packets))
}

func (a Touch) String() string {
	return fmt.Sprintf("touch from server %d: %d sessions", a.Server, len(a.Data)/proto.SessionTouchBytes)
}

func (a BarrierDone) String() string { return fmt.Sprintf("barrier %d done", a.ID) }

func (a UpToDate) String() string {
	kind := "follower"
	if a.Observer {
		kind = "observer"
	}
	return fmt.Sprintf("%s %d is up to date", kind, a.Server)
}

func (a BeginSync) String() string   { return fmt.Sprintf("begin sync: %v at %v", a.Mode, a.At) }
func (a Stage) String() string       { return "stage " + txnsText(a.Txns) }
func (a CommitSync) String() string  { return fmt.Sprintf("commit sync up to %v", a.Last) }
func (a AbandonSync) String() string { return "abandon sync" }
func (a AnswerPing) String() string  { return fmt.Sprintf("answer ping %v", a.Packet.Zxid) }
func (a Revalidated) String() string { return fmt.Sprintf("revalidated: %d bytes", len(a.Data)) }
func (a SyncDone) String() string    { return "sync done" }
func (a ConfigSeen) String() string  { return fmt.Sprintf("configuration seen: %d bytes", len(a.Text)) }

func (a ConfigCommitted) String() string {
	return fmt.Sprintf("configuration of %v committed, server %d is to lead", a.Zxid, a.Designated)
}

// String returns the name of the packet that announces the mode.
func (m SyncMode) String() string {
	return name(int(m), "none", "DIFF", "TRUNC", "SNAP")
}

// String returns the state in words for status.
func (s LinkState) String() string {
	return name(int(s), "unknown", "waiting", "offered epoch", "accepted epoch", "syncing",
		"taking over history", "synced", "live")
}

func (p learnerPhase) String() string {
	return name(int(p), "waiting for LEADERINFO", "saving acceptedEpoch", "waiting for the sync", "syncing",
		"committing the sync", "saving currentEpoch", "waiting for UPTODATE", "live", "ended")
}

func name(i int, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprint(i)
}
