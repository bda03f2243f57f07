package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zkd/daemon"
	"zkd/daemon/config"
)

var update = flag.Bool("update", false, "write the generated part of the manual anew")

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../man/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// keysSection renders config.Keys as mdoc, a subsection for each table.
func keysSection() string {
	var b strings.Builder
	table := "-"
	for _, k := range config.Keys() {
		prefix, _, inTable := strings.Cut(k.Name, ".")
		if !inTable {
			prefix = ""
		}
		if prefix != table {
			if table != "-" {
				b.WriteString(".El\n")
			}
			table = prefix
			if table != "" {
				fmt.Fprintf(&b, ".Ss Table [%s]\n", table)
			}
			b.WriteString(".Bl -tag -width Ds\n")
		}
		fmt.Fprintf(&b, ".It Va %s\n", k.Name)
		b.WriteString(mdoc(fmt.Sprintf("Type: %s. Default: %s.", k.Type, k.Default)))
		if k.Live {
			b.WriteString("A reload changes it.\n")
		}
		b.WriteString(".br\n" + mdoc(k.Doc))
	}
	return b.String() + ".El\n"
}

// mdoc escapes a text and begins a line for each sentence.
func mdoc(text string) string {
	text = strings.ReplaceAll(text, `\`, `\e`)
	text = regexp.MustCompile(`([a-z)\]"0-9]\.) ([A-Z])`).ReplaceAllString(text, "$1\n$2")
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			b.WriteString(`\&`)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func TestTheManualListsTheKeys(t *testing.T) {
	const begin, end = ".\\\" begin keys: written by TestTheManualListsTheKeys -update\n", ".\\\" end keys\n"
	text := page(t, "zkd.toml.5")
	before, rest, ok := strings.Cut(text, begin)
	section, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("zkd.toml.5 has lost the marks of its generated part")
	}
	want := keysSection()
	if section == want {
		return
	}
	if *update {
		if err := os.WriteFile("../../man/zkd.toml.5", []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error("zkd.toml.5 does not list the keys as config.Keys has them: go test ./cmd/zkd -run Manual -update")
}

// walk calls visit for each command that a user can give.
func walk(c *cobra.Command, visit func(path string, c *cobra.Command)) {
	visit(strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "zkd"), " "), c)
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			walk(sub, visit)
		}
	}
}

func TestTheManualHasEveryCommandAndFlagAndNoOther(t *testing.T) {
	text := page(t, "zkd.8")
	var flags []string
	walk(newRoot(), func(path string, c *cobra.Command) {
		if path != "" && !c.HasSubCommands() && !strings.Contains(text, ".Cm "+path+"\n") {
			t.Errorf("zkd.8 has no synopsis of %q", path)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			flags = append(flags, f.Name)
			if !strings.Contains(text, "Fl Fl "+f.Name) {
				t.Errorf("zkd.8 does not name --%s of %q", f.Name, path)
			}
		})
	})
	flags = append(flags, "help")
	for _, m := range regexp.MustCompile(`Fl Fl ([a-z-]+)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(flags, m[1]) {
			t.Errorf("zkd.8 names --%s, which no command has", m[1])
		}
	}
}

func TestTheManualListsTheExitCodes(t *testing.T) {
	_, section, _ := strings.Cut(page(t, "zkd.8"), ".Sh EXIT STATUS\n")
	section, _, _ = strings.Cut(section, "\n.Sh ")
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^\.It (\d+)$`).FindAllStringSubmatch(section, -1) {
		listed = append(listed, m[1])
	}
	var want []string
	for _, code := range []int{daemon.ExitOK, daemon.ExitFailure, daemon.ExitProblems, daemon.ExitNotRunning, daemon.ExitNoQuorum, daemon.ExitUsage,
		daemon.ExitData, daemon.ExitBusy, daemon.ExitPermission, daemon.ExitConfig} {
		want = append(want, fmt.Sprint(code))
	}
	if !slices.Equal(listed, want) {
		t.Errorf("zkd.8 lists exit codes %v, zkd has %v", listed, want)
	}
	unit := data(t, "systemd/zkd.service")
	if want := fmt.Sprintf("\nRestartPreventExitStatus=%d %d %d\n", daemon.ExitUsage, daemon.ExitData, daemon.ExitConfig); !strings.Contains(unit, want) {
		t.Errorf("zkd.service does not have %q", want)
	}
}

func TestTheManualIsCleanMdoc(t *testing.T) {
	for _, name := range []string{"zkd.8", "zkd.toml.5"} {
		out, err := exec.Command("mandoc", "-T", "lint", "-W", "warning", "../../man/"+name).CombinedOutput()
		if err != nil {
			t.Errorf("mandoc (package mandoc) on %s: %v\n%s", name, err, out)
		}
	}
}
