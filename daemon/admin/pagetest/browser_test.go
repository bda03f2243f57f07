// Package pagetest looks at the admin page with a real browser.
package pagetest

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit bounds whatever is waited for, on a busy machine.
const limit = 60 * time.Second

// poll calls condition until it is true or limit is over, and says which.
func poll(condition func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return condition()
		case <-ticker.C:
		}
	}
	return true
}

// tab is the only tab of a browser of its own, which is told what to do by the DevTools protocol on two pipes:
// JSON, with a zero byte behind each message.
type tab struct {
	t       *testing.T
	in      io.Writer
	session string

	mu         sync.Mutex
	last       int
	answers    map[int]chan answer
	complaints []string // what the browser does not like, or forbids
	requested  []string // addresses
}

type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// message is an answer, with its ID, or an event, with its Method.
type message struct {
	answer
	ID     int
	Method string
	Params json.RawMessage
}

// openTab starts a browser that reaches loopback only. It ends with the test.
func openTab(t *testing.T) *tab {
	t.Helper()
	args := []string{"--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + t.TempDir(), "--no-first-run",
		"--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-default-apps", "--disable-extensions", "--no-pings", "--hide-scrollbars", "--no-proxy-server",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"}
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox") // it cannot be had as root; the pages are ours
	}
	fromHere, toHere := pipe(t), pipe(t)
	cmd := exec.Command("chromium", append(args, "about:blank")...)
	cmd.ExtraFiles = []*os.File{fromHere.read, toHere.write} // descriptors 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("chromium (package chromium): %v", err)
	}
	fromHere.read.Close()
	toHere.write.Close()
	b := &tab{t: t, in: fromHere.write, answers: map[int]chan answer{}}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		b.listen(toHere.read)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its helpers, too
		_ = cmd.Wait()
		<-gone
		if t.Failed() {
			for line := range strings.Lines(said.String()) {
				if !strings.Contains(line, "dbus") { // of which it need not have one
					t.Logf("chromium: %s", line)
				}
			}
		}
	})
	var target struct{ TargetID string }
	b.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "Audits", "Accessibility"} {
		b.do(domain+".enable", nil, nil)
	}
	return b
}

type ends struct{ read, write *os.File }

func pipe(t *testing.T) ends {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return ends{r, w}
}

// listen takes what the browser says until it is gone.
func (b *tab) listen(from io.Reader) {
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			for id, waiting := range b.answers {
				close(waiting)
				delete(b.answers, id)
			}
			b.answers = nil
			b.mu.Unlock()
			return
		}
		var m message
		if err := json.Unmarshal(line[:len(line)-1], &m); err != nil {
			b.t.Errorf("not understood: %s", line)
			continue
		}
		b.mu.Lock()
		if waiting := b.answers[m.ID]; m.ID != 0 && waiting != nil {
			delete(b.answers, m.ID)
			waiting <- m.answer
		} else {
			b.event(m)
		}
		b.mu.Unlock()
	}
}

// event notes what tests ask about; b.mu is held.
func (b *tab) event(m message) {
	complain := func() { b.complaints = append(b.complaints, m.Method+": "+string(m.Params)) }
	switch m.Method {
	case "Runtime.exceptionThrown", "Audits.issueAdded":
		complain()
	case "Runtime.consoleAPICalled":
		var p struct{ Type string }
		if json.Unmarshal(m.Params, &p); p.Type == "error" || p.Type == "warning" || p.Type == "assert" {
			complain()
		}
	case "Log.entryAdded":
		var p struct{ Entry struct{ Level string } }
		if json.Unmarshal(m.Params, &p); p.Entry.Level == "error" || p.Entry.Level == "warning" {
			complain()
		}
	case "Network.requestWillBeSent":
		var p struct{ Request struct{ URL string } }
		json.Unmarshal(m.Params, &p)
		b.requested = append(b.requested, p.Request.URL)
	}
}

// do has the browser do one thing; result, if not nil, is filled from its answer.
func (b *tab) do(method string, params map[string]any, result any) {
	b.t.Helper()
	waiting := make(chan answer, 1)
	b.mu.Lock()
	if b.answers == nil {
		b.mu.Unlock()
		b.t.Fatalf("%s: the browser is gone", method)
	}
	b.last++
	id := b.last
	b.answers[id] = waiting
	b.mu.Unlock()
	command := map[string]any{"id": id, "method": method}
	if params != nil {
		command["params"] = params
	}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	text, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	select {
	case a, ok := <-waiting:
		if !ok {
			b.t.Fatalf("%s: the browser is gone", method)
		}
		if a.Error != nil {
			b.t.Fatalf("%s: %s", method, a.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(a.Result, result); err != nil {
				b.t.Fatalf("%s: %v in %s", method, err, a.Result)
			}
		}
	case <-time.After(limit):
		b.t.Fatalf("%s: no answer", method)
	}
}

// open loads a page and forgets what was before it.
func (b *tab) open(url string) {
	b.t.Helper()
	b.mu.Lock()
	b.complaints, b.requested = nil, nil
	b.mu.Unlock()
	var went struct{ ErrorText string }
	b.do("Page.navigate", map[string]any{"url": url}, &went)
	if went.ErrorText != "" {
		b.t.Fatalf("%s: %s", url, went.ErrorText)
	}
	if !poll(func() bool { return b.text("location.href") == url && b.text("document.readyState") == "complete" }) {
		b.t.Fatalf("%s does not become complete", url)
	}
}

// eval is the value of an expression in the page.
func (b *tab) eval(expression string, value any) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails)
	}
	if err := json.Unmarshal(r.Result.Value, value); err != nil {
		b.t.Fatalf("%s: %v in %s", expression, err, r.Result.Value)
	}
}

func (b *tab) text(expression string) (s string) {
	b.t.Helper()
	b.eval(expression, &s)
	return s
}

func (b *tab) list(expression string) (l []string) {
	b.t.Helper()
	b.eval(expression, &l)
	return l
}

// troubles are the complaints of the browser so far.
func (b *tab) troubles() []string {
	b.do("Runtime.evaluate", map[string]any{"expression": "0"}, nil) // all before it has come by now
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.complaints)
}

// addresses are all that the page loaded.
func (b *tab) addresses() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requested)
}

// look sets the width of the window, and light or dark.
func (b *tab) look(width int, scheme string) {
	b.t.Helper()
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "screenWidth": width, "screenHeight": 900, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// shoot keeps a picture of the whole page for people: go test -artifacts says where.
func (b *tab) shoot(name string) {
	b.t.Helper()
	var shot struct{ Data string }
	b.do("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil || len(png) == 0 {
		b.t.Fatalf("%s: %d bytes, %v", name, len(png), err)
	}
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// The contrast of each text with what is behind it, as WCAG 2 counts it; below 4.5 it is hard to read.
const faintTexts = `(() => {
	const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
	const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > .99) return c; } return [255, 255, 255, 1]; };
	const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; (n = walker.nextNode());) {
		const e = n.parentElement;
		if (!n.data.trim() || !e.checkVisibility() || e.closest('title, desc, script, style, noscript')) continue;
		const style = getComputedStyle(e), ink = parse(e.closest('svg') ? style.fill : style.color);
		const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x);
		const ratio = (a + .05) / (b + .05);
		if (ratio < 4.5) found.push(n.data.trim() + ': ' + ratio.toFixed(2));
	}
	return found;
})()`

// Texts that reach out of the window to the right, where nobody scrolls.
const cutTexts = `(() => {
	const wide = screen.width, found = []; // innerWidth grows with what is too wide
	if (document.documentElement.scrollWidth > wide) found.push('the page is ' + document.documentElement.scrollWidth + ' wide');
	for (const e of document.querySelectorAll('body *')) {
		const r = e.getBoundingClientRect();
		if (r.width > 0 && r.right > wide + 1 && e.checkVisibility() && !e.closest('thead')) found.push(e.tagName + ' ' + e.className + ' reaches ' + Math.round(r.right));
	}
	return found;
})()`

// judge looks at the page in both schemes, on a screen and on phones, and keeps pictures of it.
func (b *tab) judge(name string) {
	b.t.Helper()
	backs := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{1280, 390, 320} {
			b.look(width, scheme)
			where := fmt.Sprintf("%s, %s, %d wide", name, scheme, width)
			for _, cut := range b.list(cutTexts) {
				b.t.Errorf("%s: %s", where, cut)
			}
			for _, faint := range b.list(faintTexts) {
				b.t.Errorf("%s: the contrast is too low: %s", where, faint)
			}
			if width != 320 {
				b.shoot(fmt.Sprintf("%s-%s-%d", name, scheme, width))
			}
		}
		backs[b.text("getComputedStyle(document.body).backgroundColor")] = true
	}
	if len(backs) != 2 {
		b.t.Errorf("%s: the background is %v in both schemes", name, backs)
	}
	for _, trouble := range b.troubles() {
		b.t.Errorf("%s: %s", name, trouble)
	}
}
