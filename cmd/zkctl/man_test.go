package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../man/zkctl.1")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// everyCommand calls visit for each command of the command line and of the prompt.
func everyCommand(visit func(c *cobra.Command)) {
	a := newApp(nil, nil, nil)
	visit(newRoot(a))
	for _, c := range newRoot(a).Commands() {
		visit(c)
	}
	for _, c := range (&prompt{a: a}).root(a).Commands() {
		visit(c)
	}
}

func TestTheManualHasEveryCommandAndFlagAndNoOther(t *testing.T) {
	text := manual(t)
	// A flag is named as "Fl Fl name", and a short one with it, or in the synopsis of its command.
	flags, commands := []string{"help"}, []string{"completion", "help", "exit"}
	everyCommand(func(c *cobra.Command) {
		if c.HasParent() {
			commands = append(commands, c.Name())
			if !regexp.MustCompile(`(?m)^\.It (?:Xo )?Cm ` + c.Name() + `\b`).MatchString(text) {
				t.Errorf("zkctl.1 does not tell of %s", c.Name())
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			flags = append(flags, f.Name)
			if !strings.Contains(text, "Fl Fl "+f.Name) {
				t.Errorf("zkctl.1 does not name --%s of %s", f.Name, c.Name())
			}
			if f.Shorthand != "" && !strings.Contains(text, "Fl "+f.Shorthand+" ") && !strings.Contains(text, "Fl "+f.Shorthand+"\n") {
				t.Errorf("zkctl.1 does not name -%s of %s", f.Shorthand, c.Name())
			}
		})
	})
	for _, m := range regexp.MustCompile(`Fl Fl ([a-z0-9-]+)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(flags, m[1]) {
			t.Errorf("zkctl.1 names --%s, which no command has", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\.It (?:Xo )?Cm (\S+)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(commands, m[1]) {
			t.Errorf("zkctl.1 tells of %s, which is no command", m[1])
		}
	}
}

func TestTheManualListsTheExitCodes(t *testing.T) {
	_, section, _ := strings.Cut(manual(t), ".Sh EXIT STATUS\n")
	section, _, _ = strings.Cut(section, "\n.Sh ")
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^\.It (\d+)$`).FindAllStringSubmatch(section, -1) {
		listed = append(listed, m[1])
	}
	var want []string
	for _, code := range []int{exitOK, exitFailure, exitNoNode, exitNodeExists, exitBadVersion, exitNotEmpty, exitUsage, exitDamaged,
		exitUnavailable, exitPermission, exitConfig, exitInterrupted} {
		want = append(want, fmt.Sprint(code))
	}
	if !slices.Equal(listed, want) {
		t.Errorf("zkctl.1 lists exit codes %v, zkctl has %v", listed, want)
	}
}

func TestTheManualIsCleanMdoc(t *testing.T) {
	out, err := exec.Command("mandoc", "-T", "lint", "-W", "warning", "../../man/zkctl.1").CombinedOutput()
	if err != nil {
		t.Errorf("mandoc (package mandoc): %v\n%s", err, out)
	}
}
