package inspect

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// VerifyLog reads the log file called name, or all of the log in the directory of that name, and
// writes what it found to w: a line for each file, then the verdict, which is what a server would
// make of the log at its next start. An unfinished end, as a crash leaves it, is no damage; a gap
// between two files is none either, because a snapshot may cover it, but is named. Txns before
// Options.From are not looked at.
//
// The error wraps ErrDamaged if a server would refuse the log or could not apply a txn of it.
func VerifyLog(fsys vfs.FS, name string, w io.Writer, o Options) error {
	files, dir, err := logFiles(fsys, name)
	if err != nil {
		return err
	}
	p := newPrinter(w, o)
	v := &logVerifier{p: p}
	for _, file := range files {
		if err := v.file(fsys, file); err != nil {
			return errors.Join(err, p.flush())
		}
	}
	if _, ok := parseLogName(path.Base(name)); ok || dir != "" {
		err = v.asServer(fsys, name, dir, o)
	} else {
		err = v.fileProblem // a copy by another name: no server would read it
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return errors.Join(err, p.flush())
	}
	p.begin("verdict")
	p.bool("ok", err == nil)
	p.int("files", int64(len(files)))
	p.int("txns", v.txns)
	p.zxid("last", v.last)
	if err != nil {
		p.text("problem", err.Error())
	}
	if len(v.notes) > 0 {
		p.text("note", strings.Join(v.notes, "; "))
	}
	p.end()
	if err := p.flush(); err != nil {
		return fmt.Errorf("inspect: write: %w", err)
	}
	if err != nil {
		return fmt.Errorf("inspect: %s: %w", name, err)
	}
	return nil
}

// logVerifier collects what is known of a log.
type logVerifier struct {
	p           *printer
	files       []fileScan
	txns        int64
	last        zk.Zxid
	notes       []string
	fileProblem error // the first damage in a file as it is
}

// fileScan is what a file holds.
type fileScan struct {
	name  string // with its directory
	whole bool
	logScan
}

// progressEvery is after how many txns of a log Options.Progress is told.
const progressEvery = 1024

// file prints what one file holds.
func (v *logVerifier) file(fsys vfs.FS, file logName) error {
	progress, txns, bytes := v.p.options.of(file.name), int64(0), int64(0)
	found, err := scanLog(fsys, file.name, v.p.options, func(_ *proto.Txn, sizeBytes int) {
		if txns, bytes = txns+1, bytes+int64(sizeBytes); progress != nil && txns%progressEvery == 0 {
			_ = progress(bytes, txns) // never fails
		}
	}, func() error { return v.p.err })
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	stat, statErr := fsys.Stat(file.name)
	if statErr != nil {
		return fmt.Errorf("inspect: %w", statErr)
	}
	v.files = append(v.files, fileScan{file.name, err == nil, found})
	v.txns += found.txns
	v.last = max(v.last, found.last)
	if err != nil && v.fileProblem == nil {
		v.fileProblem = err
	}
	v.p.begin("file")
	v.p.text("name", path.Base(file.name))
	v.p.int("bytes", stat.Size())
	v.p.int("txns", found.txns)
	if found.txns > 0 {
		v.p.zxid("first", found.first)
		v.p.zxid("last", found.last)
	}
	v.p.int("end", found.end)
	if err != nil {
		v.p.text("problem", err.Error())
	}
	v.p.end()
	return nil
}

// asServer opens and reads the log as a server does, without its changes reaching the disk.
func (v *logVerifier) asServer(fsys vfs.FS, name, dir string, o Options) (err error) {
	discard := newDiscardFS(fsys, "")
	if dir == "" {
		dir = path.Dir(name)
		discard.only = path.Join(dir, path.Base(name))
	}
	log, recovery, err := txlog.Open(discard, dir, txlog.Options{Inline: true, MaxPayload: o.MaxTxnBytes})
	if err != nil {
		return damagedLog(err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	v.note(recovery)
	v.last = recovery.Last
	for from := o.From; ; {
		err := v.read(log, from)
		gap := v.behindGap(err, from)
		if gap == 0 {
			return damagedLog(err)
		}
		v.notes = append(v.notes, fmt.Sprintf("txns are missing before %v: a start needs a snapshot at or above what is missing", gap))
		from = gap
	}
}

// note says what recovery would mend.
func (v *logVerifier) note(r txlog.Recovery) {
	if r.CutFile != "" {
		v.notes = append(v.notes, fmt.Sprintf("%s has an unfinished end, as a crash leaves it: the next start cuts %d bytes behind byte %d",
			r.CutFile, r.CutBytes, r.CutOffset))
	}
	if len(r.EmptyFilesRemoved) > 0 {
		v.notes = append(v.notes, fmt.Sprintf("the next start removes %s, which hold no txn", strings.Join(r.EmptyFilesRemoved, ", ")))
	}
	if r.BelowMark {
		v.notes = append(v.notes, fmt.Sprintf("the log once reached %v: what was behind its end is lost", r.Mark))
	}
}

// read reads all txns from a zxid on.
func (v *logVerifier) read(log *txlog.Log, from zk.Zxid) error {
	r, err := log.Read(from)
	if err != nil {
		return err
	}
	defer r.Close()
	var t proto.Txn
	for {
		zxid, payload, err := r.Next()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := proto.DecodeTxn(payload, &t); err != nil {
			return fmt.Errorf("%w: txn %v cannot be applied: %w", ErrDamaged, zxid, err)
		}
	}
}

// behindGap returns the zxid behind a gap between two files, if that is what err is about, else 0.
func (v *logVerifier) behindGap(err error, from zk.Zxid) zk.Zxid {
	corrupt := (*txlog.CorruptError)(nil)
	if !errors.As(err, &corrupt) || corrupt.Offset != logHeaderBytes {
		return 0
	}
	i := slices.IndexFunc(v.files, func(f fileScan) bool { return f.name == corrupt.File })
	if i <= 0 || v.files[i].first <= max(corrupt.After, from) {
		return 0
	}
	if before := v.files[i-1]; !before.whole || before.last != corrupt.After || v.files[i].first.Follows(before.last) {
		return 0
	}
	return v.files[i].first
}

// damagedLog marks what is an error about contents.
func damagedLog(err error) error {
	if corrupt := (*txlog.CorruptError)(nil); errors.As(err, &corrupt) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
