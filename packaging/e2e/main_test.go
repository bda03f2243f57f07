package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zkd/packaging/testbed"
)

// The releases that the story has: the second has another configuration file, too.
const oldVersion, newVersion = "0.1.0", "0.2.0"

func toldToSkip() bool { return os.Getenv("ZKD_HOSTS") == "skip" }

func TestMain(m *testing.M) {
	if toldToSkip() {
		os.Exit(m.Run())
	}
	if err := testbed.Missing(); err != nil {
		fmt.Fprintf(os.Stderr, "no host can be booted here:\n%v\nZKD_HOSTS=skip leaves out what needs hosts\n", err)
		os.Exit(1)
	}
	os.Exit(testbed.Main(prepare, m.Run))
}

// prepare builds, outside of the namespaces of the tests, the image of the hosts and the packages:
//
//	work/image         link to the root of the hosts' file system
//	work/0.1.0/*.deb   and so on
func prepare(work string) error {
	cache, err := os.UserCacheDir() // $XDG_CACHE_HOME, ~/.cache
	if err != nil {
		return err
	}
	image, err := testbed.Image(filepath.Join(cache, "zkd-tests"), os.Stderr)
	if err != nil {
		return err
	}
	if err := os.Symlink(image, filepath.Join(work, "image")); err != nil {
		return err
	}
	for _, version := range []string{oldVersion, newVersion} {
		// A copy, which the others who work on the tree do not change meanwhile.
		tree := filepath.Join(work, "tree-"+version)
		const copyTree = `mkdir "$1" && cd ../.. && git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null | tar -cf - -T - | tar -C "$1" -xf -`
		if out, err := exec.Command("sh", "-c", copyTree, "sh", tree).CombinedOutput(); err != nil {
			return fmt.Errorf("copy the tree: %w\n%s", err, out)
		}
		if version == newVersion {
			if err := appendTo(filepath.Join(tree, "packaging/zkd.toml"), "\n# New in "+newVersion+".\n"); err != nil {
				return err
			}
		}
		cmd := exec.Command("make", "-C", tree, "deb", "rpm", "VERSION="+version, "DIST="+filepath.Join(work, version))
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("make deb rpm: %w\n%s", err, out)
		}
		if err := os.RemoveAll(tree); err != nil {
			return err
		}
	}
	return nil
}

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// built returns a package of a version: kind is "deb" or "rpm".
func built(t *testing.T, version, kind string) []byte {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(testbed.Work(), version, "zkd*."+kind))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages %v, %v; want one", found, err)
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return content
}
