package main

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pkg is what these tests need of `go list -json`.
type pkg struct {
	ImportPath, Name, Dir string
	GoFiles, Imports      []string
	TestImports           []string
	XTestImports          []string
}

const module = "zkd"

// room is the name of a package of ours in the house plan: its path without the module.
func (p pkg) room() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,Imports,TestImports,XTestImports", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// pure are the rooms that take events and return actions.
var pure = []string{
	"daemon/config", "daemon/doctor", "quorum/auth", "quorum/jute", "quorum/prep", "quorum/proto", "quorum/session",
	"quorum/tree", "quorum/watch", "quorum/zab", "quorum/election", "quorum/zk",
	"firewall", "firewall/foreign", "daemon/admin/page", "daemon/admin/page/history",
}

// impure are the standard packages that a pure room must not import, and why.
var impure = map[string]string{
	"os":           "it reads no file and no environment, or a test cannot give it a world of its own",
	"os/exec":      "it starts no process",
	"io/ioutil":    "it reads no file",
	"net":          "sockets belong to the shell; net/netip has addresses",
	"net/http":     "sockets belong to the shell",
	"sync":         "one goroutine owns it; locks live in the shell",
	"sync/atomic":  "one goroutine owns it; locks live in the shell",
	"time":         "ticks and timestamps are its clock, or the simulator cannot replay a seed",
	"math/rand":    "randomness arrives as an argument, or the simulator cannot replay a seed",
	"math/rand/v2": "randomness arrives as an argument, or the simulator cannot replay a seed",
	"log":          "it returns what happened; the shell logs",
	"log/slog":     "it returns what happened; the shell logs",
	"runtime":      "it does not know on what it runs",
	"syscall":      "it does not know on what it runs",
}

// exceptions are single imports that a room may have all the same, with the reason.
var exceptions = map[[2]string]string{
	{"daemon/config", "time"}: "for time.Duration, the type of its values; it reads no clock",
}

// soleImporters are modules of others that one room alone may know, so that they can be replaced, or one of each
// command: then room has blanks.
var soleImporters = map[string]struct{ room, why string }{
	"github.com/coreos/go-systemd":        {"daemon/sd", "what systemd is told goes through one place"},
	"github.com/prometheus/client_golang": {"daemon/metrics", "names and types of metrics are given in one place"},
	"github.com/spf13/cobra":              {"cmd/zkd cmd/zkctl", "flags belong to the command; everything below takes values"},
	"golang.org/x/term":                   {"cmd/zkctl cmd/zkctl/shell", "a server has no terminal"},
	"github.com/BurntSushi/toml":          {"daemon/config", "the configuration is read in one place"},
	"github.com/google/nftables":          {"firewall/nft", "what needs the capability can move to a process of its own"},
	"github.com/mdlayher/netlink":         {"firewall/nft", "what needs the capability can move to a process of its own"},
}

// upstream are the arrows that must not exist: data flows one way.
var upstream = []struct{ from, to, why string }{
	{"quorum", "daemon", "a program or a test can embed the server without its daemon"},
	{"quorum", "cmd", "nothing imports a command"},
	{"quorum", "firewall", "the server works without rules; the daemon joins the two"},
	{"daemon", "cmd", "nothing imports a command"},
	{"firewall", "daemon", "rules are computed from a policy, not from the daemon"},
	{"cmd/zkctl", "quorum/replica", "a client has no server in it"},
	{"cmd/zkctl", "daemon/admin", "a client has no server in it"},
	{"quorum/client", "quorum/replica", "a client has no server in it"},
	{"firewall", "quorum", "rules are computed from a policy, not from the server"},
	{"quorum/jute", "quorum/proto", "primitives know no record"},
	{"quorum/proto", "quorum/tree", "records know no state"},
	{"quorum/tree", "quorum/prep", "the state does not know how changes to it are prepared"},
	{"quorum/tree", "quorum/replica", "nobody reaches back upstream"},
	{"quorum/txlog", "quorum/proto", "the log keeps bytes; only the zxid in them matters to it"},
	{"quorum/txlog", "quorum/tree", "the log keeps bytes and knows no state"},
	{"quorum/replica", "quorum/serve", "replies travel by a callback that the request carried in"},
}

func below(room, top string) bool { return room == top || strings.HasPrefix(room, top+"/") }

// problems returns one sentence for each import of p that a rule forbids.
func problems(p pkg) []string {
	var bad []string
	for _, imp := range p.Imports {
		own := strings.HasPrefix(imp, module+"/")
		target := strings.TrimPrefix(imp, module+"/")
		if slices.Contains(pure, p.room()) {
			why, forbidden := impure[imp]
			_, excepted := exceptions[[2]string{p.room(), imp}]
			switch {
			case excepted:
			case forbidden:
				bad = append(bad, p.room()+" must not import "+imp+": "+why)
			case own && !slices.Contains(pure, target):
				bad = append(bad, p.room()+" must not import "+target+": a pure room imports pure rooms only")
			case !own && strings.Contains(strings.Split(imp, "/")[0], ".") && soleImporters[moduleOf(imp)].room != p.room():
				bad = append(bad, p.room()+" must not import "+imp+": a pure room imports the standard library only")
			}
		}
		if rule, ok := soleImporters[moduleOf(imp)]; ok && !slices.Contains(strings.Fields(rule.room), p.room()) {
			bad = append(bad, p.room()+" must not import "+imp+", only "+strings.ReplaceAll(rule.room, " ", " and ")+" may: "+rule.why)
		}
		for _, rule := range upstream {
			if own && below(p.room(), rule.from) && below(target, rule.to) {
				bad = append(bad, p.room()+" must not import "+target+": "+rule.why)
			}
		}
	}
	return bad
}

// moduleOf cuts an import path after its third element, where the paths of GitHub's modules end.
func moduleOf(imp string) string {
	parts := strings.SplitN(imp, "/", 4)
	return strings.Join(parts[:min(3, len(parts))], "/")
}

func TestImportsFollowTheHousePlan(t *testing.T) {
	for _, p := range packages(t) {
		for _, bad := range problems(p) {
			t.Error(bad)
		}
	}
}

func TestTheImportRulesFindWhatTheyForbid(t *testing.T) {
	for name, test := range map[string]struct {
		p    pkg
		want string
	}{
		"a clock in a pure room": {pkg{ImportPath: "zkd/quorum/tree", Imports: []string{"time"}},
			"quorum/tree must not import time: ticks and timestamps are its clock, or the simulator cannot replay a seed"},
		"a logger in a pure room": {pkg{ImportPath: "zkd/quorum/prep", Imports: []string{"go.uber.org/zap"}},
			"quorum/prep must not import go.uber.org/zap: a pure room imports the standard library only"},
		"a shell room in a pure room": {pkg{ImportPath: "zkd/quorum/tree", Imports: []string{"zkd/quorum/vfs"}},
			"quorum/tree must not import quorum/vfs: a pure room imports pure rooms only"},
		"the server knows its daemon": {pkg{ImportPath: "zkd/quorum/serve", Imports: []string{"zkd/daemon/sd"}},
			"quorum/serve must not import daemon/sd: a program or a test can embed the server without its daemon"},
		"a second importer of systemd's library": {pkg{ImportPath: "zkd/daemon", Imports: []string{"github.com/coreos/go-systemd/v22/daemon"}},
			"daemon must not import github.com/coreos/go-systemd/v22/daemon, only daemon/sd may: what systemd is told goes through one place"},
		"an allowed import": {pkg{ImportPath: "zkd/quorum/tree", Imports: []string{"slices", "zkd/quorum/proto"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(problems(test.p), "\n"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestTheImportRulesNameOnlyRoomsThatExist(t *testing.T) {
	exists := make(map[string]bool)
	for _, p := range packages(t) {
		for room := p.room(); room != "." && room != ""; room = filepath.Dir(room) {
			exists[room] = true
		}
	}
	named := slices.Clone(pure)
	for key := range exceptions {
		named = append(named, key[0])
	}
	for _, rule := range soleImporters {
		named = append(named, strings.Fields(rule.room)...)
	}
	for _, rule := range upstream {
		named = append(named, rule.from, rule.to)
	}
	slices.Sort(named)
	for _, room := range slices.Compact(named) {
		if !exists[room] {
			t.Errorf("the import rules name %s, which is no package any more: move the rule with the room", room)
		}
	}
}

func TestPureRoomsStartNoGoroutineAndKeepNoState(t *testing.T) {
	goStatement := regexp.MustCompile(`(?m)^\s*go (func|[a-zA-Z_.]+)\(`)
	initFunction := regexp.MustCompile(`(?m)^func init\(\)`)
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.room()) {
			continue
		}
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if goStatement.Match(text) {
				t.Errorf("%s/%s starts a goroutine: the shell owns them, or the simulator cannot order events", p.room(), name)
			}
			if initFunction.Match(text) {
				t.Errorf("%s/%s has an init function: nothing happens by being imported", p.room(), name)
			}
		}
	}
}

func TestEachPackageSaysOnceWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		var said []string
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Error(err)
				continue
			}
			if f.Doc == nil {
				continue
			}
			said = append(said, name)
			begin := "Package " + p.Name + " "
			if p.Name == "main" {
				begin = "Command "
			}
			if !strings.HasPrefix(f.Doc.Text(), begin) {
				t.Errorf("%s/%s: the package comment must begin with %q", p.room(), name, begin)
			}
		}
		if len(p.GoFiles) > 0 && len(said) != 1 {
			t.Errorf("%s has package comments in %q, want exactly one: a reader starts there", p.room(), said)
		}
	}
}

func TestNoFileNamesThePlaceItWasWrittenIn(t *testing.T) {
	// Put together so that this file does not find itself.
	forbidden := regexp.MustCompile(`(^|[\s"'=:(])/(ro` + `ot|wo` + `rk|Us` + `ers|ho` + `me/[a-z]\w*)(/\w*|\b)|GO` + `PROXY=\S|gopro` + `xy\.`)
	ignored := []string{".git", "bin", "run", "dist"} // not part of the tree: see .gitignore
	root := os.DirFS(filepath.Join("..", ".."))
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains(ignored, name) {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			return nil // binary
		}
		n := 0
		for line := range bytes.Lines(text) {
			n++
			if found := forbidden.Find(line); found != nil {
				t.Errorf("%s:%d names %q: the tree must build and run anywhere", name, n, bytes.TrimSpace(found))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
