package probe

import (
	"context"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/zk"
)

// counting is a client port that counts its questions.
func counting(t *testing.T, questions *atomic.Int64, text string) string {
	return port(t, func(c net.Conn) {
		questions.Add(1)
		word := make([]byte, 4)
		_, _ = io.ReadFull(c, word)
		_, _ = io.WriteString(c, text)
	})
}

func TestParseSrvr(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want said
		err  string
	}{
		"a leader of ZooKeeper's": {"Zookeeper version: 3.9.4-x, built on y\nLatency min/avg/max: 0/0.5/3\nReceived: 5\nSent: 4\nConnections: 1\nOutstanding: 0\n" +
			"Zxid: 0x700000012\nMode: leader\nNode count: 5\nProposal sizes last/min/max: 48/36/48\n", said{quorum.Leader, 0x700000012}, ""},
		"no zxid":         {"Mode: observer\n", said{quorum.Observer, -1}, ""},
		"not serving":     {"This ZooKeeper instance is not currently serving requests\n", said{quorum.Looking, -1}, ""},
		"not whitelisted": {"srvr is not executed because it is not in the whitelist.\n", said{}, errNotAsked.Error()},
		"nothing":         {"", said{}, errMute.Error()},
		"something else":  {"SSH-2.0", said{}, `answered what no server does: 7 bytes: "SSH-2.0"`},
	} {
		got, err := parseSrvr(test.text, nil)
		if test.err == "" && (err != nil || got != test.want) || test.err != "" && (err == nil || err.Error() != test.err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestMembersTellRoleZxidAndWhyTheyCannotBeReached(t *testing.T) {
	addrs := map[zk.ServerID]string{
		1: client(t, "Zxid: 0x700000012\nMode: leader\n"),
		2: client(t, "This ZooKeeper instance is not currently serving requests\n"),
		3: closed(t), 4: silentPort(t), 5: "no.such.host.invalid:2181", 6: client(t, ""),
		7: client(t, "srvr is not executed because it is not in the whitelist.\n"),
	}
	told := (&Members{Timeout: 500 * time.Millisecond}).Ask(t.Context(), slices.Collect(maps.Values(addrs)))
	for id, want := range map[zk.ServerID]struct {
		role  quorum.Role
		zxid  zk.Zxid
		ok    bool
		class string
	}{
		1: {quorum.Leader, 0x700000012, true, ""}, 2: {quorum.Looking, -1, true, ""}, 3: {"", -1, false, "refused"},
		4: {"", -1, false, "timed out"}, 6: {"", -1, false, "reset"}, 7: {"", -1, true, ""},
	} {
		got := told[addrs[id]]
		if got.Role != want.role || got.Zxid != want.zxid || got.Client.OK != want.ok || got.Client.Class != want.class || !got.Client.Known || got.Client.Since.IsZero() {
			t.Errorf("server %d: %+v, want %+v", id, got, want)
		}
	}
	// How fast a resolver says no is its own affair.
	if got := told[addrs[5]].Client; got.OK || got.Class != "name unknown" && got.Class != "timed out" {
		t.Errorf("an unknown name: %+v", got)
	}
}

func TestAnswersAreKeptForAMoment(t *testing.T) {
	var questions atomic.Int64
	addrs := []string{counting(t, &questions, "Mode: follower\n")}
	m := &Members{MaxAge: time.Hour}
	first := m.Ask(t.Context(), addrs)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { m.Ask(t.Context(), addrs) })
	}
	all.Wait()
	if n := questions.Load(); n != 1 {
		t.Errorf("%d questions for eleven answers within the hour, want 1", n)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	addrs = append(addrs, counting(t, &questions, "Mode: leader\n"))
	second := m.Ask(gone, addrs)
	if n := questions.Load(); n != 3 {
		t.Errorf("%d questions after the members changed, want 3", n)
	}
	if second[addrs[1]].Role != quorum.Leader || second[addrs[0]].Client.Since != first[addrs[0]].Client.Since {
		t.Errorf("%+v, want a leader, and server 1 reachable since %v", second, first[addrs[0]].Client.Since)
	}
}
