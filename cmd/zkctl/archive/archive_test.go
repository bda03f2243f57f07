package archive

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var sample = []Node{
	{Path: "", Data: []byte("root"), ACL: proto.OpenACL},
	{Path: "/empty", Data: []byte{}, ACL: proto.OpenACL},
	{Path: "/none", ACL: []proto.ACL{{Perms: zk.PermRead, ID: proto.ID{Scheme: "x509", ID: "CN=a:b,O=c"}}}},
	{Path: "/bin", Data: []byte{0xff, 0xfe, 0}, ACL: proto.OpenACL},
	{Path: "/bin/<ä>", Data: []byte("\"quoted\"\n")},
}

func write(t testing.TB, nodes []Node) string {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, Header{Root: "/app", Zxid: "0x1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if err := w.Add(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func read(text string) (nodes []Node, h Header, err error) {
	r, err := NewReader(strings.NewReader(text))
	if err != nil {
		return nil, h, err
	}
	for {
		n, err := r.Next()
		if err == io.EOF {
			return nodes, r.Header, nil
		}
		if err != nil {
			return nodes, r.Header, err
		}
		nodes = append(nodes, n)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	nodes, h, err := read(write(t, sample))
	if err != nil || h != (Header{formatVersion, "/app", "0x1"}) || !reflect.DeepEqual(nodes, sample) {
		t.Errorf("%v, %+v\ngot  %q\nwant %q", err, h, nodes, sample)
	}
}

func TestTheFormatIsAsThePackageCommentDrawsIt(t *testing.T) {
	const want = `{"zkctl_export":1,"root":"/app","zxid":"0x1"}
{"path":"","data":"text","acl":["world:anyone:cdrwa"]}
{"path":"/conf","data_base64":"//4=","acl":["world:anyone:cdrwa"]}
{"path":"/empty","acl":["world:anyone:cdrwa"]}
{"end":true,"nodes":3,"sha256":"3d7e5869b162e9de8e77a88a625cc3cace107a8423fb97fd171448890cbad6a1"}
`
	got := write(t, []Node{{"", []byte("text"), proto.OpenACL}, {"/conf", []byte{0xff, 0xfe}, proto.OpenACL}, {"/empty", nil, proto.OpenACL}})
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestDamageIsFound(t *testing.T) {
	whole := write(t, sample)
	lines := strings.SplitAfter(whole, "\n")
	join := func(parts ...string) string { return strings.Join(parts, "") }
	for name, test := range map[string]struct{ text, want string }{
		"nothing":                {"", "line 1: the export is cut off"},
		"something else":         {"hello\n", "line 1: this is no export of zkctl"},
		"a later format":         {`{"zkctl_export":2,"root":"/"}` + "\n", "line 1: format 2 is newer than this program"},
		"no root":                {`{"zkctl_export":1}` + "\n", "line 1: root: Path length must be > 0"},
		"no end":                 {join(lines[:4]...), "line 5: the export is cut off"},
		"cut within a line":      {whole[:len(lines[0])+10], "line 2: unexpected end of JSON input"},
		"a line is missing":      {join(lines[0], lines[1], lines[3], lines[4], lines[5], lines[6]), "line 6: the end tells of 5 nodes"},
		"a changed line":         {strings.Replace(whole, `"root",`, `"toor",`, 1), "line 7: the end tells of 5 nodes"},
		"more behind the end":    {whole + "x\n", "line 8: there is something behind the end"},
		"a child first":          {join(lines[0], lines[2]), "line 2: /empty comes before its parent"},
		"a node twice":           {join(lines[0], lines[1], lines[1]), `line 3: "" comes twice`},
		"no path":                {join(lines[0], "{}\n"), "line 2: neither a node nor the end"},
		"a path that is none":    {join(lines[0], lines[1], `{"path":"/a/../b"}`), `line 3: "/a/../b" is no path below the root`},
		"the root as a slash":    {join(lines[0], lines[1], `{"path":"/"}`), `line 3: "/" is no path below the root`},
		"an ACL that is none":    {join(lines[0], `{"path":"","acl":["world"]}`), `line 2: "world" does not have the form scheme:id:perms`},
		"an unknown permission":  {join(lines[0], `{"path":"","acl":["world:anyone:x"]}`), `line 2: unknown permission "x": must be of cdrwa`},
		"base64 that is none":    {join(lines[0], `{"path":"","data_base64":"!"}`), "line 2: illegal base64 data"},
		"a last line without LF": {strings.TrimSuffix(whole, "\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(test.text)
			var damaged *DamagedError
			switch {
			case test.want == "":
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &damaged) || !strings.HasPrefix(err.Error(), test.want):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestErrorsOfFilesAreNoDamage(t *testing.T) {
	bad := errors.New("bad disk")
	var damaged *DamagedError
	if _, err := NewReader(failing{bad}); !errors.Is(err, bad) || errors.As(err, &damaged) {
		t.Errorf("reading: %v", err)
	}
	w, err := NewWriter(failing{bad}, Header{Root: "/"})
	if err == nil {
		err = w.Close()
	}
	if !errors.Is(err, bad) {
		t.Errorf("writing: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(write(f, sample))
	f.Fuzz(func(t *testing.T, text string) {
		if nodes, _, err := read(text); err == nil && len(nodes) >= len(text)/8 {
			t.Errorf("%d nodes from %d bytes", len(nodes), len(text))
		}
	})
}

func FuzzNode(f *testing.F) {
	f.Add("/a", []byte("data"), "digest", "bob:hash", 31)
	f.Add("/a\xff", []byte(nil), "x509", "CN=a,O=\"b\"", 0)
	f.Fuzz(func(t *testing.T, path string, data []byte, scheme, id string, perms int) {
		n := Node{path, data, []proto.ACL{{Perms: zk.Perm(perms) & zk.PermAll, ID: proto.ID{Scheme: scheme, ID: id}}}}
		var b bytes.Buffer
		w, err := NewWriter(&b, Header{Root: "/"})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Add(Node{}), w.Add(n)); err != nil {
			if utf8.ValidString(path) && utf8.ValidString(scheme+":"+id) {
				t.Fatal(err)
			}
			return
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if text.CheckPath(path) != nil || strings.Count(path, "/") != 1 || path == "/" || strings.Contains(scheme, ":") {
			return // no node of a server's
		}
		if nodes, _, err := read(b.String()); err != nil || !reflect.DeepEqual(nodes, []Node{{}, n}) {
			t.Errorf("%v\ngot  %q\nwant %q", err, nodes, n)
		}
	})
}
