package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/daemon/sd"
)

// data returns a file of the tree.
func data(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheShippedConfigurationIsAServerOnLoopback(t *testing.T) {
	cfg, notices, err := config.Parse("zkd.toml", []byte(data(t, "packaging/zkd.toml")), nil)
	if err != nil || len(notices) > 0 {
		t.Fatalf("%v %v", notices, err)
	}
	for _, addr := range append(cfg.Client.Listen, cfg.Admin.Listen...) {
		if !strings.HasPrefix(addr, "127.0.0.1:") && !strings.HasPrefix(addr, "[::1]:") {
			t.Errorf("it listens on %s: a package must not open a port to the network", addr)
		}
	}
	if len(cfg.Servers) > 0 {
		t.Error("it names an ensemble")
	}
}

func TestTheExampleOfAnEnsembleIsRight(t *testing.T) {
	cfg, notices, err := config.Parse("zkd.toml", []byte(data(t, "packaging/ensemble.toml")), nil)
	if err != nil || len(notices) > 0 {
		t.Fatalf("%v %v", notices, err)
	}
	if len(cfg.Servers) != 3 || cfg.ID != 1 {
		t.Errorf("server %d of %d, want 1 of 3", cfg.ID, len(cfg.Servers))
	}
}

func TestThePackagesHoldOnlyFilesThatThereAre(t *testing.T) {
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:- src|postinstall|preremove|postremove): (\S+)$`).FindAllStringSubmatch(data(t, "nfpm.yaml"), -1) {
		if !strings.HasPrefix(m[1], "${DIST}/") { // what make makes
			data(t, m[1])
		}
	}
}

// installed are the units that are checked, and the exposure that systemd may see in each, in tenths.
var installed = map[string]string{"zkd.service": "17", "zkd@.service": "17", "zkd-quorum.service": "15", "zkd-quorum.target": ""}

// installUnits writes the units to a directory, as they are but for the program, which need not be installed
// for the check of all the rest.
func installUnits(t *testing.T) (dir string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name := range installed {
		unit := strings.ReplaceAll(data(t, "systemd/"+name), "/usr/bin/zkd", program)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func analyze(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "ignoring") { // a line that is not understood is no error to it
		t.Errorf("systemd-analyze (package systemd) %v: %v\n%s", args, err, out)
	}
}

func TestTheUnitsStandUpToSystemdsOwnChecks(t *testing.T) {
	dir := installUnits(t)
	for name, threshold := range installed {
		file := filepath.Join(dir, strings.Replace(name, "@", "@one", 1)) // as an instance
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || os.WriteFile(file, text, 0o644) != nil {
			t.Fatal(err)
		}
		analyze(t, "verify", "--man=no", file)
		if threshold != "" {
			analyze(t, "security", "--offline=yes", "--threshold="+threshold, file)
		}
	}
}

func TestWithoutAFirewallTheUnitIsExposedLess(t *testing.T) {
	dir := installUnits(t)
	unit := filepath.Join(dir, "zkd.service")
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	// The same as a drop-in, which is read behind the unit.
	text = append(text, data(t, "systemd/examples/no-firewall.conf")...)
	if err := os.WriteFile(unit, text, 0o644); err != nil {
		t.Fatal(err)
	}
	analyze(t, "verify", "--man=no", unit)
	analyze(t, "security", "--offline=yes", "--threshold=12", unit)
}

func TestTheUnitTriesAgainForAsLongAsItTakes(t *testing.T) {
	unit := settings(data(t, "systemd/zkd.service"))
	for _, want := range []string{"Restart=on-failure", "StartLimitIntervalSec=0"} {
		if !slices.Contains(unit, want) {
			t.Errorf("the unit lacks %s: some minutes without an address or a name would end the member for good", want)
		}
	}
	for _, line := range unit {
		if never, ok := strings.CutPrefix(line, "RestartPreventExitStatus="); ok && slices.Contains(strings.Fields(never), fmt.Sprint(daemon.ExitBusy)) {
			t.Errorf("%s: what may pass is not tried again", line)
		}
	}
}

func TestWhoWaitsForAQuorumMayReadTheConfiguration(t *testing.T) {
	unit := settings(data(t, "systemd/zkd-quorum.service"))
	if !slices.Contains(unit, "SupplementaryGroups=zkd") || !slices.Contains(unit, "DynamicUser=yes") {
		t.Errorf("with a zkd.toml of mode 0640 and root:zkd it would fail at once:\n%s", strings.Join(unit, "\n"))
	}
}

func TestTheTemplateUnitDiffersByTheInstanceOnly(t *testing.T) {
	plain := settings(data(t, "systemd/zkd.service"))
	template := settings(data(t, "systemd/zkd@.service"))
	for i, line := range template {
		template[i] = strings.NewReplacer(" server %i", " server", "/etc/zkd/%i.toml", "/etc/zkd/zkd.toml", "zkd/%i", "zkd").Replace(line)
	}
	template = slices.DeleteFunc(template, func(line string) bool {
		return line == "SyslogIdentifier=zkd-%i" || line == "Slice=system-zkd.slice"
	})
	if !slices.Equal(plain, template) {
		t.Errorf("zkd@.service is not zkd.service with instances:\n%s\n\n%s", strings.Join(plain, "\n"), strings.Join(template, "\n"))
	}
}

// settings are the lines of a unit without its comments.
func settings(unit string) []string {
	var lines []string
	for line := range strings.Lines(unit) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestTheCatalogueExplainsEveryEvent(t *testing.T) {
	entry := regexp.MustCompile(`(?m)^-- ([0-9a-f]+)\nSubject: \S.*\nDefined-By: zkd\nDocumentation: man:zkd\(8\)\n\n\S`)
	var explained, have []string
	for _, m := range entry.FindAllStringSubmatch(data(t, "systemd/zkd.catalog"), -1) {
		explained = append(explained, m[1])
	}
	for _, e := range sd.Events() {
		have = append(have, e.ID)
		if b, err := hex.DecodeString(e.ID); err != nil || len(b) != 16 {
			t.Errorf("the number of %s is not one of 128 bits: %s", e.Name, e.ID)
		}
	}
	if !slices.Equal(explained, have) {
		t.Errorf("the catalogue explains %v, zkd has %v", explained, have)
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(have))); len(unique) != len(have) {
		t.Error("two events have the same number")
	}
	if out, err := exec.Command("journalctl", "--root="+t.TempDir(), "--update-catalog").CombinedOutput(); err != nil {
		t.Errorf("journalctl (package systemd): %v\n%s", err, out)
	}
}

// source returns the text of all rooms but the one that lists the events.
func source(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, p := range packages(t) {
		if p.room() == "daemon/sd" {
			continue
		}
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}

func TestEveryEventIsLoggedSomewhere(t *testing.T) {
	source := source(t)
	for _, e := range sd.Events() {
		for _, m := range e.Messages {
			// Where one message is another with an addition, it may be put together from the two.
			before, addition, _ := strings.Cut(m, "; ")
			whole := strings.Contains(source, `"`+m+`"`)
			if !whole && !(strings.Contains(source, `"`+before+`"`) && strings.Contains(source, `"; `+addition+`"`)) {
				t.Errorf("nobody logs %q of the event %s any more", m, e.Name)
			}
		}
	}
}

func TestTheCatalogueNamesFieldsThatAreLogged(t *testing.T) {
	source := source(t)
	for _, m := range regexp.MustCompile(`@(\w+)@`).FindAllStringSubmatch(data(t, "systemd/zkd.catalog"), -1) {
		field := strings.ToLower(strings.TrimPrefix(m[1], "ZKD_"))
		logged := field == "error" // zap.Error names it
		if !logged && !regexp.MustCompile(`zap\.\w+\("`+field+`"`).MatchString(source) {
			t.Errorf("nobody logs the field %s that the catalogue names as %s", field, m[0])
		}
	}
}
