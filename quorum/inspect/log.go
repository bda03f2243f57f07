package inspect

import (
	"errors"
	"fmt"
	"io"
	"path"

	"zkd/quorum/proto"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// DumpLog writes the txns of the log file called name, or of all log files in the directory of
// that name, to w: those from Options.From to Options.To. In a damaged file it goes as far as
// records are whole, says where they end, and goes on with the next file.
func DumpLog(fsys vfs.FS, name string, w io.Writer, o Options) error {
	files, _, err := logFiles(fsys, name)
	if err != nil {
		return err
	}
	p := newPrinter(w, o)
	bad := 0
	for i, file := range files {
		if i+1 < len(files) && files[i+1].first <= o.From || o.To > 0 && file.first > o.To {
			continue // its txns are all before or behind what is asked for
		}
		err := dumpLogFile(fsys, file.name, p)
		if errors.Is(err, ErrDamaged) {
			bad++
		} else if err != nil {
			return errors.Join(err, p.flush())
		}
		if p.err != nil {
			break
		}
	}
	if err := p.flush(); err != nil {
		return fmt.Errorf("inspect: write: %w", err)
	}
	if bad > 0 {
		return fmt.Errorf("inspect: %s: %w: %d of %d log files", name, ErrDamaged, bad, len(files))
	}
	return nil
}

// dumpLogFile prints the txns of one file.
func dumpLogFile(fsys vfs.FS, name string, p *printer) error {
	found, err := scanLog(fsys, name, p.options, func(t *proto.Txn, sizeBytes int) {
		if t.Header.Zxid >= p.options.From && (p.options.To == 0 || t.Header.Zxid <= p.options.To) {
			p.txn(t, sizeBytes)
		}
	}, func() error { return p.err })
	if errors.Is(err, ErrDamaged) {
		p.begin("damage")
		p.text("file", path.Base(name))
		p.int("offset", found.end)
		p.text("problem", err.Error())
		p.end()
	}
	return err
}

// logScan is what a log file holds.
type logScan struct {
	txns        int64
	first, last zk.Zxid // 0 for none
	end         int64   // offset behind the last whole record
}

// scanLog calls visit for each txn of a file, in order, until stop returns an error. What is wrong
// with the file's contents wraps ErrDamaged.
func scanLog(fsys vfs.FS, name string, o Options, visit func(t *proto.Txn, sizeBytes int), stop func() error) (found logScan, err error) {
	l, err := openLog(fsys, name)
	if bad := (*badRecordError)(nil); errors.As(err, &bad) {
		return logScan{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	} else if err != nil {
		return logScan{}, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	l.mostBytes = max(l.mostBytes, o.MaxTxnBytes)
	var t proto.Txn
	for {
		found.end = l.offset
		payload, err := l.next()
		if bad := (*badRecordError)(nil); errors.As(err, &bad) {
			return found, fmt.Errorf("%w: %w", ErrDamaged, err)
		} else if err == io.EOF {
			return found, nil
		} else if err != nil {
			return found, err
		}
		if err := proto.DecodeTxn(payload, &t); err != nil {
			return found, fmt.Errorf("%w: at byte %d: %w", ErrDamaged, found.end, err)
		}
		if found.txns++; found.txns == 1 {
			found.first = t.Header.Zxid
		}
		found.last = t.Header.Zxid
		visit(&t, len(payload))
		if err := stop(); err != nil {
			return found, err
		}
	}
}
