package conformance

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

var fourLetterCases = group{name: "four-letter words", cases: []func(*T){
	ruokAnswersWithoutNewline,
	wordMayBeFollowedByAnything,
	wordIsAnsweredToAHalfClosedSocket,
	wordInSingleBytesIsUnderstood,
	wordBehindTheHandshakeIsNoWord,
	wordOutsideTheWhitelistIsNamed,
	srvrHasItsShape,
	statListsConnectionsIncludingItsOwn,
	consShowsSessions,
	consNamesTheLastOperation,
	confHasItsShape,
	enviHasItsShape,
	mntrHasItsShape,
	wchsCountsDataWatches,
	wchcAndWchpListDataWatches,
	dumpShowsSessionsAndEphemerals,
	dirsHasItsShape,
	hashHasItsShape,
	isroAnswersWithoutNewline,
}}

var resetCases = group{name: "resets", serial: true, cases: []func(*T){
	resetsSayThatTheyReset,
	crstForgetsWhatConnectionsDid,
}}

// word returns what the server answers.
func (t *T) word(word string) string {
	t.Helper()
	answer, err := rawclient.FourLetter(t.Server.Addr, word)
	t.ok(err)
	return answer
}

// matches ends the case unless the whole text matches the pattern, whose line breaks and
// indentation count as written.
func matches(t *T, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(text) {
		t.Fatalf("got\n%.2000q\nwhich does not match\n%s", text, pattern)
	}
}

func ruokAnswersWithoutNewline(t *T) { equal(t, "ruok", t.word("ruok"), "imok") }

func wordMayBeFollowedByAnything(t *T) {
	for _, tail := range []string{"\n", "\r\n", " please"} {
		c := t.dial()
		t.ok(c.WriteRaw([]byte("ruok" + tail)))
		answer, err := c.ReadAll()
		if err != nil && !isClosed(err) {
			t.Fatal(err)
		}
		equal(t, "answer", string(answer), "imok")
	}
}

func wordIsAnsweredToAHalfClosedSocket(t *T) {
	for _, word := range []string{"ruok", "srvr", "mntr"} {
		c := t.dial()
		t.ok(c.WriteRaw([]byte(word)))
		t.ok(c.CloseWrite())
		answer, err := c.ReadAll()
		t.ok(err)
		if len(answer) == 0 {
			t.Fatalf("no answer to %s", word)
		}
	}
}

func wordInSingleBytesIsUnderstood(t *T) {
	c := t.dial()
	t.ok(c.WriteSplit([]byte("ruok"), 1))
	answer, err := c.ReadAll()
	t.ok(err)
	equal(t, "answer", string(answer), "imok")
}

func wordBehindTheHandshakeIsNoWord(t *T) {
	c := t.open()
	t.ok(c.WriteRaw([]byte("ruok")))
	t.closed(c)
}

func wordOutsideTheWhitelistIsNamed(t *T) {
	for _, word := range []string{"gtmk", "stmk"} {
		equal(t, word, t.word(word), word+" is not executed because it is not in the whitelist.\n")
	}
}

const (
	versionPattern = `Zookeeper version: \d+\.\d+\.\d+[^\n]*, built on [^\n]+\n`
	srvrPattern    = `Latency min/avg/max: \d+/\d+\.\d{1,4}/\d+\n` +
		`Received: \d+\nSent: \d+\nConnections: \d+\nOutstanding: -?\d+\n` +
		`Zxid: 0x[0-9a-f]+\nMode: standalone\nNode count: \d+\n`
	briefPattern = ` /[0-9a-f.:]+:\d+\[[0-9a-f]+\]\(queued=\d+,recved=\d+,sent=\d+`
	consPattern  = briefPattern + `(,sid=0x[0-9a-f]+,lop=[A-Za-z0-9]+,est=\d+,to=\d+(,lcxid=0x[0-9a-f]+)?` +
		`,lzxid=0x[0-9a-f]+,lresp=\d+,llat=\d+,minlat=\d+,avglat=\d+,maxlat=\d+)?\)\n`
)

// closing is what Apache ZooKeeper says of a connection whose socket has just been closed: it has no address any more.
var closing = regexp.MustCompile(`(?m)^ null\[.*\n`)

// withoutClosing returns a list of connections without those that an Apache server is about to forget.
func (t *T) withoutClosing(list string) string {
	if t.Server.Zkd {
		return list
	}
	return closing.ReplaceAllString(list, "")
}

func srvrHasItsShape(t *T) { matches(t, t.word("srvr"), versionPattern+srvrPattern) }

func statListsConnectionsIncludingItsOwn(t *T) {
	c := t.dial()
	t.ok(c.WriteRaw([]byte("stat")))
	answer, err := c.ReadAll()
	t.ok(err)
	matches(t, t.withoutClosing(string(answer)), versionPattern+`Clients:\n(`+briefPattern+`\)\n)+\n`+srvrPattern)
	if own := " /" + c.LocalAddr().String() + "["; !strings.Contains(string(answer), own) {
		t.Fatalf("no %q in %q", own, answer)
	}
}

// connLine returns what cons says of a connection.
func (t *T) connLine(c *conn) string {
	t.Helper()
	for line := range strings.Lines(t.word("cons")) {
		if strings.HasPrefix(line, " /"+c.LocalAddr().String()+"[") {
			return line
		}
	}
	t.Fatal("cons does not show the connection")
	return ""
}

func consShowsSessions(t *T) {
	c := t.open()
	for line := range strings.Lines(t.withoutClosing(t.word("cons"))) {
		matches(t, line, consPattern+`|\n`)
	}
	line := t.connLine(c)
	for _, part := range []string{
		fmt.Sprintf(",sid=%v,lop=SESS,", c.Session), fmt.Sprintf(",to=%d,", c.TimeoutMillis), ",lzxid=0x", "(queued=0,recved=1,sent=1,",
	} {
		if !strings.Contains(line, part) {
			t.Fatalf("no %q in %q", part, line)
		}
	}
	c.ping()
	c.stat("/zookeeper")
	// The reply is on its way before the counters say so.
	for deadline := time.Now().Add(patience); ; {
		line = t.connLine(c)
		if strings.Contains(line, ",lcxid=0x1,") && strings.Contains(line, "(queued=0,recved=3,sent=3,") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after two requests: %q", line)
		}
	}
}

func consNamesTheLastOperation(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	for _, step := range []struct {
		lop string
		do  func() error
	}{
		{"PING", func() error { _, err := c.Ping(); return err }},
		{"CREA", func() error { c.create(p+"/x", zk.ModePersistent); return nil }},
		{"DELE", func() error { return c.Delete(p+"/x", -1) }},
		{"EXIS", func() error { _, err := c.Exists(p, false); return err }},
		{"GETD", func() error { _, _, err := c.GetData(p, false); return err }},
		{"SETD", func() error { _, err := c.SetData(p, nil, -1); return err }},
		{"GETA", func() error { _, _, err := c.GetACL(p); return err }},
		{"SETA", func() error { _, err := c.SetACL(p, proto.OpenACL, -1); return err }},
		{"GETC", func() error { _, err := c.GetChildren(p, false); return err }},
		{"GETC", func() error { _, _, err := c.GetChildren2(p, false); return err }},
		{"SYNC", func() error { _, err := c.Sync(p); return err }},
		{"MULT", func() error { _, err := c.Multi(); return err }},
		{"MLTR", func() error { _, err := c.MultiRead(); return err }},
		{"GETE", func() error { _, err := c.GetEphemerals(""); return err }},
		{"GETACN", func() error { _, err := c.GetAllChildrenNumber(p); return err }},
		{"ADDW", func() error { return c.AddWatch(p, zk.WatchPersistent) }},
		{"CHKW", func() error { return c.CheckWatches(p, zk.WatcherAny) }},
		{"REMW", func() error { return c.RemoveWatches(p, zk.WatcherAny) }},
		{"HOMI", func() error { _, err := c.WhoAmI(); return err }},
	} {
		t.ok(step.do())
		if line := t.connLine(c); !strings.Contains(line, ",lop="+step.lop+",") {
			t.Errorf("no %q in %q", step.lop, line)
		}
	}
}

func confHasItsShape(t *T) {
	_, port, _ := strings.Cut(t.Server.Addr, ":")
	matches(t, t.word("conf"), `clientPort=`+port+`\nsecureClientPort=-1\n`+
		`dataDir=/[^\n]*/version-2\ndataDirSize=\d+\ndataLogDir=/[^\n]*/version-2\ndataLogSize=\d+\n`+
		`tickTime=500\nmaxClientCnxns=0\nminSessionTimeout=1000\nmaxSessionTimeout=30000\n`+
		`clientPortListenBacklog=-1\nserverId=\d+\n`)
}

func enviHasItsShape(t *T) {
	answer := t.word("envi")
	matches(t, answer, `Environment:\n([a-z.]+=[^\n]*\n)+`)
	for _, key := range []string{"zookeeper.version", "host.name", "os.name", "os.arch", "user.name", "user.dir"} {
		if !strings.Contains(answer, "\n"+key+"=") {
			t.Errorf("no %s in %q", key, answer)
		}
	}
}

func mntrHasItsShape(t *T) {
	answer := t.word("mntr")
	matches(t, answer, `zk_version\t\d+\.\d+\.\d+[^\n]*\nzk_server_state\tstandalone\n(zk_[^\t\n]+\t[^\n]*\n)+`)
	for _, key := range []string{
		"ephemerals_count", "znode_count", "watch_count", "num_alive_connections", "outstanding_requests",
		"packets_received", "packets_sent", "max_latency", "min_latency", "approximate_data_size",
		"open_file_descriptor_count", "max_file_descriptor_count", "uptime", "global_sessions", "local_sessions",
	} {
		if !regexp.MustCompile(`\nzk_` + key + `\t-?\d+\n`).MatchString(answer) {
			t.Errorf("no whole number for %s", key)
		}
	}
	if !regexp.MustCompile(`\nzk_avg_latency\t\d+\.\d+\n`).MatchString(answer) {
		t.Error("no decimal number for avg_latency")
	}
}

func wchsCountsDataWatches(t *T) {
	c := t.open()
	c.watchExists(t.path("a"))
	matches(t, t.word("wchs"), `\d+ connections watching \d+ paths\nTotal watches:[1-9]\d*\n`)
}

func wchcAndWchpListDataWatches(t *T) {
	c := t.open()
	data, child := t.path("data"), c.create(t.path("child"), zk.ModePersistent)
	c.watchExists(data)
	c.watchChildren(child)
	bySession, byPath := t.word("wchc"), t.word("wchp")
	matches(t, bySession, `(0x[0-9a-f]+\n(\t/[^\n]*\n)*)+\n?`)
	if want := fmt.Sprintf("%v\n\t%s\n", c.Session, data); !strings.Contains(bySession, want) {
		t.Fatalf("no %q in %q", want, bySession)
	}
	if want := fmt.Sprintf("%s\n\t%v\n", data, c.Session); !strings.Contains(byPath, want) {
		t.Fatalf("no %q in %q", want, byPath)
	}
	if strings.Contains(bySession, child+"\n") || strings.Contains(byPath, child+"\n") {
		t.Fatal("a child watch is listed")
	}
}

func dumpShowsSessionsAndEphemerals(t *T) {
	c := t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	answer := t.word("dump")
	matches(t, answer, `SessionTracker dump:\nSession Sets \(\d+\)/\(\d+\):\n`+
		`(\d+ expire at [^\n]+:\n(\t0x[0-9a-f]+\n)*)+`+
		`ephemeral nodes dump:\nSessions with Ephemerals \(\d+\):\n(0x[0-9a-f]+:\n(\t/[^\n]*\n)*)+`+
		`Connections dump:\nConnections Sets \(\d+\)/\(\d+\):\n`+
		`(\d+ expire at [^\n]+:\n(\tip: /[0-9a-f.:]+:\d+ sessionId: 0x[0-9a-f]+\n)*)+`)
	for _, part := range []string{
		fmt.Sprintf("\n\t%v\n", c.Session), fmt.Sprintf("\n%v:\n\t%s\n", c.Session, p),
		fmt.Sprintf("\tip: /%v sessionId: %v\n", c.LocalAddr(), c.Session),
	} {
		if !strings.Contains(answer, part) {
			t.Errorf("no %q in %q", part, answer)
		}
	}
}

func dirsHasItsShape(t *T) { matches(t, t.word("dirs"), `datadir_size: \d+\nlogdir_size: \d+\n`) }

func hashHasItsShape(t *T) { matches(t, t.word("hash"), `([0-9a-f]+: -?\d+\n)*`) }

func isroAnswersWithoutNewline(t *T) { equal(t, "isro", t.word("isro"), "rw") }

func resetsSayThatTheyReset(t *T) {
	equal(t, "crst", t.word("crst"), "Connection stats reset.\n")
	equal(t, "srst", t.word("srst"), "Server stats reset.\n")
}

func crstForgetsWhatConnectionsDid(t *T) {
	c := t.open()
	c.stat("/zookeeper")
	t.word("crst")
	if line := t.connLine(c); !strings.Contains(line, "recved=0,") || !strings.Contains(line, ",lop=NA,") {
		t.Fatalf("after crst: %q", line)
	}
}
