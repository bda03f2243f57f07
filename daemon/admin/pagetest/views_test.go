package pagetest

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"zkd/daemon/admin/page"
)

// full is a page on which everything is that there can be, and much of it is long.
func full() page.View {
	v := page.View{Title: "zkd 1: looking, not serving", Level: page.Error, Headline: "Leader, serving", Time: "2026-01-02 12:00:00 UTC", Minutes: 10,
		Sentence: "this server leads; 3 of 5 voters in touch, 3 needed: the next loss ends the service; missing: server 4 (zookeeper-4.eu-central-1.compute.example.internal:3888 timed out: host down, or a firewall drops packets)",
		Facts:    []page.Fact{{Name: "Server", Value: "1"}, {Name: "Epoch", Value: "7"}, {Name: "Zxid", Value: "0x70000002a"}, {Name: "Leader for", Value: "3 d 4 h"}, {Name: "Znodes", Value: "1234567"}},
		Problems: []page.Problem{
			{Level: page.Error, Code: "Z401", Text: "writes are refused: 12 MiB are left below /var/lib/zkd", Fix: "free space there, or move the log to another disk; writes go on by themselves"},
			{Level: page.Warning, Code: "Z103", Text: "election port zookeeper-4.eu-central-1.compute.example.internal:3888 of server 4: timed out", Fix: "see whether that host is up, and let this host's address in there, on this port"}},
		Ensemble: &page.Ensemble{Sentences: []string{"this server leads; 3 of 5 voters in touch"}},
		Firewall: &page.Firewall{Level: page.Good, Verdict: "The rules are in force: table inet zkd.",
			Rules:   []page.Rule{{Who: "this host", From: "loopback", May: "every port: let in"}, {Who: "server 4", From: strings.Repeat("2001:db8:1234:5678:9abc:def0:1234:5678, ", 4), May: "peer and election ports: let in"}},
			Refused: []page.Refused{{Port: "2181", Use: "client", Source: "stranger", Packets: "12", Bytes: "720 B"}},
			Facts:   []page.Fact{{Name: "Mode", Value: "auto"}},
			Foreign: []page.Foreign{{Where: "ip filter, chain INPUT", Text: "ufw drops clients to port 2181", Certain: true, Fix: []string{"ufw allow from 192.168.1.0/24 to any port 2181 proto tcp"}, Keep: "ufw keeps it itself"}}},
		Details:  []page.Group{{Title: "Storage", Facts: []page.Fact{{Name: "Log", Value: "/srv/" + strings.Repeat("a-very-long-name", 6)}}}},
		Recovery: []string{"cut 12 bytes of an unfinished record off log.100000001"},
		Links:    []page.Link{{Path: "/status", Text: "/status"}, {Path: "/metrics", Text: "/metrics"}},
	}
	v.Ensemble.Members = members(5)
	for _, title := range []string{"Reads", "Writes"} {
		v.Plots = append(v.Plots, page.Plot{Title: title, Unit: "/s", Span: 600, Step: 5, Lines: []page.Line{{Points: wave(2000, 0)}}})
	}
	v.Plots = append(v.Plots, page.Plot{Title: "Time of a write", Unit: " ms", Span: 600, Step: 5, Lines: []page.Line{{Name: "half", Points: wave(2, 1)}, {Name: "99 of 100", Points: wave(9, 2)}}},
		page.Plot{Title: "Sync of the log", Unit: " ms", Span: 600, Step: 5, Lines: []page.Line{{Name: "half"}, {Name: "99 of 100"}}})
	return v
}

func wave(height, phase float64) (points []page.Point) {
	for i := range 120 {
		points = append(points, page.Point{Ago: float64(595 - 5*i), Value: height * (1.2 + math.Sin(float64(i)/9+phase)), Gap: i == 0 || i == 40})
	}
	return points
}

func members(n int) (all []page.Member) {
	for i := range n {
		m := page.Member{ID: int64(i + 1), Role: "follower", Level: page.Good, State: "up to date", Lag: "up to date", Epoch: "7", Zxid: "0x70000002a", Reach: page.Reached}
		port := page.Port{Name: "election", Address: fmt.Sprintf("192.168.100.%d:3888", i+1), Reach: page.Reached, Text: "reached"}
		switch i {
		case 0:
			m.Self, m.Leader, m.Role, m.Reach, m.Lag = true, true, "leader", page.OwnServer, ""
		case 3:
			m.Role, m.Level, m.State, m.Lag, m.Reach = "", page.Error, "cannot be reached", "", page.Shut
			port = page.Port{Name: "election", Address: "zookeeper-4.eu-central-1.compute.example.internal:3888", Reach: page.Shut, Text: "timed out"}
		case 4:
			m.Observer, m.Role, m.Lag, m.Reach = true, "observer", "1234567 behind", page.NotKnown
		}
		m.Ports = []page.Port{port, {Name: "peer", Address: port.Address, Reach: page.NotKnown, Text: "not in use"}, {Name: "client", Address: port.Address, Reach: page.Reached, Text: "reached"}}
		all = append(all, m)
	}
	return all
}

// serve answers every path with the page of a view.
func serve(t *testing.T, v page.View) *httptest.Server {
	t.Helper()
	p := page.New()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, err := p.Render(v)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Security-Policy", p.Policy())
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestPagesCanBeRead(t *testing.T) {
	b := openTab(t)
	large, empty, well := full(), full(), full()
	large.Ensemble.Members = members(21)
	empty.Problems, empty.Ensemble, empty.Plots, empty.Firewall, empty.Recovery, empty.Level = nil, nil, nil, nil, nil, page.Good
	well.Problems, well.Level, well.Ensemble.Members = nil, page.Good, members(3)
	for name, v := range map[string]page.View{"full": full(), "large": large, "empty": empty, "well": well} {
		b.open(serve(t, v).URL + "/")
		b.judge(name)
	}
}

// What is said of the page is worth nothing if the browser would not complain.
func TestTheBrowserComplains(t *testing.T) {
	b := openTab(t)
	for name, test := range map[string]struct{ body, want string }{
		"of a style that is not allowed":  {"<style>p { color: red }</style><p>x", "Content Security Policy"},
		"of a script that is not allowed": {"<script>1</script>", "Content Security Policy"},
		"of a picture from elsewhere":     {`<img src="http://127.0.0.2/x.png">`, "Content Security Policy"},
		"of an error in a script":         {"<script>throw new Error('broken')</script>", "broken"},
		"of what scripts complain of":     {"<script>console.error('spilt')</script>", "spilt"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.want == "Content Security Policy" {
					w.Header().Set("Content-Security-Policy", "default-src 'none'")
				}
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprintf(w, "<!doctype html><html lang=en><title>x</title><link rel=icon href=data:,>%s", test.body)
			}))
			defer s.Close()
			b.open(s.URL + "/")
			if !poll(func() bool { return strings.Contains(strings.Join(b.troubles(), "\n"), test.want) }) {
				t.Errorf("troubles %q, want one of %q", b.troubles(), test.want)
			}
		})
	}
	t.Run("of text that is cut off or faint", func(t *testing.T) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<!doctype html><html lang=en><meta name=viewport content="width=device-width"><title>x</title><p style="color: #bbb">faint</p><p style="width: 700px">wide</p>`)
		}))
		defer s.Close()
		b.open(s.URL + "/")
		b.look(390, "light")
		if faint := b.list(faintTexts); len(faint) != 1 || !strings.HasPrefix(faint[0], "faint: 1.9") {
			t.Errorf("faint texts %q, want one", faint)
		}
		if cut := b.list(cutTexts); len(cut) == 0 {
			t.Error("nothing is cut off")
		}
	})
}
