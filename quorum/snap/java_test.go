//go:build java

package snap

import (
	"bytes"
	"cmp"
	"flag"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// -rewrite replaces the files in testdata by what the servers write now; a person reads the diff.
var rewrite = flag.Bool("rewrite", false, "replace the recorded files in testdata")

// TestSnapshotsOfJava has each release write a log, read from it into snapshots of each
// compression, and compares what is read here with what the server told a client.
func TestSnapshotsOfJava(t *testing.T) {
	for _, release := range javaReleases(t) {
		t.Run(release.name, func(t *testing.T) {
			dataDir := t.TempDir()
			server := startJava(t, release, dataDir)
			server.populate()
			lister := server.connect(300 * time.Second)
			want := server.list(lister)
			server.kill() // the three sessions are open, and so in the snapshots of the next start
			if *rewrite {
				record(t, release, filepath.Join(dataDir, "version-2", "log.1"), filepath.Join(dataDir, "version-2", "snapshot.0"))
			}

			for _, c := range []Compression{Plain, Gzip, Snappy} {
				t.Run("written as "+string(cmp.Or(c, "plain")), func(t *testing.T) {
					copied := copyDir(t, dataDir)
					startJava(t, release, copied, "-Dzookeeper.snapshot.compression.method="+string(c)).kill()
					dir := filepath.Join(copied, "version-2")
					candidate, ok, err := Newest(vfs.OS(), dir)
					if err != nil || !ok || candidate.Compression != c || candidate.Zxid == 0 {
						t.Fatalf("newest snapshot: %+v, %v, %v", candidate, ok, err)
					}
					read := newState()
					info, err := LoadInto(vfs.OS(), filepath.Join(dir, candidate.Name), read, nil)
					if err != nil {
						t.Fatal(err)
					}
					if !info.HasDigest || info.DigestZxid != candidate.Zxid || info.Digest != read.Digest() {
						t.Errorf("digest of the file: %+v, of its nodes: %#x", info, read.Digest())
					}
					nodes, sessions := splitListing(read.listing())
					if nodes != want {
						t.Errorf("read:\n%s\nthe server told a client:\n%s", nodes, want)
					}
					if n := strings.Count(sessions, "\n"); n != 3 {
						t.Errorf("sessions:\n%s", sessions)
					}
					if *rewrite {
						record(t, release, filepath.Join(dir, candidate.Name))
						name := filepath.Join(testdata(release), "listing.txt")
						if err := os.WriteFile(name, []byte(read.listing()), 0o644); err != nil {
							t.Fatal(err)
						}
					}
				})
			}
		})
	}
}

// TestJavaLoadsSnapshots has each release load what Save wrote, in each compression, and list it.
func TestJavaLoadsSnapshots(t *testing.T) {
	for _, release := range javaReleases(t) {
		recorded := newState()
		newest, _, err := Newest(vfs.OS(), testdata(release))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := LoadInto(vfs.OS(), filepath.Join(testdata(release), newest.Name), recorded, nil); err != nil {
			t.Fatal(err)
		}
		for _, c := range []Compression{Plain, Gzip, Snappy} {
			t.Run(release.name+" loads "+string(cmp.Or(c, "plain")), func(t *testing.T) {
				dataDir := t.TempDir()
				dir := filepath.Join(dataDir, "version-2")
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				recorded.zxid = 0x77
				if _, err := Save(vfs.OS(), dir, recorded, Options{Compression: c}); err != nil {
					t.Fatal(err)
				}
				server := startJava(t, release, dataDir, "-Dzookeeper.snapshot.compression.method="+string(c))
				if srvr := server.word("srvr"); !strings.Contains(srvr, "Zxid: 0x77\n") {
					t.Errorf("srvr:\n%s", srvr)
				}
				got := server.list(server.connect(20 * time.Second))
				want, _ := splitListing(recorded.listing())
				if got != want {
					t.Errorf("the server lists:\n%s\nsaved:\n%s", got, want)
				}
				server.checkDigest()
			})
		}
	}
}

// TestJavaReplaysTheLog has each release start from an empty tree's snapshot and a log that were
// written here, as they are when this process dies by kill -9: the log not closed, with zeros
// ahead. Then a server of ours reads on where it stopped.
func TestJavaReplaysTheLog(t *testing.T) {
	for _, release := range javaReleases(t) {
		t.Run(release.name, func(t *testing.T) {
			dataDir := t.TempDir()
			dir := filepath.Join(dataDir, "version-2")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			empty := newState()
			if _, err := LoadInto(vfs.OS(), filepath.Join(testdata(release), "snapshot.0"), empty, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := Save(vfs.OS(), dir, empty, Options{}); err != nil {
				t.Fatal(err)
			}
			log, _, err := txlog.Open(vfs.OS(), dir, txlog.Options{PreallocBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			})
			var last zk.Zxid
			for zxid, payload := range recordedTxns(t, release) {
				if err := log.Append(zxid, payload); err != nil {
					t.Fatal(err)
				}
				if zxid == 20 {
					if err := log.Roll(); err != nil {
						t.Fatal(err)
					}
				}
				last = zxid
			}
			if err := log.Sync(); err != nil {
				t.Fatal(err)
			}

			killed := copyDir(t, dataDir)
			server := startJava(t, release, killed)
			conn := server.connect(20 * time.Second) // its session is one more txn
			listing, err := os.ReadFile(filepath.Join(testdata(release), "listing.txt"))
			if err != nil {
				t.Fatal(err)
			}
			want, _ := splitListing(string(listing))
			if got := server.list(conn); got != want {
				t.Errorf("the server lists:\n%s\nwant:\n%s", got, want)
			}
			server.checkDigest()
			server.kill()
			again, recovery, err := txlog.Open(vfs.OS(), filepath.Join(killed, "version-2"), txlog.Options{})
			if err != nil || recovery.Last != last+1 || recovery.BelowMark {
				t.Fatalf("%+v, %v, want last %v", recovery, err, last+1)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// recordedTxns goes through the log that a release wrote.
func recordedTxns(t *testing.T, release javaRelease) iter.Seq2[zk.Zxid, []byte] {
	t.Helper()
	dir := t.TempDir()
	copyFile(t, filepath.Join(testdata(release), "log.1"), filepath.Join(dir, "log.1"))
	log, _, err := txlog.Open(vfs.OS(), dir, txlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(zk.Zxid, []byte) bool) {
		defer log.Close()
		r, err := log.Read(0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for {
			zxid, payload, err := r.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !yield(zxid, payload) {
				return
			}
		}
	}
}

// splitListing parts the nodes from the sessions.
func splitListing(listing string) (nodes, sessions string) {
	at := strings.Index(listing, "\nsession ")
	if at < 0 {
		return listing, ""
	}
	return listing[:at+1], listing[at+1:]
}

func testdata(release javaRelease) string { return filepath.Join("testdata", release.name) }

// record copies files to where the other tests read them.
func record(t *testing.T, release javaRelease, names ...string) {
	t.Helper()
	if err := os.MkdirAll(testdata(release), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		copyFile(t, name, filepath.Join(testdata(release), filepath.Base(name)))
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		// A log is filled up with zeros, of which a few are as good as many.
		filled := len(bytes.TrimRight(b, "\x00")) + 64
		err = os.WriteFile(to, b[:min(len(b), filled)], 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// copyDir returns a copy of a data directory.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}
