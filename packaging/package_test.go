// Package packaging has the tests of the packages themselves; what they do to a host is tested in e2e.
package packaging

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const top = ".."

// makePackages runs make deb rpm on a copy of the tree and returns the two files.
func makePackages(t *testing.T, tree string, environment ...string) (deb, rpm string) {
	t.Helper()
	dist := filepath.Join(tree, "dist")
	cmd := exec.Command("make", "-C", tree, "deb", "rpm", "VERSION=1.2.3", "SOURCE_DATE_EPOCH=1700000000")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") }), environment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make deb rpm: %v\n%s", err, out)
	}
	one := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(dist, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("make made %v (%v), want one %s", found, err, pattern)
		}
		return found[0]
	}
	return one("zkd_1.2.3-1_*.deb"), one("zkd-1.2.3-1.*.rpm")
}

// sources copies what is under version control, and what is about to be, to a new directory.
func sources(t *testing.T) string {
	t.Helper()
	target := t.TempDir()
	const script = `cd "$1" && git ls-files -z --cached --others --exclude-standard |
		xargs -0 ls -d 2>/dev/null | tar -cf - -T - | tar -C "$2" -xf -`
	if out, err := exec.Command("sh", "-c", script, "sh", top, target).CombinedOutput(); err != nil {
		t.Fatalf("copy the tree: %v\n%s", err, out)
	}
	return target
}

// again copies a tree to another place, with all files as new as they can be.
func again(t *testing.T, tree string) string {
	t.Helper()
	target := filepath.Join(t.TempDir(), "another", "place")
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-R", tree, target).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	return target
}

func digest(t *testing.T, name string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

func TestThePackages(t *testing.T) {
	tree := sources(t)
	other := again(t, tree) // before others change what is being worked on
	deb, rpm := makePackages(t, tree)

	t.Run("the same source makes the same files, wherever and whenever", func(t *testing.T) {
		deb2, rpm2 := makePackages(t, other, "TZ=Pacific/Kiritimati", "LC_ALL=C.UTF-8", "HOSTNAME=elsewhere")
		if digest(t, deb) != digest(t, deb2) {
			t.Error("two deb packages differ")
		}
		if digest(t, rpm) != digest(t, rpm2) {
			t.Error("two rpm packages differ")
		}
	})
	t.Run("lintian finds nothing", func(t *testing.T) {
		out, err := exec.Command("lintian", "--allow-root", "--fail-on", "warning,error", deb).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("lintian (package lintian): %v\n%s", err, out)
		}
	})
	t.Run("rpmlint finds nothing", func(t *testing.T) {
		out, err := exec.Command("rpmlint", "--config", "rpmlint.toml", rpm).CombinedOutput()
		if err != nil || !strings.Contains(string(out), " 0 errors, 0 warnings, ") {
			t.Errorf("rpmlint (package rpmlint): %v\n%s", err, out)
		}
	})
	t.Run("both hold the same but for what the distributions name otherwise", func(t *testing.T) {
		debian := map[string]string{ // what stands for it in the other package
			"/usr/share/doc/zkd/changelog.gz":          "/usr/share/doc/zkd/CHANGELOG.md",
			"/usr/share/doc/zkd/changelog.Debian.gz":   "",
			"/usr/share/doc/zkd/copyright":             "/usr/share/licenses/zkd/LICENSE",
			"/usr/share/lintian/overrides/zkd":         "",
			"/usr/share/zsh/vendor-completions/_zkd":   "/usr/share/zsh/site-functions/_zkd",
			"/usr/share/zsh/vendor-completions/_zkctl": "/usr/share/zsh/site-functions/_zkctl",
		}
		var want []string
		for _, name := range filesOfDeb(t, deb) {
			if instead, differs := debian[name]; !differs {
				want = append(want, name)
			} else if instead != "" {
				want = append(want, instead)
			}
		}
		slices.Sort(want)
		if got := filesOfRPM(t, rpm); !slices.Equal(got, want) {
			t.Errorf("the rpm package holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
	t.Run("what the operator edits is a configuration file", func(t *testing.T) {
		const want = "/etc/ufw/applications.d/zkd\n/etc/zkd/zkd.toml\n"
		conffiles, err := exec.Command("dpkg-deb", "--info", deb, "conffiles").Output()
		if err != nil || sorted(string(conffiles)) != want {
			t.Errorf("deb: %v\n%s", err, conffiles)
		}
		config, err := exec.Command("rpm", "-qp", "--configfiles", rpm).Output()
		if err != nil || sorted(string(config)) != want {
			t.Errorf("rpm: %v\n%s", err, config)
		}
	})
}

func sorted(text string) string {
	lines := strings.Fields(text)
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func filesOfDeb(t *testing.T, deb string) []string {
	t.Helper()
	archive, err := exec.Command("dpkg-deb", "--fsys-tarfile", deb).Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if h.Uid != 0 || h.Gid != 0 || h.Mode&0o022 != 0 {
			t.Errorf("%s is of user %d, group %d with mode %o: only root may write it", h.Name, h.Uid, h.Gid, h.Mode)
		}
		names = append(names, strings.TrimPrefix(h.Name, "."))
	}
	slices.Sort(names)
	return names
}

func filesOfRPM(t *testing.T, rpm string) []string {
	t.Helper()
	out, err := exec.Command("rpm", "-qpl", rpm).Output()
	if err != nil {
		t.Fatalf("rpm (package rpm): %v", err)
	}
	names := strings.Fields(string(out))
	slices.Sort(names)
	return names
}

func TestARestartDoesNotHoldThePackageManagerForEver(t *testing.T) {
	restarts := 0
	for _, name := range []string{"deb/postinst.sh", "rpm/postun.sh"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, "try-restart ") {
				continue
			}
			restarts++
			if !strings.HasPrefix(strings.TrimSpace(line), "timeout ") {
				t.Errorf("%s waits without a bound: %s", name, line)
			}
		}
	}
	if restarts != 2 {
		t.Errorf("%d restarts found, want one in each package", restarts)
	}
}

func TestTheScriptsAreCleanShell(t *testing.T) {
	scripts, err := filepath.Glob("*/*.sh")
	if err != nil || len(scripts) < 6 {
		t.Fatalf("%v %v", scripts, err)
	}
	for _, name := range scripts {
		// rpm gives its scripts to sh without a first line.
		out, err := exec.Command("shellcheck", "--shell=sh", "--exclude=SC1091", name).CombinedOutput()
		if err != nil {
			t.Errorf("shellcheck (package shellcheck): %v\n%s", err, out)
		}
	}
}
