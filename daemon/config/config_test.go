package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what was seen into testdata")

// testFiles answers for the files that a configuration in testdata refers to: other files by their
// last name, and myid by the line "# myid: N" of the configuration itself.
func testFiles(text []byte) ReadFile {
	return func(name string) ([]byte, error) {
		if path.Base(name) != "myid" {
			return os.ReadFile(filepath.Join("testdata", path.Base(name)))
		}
		if _, rest, ok := strings.Cut(string(text), "# myid: "); ok {
			line, _, _ := strings.Cut(rest, "\n")
			return []byte(line + "\n"), nil
		}
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
}

// parseTestdata parses a file of testdata under its bare name.
func parseTestdata(t *testing.T, file string) (text []byte, c Config, notices []Notice, err error) {
	t.Helper()
	text, err = os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, notices, err = Parse(filepath.Base(file), text, testFiles(text))
	return text, c, notices, err
}

func testdata(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata for %s: %v", pattern, err)
	}
	return files
}

// compareGolden compares got with a file, or writes it with -rewrite.
func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; -rewrite writes what was seen:\n%s", file, got)
	}
}

// withoutSources returns c without its provenance, to compare values.
func withoutSources(c Config) Config {
	c.sources = nil
	return c
}

func TestGoodTOML(t *testing.T) {
	for _, file := range testdata(t, "*.good.toml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, c, notices, err := parseTestdata(t, file)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			b.WriteString("notices:\n")
			for _, n := range notices {
				fmt.Fprintln(&b, n)
			}
			b.WriteString("\nsettings:\n")
			for _, s := range c.Explain() {
				fmt.Fprintf(&b, "%s = %s (%s)\n", s.Key, s.Value, s.Source)
			}
			compareGolden(t, strings.TrimSuffix(file, ".toml")+".golden", b.String())
		})
	}
}

func TestEveryKeyCanBeSet(t *testing.T) {
	_, c, _, err := parseTestdata(t, "testdata/every_key.good.toml")
	if err != nil {
		t.Fatal(err)
	}
	d := Default()
	for _, f := range fields() {
		if !c.given(f.Name) {
			t.Errorf("every_key.good.toml lacks %s", f.Name)
		}
		if f.text(&c) == f.text(&d) {
			t.Errorf("every_key.good.toml has the default for %s", f.Name)
		}
	}
}

// The expected errors stand at the end of each file, where they do not shift its lines.
func TestBadTOML(t *testing.T) {
	const mark = "# error: "
	for _, file := range testdata(t, "*.bad.toml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, _, _, err := parseTestdata(t, file)
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("error %v is not of type Errors", err)
			}
			body, _, _ := strings.Cut(string(text), "\n"+mark)
			got := strings.TrimRight(body, "\n") + "\n\n"
			for _, p := range errs {
				got += mark + strings.TrimPrefix(p.String(), filepath.Base(file)+":") + "\n"
			}
			compareGolden(t, file, got)
		})
	}
}

func TestZooCfg(t *testing.T) {
	for _, file := range testdata(t, "*.cfg") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, c, notices, err := parseTestdata(t, file)
			var b strings.Builder
			b.WriteString("errors:\n")
			var errs Errors
			if errors.As(err, &errs) {
				fmt.Fprintln(&b, errs)
			}
			b.WriteString("\nnotices:\n")
			for _, n := range notices {
				fmt.Fprintln(&b, n)
			}
			if err == nil {
				b.WriteString("\nzkd.toml:\n" + c.ToTOML())
			}
			compareGolden(t, strings.TrimSuffix(file, ".cfg")+".golden", b.String())
		})
	}
}

func TestToTOMLGivesTheSameConfig(t *testing.T) {
	for _, file := range append(testdata(t, "*.cfg"), testdata(t, "*.good.toml")...) {
		text, c, _, err := parseTestdata(t, file)
		if err != nil {
			continue
		}
		again, _, err := Parse("zkd.toml", []byte(c.ToTOML()), testFiles(text))
		if err != nil {
			t.Errorf("%s: %v in\n%s", file, err, c.ToTOML())
			continue
		}
		again.Ensemble.Version = c.Ensemble.Version // no key sets it
		if got, want := withoutSources(again), withoutSources(c); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: TOML gives\n%+v, want\n%+v", file, got, want)
		}
	}
}

func TestDefaultIsAWorkingStandaloneServerOnLoopback(t *testing.T) {
	for name, c := range map[string]Config{"Default": Default(), "StandaloneDefault": StandaloneDefault("/srv")} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, a := range slices.Concat(c.Client.Listen, c.Admin.Listen) {
			if host, _, _ := splitHostPort(a); !isLoopback(host) {
				t.Errorf("%s listens on %s", name, a)
			}
		}
	}
	if got := StandaloneDefault("/srv").DataDir; got != "/srv" {
		t.Errorf("data directory %q", got)
	}
	if got := Default().DataDir; got != "/var/lib/zkd" {
		t.Errorf("data directory %q", got)
	}
}

func TestValidateOfAChangedConfigNamesKeyAndValue(t *testing.T) {
	c := Default()
	c.Session.TickTime = 0
	c.Storage.PurgeRetain = 1
	const want = `session.tick_time = "0s": must be at least 100ms; the default is "2s"
storage.purge_retain = 1: must be at least 3; the default is 3`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
}

func TestKeysAreDocumentedAndUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if k.Type == "" || k.Default == "" || !strings.HasSuffix(k.Doc, ".") || seen[k.Name] {
			t.Errorf("%+v", k)
		}
		seen[k.Name] = true
	}
	for _, s := range Default().Explain() {
		if !seen[s.Key] || s.Source != "default" {
			t.Errorf("Explain has %+v", s)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	text := []byte("[auth]\nsuper_digest = \"super:xQJmxLMiHGwaqBvst5y6rkB6HQs=\"\n")
	c, _, err := Parse("zkd.toml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Explain() {
		if strings.Contains(s.Value, "xQJ") {
			t.Errorf("%+v", s)
		}
	}
	c.Auth.SuperDigest = "super:hunter2"
	if err := c.Validate(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func TestLoadSaysWhichFileCannotBeRead(t *testing.T) {
	_, _, err := Load("/etc/zkd/zkd.toml", func(string) ([]byte, error) { return nil, fs.ErrPermission })
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "/etc/zkd/zkd.toml") {
		t.Errorf("error %v", err)
	}
}

func FuzzTOML(f *testing.F) {
	for _, pattern := range []string{"*.good.toml", "*.bad.toml"} {
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkRoundTrip(t, "fuzz.toml", text) })
}

func FuzzZooCfg(f *testing.F) {
	files, err := filepath.Glob("testdata/*.cfg")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkRoundTrip(t, "fuzz.cfg", text) })
}

// checkRoundTrip fails if a text that parses does not parse again, to the same, as ToTOML writes it.
func checkRoundTrip(t *testing.T, name string, text []byte) {
	c, notices, err := Parse(name, text, nil)
	if err != nil {
		if _, ok := errors.AsType[Errors](err); !ok {
			t.Fatalf("error of type %T", err)
		}
		return
	}
	toml := c.ToTOML()
	if name == "fuzz.cfg" {
		toml = Imported(name, text, c, notices)
	}
	again, _, err := Parse("zkd.toml", []byte(toml), nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, toml)
	}
	if got, want := withoutSources(again), withoutSources(c); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Fatalf("TOML gives\n%+v, want\n%+v", got, want)
	}
}

// With the number of a session, and a password that ZooKeeper makes of it by a public function, anybody takes it over.
func TestTheWordsThatAreAllowedByDefaultTellNothingAboutClients(t *testing.T) {
	tells := map[string]string{
		"cons": "sessions and addresses", "dump": "sessions and their znodes", "wchc": "sessions and their watches", "wchp": "sessions by watch",
		"stat": "addresses of clients", "*": "all of it", "crst": "changes the counters", "srst": "changes the counters",
	}
	for _, word := range Default().Words.Allow {
		if what := tells[word]; what != "" {
			t.Errorf("%s is answered to everybody on the network of the clients: %s", word, what)
		}
	}
}
