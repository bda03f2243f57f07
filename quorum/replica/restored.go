package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// RestoreNote is the file in the data directory that is there while a backup takes the place of the data. Until it is
// gone, what the directory holds is neither the one nor the other, and no server may start from it.
const RestoreNote = "zkd.restoring"

// ErrRestoreUnfinished refuses a start: a restore was cut short.
var ErrRestoreUnfinished = errors.New("a restore was cut short: run zkd snapshot restore again, or zkd snapshot restore --undo")

// checkRestored refuses a directory in which a restore was cut short.
func (r *Replica) checkRestored() error {
	dir := path.Dir(r.cfg.SnapDir)
	switch _, err := r.cfg.FS.Stat(path.Join(dir, RestoreNote)); {
	case err == nil:
		return fmt.Errorf("data directory %s: %w", dir, ErrRestoreUnfinished)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return fmt.Errorf("data directory %s: %w", dir, err)
	}
}
