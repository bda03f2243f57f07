package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// session opens a session of the test's own.
func (u user) session() *client.Client {
	u.t.Helper()
	c, err := client.New(client.Config{Servers: []string{u.server}})
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { _ = c.Close(u.t.Context()) }) // the test's context has ended: the session times out
	return c
}

func TestExportAndImport(t *testing.T) {
	u := user{t, serve(t), ""}
	u.ok("create", "/app", "root")
	u.ok("create", "/app/empty", "")
	u.ok("create", "/app/none")
	u.ok("create", "/app/none/deep", "x\"y\n", "world:anyone:r")
	u.ok("create", "/app/none/deep2", "z", "ip:127.0.0.1:cdrwa,world:anyone:r")
	user{t, u.server, "\xff\x00"}.ok("create", "--from", "-", "/app/bin")
	holder := u.session()
	if _, _, err := holder.Create(t.Context(), "/app/held", nil, proto.OpenACL, zk.ModeEphemeral, 0); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "export")
	code, stdout, stderr := u.run("export", "/app", file)
	if code != 0 || stdout != "" || stderr != "zkctl: exported 6 znodes, 11 bytes\nzkctl: left out 1 ephemeral znode\n" {
		t.Fatalf("export: %d, %q, %q", code, stdout, stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file: %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	body := func(export string) string { // without what depends on the time
		_, rest, _ := strings.Cut(export, "\n")
		rest, _, _ = strings.Cut(rest, `{"end"`)
		return rest
	}
	if got := body(u.ok("export", "--quiet", "/app")); got != body(string(text)) {
		t.Errorf("standard output differs from the file:\n%s", got)
	}
	u.steps([]step{
		{"import " + file, 3, ``, `Node already exists: /app`},
		{"import --dry-run " + file + " /copy", 0, ``, `zkctl: checked 6 znodes, 11 bytes`},
		{"get /copy", 2, ``, `Node does not exist: /copy`},
		{"import " + file + " /x/y", 2, ``, `Node does not exist: /x/y`},
		{"import --parents " + file + " /x/y", 0, ``, `zkctl: imported 6 of 6 znodes, 11 bytes`},
		{"set /x/y changed", 0, ``, ``},
		{"import --skip-existing " + file + " /x/y", 0, ``, `zkctl: imported 0 of 6 znodes, 0 bytes\nzkctl: did not touch 6 znodes already there`},
		{"get /x/y", 0, `changed`, ``},
		{"import --overwrite --skip-existing " + file, 64, ``, `(?s)zkctl: if any flags in the group .*`},
		{"import --overwrite " + file + " /x/y", 77, ``, `Insufficient permission : /x/y/none/deep`},
		{"import " + file + " relative", 64, ``, `Path must start with / character\nusage: .*`},
		{"import /no/such/file", 1, ``, `zkctl: open /no/such/file: no such file or directory`},
		{"export /none " + file, 2, ``, `Node does not exist: /none`},
	})
	if again, err := os.ReadFile(file); err != nil || string(again) != string(text) {
		t.Errorf("an export that failed has touched the file: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); err != nil || len(left) > 0 {
		t.Errorf("an export that failed has left %v, %v", left, err)
	}
	if code, _, stderr := (user{t, u.server, string(text)}).run("import", "-", "/piped"); code != 0 {
		t.Fatalf("import from standard input: %d, %s", code, stderr)
	}
	if got := body(u.ok("export", "--quiet", "/piped")); got != body(string(text)) {
		t.Errorf("the copy differs:\n%s\nfrom\n%s", got, text)
	}
}

func TestImportOverwritesDataAndACL(t *testing.T) {
	u := user{t, serve(t), ""}
	u.ok("create", "/a", "old", "world:anyone:cdrwa")
	u.ok("create", "/a/b", "old")
	export := u.ok("export", "--quiet", "/a")
	u.ok("set", "/a", "new")
	u.ok("setAcl", "/a", "world:anyone:rwca")
	if code, _, stderr := (user{t, u.server, export}).run("import", "--overwrite", "-"); code != 0 {
		t.Fatal(stderr)
	}
	u.steps([]step{
		{"get /a", 0, `old`, ``},
		{"getAcl /a", 0, `'world,'anyone\n: cdrwa`, ``},
	})
}

func TestTheRootIsExportedWithoutWhatIsTheServers(t *testing.T) {
	u := user{t, serve(t), ""}
	u.ok("create", "/a", "x")
	u.ok("create", "/a/b", "y")
	export := u.ok("export", "--quiet", "/")
	if strings.Contains(export, "zookeeper") || !strings.Contains(export, `{"path":"/a/b"`) {
		t.Errorf("the export is\n%s", export)
	}
	other := user{t, serve(t), export}
	if code, _, stderr := other.run("import", "-"); code != 0 {
		t.Fatal(stderr)
	}
	other.steps([]step{{"get /a/b", 0, `y`, ``}})
	if code, _, stderr := other.run("import", "-", "/below"); code != 0 {
		t.Fatal(stderr)
	}
	other.steps([]step{{"ls -R /below", 0, `/below\n/below/a\n/below/a/b`, ``}})
	if export := other.ok("export", "--quiet", "/zookeeper"); !strings.Contains(export, `{"path":"/quota"`) {
		t.Errorf("an export of /zookeeper that was asked for is\n%s", export)
	}
}

func TestAnExportThatCannotBeWhole(t *testing.T) {
	u := user{t, serve(t), ""}
	u.ok("--auth", "digest:bob:secret", "create", "/half", "x", "auth::cdrwa,world:anyone:r")
	u.steps([]step{
		{"export /half", 77, ``, `zkctl: /half: the server hides the hashes .*`},
		{"export --quiet --no-acl /half", 0, `(?s).*\{"path":"","data":"x"\}\n\{"end":true.*`, ``},
		{"--auth digest:bob:secret export --quiet /half", 0, `(?s).*fyVmFCwVbTJYrznoSu1koqYEYF0=.*`, ``},
	})
	file := write(t, "cut", `{"zkctl_export":1,"root":"/cut"}`+"\n"+`{"path":""}`+"\n")
	u.steps([]step{
		{"import " + file, 65, ``, `zkctl: line 3: the export is cut off`},
		{"stat /cut", 2, ``, `Node does not exist: /cut`}, // it was checked before anything was written
	})
}

// More nodes than are asked for together, on one level and on many, and more bytes than fit into one multi.
func TestManyNodes(t *testing.T) {
	u := user{t, serve(t), ""}
	c := u.session()
	const wide, deep = 3*atOnce + 7, 300
	var operations []client.Operation
	add := func(path string, data []byte) {
		operations = append(operations, client.CreateOp(path, data, proto.OpenACL, zk.ModePersistent, 0))
	}
	add("/wide", nil)
	for i := range wide {
		add(fmt.Sprintf("/wide/%04d", i), []byte(strings.Repeat("x", 4096)))
	}
	add("/wide/0000/d", nil)
	for path := "/wide/0000/d"; len(operations) < wide+deep; {
		path += "/d"
		add(path, nil)
	}
	nodes := len(operations)
	for len(operations) > 0 {
		next := operations[:multiLength(operations, 1000)]
		if err := c.Multi(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		operations = operations[len(next):]
	}
	if got := strings.Count(u.ok("ls", "-R", "/wide"), "\n"); got != nodes {
		t.Errorf("ls -R lists %d nodes, want %d", got, nodes)
	}
	if got := u.ok("tree", "-L", "1", "/wide"); strings.Count(got, "├── ") != wide-1 || strings.Count(got, "└── ") != 1 {
		t.Errorf("tree draws\n%.300s", got)
	}
	export := u.ok("export", "--quiet", "/wide")
	code, _, stderr := user{t, u.server, export}.run("import", "-", "/copy")
	if !regexp.MustCompile(fmt.Sprintf(`^zkctl: imported %d znodes, 3\.0 MiB\n$`, nodes)).MatchString(stderr) || code != 0 {
		t.Errorf("import: %d, %s", code, stderr)
	}
	if got := u.ok("--json", "deleteall", "/wide"); got != fmt.Sprintf("{\"path\":\"/wide\",\"deleted\":%d}\n", nodes) {
		t.Errorf("deleteall: %s", got)
	}
	if got := strings.Count(u.ok("ls", "-R", "/copy"), "\n"); got != nodes {
		t.Errorf("the copy has %d nodes, want %d", got, nodes)
	}
}

func TestProgressIsToldWhereItIsAskedFor(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, "imported", true, false)
	p.total = 3
	p.next = p.next.Add(-progressEvery)
	p.add(2048)
	p.add(1) // too soon
	p.done("a remark")
	const want = "zkctl: imported 1 of 3 znodes, 2.0 KiB\nzkctl: imported 2 of 3 znodes, 2.0 KiB\nzkctl: a remark\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
