// Package prometheus tests the examples for Prometheus and Grafana.
package prometheus

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zkd/daemon/metrics"
	"zkd/quorum"
	"zkd/quorum/stats"
)

const dashboardFile = "../grafana/zkd.json"

// promtool runs the one of the host, or the one that packaging/setup.sh fetched.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		program = filepath.Join(cache, "zkd-tests/prometheus/usr/bin/promtool")
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAlertsAreRaisedWhenTheyShouldBe(t *testing.T) {
	promtool(t, "check", "rules", "alerts.yml")
	promtool(t, "test", "rules", "testdata/alerts_test.yml")
	tests := read(t, "testdata/alerts_test.yml")
	for _, m := range regexp.MustCompile(`(?m)- alert: (\w+)$`).FindAllStringSubmatch(read(t, "alerts.yml"), -1) {
		for _, verdict := range []string{"is raised", "is not raised"} {
			if !strings.Contains(tests, fmt.Sprintf("- name: %s %s\n", m[1], verdict)) {
				t.Errorf("alerts_test.yml has no test for when %s %s", m[1], verdict)
			}
		}
	}
}

// series are the names that a server exposes, and the labels of each.
type series map[string]map[string]bool

var sample = regexp.MustCompile(`(?m)^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$`)

func (s series) add(exposition string) {
	for _, m := range sample.FindAllStringSubmatch(exposition, -1) {
		if s[m[1]] == nil {
			s[m[1]] = map[string]bool{"job": true, "instance": true} // Prometheus adds these
		}
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			s[m[1]][l[1]] = true
		}
	}
}

type source struct{ n stats.Server }

func (*source) Status() quorum.Status  { return quorum.Status{Role: quorum.Standalone} }
func (s *source) Stats() *stats.Server { return &s.n }

// exposed are all series of zkd: those of servers in every role, which their own tests hold to golden files, and
// those of the runtime.
func exposed(t *testing.T) series {
	t.Helper()
	all := series{}
	all.add("up 1")
	files, err := filepath.Glob("../../daemon/metrics/testdata/*.golden")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v %v", files, err)
	}
	for _, name := range files {
		all.add(read(t, name))
	}
	rec := httptest.NewRecorder()
	metrics.Handler(new(source), metrics.Build{}, new(metrics.Process)).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	all.add(rec.Body.String())
	return all
}

// The words of the query language that stand where a name may stand.
var words = strings.Fields("and or unless on by without ignoring group_left group_right bool offset")

// token is a string, an aggregation with its labels, a list of labels behind on, a range, a selector's labels, a number or a name.
var token = regexp.MustCompile(`"[^"]*"|\b(?:\w+\s+by|\w+\s+without|on|ignoring)\s*\([^)]*\)|\[[^\]]*\]|\{[^}]*\}|\d[\w.]*|[a-zA-Z_:][\w:]*\s*\(?`)

// unknown are what an expression asks for and no server has.
func unknown(expr string, known series) (bad []string) {
	name := ""
	for _, tok := range token.FindAllString(expr, -1) {
		switch {
		case tok[0] == '{':
			for _, l := range regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`).FindAllStringSubmatch(tok, -1) {
				if known[name] != nil && !known[name][l[1]] {
					bad = append(bad, name+" with the label "+l[1])
				}
			}
		case strings.ContainsAny(tok[:1], `"[0123456789`), strings.HasSuffix(tok, "("), strings.HasSuffix(tok, ")"),
			slices.Contains(words, strings.TrimSpace(tok)):
		default:
			if name = strings.TrimSpace(tok); known[name] == nil {
				bad = append(bad, name)
			}
		}
	}
	return bad
}

func TestUnknownNamesAreFound(t *testing.T) {
	known := exposed(t)
	for expr, want := range map[string]string{
		`max by (job) (zkd_quorum{job="$job"}) == 0 and on (a) up > 1e3`: "",
		`sum(rate(zkd_requests_total{op="create"}[5m])) or vector(-1)`:   "",
		`max(no_such_name)`: "no_such_name",
		`histogram_quantile(0.99, sum by (le) (rate(zkd_gone_bucket[$__rate_interval])))`: "zkd_gone_bucket",
		`znode_count{kind="x"} * 2`:                      "znode_count with the label kind",
		`zkd_quorum + on (job) group_left another_thing`: "another_thing",
	} {
		if got := strings.Join(unknown(expr, known), ", "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

func TestAlertsAskForWhatServersExpose(t *testing.T) {
	known := exposed(t)
	found := regexp.MustCompile(`(?m)^\s+expr: (.*)$`).FindAllStringSubmatch(read(t, "alerts.yml"), -1)
	if len(found) == 0 {
		t.Fatal("no expressions")
	}
	for _, m := range found {
		for _, name := range unknown(m[1], known) {
			t.Errorf("%s: no server exposes %s", m[1], name)
		}
	}
}

// dashboard is what these tests need of Grafana's document.
type dashboard struct {
	Title, UID string
	Templating struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage
		}
	}
	Panels []panel
}

type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource *struct{ UID string }
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct {
		RefID, Expr, LegendFormat string
		Datasource                *struct{ UID string }
	}
	FieldConfig struct{ Defaults struct{ Unit string } }
}

func load(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 10 {
		t.Fatalf("%d panels", len(d.Panels))
	}
	return d
}

func TestTheDashboardAsksForWhatServersExpose(t *testing.T) {
	known := exposed(t)
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	check := func(where, expr string) {
		for _, name := range unknown(expr, known) {
			t.Errorf("%s: no server exposes %s", where, name)
		}
		for _, variable := range regexp.MustCompile(`\$\{?\w+\}?`).FindAllString(expr, -1) {
			if !slices.Contains([]string{"$job", "$instance", "$__rate_interval"}, variable) {
				t.Errorf("%s: the variable %s is not there", where, variable)
			}
		}
		quoted, err := json.Marshal(strings.NewReplacer("$__rate_interval", "5m", "$job", "zkd", "$instance", "a").Replace(expr))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&rules, "  - {record: \"dashboard:query\", expr: %s, labels: {panel: %q}}\n", quoted, where)
	}
	d := load(t)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			check(fmt.Sprintf("%d %s %s", p.ID, p.Title, target.RefID), target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		var query struct{ Query string }
		if err := json.Unmarshal(v.Query, &query); err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(query.Query)
		if m == nil {
			t.Fatalf("variable %s: %s", v.Name, query.Query)
		}
		check("variable "+v.Name, m[1])
	}
	name := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(name, []byte(rules.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", name)
}

func TestTheDashboardIsWhole(t *testing.T) {
	d := load(t)
	if d.Title == "" || d.UID == "" {
		t.Error("Grafana wants a title and a uid")
	}
	type cell struct{ x, y int }
	taken := map[cell]int{}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		where := fmt.Sprintf("panel %d %q", p.ID, p.Title)
		if p.Title == "" || ids[p.ID] {
			t.Errorf("%s: no title, or an id that is there twice", where)
		}
		ids[p.ID] = true
		if g := p.GridPos; g.W <= 0 || g.H <= 0 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s is outside the grid of 24 columns: %+v", where, g)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				c := cell{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := taken[c]; ok && other != p.ID {
					t.Fatalf("%s lies over panel %d", where, other)
				}
				taken[c] = p.ID
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("%s: %d queries, unit %q", where, len(p.Targets), p.FieldConfig.Defaults.Unit)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if target.Datasource == nil || target.Datasource.UID != "${datasource}" || p.Datasource == nil || p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: a query is not to the Prometheus that was chosen", where)
			}
			if refs[target.RefID] || target.RefID == "" {
				t.Errorf("%s: two queries are called %q", where, target.RefID)
			}
			refs[target.RefID] = true
			if !strings.Contains(target.Expr, `job="$job"`) {
				t.Errorf("%s: %s is about every ensemble", where, target.Expr)
			}
		}
	}
}
