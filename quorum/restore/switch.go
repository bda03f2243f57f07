package restore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"zkd/quorum/replica"
	"zkd/quorum/vfs"
)

const (
	versionDir   = "version-2"
	incomingName = versionDir + ".restoring"
	beforePrefix = versionDir + ".before-restore-"
	afterPrefix  = versionDir + ".restored-"

	maxNoteBytes = 64 << 10
)

// move puts the directory incoming in the place of dir, which becomes aside.
type move struct{ dir, incoming, aside string }

// exists reports whether there is a file or directory of this name.
func exists(fsys vfs.FS, name string) (bool, error) {
	switch _, err := fsys.Stat(name); {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, err
	}
}

// perform makes all moves, or, where it returns an error, leaves the note with which rollBack undoes them.
func (t Target) perform(moves []move) error {
	if err := t.writeNote(moves); err != nil {
		return err
	}
	for _, m := range moves {
		if old, err := exists(t.FS, m.dir); err != nil {
			return err
		} else if old {
			if err := t.FS.Rename(m.dir, m.aside); err != nil {
				return err
			}
		}
		if err := t.FS.Rename(m.incoming, m.dir); err != nil {
			return err
		}
		if err := t.FS.SyncDir(path.Dir(m.dir)); err != nil {
			return err
		}
	}
	return t.removeNote()
}

// rollBack undoes the moves of a switch that was cut short. It reports whether there was one.
func (t Target) rollBack() (was bool, err error) {
	moves, err := t.readNote()
	if err != nil || moves == nil {
		return false, err
	}
	for _, m := range moves {
		if err := t.rollBackMove(m); err != nil {
			return true, fmt.Errorf("undo what was cut short: %w", err)
		}
	}
	return true, t.removeNote()
}

func (t Target) rollBackMove(m move) error {
	waiting, err := exists(t.FS, m.incoming)
	if err != nil {
		return err
	}
	there, err := exists(t.FS, m.dir)
	if err != nil {
		return err
	}
	if !waiting && there {
		if err := t.FS.Rename(m.dir, m.incoming); err != nil {
			return err
		}
	}
	aside, err := exists(t.FS, m.aside)
	if err != nil {
		return err
	}
	if aside {
		if err := t.FS.Rename(m.aside, m.dir); err != nil {
			return err
		}
	}
	return t.FS.SyncDir(path.Dir(m.dir))
}

func (t Target) note() string { return path.Join(t.DataDir, replica.RestoreNote) }

// writeNote makes the note durable: three lines for each move.
func (t Target) writeNote(moves []move) error {
	var text strings.Builder
	for _, m := range moves {
		for _, name := range []string{m.dir, m.incoming, m.aside} {
			if strings.Contains(name, "\n") {
				return fmt.Errorf("the name %q has a line break in it", name)
			}
			text.WriteString(name + "\n")
		}
	}
	tmp := t.note() + ".tmp"
	f, err := t.FS.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text.String()))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := t.FS.Rename(tmp, t.note()); err != nil {
		return err
	}
	return t.FS.SyncDir(t.DataDir)
}

// readNote returns nil without one.
func (t Target) readNote() ([]move, error) {
	f, err := t.FS.Open(t.note())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxNoteBytes))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines)%3 != 0 {
		return nil, fmt.Errorf("%s: is no note of a restore: %d lines", t.note(), len(lines))
	}
	var moves []move
	for i := 0; i < len(lines); i += 3 {
		moves = append(moves, move{lines[i], lines[i+1], lines[i+2]})
	}
	return moves, nil
}

func (t Target) removeNote() error {
	if err := t.FS.Remove(t.note()); err != nil {
		return err
	}
	return t.FS.SyncDir(t.DataDir)
}

// Unfinished reports whether a restore or its undoing was cut short, so that no server starts.
func (t Target) Unfinished() bool {
	there, err := exists(t.FS, t.note())
	return there || err != nil
}
