package txlog

import (
	"errors"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// What an operator decides about a log that no server has open.

// Foresee says what Open would find and mend, and changes nothing. maxPayload 0 is DefaultMaxPayload.
// Damage is a [*CorruptError].
func Foresee(fsys vfs.FS, dir string, maxPayload int) (Recovery, error) {
	e, err := inspect(fsys, dir, Options{MaxPayload: maxPayload}.withDefaults())
	if err != nil {
		return Recovery{}, err
	}
	return e.recovery(), nil
}

// Reached returns how far a log has reached at least, whatever is damaged in it: by its mark, the names of
// its files and the whole records of the last one. 0 for an empty log.
func Reached(fsys vfs.FS, dir string, maxPayload int) (zk.Zxid, error) {
	e := ending{fs: fsys, dir: dir, o: Options{MaxPayload: maxPayload}.withDefaults()}
	var err error
	if e.files, _, err = listFiles(fsys, dir); err != nil {
		return 0, err
	}
	if e.mark, _, _, err = readMark(fsys, dir); err != nil {
		return 0, err
	}
	reached := e.mark.zxid
	if n := len(e.files); n > 0 {
		last, _ := e.highest(e.files[n-1]) // what cannot be read tells nothing
		reached = max(reached, e.files[n-1].first, last)
	}
	return reached, nil
}

// GiveUp makes durable that what the log in dir holds, up to reached, counts as forgotten: Open says so, over
// restarts and crashes, whatever becomes of the log files meanwhile, until [Log.Replace] puts a history
// from elsewhere in its place. The log itself is not touched.
func GiveUp(fsys vfs.FS, dir string, reached zk.Zxid) error {
	m, seq, _, err := readMark(fsys, dir)
	if err != nil {
		return err
	}
	w, err := openMark(fsys, dir, seq)
	if err != nil {
		return err
	}
	m.givenUp, m.zxid = true, max(m.zxid, reached)
	return errors.Join(w.write(m), w.f.Close())
}

// AcceptEnd lowers the mark of the log in dir to where the log ends: what it has lost is not asked for any
// more. The log is opened for it, and mended as by Open. Until it returns, the loss is still known.
func AcceptEnd(fsys vfs.FS, dir string, maxPayload int) (Recovery, error) {
	l, rec, err := Open(fsys, dir, Options{MaxPayload: maxPayload, Inline: true})
	if err != nil {
		return rec, err
	}
	l.mu.Lock()
	l.forgotten, l.givenUp = 0, false
	l.synced.zxid, l.synced.givenUp = l.last, false
	l.mu.Unlock()
	return rec, l.Close()
}
