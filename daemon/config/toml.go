package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"zkd/quorum/zk"
)

// tomlLeaf is one key of a TOML file with its value, or a table that zkd does not know.
type tomlLeaf struct {
	key   toml.Key
	value any
	pos   toml.Position
	table bool
}

// tomlReader overlays one TOML file on a Config.
type tomlReader struct {
	*report
	cfg    *Config
	file   string
	text   string
	meta   toml.MetaData
	fields map[string]field
	tables map[string]bool
	names  []string // of all fields, for suggestions
}

// readTOML overlays text on cfg and reports every key that is unknown or has a value of the wrong
// type. A syntax error ends the reading: what follows it has no certain meaning.
func readTOML(file string, text []byte, cfg *Config, rep *report) {
	r := &tomlReader{report: rep, cfg: cfg, file: file, text: strings.TrimPrefix(string(text), "\ufeff"),
		fields: map[string]field{}, tables: map[string]bool{serversTable: true, groupsTable: true, weightsTable: true, fromTable: true}}
	for _, f := range fields() {
		r.fields[f.Name] = f
		r.names = append(r.names, f.Name)
		if table, _, ok := cutLast(f.Name); ok {
			r.tables[table] = true
		}
	}
	var root map[string]toml.Primitive
	var err error
	if r.meta, err = toml.Decode(r.text, &root); err != nil {
		r.syntax(err)
		return
	}
	leaves := r.walk(nil, root, nil)
	slices.SortStableFunc(leaves, func(a, b tomlLeaf) int { return cmp.Compare(a.pos.Start, b.pos.Start) })
	for _, l := range leaves {
		r.leaf(l)
	}
	slices.SortFunc(cfg.Servers, func(a, b Server) int { return cmp.Compare(a.ID, b.ID) })
}

func (r *tomlReader) syntax(err error) {
	at := Source{File: r.file}
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		r.errorf(at, "", "%v", err)
		return
	}
	at.Line, at.Column = r.lineColumn(parse.Position.Start)
	at.Key = parse.LastKey
	r.errorf(at, "", "%s", strings.TrimSuffix(parse.Message, "."))
}

// walk collects the keys of a table and of the known tables in it.
func (r *tomlReader) walk(prefix toml.Key, table map[string]toml.Primitive, leaves []tomlLeaf) []tomlLeaf {
	for name, primitive := range table { // sorted by position afterwards
		l := tomlLeaf{key: append(slices.Clone(prefix), name), pos: r.position(primitive)}
		if err := r.meta.PrimitiveDecode(primitive, &l.value); err != nil {
			r.errorf(r.source(l), "", "%v", err)
			continue
		}
		_, l.table = l.value.(map[string]any)
		dotted := strings.Join(l.key, ".")
		var inner map[string]toml.Primitive
		if l.table && (r.tables[dotted] || r.inTable(dotted)) && r.meta.PrimitiveDecode(primitive, &inner) == nil {
			leaves = r.walk(l.key, inner, leaves)
			continue
		}
		if l.pos.Line == 0 { // a table that no header names: a.b.c = 1 makes a and a.b
			l.pos = r.firstPosition(primitive)
		}
		leaves = append(leaves, l)
	}
	return leaves
}

// inTable reports whether a known table lies below name.
func (r *tomlReader) inTable(name string) bool {
	for t := range r.tables {
		if strings.HasPrefix(t, name+".") {
			return true
		}
	}
	return false
}

// locator refuses every value: package toml puts the position of a value into the error of its
// decoding and offers no other way to learn it.
type locator struct{}

func (locator) UnmarshalTOML(any) error { return errors.New("located") }

func (r *tomlReader) position(p toml.Primitive) toml.Position {
	var located toml.ParseError
	errors.As(r.meta.PrimitiveDecode(p, &locator{}), &located)
	return located.Position
}

// firstPosition is the position of the first key with one in the table p.
func (r *tomlReader) firstPosition(p toml.Primitive) (first toml.Position) {
	var inner map[string]toml.Primitive
	if r.meta.PrimitiveDecode(p, &inner) != nil {
		return first
	}
	for _, q := range inner {
		pos := r.position(q)
		if pos.Line == 0 {
			pos = r.firstPosition(q)
		}
		if pos.Line > 0 && (first.Line == 0 || pos.Start < first.Start) {
			first = pos
		}
	}
	return first
}

// lineColumn translates an offset. Package toml's own column is wrong at the start of a line.
func (r *tomlReader) lineColumn(offset int) (line, column int) {
	before := r.text[:min(max(offset, 0), len(r.text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// source says where a key stands. Package toml knows the position of its value, and of the header of
// a table: the key itself is looked for on the same line.
func (r *tomlReader) source(l tomlLeaf) Source {
	s := Source{File: r.file, Key: l.key.String(), Value: valueText(l.value)}
	if l.pos.Line == 0 {
		return s
	}
	end := min(l.pos.Start, len(r.text))
	start := strings.LastIndexByte(r.text[:end], '\n') + 1
	if l.table {
		if i := strings.IndexByte(r.text[start:], '\n'); i >= 0 {
			end = start + i
		} else {
			end = len(r.text)
		}
	}
	s.Line, s.Column = r.lineColumn(l.pos.Start)
	for i := range l.key { // as much of a dotted key as is written there
		if at := strings.LastIndex(r.text[start:end], strings.Join(l.key[i:], ".")); at >= 0 {
			_, s.Column = r.lineColumn(start + at)
			break
		}
	}
	return s
}

func (r *tomlReader) leaf(l tomlLeaf) {
	at := r.source(l)
	dotted := strings.Join(l.key, ".")
	table, last, _ := cutLast(dotted)
	f, known := r.fields[dotted]
	switch {
	case len(l.key) != strings.Count(dotted, ".")+1: // "client.listen" in quotes is one odd name
		r.unknown(at, l)
		return
	case known:
		if f.secret {
			at.Value = ""
		}
		if must := f.decode(r.cfg, l.value); must != "" {
			r.breakKey(dotted)
			r.errorf(at, f.defaultFix(), "%s", must)
			return
		}
	case table == serversTable:
		if !r.server(at, last, l.value) {
			r.breakKey(serversTable)
			return
		}
	case table == groupsTable:
		if !r.group(at, last, l.value) {
			r.breakKey(groupsTable)
			return
		}
	case table == weightsTable:
		if !r.weight(at, last, l.value) {
			r.breakKey(weightsTable)
			return
		}
	case table == fromTable:
		if !r.from(at, last, l.value) {
			r.breakKey(fromTable)
			return
		}
	default:
		r.unknown(at, l)
		return
	}
	if !known {
		dotted = memberKey(table, last)
	}
	r.cfg.setSource(dotted, at)
}

func (r *tomlReader) unknown(at Source, l tomlLeaf) {
	dotted := strings.Join(l.key, ".")
	table, last, nested := cutLast(dotted)
	if r.tables[dotted] {
		r.breakKey(dotted)
		r.errorf(at, "write ["+dotted+"] on a line of its own and its keys below", "is a table, not a value")
		return
	}
	if l.table {
		fix := ""
		if near := nearest(dotted, sortedNames(r.tables)); near != "" {
			fix = "did you mean [" + near + "]?"
		}
		r.errorf(at, fix, "zkd knows no such table")
		return
	}
	fix := ""
	if to := javaName(last); to != "" {
		fix = "ZooKeeper's " + last + " is " + to + " here"
	} else if near := r.nearestKey(table, last); near != "" {
		fix = "did you mean " + near + "?"
	}
	if nested && !r.tables[table] {
		r.errorf(at, fix, "zkd knows no table %q", table)
		return
	}
	r.errorf(at, fix, "zkd knows no such key")
}

// nearestKey prefers a key of the same table, then one that only lacks its table, then the nearest.
func (r *tomlReader) nearestKey(table, last string) string {
	var here, lasts []string
	full := map[string]string{}
	for _, name := range r.names {
		t, l, _ := cutLast(name)
		if t == table {
			here = append(here, l)
		}
		if full[l] == "" {
			full[l] = name
			lasts = append(lasts, l)
		}
	}
	near := nearest(last, here)
	if near != "" {
		return strings.TrimPrefix(table+"."+near, ".")
	}
	return full[nearest(last, lasts)]
}

func (r *tomlReader) server(at Source, name string, v any) bool {
	id, ok := parseServerID(name)
	if !ok {
		r.errorf(at, "", "the id of a server must be from %d to %d", zk.MinServerID, zk.MaxServerID)
		return false
	}
	text, ok := v.(string)
	if !ok {
		r.errorf(at, "", `must be a string, such as "192.168.1.3:2888:3888"`)
		return false
	}
	s, wrong := parseServer(id, text, true)
	if wrong != "" {
		r.errorf(at, "", "%s", wrong)
		return false
	}
	r.cfg.Servers = append(r.cfg.Servers, s)
	return true
}

func (r *tomlReader) group(at Source, name string, v any) bool {
	n, err := strconv.ParseInt(name, 10, 64)
	list, ok := v.([]any)
	var members []zk.ServerID
	for _, e := range list {
		id, isInt := e.(int64)
		ok = ok && isInt && wrongID(zk.ServerID(id)) == ""
		members = append(members, zk.ServerID(id))
	}
	if err != nil || !ok || len(members) == 0 {
		r.errorf(at, "", "must be a number and the ids of the group's servers: 1 = [1, 2, 3]")
		return false
	}
	r.cfg.Ensemble.addGroup(n, members)
	return true
}

func (r *tomlReader) weight(at Source, name string, v any) bool {
	id, okID := parseServerID(name)
	n, ok := v.(int64)
	if !ok || !okID || n < 0 {
		r.errorf(at, "", "must be a server's id and its weight, 0 or more: 1 = 2")
		return false
	}
	r.cfg.Ensemble.setWeight(id, n)
	return true
}

func (e *Ensemble) addGroup(n int64, members []zk.ServerID) {
	if e.Groups == nil {
		e.Groups = make(map[int64][]zk.ServerID)
	}
	e.Groups[n] = members
}

func (e *Ensemble) setWeight(id zk.ServerID, n int64) {
	if e.Weights == nil {
		e.Weights = make(map[zk.ServerID]int64)
	}
	e.Weights[id] = n
}

// cutLast splits "a.b.c" into "a.b" and "c"; ok is false, and all is last, without a dot.
func cutLast(dotted string) (table, last string, ok bool) {
	i := strings.LastIndexByte(dotted, '.')
	if i < 0 {
		return "", dotted, false
	}
	return dotted[:i], dotted[i+1:], true
}

func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for n := range set {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
