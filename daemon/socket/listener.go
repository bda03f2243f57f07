package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	socketMode = 0o660
	// groupName is the group whose members may use the socket of a server that root runs.
	groupName = "zkd"
	// dirMode is that of a runtime directory which is not there yet.
	dirMode = 0o755
)

// listener is the socket of one path.
type listener struct {
	*net.UnixListener
	path string
	file fs.FileInfo
	gid  int
}

// listen opens the socket under a name of its own, and gives it its name only when it has its mode and group. So
// nobody finds it with others, and what stood there before is replaced in one step.
func listen(path string) (*listener, error) {
	if err := os.Mkdir(filepath.Dir(path), dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("operators' socket: %w", err)
	}
	if err := mayReplace(path); err != nil {
		return nil, fmt.Errorf("operators' socket %s: %w", path, err)
	}
	tmp := path + "." + strconv.Itoa(os.Getpid())
	if len(tmp) > len(syscall.RawSockaddrUnix{}.Path)-1 {
		return nil, fmt.Errorf("operators' socket: the path %s is too long for a socket: set admin.socket", path)
	}
	_ = os.Remove(tmp) // of an earlier process with this number
	ul, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("operators' socket: %w", err)
	}
	ul.SetUnlinkOnClose(false)
	l := &listener{UnixListener: ul, path: path}
	if l.file, err = os.Lstat(tmp); err == nil {
		l.gid = giveToGroup(tmp, l.file)
		err = os.Chmod(tmp, socketMode)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		ul.Close()
		_ = os.Remove(tmp) // the error before says more
		return nil, fmt.Errorf("operators' socket: %w", err)
	}
	return l, nil
}

// mayReplace returns an error if path is there and is anything but a socket that nobody answers on.
func mayReplace(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file of this name that is no socket")
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("another server answers on it: %w", syscall.EADDRINUSE)
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// giveToGroup gives the socket of a server that root runs to the group zkd, where there is one and it can, and returns
// the group that the socket has. That of any other server has the right one from the start, and the unit forbids it
// to give files away.
func giveToGroup(name string, info fs.FileInfo) (gid int) {
	gid = os.Getegid()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		gid = int(st.Gid)
	}
	if os.Geteuid() != 0 {
		return gid
	}
	g, err := user.LookupGroup(groupName)
	if err != nil {
		return gid
	}
	if want, err := strconv.Atoi(g.Gid); err == nil && os.Chown(name, -1, want) == nil {
		return want
	}
	return gid
}

// Close closes the socket and removes its file, unless another has taken its place.
func (l *listener) Close() error {
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.file) {
		_ = os.Remove(l.path) // left behind, it is replaced at the next start
	}
	return l.UnixListener.Close()
}

// caller is the process on the other side, as it was when it connected.
type caller struct {
	known         bool
	uid, gid, pid int
	groups        []int
}

type callerKey struct{}

// withCaller is a ConnContext: it notes who connected.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, callerKey{}, callerAt(c))
}

func callerOf(ctx context.Context) caller {
	who, _ := ctx.Value(callerKey{}).(caller)
	return who
}

func callerAt(c net.Conn) (who caller) {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return who
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return who
	}
	_ = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			who = caller{known: true, uid: int(cred.Uid), gid: int(cred.Gid), pid: int(cred.Pid), groups: peerGroups(fd)}
		}
	})
	return who
}

// peerGroups returns the further groups of the other side; none where the kernel, before 4.13, does not tell.
func peerGroups(fd uintptr) []int {
	var ids [256]uint32
	size := uint32(unsafe.Sizeof(ids))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
		uintptr(unsafe.Pointer(&ids)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return nil
	}
	var groups []int
	for _, id := range ids[:size/4] {
		groups = append(groups, int(id))
	}
	return groups
}

// allowed returns why somebody may not use the socket, nil if he may.
func (l *listener) allowed(who caller) error {
	switch {
	case !who.known:
		return errors.New("the kernel does not tell who asks")
	case who.uid == 0, who.uid == os.Geteuid(), who.gid == l.gid, slices.Contains(who.groups, l.gid):
		return nil
	}
	return fmt.Errorf("user %d may not use the operators' socket: root may, the user of the server, and the members of group %d", who.uid, l.gid)
}
