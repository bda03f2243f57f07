package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zkd/daemon"
	"zkd/daemon/admin"
	"zkd/daemon/doctor"
)

// examine runs zkd doctor and checks that its exit code is that of what it found.
func examine(t *testing.T, args ...string) doctor.Report {
	t.Helper()
	code, stdout, stderr := zkd(t, append([]string{"doctor", "--json"}, args...)...)
	var r doctor.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	want := daemon.ExitOK
	switch {
	case r.Problems > 0:
		want = daemon.ExitProblems
	case r.Warnings > 0:
		want = daemon.ExitFailure
	}
	if code != want || stderr != "" {
		t.Errorf("exit code %d for %d problems and %d warnings, %s", code, r.Problems, r.Warnings, stderr)
	}
	return r
}

// finding returns the first finding with a code and a part of its text.
func finding(r doctor.Report, code, part string) bool {
	return slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Code == code && strings.Contains(f.Text, part) })
}

func wantFinding(t *testing.T, r doctor.Report, code, part string) {
	t.Helper()
	if !finding(r, code, part) {
		t.Errorf("no %s with %q in\n%s", code, part, r.Text())
	}
}

func TestDoctorOfAnEnsemble(t *testing.T) {
	e := newTrio(t)
	// Server 3 has another tick than the others.
	text, err := os.ReadFile(e.configs[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.configs[2], []byte(strings.Replace(string(text), `"200ms"`, `"300ms"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	managers := []manager{e.start(0), e.start(1), e.start(2)}
	for _, m := range managers {
		m.await("READY=1")
	}
	e.report(0, "complete", func(r admin.Report) bool { return r.Serving && r.Ensemble.Losses == 1 })

	r := examine(t, "--config", e.configs[0])
	wantFinding(t, r, "Z202", "tickTime is 300 on server 3 and 200 here")
	for _, code := range []string{"Z605", "Z103", "Z107", "Z108", "Z201", "Z204", "Z302", "Z601"} {
		if finding(r, code, "") {
			t.Errorf("%s of an ensemble that is complete:\n%s", code, r.Text())
		}
	}
	for _, name := range []string{"server", "names of members", "ports of members", "versions of members", "snapshots and log"} {
		if !slices.Contains(r.Fine, name) {
			t.Errorf("%q is not fine:\n%s", name, r.Text())
		}
	}
	if r := examine(t, "--config", e.configs[0], "--local"); finding(r, "Z202", "") {
		t.Errorf("--local has asked others:\n%s", r.Text())
	}
	if code, stdout, _ := zkd(t, "doctor", "--config", e.configs[0], "--deep"); code == 0 || !strings.Contains(stdout, "Z202 warning  tickTime") ||
		!strings.Contains(stdout, " fine") {
		t.Errorf("as text: exit code %d\n%s", code, stdout)
	}

	e.stop(1)
	e.report(0, "without server 2", func(r admin.Report) bool {
		return r.Ensemble.Losses == 0 && r.Ensemble.Members[1].Election.Known && !r.Ensemble.Members[1].Election.OK
	})
	r = examine(t, "--config", e.configs[0])
	wantFinding(t, r, "Z108", "the next loss")
	wantFinding(t, r, "Z103", "of server 2 cannot be reached from here: ")
	wantFinding(t, examine(t, "--config", e.configs[1]), "Z605", "no server answers on this host")
	e.stop(0)
	e.stop(2)
}

func TestDoctorFindsWhoHasThePortAndWhatIsWrittenWrong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data := t.TempDir()
	config := write(t, "zkd.toml", fmt.Sprintf("data_dir = %q\nclient.listen = [%q]\nadmin.listen = [%q]\n", data, l.Addr(), free(t)))
	r := examine(t, "--config", config)
	wantFinding(t, r, "Z601", fmt.Sprintf("the client port %s is held by ", l.Addr()))
	if err := os.WriteFile(filepath.Join(data, "zkd.restoring"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, examine(t, "--config", config), "Z409", "cut short")
	bad := write(t, "zkd.toml", fmt.Sprintf("data_dir = %q\nclient.listn = []\n", data))
	wantFinding(t, examine(t, "--config", bad), "Z200", "listn")
	wantFinding(t, examine(t, "--config", filepath.Join(data, "not.toml")), "Z200", "cannot be read")
}

// The codes that the sources have are those that zkd(8) explains.
func TestTheManualListsTheCodes(t *testing.T) {
	used, listed := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir("../../daemon", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range regexp.MustCompile(`"(Z\d{3})"`).FindAllStringSubmatch(string(text), -1) {
			used[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\.It (Z\d{3})$`).FindAllStringSubmatch(page(t, "zkd.8"), -1) {
		listed[m[1]] = true
	}
	for code := range used {
		if !listed[code] {
			t.Errorf("zkd.8 does not explain %s", code)
		}
	}
	for code := range listed {
		if !used[code] {
			t.Errorf("zkd.8 explains %s, which nothing says", code)
		}
	}
	if len(used) < 30 {
		t.Errorf("only %d codes were found", len(used))
	}
}
