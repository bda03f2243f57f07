package daemon

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// IsTerminal reports whether what is written to out is read by a person at a terminal. /dev/null, which is a character
// device as well, is none.
func IsTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
