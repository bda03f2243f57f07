package conformance

import (
	"slices"
	"strings"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var pathCases = group{name: "paths", cases: []func(*T){
	createJudgesPaths,
	sequentialCreateJudgesThePathWithADigitBehind,
	setDataAndSetACLJudgePaths,
	deleteLooksForSlashAndNULOnly,
	readsLookForTheNodeOnly,
	existsRefusesNUL,
	longPathsAreAccepted,
	unicodePathsAreAccepted,
	emptyPathIsTheRootToReads,
	nullPathIsTheEmptyPath,
}}

// pathVerdicts says what create answers for a path below an existing node R. Where the part before
// the last slash names no node, that is what the client is told; the path itself is judged after.
var pathVerdicts = []struct {
	path string // R stands for the existing node
	want zk.Code
}{
	{"R/a", zk.OK},
	{"R/a b", zk.OK},
	{"R/...", zk.OK},
	{"R/.a", zk.OK},
	{"R/a.", zk.OK},
	{"R/..a", zk.OK},
	{"R/a..b", zk.OK},
	{"R/%00", zk.OK},
	{"R/a:b,c=d;e", zk.OK},
	{"R/\\", zk.OK},
	{"R/ü", zk.OK},
	{"R/日本", zk.OK},
	{"R/\u00a0", zk.OK},
	{"R/\u200b", zk.OK},
	{"R/\ud7ff", zk.OK},
	{"R/\uf900", zk.OK},
	{"R/\uffef", zk.OK},
	{"R/ ", zk.OK},
	{"R/~", zk.OK},
	{"", zk.ErrBadArguments},
	{"a", zk.ErrBadArguments},
	{"no slash", zk.ErrBadArguments},
	{"R/", zk.ErrBadArguments},
	{"R/.", zk.ErrBadArguments},
	{"R/..", zk.ErrBadArguments},
	{"R/\x00", zk.ErrBadArguments},
	{"R/a\x00b", zk.ErrBadArguments},
	{"\x00R/a", zk.ErrBadArguments},
	{"R/\x01", zk.ErrBadArguments},
	{"R/\t", zk.ErrBadArguments},
	{"R/\n", zk.ErrBadArguments},
	{"R/\x1f", zk.ErrBadArguments},
	{"R/\x7f", zk.ErrBadArguments},
	{"R/\u0080", zk.ErrBadArguments},
	{"R/\u009f", zk.ErrBadArguments},
	{"R/\ue000", zk.ErrBadArguments},
	{"R/\uf8ff", zk.ErrBadArguments},
	{"R/\ufff0", zk.ErrBadArguments},
	{"R/\ufffd", zk.ErrBadArguments},
	{"R/\uffff", zk.ErrBadArguments},
	{"R/😀", zk.ErrBadArguments},
	{"R//a", zk.ErrNoNode},
	{"R/./a", zk.ErrNoNode},
	{"R/../a", zk.ErrNoNode},
	{"R/\x01/a", zk.ErrNoNode},
	{"/", zk.ErrNodeExists},
	{"//", zk.ErrBadArguments},
}

func createJudgesPaths(t *T) {
	c := t.open()
	root := c.create(t.path("r"), zk.ModePersistent)
	for _, v := range pathVerdicts {
		path := strings.ReplaceAll(v.path, "R", root)
		_, err := c.Create(path, nil, proto.OpenACL, zk.ModePersistent)
		switch {
		case v.want == zk.OK && err == nil:
			if _, err := c.Exists(path, false); err != nil {
				t.Errorf("exists %q after its create: %v", v.path, err)
			}
			c.delete(path)
		case v.want != zk.OK && err == v.want:
		default:
			t.Errorf("create %q: got %v, want %v", v.path, err, v.want)
		}
	}
}

func sequentialCreateJudgesThePathWithADigitBehind(t *T) {
	c := t.open()
	root := c.create(t.path("r"), zk.ModePersistent)
	for path, want := range map[string]error{
		"R/": nil, "R/.": nil, "R/..": nil, "R/a": nil,
		"R//": zk.ErrNoNode, "R": nil, "a": zk.ErrBadArguments, "": zk.ErrBadArguments,
		"R/\x01": zk.ErrBadArguments, "R/a\x00": zk.ErrBadArguments,
	} {
		_, err := c.Create(strings.ReplaceAll(path, "R", root), nil, proto.OpenACL, zk.ModePersistentSequential)
		if err != want {
			t.Errorf("sequential create %q: got %v, want %v", path, err, want)
		}
	}
}

func setDataAndSetACLJudgePaths(t *T) {
	c := t.open()
	root := c.create(t.path("r"), zk.ModePersistent)
	for path, want := range map[string]zk.Code{
		"": zk.ErrBadArguments, "a": zk.ErrBadArguments, "R/": zk.ErrBadArguments, "R//a": zk.ErrBadArguments,
		"R/./a": zk.ErrBadArguments, "R/../a": zk.ErrBadArguments, "R/\x00": zk.ErrBadArguments, "R/\ue000": zk.ErrBadArguments,
		"R/a": zk.ErrNoNode, "R/a/b": zk.ErrNoNode,
	} {
		path := strings.ReplaceAll(path, "R", root)
		if _, err := c.SetData(path, nil, -1); err != want {
			t.Errorf("setData %q: got %v, want %v", path, err, want)
		}
		if _, err := c.SetACL(path, proto.OpenACL, -1); err != want {
			t.Errorf("setACL %q: got %v, want %v", path, err, want)
		}
	}
}

func deleteLooksForSlashAndNULOnly(t *T) {
	c := t.open()
	root := c.create(t.path("r"), zk.ModePersistent)
	for path, want := range map[string]zk.Code{
		"": zk.ErrBadArguments, "a": zk.ErrBadArguments, "R/\x00": zk.ErrBadArguments,
		"R/": zk.ErrNoNode, "R//a": zk.ErrNoNode, "R/./a": zk.ErrNoNode, "R/..": zk.ErrNoNode, "R/\ue000": zk.ErrNoNode,
	} {
		if err := c.Delete(strings.ReplaceAll(path, "R", root), -1); err != want {
			t.Errorf("delete %q: got %v, want %v", path, err, want)
		}
	}
}

func readsLookForTheNodeOnly(t *T) {
	c := t.open()
	for _, path := range []string{"a", "//", "/zookeeper/", "/zookeeper/..", "/\x01", "/\ue000", "/😀"} {
		for _, op := range []zk.Op{zk.OpExists, zk.OpGetData, zk.OpGetChildren, zk.OpGetChildren2} {
			reply, err := c.Call(op, getDataRecord(path))
			t.ok(err)
			if reply.Err != zk.ErrNoNode {
				t.Errorf("%v of %q: got %v, want %v", op, path, reply.Err, zk.ErrNoNode)
			}
		}
	}
}

func existsRefusesNUL(t *T) {
	c := t.open()
	_, err := c.Exists("/a\x00", false)
	t.refused(err, zk.ErrBadArguments)
	_, _, err = c.GetData("/a\x00", false)
	t.refused(err, zk.ErrNoNode)
}

func longPathsAreAccepted(t *T) {
	c := t.open()
	p := t.path(strings.Repeat("n", 200_000))
	equal(t, "path", c.create(p, zk.ModePersistent), p)
	names, err := c.GetChildren(t.root, false)
	t.ok(err)
	sameItems(t, "names", names, p[len(t.root)+1:])
}

func unicodePathsAreAccepted(t *T) {
	c := t.open()
	for _, name := range []string{"grün", "中文", "Ω", "é", "e\u0301"} {
		c.create(t.path(name), zk.ModePersistent)
	}
	names, err := c.GetChildren(t.root, false)
	t.ok(err)
	sameItems(t, "names", names, "grün", "中文", "Ω", "é", "e\u0301")
}

func emptyPathIsTheRootToReads(t *T) {
	c := t.open()
	for _, op := range []zk.Op{zk.OpExists, zk.OpGetData, zk.OpGetChildren, zk.OpGetChildren2} {
		reply, err := c.Call(op, getDataRecord(""))
		t.ok(err)
		equal(t, op.String(), reply.Err, zk.OK)
	}
}

func nullPathIsTheEmptyPath(t *T) {
	c := t.open()
	null := slices.Clip(jute.AppendInt(nil, -1)) // each append to it makes a copy
	created, read := zk.ErrMarshalling, zk.ErrMarshalling
	if t.has(nullPath) {
		created, read = zk.ErrBadArguments, zk.OK
	}
	for _, test := range []struct {
		op     zk.Op
		record []byte
		want   zk.Code
	}{
		{zk.OpCreate, jute.AppendInt(proto.AppendACLs(jute.AppendInt(null, -1), proto.OpenACL), 0), created},
		{zk.OpSetData, jute.AppendInt(jute.AppendInt(null, -1), -1), zk.ErrBadArguments},
		{zk.OpGetData, jute.AppendBool(null, false), read},
	} {
		reply, err := c.Call(test.op, test.record)
		t.ok(err)
		equal(t, test.op.String(), reply.Err, test.want)
	}
}
