package pagetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"zkd/quorum/freeport"
)

// process is a zkd process.
type process struct {
	*exec.Cmd
	admin string // host:port
	log   string
}

// startEnsemble builds zkd and starts servers 1 to n of it, each with an admin port. They end with the test.
func startEnsemble(t *testing.T, n int) []*process {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "zkd")
	build := exec.Command("go", "build", "-o", program, "zkd/cmd/zkd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ports := freeport.Take(t, 4*n)
	var servers strings.Builder
	for i := range n {
		p := ports[4*i:]
		fmt.Fprintf(&servers, "%d = \"127.0.0.1:%d:%d;127.0.0.1:%d\"\n", i+1, p[0], p[1], p[2])
	}
	var all []*process
	for i := range n {
		p := ports[4*i:]
		home := filepath.Join(dir, fmt.Sprint(i+1))
		if err := os.Mkdir(home, 0o755); err != nil {
			t.Fatal(err)
		}
		s := &process{admin: fmt.Sprintf("127.0.0.1:%d", p[3]), log: filepath.Join(home, "log")}
		config := fmt.Sprintf("id = %d\ndata_dir = %q\n[client]\nlisten = [\"127.0.0.1:%d\"]\n[admin]\nlisten = [%q]\n[servers]\n%s",
			i+1, filepath.Join(home, "data"), p[2], s.admin, servers.String())
		file := filepath.Join(home, "zkd.toml")
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		log, err := os.Create(s.log)
		if err != nil {
			t.Fatal(err)
		}
		s.Cmd = exec.Command(program, "run", "--config", file)
		s.Stdout, s.Stderr = log, log
		s.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err = s.Start()
		log.Close() // the process has its own descriptor
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			s.end()
			if text, err := os.ReadFile(s.log); t.Failed() && err == nil {
				t.Logf("log of server %d:\n%s", i+1, text)
			}
		})
		all = append(all, s)
	}
	return all
}

// end kills the process, if it is there still, and waits for it.
func (s *process) end() {
	_ = s.Process.Kill()
	_ = s.Wait()
}

// url is the address of the page.
func (s *process) url() string { return "http://" + s.admin + "/" }

// quiet reports whether the server serves and knows of no problem.
func (s *process) quiet() bool {
	c := http.Client{Timeout: 5 * time.Second}
	answer, err := c.Get(s.url() + "status")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	var r struct {
		Serving  bool
		Problems []json.RawMessage
		Ensemble struct{ Members []struct{ Role string } }
	}
	if json.NewDecoder(answer.Body).Decode(&r) != nil {
		return false
	}
	known := 0
	for _, m := range r.Ensemble.Members {
		if m.Role == "leader" || m.Role == "follower" {
			known++
		}
	}
	return r.Serving && len(r.Problems) == 0 && known == len(r.Ensemble.Members)
}

// Expressions for what the page shows of members: in the picture, in the table, and to those who do not see it.
const (
	inPicture = `[...document.querySelectorAll('.picture .id')].map((e) => e.textContent).sort()`
	inTable   = `[...document.querySelectorAll('.ensemble tbody .number')].map((e) => e.textContent)`
	crosses   = `[...document.querySelectorAll('.picture .cross')].map((e) => 'cross')`
	rates     = `[...document.querySelectorAll('.plot:nth-child(-n+3) path.line')].map((e) => e.closest('figure').querySelector('b').textContent)`
	problems  = `[...document.querySelectorAll('.problems strong:first-child')].map((e) => e.textContent)`
)

func TestThePageOfARealEnsemble(t *testing.T) {
	servers := startEnsemble(t, 3)
	for _, s := range servers {
		if !poll(s.quiet) {
			t.Fatalf("%s does not become well", s.url())
		}
	}
	asked := servers[0]
	b := openTab(t)
	// membersShown judges what is there with a script and without.
	membersShown := func(when string) {
		t.Helper()
		for name, expression := range map[string]string{"the picture": inPicture, "the table": inTable} {
			if got := b.list(expression); !slices.Equal(got, []string{"1", "2", "3"}) {
				t.Errorf("%s: %s shows servers %q", when, name, got)
			}
		}
		var tree struct {
			Nodes []struct {
				Role, Name struct{ Value any }
			}
		}
		b.do("Accessibility.getFullAXTree", nil, &tree)
		picture := ""
		for _, n := range tree.Nodes {
			if name := fmt.Sprint(n.Name.Value); strings.HasPrefix(name, "The ensemble as this server sees it ") {
				picture = fmt.Sprint(n.Role.Value, ": ", name)
			}
		}
		for id := 1; id <= 3; id++ {
			if !strings.HasPrefix(picture, "image: ") || !strings.Contains(picture, fmt.Sprintf("server %d: ", id)) {
				t.Errorf("%s: who does not see the picture hears %q", when, picture)
			}
		}
	}

	b.open(asked.url())
	membersShown("with script")
	if head := b.text("document.querySelector('h1').textContent"); !strings.HasSuffix(head, ", serving") {
		t.Errorf("the page is headed %q", head)
	}
	if got := b.list(problems); len(got) != 0 {
		t.Errorf("problems %q", got)
	}
	b.judge("ensemble")
	for _, address := range b.addresses() {
		if !strings.HasPrefix(address, asked.url()) && !strings.HasPrefix(address, "data:") {
			t.Errorf("the page loads %s", address)
		}
	}

	b.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.open(asked.url())
	membersShown("without script")
	if got := b.text("document.querySelector('noscript meta')?.content ?? ''"); got != "15" {
		t.Errorf("without script the page is loaded again after %q seconds", got)
	}
	if got := b.text("String(document.getElementById('pause').hidden)"); got != "true" {
		t.Error("without script there is a button that does nothing")
	}
	for _, trouble := range b.troubles() {
		t.Errorf("without script: %s", trouble)
	}
	b.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": false}, nil)

	// What changes is shown without anybody doing anything.
	b.open(asked.url())
	servers[2].end()
	if !poll(func() bool { return slices.Contains(b.list(problems), "warning Z103") && len(b.list(crosses)) == 1 }) {
		t.Fatalf("server 3 has ended, and the page shows the problems %q", b.list(problems))
	}
	b.judge("one-away")
	servers[1].end()
	if !poll(func() bool {
		return strings.HasSuffix(b.text("document.title"), "not serving") && len(b.list(crosses)) == 2
	}) {
		t.Fatalf("server 1 is alone, and the page is titled %q", b.text("document.title"))
	}
	if got := b.text("document.querySelector('h1 .mark').getAttribute('class')"); got != "mark error" {
		t.Errorf("the mark of a server that does not serve is %q", got)
	}
	if !poll(func() bool { return slices.Equal(b.list(rates), []string{"0/s", "0/s", "0/s"}) }) {
		t.Errorf("nobody asks anything, and the rates are %q", b.list(rates))
	}
	b.judge("no-quorum")
	for _, trouble := range b.troubles() {
		t.Errorf("renewed: %s", trouble)
	}
	asked.end()
	if !poll(func() bool {
		return strings.HasPrefix(b.text("document.getElementById('trouble').textContent"), "No answer")
	}) {
		t.Error("the server has ended, and the page does not say that it is old")
	}
}
