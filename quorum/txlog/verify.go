package txlog

import (
	"errors"
	"fmt"
	"path"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Entry is one record of a log file.
type Entry struct {
	File      string // path
	Offset    int64
	Zxid      zk.Zxid
	Payload   []byte // a view, valid during the call only
	Duplicate bool   // equal to an earlier record; a server skips it
}

// Finding is something about a log that is not as it should be.
type Finding struct {
	File   string // path
	Offset int64
	After  zk.Zxid // the last good record before it, 0 for none
	Reason string
	// Harmless findings are what a crash leaves: a server mends them when it starts. Any other one
	// stops a server, unless it starts from a snapshot beyond it.
	Harmless bool
}

// String says what was found and where.
func (f Finding) String() string {
	kind := "damage"
	if f.Harmless {
		kind = "harmless"
	}
	return fmt.Sprintf("%s: byte %d, behind zxid %v: %s (%s)", f.File, f.Offset, f.After, f.Reason, kind)
}

// Summary is what Verify saw.
type Summary struct {
	Files       int
	Records     int64 // without duplicates
	Duplicates  int64
	Bytes       int64 // of records
	First, Last zk.Zxid
	Findings    []Finding
}

// OK reports whether a server would start from the log, whatever its snapshots.
func (s *Summary) OK() bool {
	for _, f := range s.Findings {
		if !f.Harmless {
			return false
		}
	}
	return true
}

// Verify reads name, a log file or a log directory, and calls report, if not nil, for each good
// record in order. It changes nothing, needs no more memory than one record, and goes on with the
// next file behind damage. maxPayload 0 is DefaultMaxPayload. The error is one of report or of
// reading; damage is in the findings.
func Verify(fsys vfs.FS, name string, maxPayload int, report func(Entry) error) (Summary, error) {
	v := verifier{fs: fsys, o: Options{MaxPayload: maxPayload}.withDefaults(), report: report}
	info, err := fsys.Stat(name)
	if err != nil {
		return v.sum, fmt.Errorf("txlog: %w", err)
	}
	open := func(logFile) (vfs.File, error) { return fsys.Open(name) }
	if info.IsDir() {
		v.end = ending{fs: fsys, dir: name, o: v.o}
		if v.files, _, err = listFiles(fsys, name); err != nil {
			return v.sum, err
		}
		if v.end.mark, _, v.end.marked, err = readMark(fsys, name); err != nil {
			return v.sum, err
		}
		open = opener(fsys, name)
		v.path = func(f logFile) string { return f.path(name) }
	} else {
		first, _ := parseName(path.Base(name)) // 0: the name does not tell
		v.files = []logFile{{first: first, end: -1}}
		v.path = func(logFile) string { return name }
	}
	v.chain = chain{open: open, maxPayload: v.o.MaxPayload}
	for i := range v.files {
		if err := v.file(i); err != nil {
			return v.sum, errors.Join(err, v.chain.close())
		}
	}
	if v.end.mark.zxid > v.sum.Last {
		v.find(len(v.files)-1, v.offset, fmt.Sprintf("the log was once durable up to %v; what is missing is forgotten unless a snapshot holds it", v.end.mark.zxid), true)
	}
	return v.sum, v.chain.close()
}

type verifier struct {
	fs     vfs.FS
	o      Options
	report func(Entry) error
	files  []logFile
	path   func(logFile) string
	end    ending // the mark, and what it allows
	chain  chain
	offset int64 // behind the last good record
	sum    Summary
}

func (v *verifier) find(i int, offset int64, reason string, harmless bool) {
	name := v.end.dir
	if i >= 0 {
		name = v.path(v.files[i])
	}
	v.sum.Findings = append(v.sum.Findings, Finding{name, offset, v.chain.last, reason, harmless})
}

// file reads one file.
func (v *verifier) file(i int) error {
	f, err := v.chain.open(v.files[i])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("txlog: stat %s: %w", f.Name(), err)
	}
	v.sum.Files++
	v.offset = 0
	empty, bad, err := checkHeader(f, info.Size())
	switch {
	case err != nil:
		return err
	case empty:
		v.find(i, 0, "the file is empty", true)
		return nil
	case bad != "":
		v.find(i, 0, bad, false)
		return nil
	}
	s := newScanner(f, headerBytes, info.Size(), v.o.MaxPayload)
	for {
		r, why, err := s.next()
		if err != nil {
			return err
		}
		v.offset = s.pos
		if why != stopNone {
			return v.tail(i, s, why)
		}
		if err := v.record(i, r); err != nil {
			return err
		}
	}
}

// record checks and reports one record.
func (v *verifier) record(i int, r record) error {
	if first := v.files[i].first; r.offset == headerBytes && first != 0 && r.zxid != first {
		v.find(i, r.offset, fmt.Sprintf("the first txn is %v, the name of the file says %v", r.zxid, first), false)
	}
	skip, bad, err := v.chain.next(v.files, i, r)
	if err != nil {
		return err
	}
	if bad != "" {
		v.find(i, r.offset, bad, false)
		v.chain.last = max(v.chain.last, r.zxid)
	}
	if skip {
		v.sum.Duplicates++
	} else {
		v.sum.Records++
	}
	if v.sum.First == 0 {
		v.sum.First = r.zxid
	}
	v.sum.Bytes += r.end - r.offset
	v.sum.Last = v.chain.last
	if v.report == nil {
		return nil
	}
	return v.report(Entry{v.path(v.files[i]), r.offset, r.zxid, r.payload, skip})
}

// tail judges what follows the last good record of a file.
func (v *verifier) tail(i int, s *scanner, why stop) error {
	t, err := inspectTail(s, why, v.chain.last)
	if err != nil {
		return err
	}
	if i == len(v.files)-1 {
		if t.kind == tailClean {
			return nil
		}
		refused := v.end.refuse(v.files[i], t)
		if refused == "" {
			refused = t.reason
			v.find(i, t.offset, refused+"; torn by a crash", true)
			return nil
		}
		v.find(i, t.offset, refused, false)
		return nil
	}
	if t.kind != tailClean {
		// A torn tail that ZooKeeper left lost nothing if the next file goes on behind it; if not, the
		// gap is a finding of its own.
		v.find(i, t.offset, t.reason, t.kind == tailTorn)
	}
	return nil
}
