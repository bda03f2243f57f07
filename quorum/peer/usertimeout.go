package peer

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// giveUpUnacknowledged ends a connection whose other side does not acknowledge what was sent for so long: a pulled
// cable is noticed with the next vote, and not after the quarter of an hour for which TCP sends again. Where the
// connection is no TCP socket, or the kernel will not, it is noticed later.
func giveUpUnacknowledged(nc net.Conn, after time.Duration) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(after.Milliseconds()))
	})
}
