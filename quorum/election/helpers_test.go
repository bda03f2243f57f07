package election

import (
	"fmt"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// configOf returns a configuration of these voters, and perhaps observers.
func configOf(voters []zk.ServerID, observers ...zk.ServerID) proto.QuorumConfig {
	var c proto.QuorumConfig
	add := func(id zk.ServerID, observer bool) {
		addr := proto.PeerAddr{Host: fmt.Sprintf("h%d", id), QuorumPort: 2888, ElectionPort: 3888}
		c.Servers = append(c.Servers, proto.QuorumServer{ID: id, Addrs: []proto.PeerAddr{addr}, Observer: observer})
	}
	for _, id := range voters {
		add(id, false)
	}
	for _, id := range observers {
		add(id, true)
	}
	return c
}

func upTo(n int) []zk.ServerID {
	var ids []zk.ServerID
	for id := range zk.ServerID(n) {
		ids = append(ids, id+1)
	}
	return ids
}

func membersOf(t testing.TB, committed proto.QuorumConfig, lastSeen *proto.QuorumConfig) Members {
	t.Helper()
	m, err := NewMembers(committed, lastSeen)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newElection(t testing.TB, self zk.ServerID, committed proto.QuorumConfig) *Election {
	t.Helper()
	e, err := New(Config{Self: self, Members: membersOf(t, committed, nil)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// of returns the actions of one type.
func of[A Action](actions []Action) []A {
	var some []A
	for _, a := range actions {
		if a, ok := a.(A); ok {
			some = append(some, a)
		}
	}
	return some
}

// says builds a notification.
func says(state proto.PeerState, round proto.Round, v Vote) proto.Notification {
	return proto.Notification{
		State: state, Leader: v.Leader, Zxid: v.Zxid, Round: round, PeerEpoch: v.Epoch,
		Version: proto.NotificationVersion,
	}
}

// voteOf returns the vote in a notification.
func voteOf(n proto.Notification) Vote { return ballotOf(n).vote }
