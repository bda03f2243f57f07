package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"zkd/daemon/config"
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

func TestThePackageHoldsOnlyFilesThatThereAre(t *testing.T) {
	made := regexp.MustCompile(`^(bin|dist)/`) // by make deb
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:- src|postinstall|preremove): (\S+)$`).FindAllStringSubmatch(data(t, "nfpm.yaml"), -1) {
		if !made.MatchString(m[1]) {
			data(t, m[1])
		}
	}
}

func TestTheUnitStandsUpToSystemdsOwnChecks(t *testing.T) {
	// The program need not be installed for the check of all the rest.
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := strings.ReplaceAll(data(t, "systemd/zkd.service"), "/usr/bin/zkd", program)
	name := write(t, "zkd.service", unit)
	for _, args := range [][]string{
		{"verify", "--man=no", name},
		{"security", "--offline=yes", "--threshold=12", name}, // exposure of at most 1.2 of 10
	} {
		if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil {
			t.Errorf("systemd-analyze (package systemd) %v: %v\n%s", args, err, out)
		}
	}
}
