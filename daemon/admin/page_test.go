package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zkd/daemon/admin/page/history"
	"zkd/firewall"
	"zkd/firewall/foreign"
	"zkd/firewall/keeper"
)

// withCourse gives a server a busy while: requests come in waves, and for some time none is read.
func withCourse(s *Server) *Server {
	var reads, writes, commits int64
	for i := range 90 {
		wave := 1 + math.Sin(float64(i)/9)
		if i < 40 || i > 50 {
			reads += int64(400 * wave)
		}
		writes += int64(50 * wave)
		commits += int64(60 * wave)
		s.course.history.Add(history.Reading{Seconds: float64(5 * i), Commits: commits, Connections: 20 + int64(5*wave), Waiting: int64(wave),
			Reads:  history.Times{Count: reads, Buckets: []history.Bucket{{Upper: 250, Count: reads - reads/80}, {Upper: 900, Count: reads / 80}}},
			Writes: history.Times{Count: writes, Buckets: []history.Bucket{{Upper: 2500, Count: writes - writes/20}, {Upper: 7000, Count: writes / 20}}},
			Syncs:  history.Times{Count: writes, Buckets: []history.Bucket{{Upper: 1800, Count: writes}}}})
	}
	s.course.clock = func() float64 { return 5*89 + 2 }
	return s
}

// pages are the servers of which the page is kept as a golden file, by its name.
func pages() map[string]*Server {
	problems := serving()
	problems.st.ReadOnlyDisk = true
	problems.n.SnapshotErrors.Add(2)
	problems.n.FsyncSlow.Add(1)
	problems.st.ForgotWrites = `log.100000001 <lost> 3 & "more"`
	guarded := follower()
	guarded.fw = &keeper.Status{Mode: keeper.Auto, Active: true, Table: "zkd", Clients: []string{"192.168.1.0/24"}, PutBack: 1,
		Members: []keeper.MemberStatus{{Name: "1", Addresses: []string{"192.168.1.3"}}, {Name: "2", Addresses: []string{"192.168.1.5"}},
			{Name: "3", Addresses: []string{"192.168.1.9"}}, {Name: "4", Addresses: []string{}, Error: "zk4.example: no such host"}},
		Refused: []firewall.Refused{{Port: 2181, Use: "client", Source: firewall.Stranger, Packets: 12, Bytes: 720},
			{Port: 2888, Use: "peer", Source: firewall.Client, Packets: 1, Bytes: 60}},
		Unresolved: []string{"zk4.example"},
		Foreign: []foreign.Finding{
			{Manager: "ufw", Table: "ip filter", Chain: "INPUT", Certain: true, Blocked: []string{"clients to port 2181"}, Text: "ufw drops clients to port 2181",
				Fix: []string{"ufw allow from 192.168.1.0/24 to any port 2181 proto tcp"}, Keep: "ufw keeps it itself"},
			{Manager: "nft", Table: "inet mine", Chain: "in", Rule: 3, Text: "inet mine may drop"},
		}}
	led, told := leading()
	led.fw = &keeper.Status{Mode: keeper.Required, Table: "zkd", Reason: "the capability CAP_NET_ADMIN is needed"}
	lone, silent := alone()
	lone.fw = &keeper.Status{Mode: keeper.Off, Table: "zkd", Reason: "every port is on loopback"}
	return map[string]*Server{
		"standalone": newServer(serving()), "problems": withCourse(newServer(problems)),
		"follower": withCourse(asking(guarded, everybody())), "leader": withCourse(asking(led, told)), "looking": asking(lone, silent),
	}
}

// styles and scripts are in the way of a reader of the golden files, and are read elsewhere.
var stylesAndScript = regexp.MustCompile(`(?s)(<style>|<script>).*?(</style>|</script>)`)

func TestThePageIsAsInTheGoldenFiles(t *testing.T) {
	for name, s := range pages() {
		t.Run(name, func(t *testing.T) {
			rec := ask(s, "GET", "/")
			if got := rec.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
				t.Errorf("Content-Type %q", got)
			}
			golden(t, "page/"+name+".html", stylesAndScript.ReplaceAll(rec.Body.Bytes(), []byte("$1…$2")))
		})
	}
}

// element is one element of a page, with what it is in.
type element struct {
	name string
	attr map[string]string
	path string
}

// elements reads a page strictly, as XML: elements that are not closed, or closed by the wrong tag, and characters
// that must be escaped are errors.
func elements(body []byte) (all []element, err error) {
	text := stylesAndScript.ReplaceAll(body, []byte("$1$2"))
	text, found := bytes.CutPrefix(text, []byte("<!doctype html>\n"))
	if !found {
		return nil, errors.New("no doctype: browsers would be in quirks mode")
	}
	text = regexp.MustCompile(`<(meta|link) ([^>]*)>`).ReplaceAll(text, []byte("<$1 $2/>")) // those have no end tag in HTML
	var open []string
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{token.Name.Local, map[string]string{}, strings.Join(open, " ")}
			for _, a := range token.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			all, open = append(all, e), append(open, token.Name.Local)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// faults are what is wrong with a page, besides how it looks.
func faults(body []byte) (all []string) {
	bad := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	list, err := elements(body)
	if err != nil {
		return []string{err.Error()}
	}
	ids := map[string]bool{}
	for _, e := range list {
		if id, ok := e.attr["id"]; ok {
			if ids[id] {
				bad("two elements have the id %q", id)
			}
			ids[id] = true
		}
	}
	count := map[string]int{}
	for _, e := range list {
		count[e.name]++
		for _, id := range strings.Fields(e.attr["aria-labelledby"]) {
			if !ids[id] {
				bad("%s is labelled by %q, which is not there", e.name, id)
			}
		}
		for name, value := range e.attr {
			switch {
			case name == "style":
				bad("%s has a style attribute, which the policy forbids", e.name)
			case strings.HasPrefix(name, "on"):
				bad("%s has a handler %s, which the policy forbids", e.name, name)
			case (name == "href" || name == "src") && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "data:"), strings.HasPrefix(value, "//"):
				bad("%s leads to %q, away from the server", e.name, value)
			}
		}
		switch {
		case e.name == "svg" && e.attr["aria-hidden"] != "true" && (e.attr["role"] != "img" || e.attr["aria-label"]+e.attr["aria-labelledby"] == ""):
			bad("a picture has no words: %v", e.attr)
		case e.name == "section" && e.attr["aria-label"]+e.attr["aria-labelledby"] == "":
			bad("a section has no name")
		case (e.name == "td" || e.name == "tr") && !strings.Contains(e.path, "table"):
			bad("%s is outside a table", e.name)
		case e.name == "li" && !strings.HasSuffix(e.path, " ul"):
			bad("a point is in no list, but in %s", e.path)
		}
	}
	for _, name := range []string{"title", "h1", "main", "header", "footer", "style", "script"} {
		if name != "title" && count[name] != 1 || count[name] == 0 { // a picture has a title, too
			bad("%d of %s, want one", count[name], name)
		}
	}
	return all
}

func TestThePageIsWellFormedAndNeedsNoEyes(t *testing.T) {
	for name, s := range pages() {
		for _, fault := range faults(ask(s, "GET", "/").Body.Bytes()) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

func TestFaultsOfAPageAreFound(t *testing.T) {
	good := ask(newServer(serving()), "GET", "/").Body.String()
	for name, test := range map[string]struct{ old, new, want string }{
		"an element that is not closed":  {"</main>", "", "element <main> closed by </body>"},
		"an unescaped character":         {"<h1>", "<h1>&", "invalid character entity"},
		"a picture without words":        {`role="img" aria-label=`, `data-x=`, "a picture has no words"},
		"a resource of somebody else's":  {`<a href="/metrics">`, `<a href="https://example.net/">`, "away from the server"},
		"a resource without a protocol":  {`<a href="/metrics">`, `<a href="//example.net/">`, "away from the server"},
		"a style that the policy denies": {"<h1>", `<h1 style="color: red">`, "style attribute"},
		"a handler that it denies":       {"<h1>", `<h1 onclick="x()">`, "handler onclick"},
		"an id that is there twice":      {"<h1>", `<h1 id="problems">`, `two elements have the id "problems"`},
		"a name that leads nowhere":      {`aria-labelledby="problems"`, `aria-labelledby="gone"`, `"gone", which is not there`},
		"no doctype":                     {"<!doctype html>", "", "quirks mode"},
	} {
		t.Run(name, func(t *testing.T) {
			spoilt := strings.Replace(good, test.old, test.new, 1)
			if got := strings.Join(faults([]byte(spoilt)), "\n"); spoilt == good || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestThePolicyAllowsWhatThePageHoldsAndNothingElse(t *testing.T) {
	rec := ask(newServer(serving()), "GET", "/")
	policies := rec.Header().Values("Content-Security-Policy")
	if len(policies) != 1 {
		t.Fatalf("policies %q, want one", policies)
	}
	directives := map[string]string{}
	for _, d := range strings.Split(policies[0], ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), " ")
		directives[name] = value
	}
	hash := func(tag string) string {
		found := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllSubmatch(rec.Body.Bytes(), -1)
		if len(found) != 1 {
			t.Fatalf("%d of %s", len(found), tag)
		}
		sum := sha256.Sum256(found[0][1])
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	want := map[string]string{"default-src": "'none'", "style-src": hash("style"), "script-src": hash("script"), "img-src": "data:",
		"connect-src": "'self'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
	if fmt.Sprint(directives) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", directives, want)
	}
	if other := ask(newServer(serving()), "GET", "/status").Header().Get("Content-Security-Policy"); other != "default-src 'none'" {
		t.Errorf("/status has the policy %q: only the page needs more than nothing", other)
	}
}

func TestThePageShowsTextAsText(t *testing.T) {
	f := follower()
	evil := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	f.st.RecoveryNotes, f.st.ClientAddrs = []string{evil}, []string{evil}
	f.st.Ensemble.Members[2].Election = down("", evil)
	f.st.Ensemble.Members[3].PeerAddr = evil
	body := ask(asking(f, everybody()), "GET", "/").Body.String()
	if strings.Contains(body, "<img") || strings.Count(body, "<script") != 1 {
		t.Error("what others say becomes part of the page")
	}
	for _, fault := range faults([]byte(body)) {
		t.Error(fault)
	}
}

func TestACourseHasAPointEveryStepAndNoMoreThanFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serving()
		c := newCourse(f)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { c.follow(ctx); close(done) }()
		synctest.Wait()
		f.n.ReadLatency.ObserveN(700, 10)
		time.Sleep(courseStep) // of the bubble's clock
		synctest.Wait()
		points, now := c.points()
		if len(points) != 1 || points[0].Length != courseStep.Seconds() || points[0].Reads.PerSecond != 2 || now != points[0].Seconds {
			t.Errorf("after a step: %+v at %v", points, now)
		}
		if p50 := points[0].Reads.P50; p50 < 700 || p50 > 800 {
			t.Errorf("half of reads of 700 µs took at most %d", p50)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		points, now = c.points()
		if len(points) != coursePoints || now-points[0].Seconds+points[0].Length > courseMinutes*60 {
			t.Errorf("after an hour: %d points, the oldest began %v s ago", len(points), now-points[0].Seconds+points[0].Length)
		}
		stop()
		<-done
	})
}

func TestAPlotHasAGapWhereNothingIsKnown(t *testing.T) {
	read := func(end, length float64, measured bool) history.Point {
		return history.Point{Seconds: end, Length: length, Reads: history.Course{PerSecond: 1, Measured: measured, P50: 1500, P99: 2500}}
	}
	plots := plotsOf([]history.Point{read(5, 5, true), read(10, 5, false), read(15, 5, true), read(25, 5, true), read(30, 5, true)}, 31)
	rate, times := plots[0].Lines[0].Points, plots[4].Lines[1].Points
	if got, want := fmt.Sprint(rate), "[{26 1 true} {21 1 false} {16 1 false} {6 1 true} {1 1 false}]"; got != want {
		t.Errorf("rates %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(times), "[{26 2.5 true} {16 2.5 true} {6 2.5 true} {1 2.5 false}]"; got != want {
		t.Errorf("times %s, want %s", got, want)
	}
}

func TestHowAMemberIs(t *testing.T) {
	ok, shut, unknown := PortReport{Known: true, OK: true}, PortReport{Known: true}, PortReport{}
	for name, test := range map[string]struct {
		mode        string
		serving     bool
		m           MemberReport
		level, want string
	}{
		"this server":                        {"follower", true, MemberReport{Self: true, Role: "follower"}, "good", "serving"},
		"this server, and it is behind":      {"follower", true, MemberReport{Self: true, Role: "follower", Lag: 2}, "good", "2 transactions behind"},
		"this server does not serve":         {"looking", false, MemberReport{Self: true, Role: "looking"}, "error", "not serving"},
		"all is well":                        {"follower", true, MemberReport{Role: "leader", Election: ok, Peer: ok, Client: ok}, "good", "can be reached"},
		"it is behind":                       {"leader", true, MemberReport{Role: "follower", Election: ok, Client: ok, Synced: true, Lag: 1}, "good", "1 transaction behind"},
		"it is gone":                         {"follower", true, MemberReport{Election: shut, Client: shut}, "error", "cannot be reached"},
		"clients come to it, members do not": {"follower", true, MemberReport{Role: "looking", Election: shut, Client: ok}, "warning", "other members' way to it is shut"},
		"the peer port of a leader is shut":  {"looking", false, MemberReport{Role: "leader", Election: ok, Peer: shut, Client: ok}, "warning", "other members' way to it is shut"},
		"members come to it, clients do not": {"follower", true, MemberReport{Role: "follower", Election: ok, Client: shut}, "warning", "its client port does not answer"},
		"it looks for a leader":              {"follower", true, MemberReport{Role: "looking", Election: ok, Client: ok}, "error", "looking for a leader"},
		"it does not follow this leader":     {"leader", true, MemberReport{Role: "follower", Election: ok, Client: ok}, "warning", "does not follow yet"},
		"it says nothing":                    {"follower", true, MemberReport{Election: ok}, "warning", "can be reached; nothing else is known"},
		"nobody has tried yet":               {"looking", false, MemberReport{Election: unknown}, "warning", "nothing is known of it"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.m.Lag == 0 {
				test.m.Lag = -1 // not known
			}
			test.m.ID = 2
			v := ensembleView(Report{Mode: test.mode, Serving: test.serving, Ensemble: &EnsembleReport{Leader: 1, Members: []MemberReport{test.m}}}, "")
			if m := v.Members[0]; string(m.Level) != test.level || m.State != test.want {
				t.Errorf("%s, %q; want %s, %q", m.Level, m.State, test.level, test.want)
			}
		})
	}
}

func TestAmountsInWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 200 << 20: "200 MiB", 8 << 30: "8.0 GiB", 3 << 42: "12.0 TiB", 5 << 50: "5120 TiB"} {
		if got := byteText(n); got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-time.Second: "0 s", 59900 * time.Millisecond: "59 s", 61 * time.Second: "1 min 1 s", 90 * time.Minute: "1 h 30 min", 49 * time.Hour: "2 d 1 h"} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
