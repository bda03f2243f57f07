package probe

import (
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"zkd/daemon/admin"
	"zkd/quorum/zk"
)

// port listens on loopback and hands each connection to serve.
func port(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	return l.Addr().String()
}

// client answers a four-letter word with text.
func client(t *testing.T, text string) string {
	return port(t, func(c net.Conn) {
		word := make([]byte, 4)
		if _, err := io.ReadFull(c, word); err != nil || string(word) != "srvr" {
			t.Errorf("asked %q, %v; want srvr", word, err)
		}
		io.WriteString(c, text)
	})
}

func adminPort(t *testing.T, code int, body string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// closed is an address that nobody listens on.
func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// silentPort accepts and says nothing until the other side gives up.
func silentPort(t *testing.T) string {
	return port(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
}

const (
	serving    = `{"schema":1,"mode":"standalone","serving":true,"clients":{"addresses":["127.0.0.1:2181"]}}`
	notServing = `{"schema":1,"mode":"looking","serving":false,"not_serving":"1 of 3 servers","clients":{"addresses":["0.0.0.0:2181"]}}`
	srvrText   = "Zookeeper version: 3.9.5-zkd-0.1.0, built on 2026-01-01\nLatency min/avg/max: 0/0/0\nMode: follower\nNode count: 5\n"
)

func TestEachWayToFailHasItsOwnSentence(t *testing.T) {
	for name, test := range map[string]struct {
		admin, client func(*testing.T) string
		state         State
		text, reason  string // %A and %C stand for the two addresses
	}{
		"the admin port knows": {
			func(t *testing.T) string { return adminPort(t, 200, serving) }, closed,
			Serving, "Client port found: 2181. Client address: 127.0.0.1. Client SSL: false.\nMode: standalone\n", "",
		},
		"a server without quorum says who is missing": {
			func(t *testing.T) string { return adminPort(t, 200, notServing) }, closed,
			NotServing, "Client port found: 2181. Client address: localhost. Client SSL: false.\nNot serving: 1 of 3 servers\n", "not serving: 1 of 3 servers",
		},
		"without an admin port the client port knows, ZooKeeper's too": {
			closed, func(t *testing.T) string { return client(t, srvrText) },
			Serving, "Client port found: %CP. Client address: 127.0.0.1. Client SSL: false.\nMode: follower\n", "",
		},
		"an admin port that another program has is passed over": {
			func(t *testing.T) string { return adminPort(t, 404, "nothing here") }, func(t *testing.T) string { return client(t, srvrText) },
			Serving, "Client port found: %CP. Client address: 127.0.0.1. Client SSL: false.\nMode: follower\n", "",
		},
		"a client port that does not serve": {
			closed, func(t *testing.T) string {
				return client(t, "This ZooKeeper instance is not currently serving requests\n")
			},
			NotServing, "Client port found: %CP. Client address: 127.0.0.1. Client SSL: false.\nNot serving: the server has no quorum, or is still starting\n",
			"not serving: the server has no quorum, or is still starting",
		},
		"whitelisted away": {
			closed, func(t *testing.T) string {
				return client(t, "srvr is not executed because it is not in the whitelist.\n")
			},
			Unknown, "", "cannot tell: admin port %A is closed (connection refused); client port %C is a server that may not answer srvr: " +
				"add it to words.allow (4lw.commands.whitelist)",
		},
		"nothing there": {
			closed, closed,
			NotRunning, "", "not running: admin port %A is closed (connection refused); client port %C is closed (connection refused)",
		},
		"no answer in time": {
			closed, silentPort,
			Unknown, "", "cannot tell: admin port %A is closed (connection refused); client port %C takes connections and does not answer in time: " +
				"the server is stuck, or very slow",
		},
		"a connection that is refused by a limit": {
			closed, func(t *testing.T) string { return client(t, "") },
			Unknown, "", "cannot tell: admin port %A is closed (connection refused); client port %C closes connections without a word: " +
				"a server that has its limit of connections from this address, or another program",
		},
		"something else on both ports": {
			func(t *testing.T) string { return adminPort(t, 200, "hello") }, func(t *testing.T) string { return client(t, "SSH-2.0") },
			Unknown, "", "cannot tell: admin port %A gave an answer that is no server's (200 OK): another program may have the port; " +
				`client port %C gave an answer that is no server's (7 bytes: "SSH-2.0"): another program may have the port`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, c := test.admin(t), test.client(t)
			_, cp, err := net.SplitHostPort(c)
			if err != nil {
				t.Fatal(err)
			}
			fill := strings.NewReplacer("%A", a, "%CP", cp, "%C", c)
			got := Ask(t.Context(), Target{Admin: []string{a}, Client: []string{c}, Timeout: 500 * time.Millisecond})
			if text, reason := fill.Replace(test.text), fill.Replace(test.reason); got.State != test.state || got.Text != text || got.Reason != reason {
				t.Errorf("got  %v, %q, %q\nwant %v, %q, %q", got.State, got.Text, got.Reason, test.state, text, reason)
			}
		})
	}
}

func TestAnAddressThatIsNotHereCountsAsClosed(t *testing.T) {
	got := Ask(t.Context(), Target{Client: []string{"no.such.host.invalid:2181"}, Timeout: 5 * time.Second})
	if got.State == Serving || got.State == NotServing || got.Reason == "" {
		t.Errorf("got %+v", got)
	}
}

func TestPortsOnAllAddressesAreAskedOnLoopback(t *testing.T) {
	for addr, want := range map[string]string{
		"0.0.0.0:2181": "127.0.0.1:2181", "[::]:2181": "[::1]:2181", ":2181": "127.0.0.1:2181",
		"192.0.2.1:2181": "192.0.2.1:2181", "zk1.example:2181": "zk1.example:2181",
	} {
		if got := admin.Loopback(addr); got != want {
			t.Errorf("Loopback(%q) = %q, want %q", addr, got, want)
		}
	}
}

// The tables of a host on which 2181 is listened on for IPv4 and 8080 for IPv6; 5000 is a connection.
var tables = map[string]string{
	"/proc/net/tcp": "  sl  local_address rem_address   st tx_queue rx_queue\n" +
		"   0: 00000000:0885 00000000:0000 0A 00000000:00000000\n   1: 0100007F:1388 0100007F:0885 01 00000000:00000000\n",
	"/proc/net/tcp6": "  sl  local_address                         remote_address                        st\n" +
		"   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000\n",
}

func readTables(name string) ([]byte, error) {
	if text, ok := tables[name]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

func TestTheKernelSaysWhoListens(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:2181": true, "[::1]:8080": true, "127.0.0.1:5000": false, "127.0.0.1:2182": false} {
		if listening, known := listens(addr, readTables); !known || listening != want {
			t.Errorf("%s: listening %t, known %t; want %t", addr, listening, known, want)
		}
	}
	if _, known := listens("127.0.0.1:2181", func(string) ([]byte, error) { return nil, fs.ErrPermission }); known {
		t.Error("tables that cannot be read are taken for empty")
	}
	open := silentPort(t)
	if listening, known := listens(open, os.ReadFile); !known || !listening {
		t.Errorf("a port that this test listens on: listening %t, known %t", listening, known)
	}
}

// The host of the story: everything works, and its firewall lets nothing in by loopback.
func TestPacketsThatTheHostDropsToItself(t *testing.T) {
	for name, test := range map[string]struct {
		addr  string
		state State
		want  string
	}{
		"a program listens":  {"127.0.0.1:2181", Unknown, "cannot tell: client port 127.0.0.1:2181 takes no connection, though a program listens on it"},
		"no program listens": {"127.0.0.1:2182", NotRunning, "not running: client port 127.0.0.1:2182 takes no connection, and no program listens on it"},
	} {
		timedOut := dialError{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}}
		got := sumUp([]failure{*classify("client", test.addr, timedOut)}, readTables)
		if got.State != test.state || !strings.HasPrefix(got.Reason, test.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestTheOthersAreAskedWhenThisServerCannotBe(t *testing.T) {
	leading := strings.Replace(srvrText, "follower", "leader", 1)
	looking := "This ZooKeeper instance is not currently serving requests\n"
	for name, test := range map[string]struct {
		own    string // what its client port answers; "" is closed
		others [2]string
		want   string // of reason or text
	}{
		"the ensemble works": {"", [2]string{leading, srvrText}, ". The others: the ensemble works: server 2 is leader, server 3 is follower"},
		"it has no leader":   {"", [2]string{looking, srvrText}, ". The others: none of the others leads: server 2 does not serve, server 3 is follower"},
		"nobody is there":    {"", [2]string{"", ""}, ". The others: none of the others answers: server 2 does not answer at %2 (refused), server 3 does not answer at %3 (refused)"},
		"beside an answer":   {srvrText, [2]string{leading, ""}, "Mode: follower\nEnsemble: the ensemble works: server 2 is leader, server 3 does not answer at %3 (refused)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serve := func(text string) string {
				if text == "" {
					return closed(t)
				}
				return client(t, text)
			}
			others := map[zk.ServerID]string{2: serve(test.others[0]), 3: serve(test.others[1])}
			got := Ask(t.Context(), Target{Admin: []string{closed(t)}, Client: []string{serve(test.own)}, Others: others, Timeout: time.Second})
			want := strings.NewReplacer("%2", others[2], "%3", others[3]).Replace(test.want)
			if !strings.HasSuffix(got.Reason, want) && !strings.HasSuffix(got.Text, want) || got.State == NotServing {
				t.Errorf("got  %+v\nwant %s", got, want)
			}
		})
	}
}

func TestTheDocumentHasTheOthersInParts(t *testing.T) {
	leading := strings.Replace(srvrText, "Mode: follower", "Zxid: 0x700000012\nMode: leader", 1)
	others := map[zk.ServerID]string{2: client(t, leading), 3: closed(t)}
	d := Ask(t.Context(), Target{Client: []string{closed(t)}, Others: others, Timeout: time.Second}).Document(3)
	want := []Member{
		{ID: 2, Address: others[2], Answers: true, Role: "leader", Zxid: "0x700000012"},
		{ID: 3, Address: others[3], Class: "refused"},
	}
	if d.ExitCode != 3 || d.Verdict != "not running" || d.Others == nil || !slices.Equal(d.Others.Members, want) || !strings.HasPrefix(d.Others.Summary, "the ensemble works: server 2 is leader") {
		t.Errorf("got %+v, others %+v; want %+v", d, d.Others, want)
	}
	// Nothing to ask is an empty list, for those who go through it.
	if text, err := json.Marshal(Ask(t.Context(), Target{}).Document(1)); err != nil || !strings.Contains(string(text), `"ports":[],"others":null,"status":null`) {
		t.Errorf("nothing to ask: %s, %v", text, err)
	}
}
