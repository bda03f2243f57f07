package quorum

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// backlog is how many clients may wait to be accepted, as far as net.core.somaxconn allows: after an election all of
	// them come at once. Go takes the bound from a file in /proc that a hardened unit does not show.
	backlog = 4096
	// filesBeside is how many descriptors are kept from clients, for the log, snapshots, the other members and operators.
	filesBeside = 256
)

func (s *Server) listen() ([]net.Listener, error) {
	listeners := append([]net.Listener(nil), s.cfg.Listeners...)
	if len(listeners) > 0 {
		return listeners, nil
	}
	// Keep-alive is off as in ZooKeeper: sessions find dead clients sooner.
	lc := net.ListenConfig{KeepAlive: -1}
	for _, addr := range s.cfg.ClientAddrs {
		l, err := lc.Listen(context.Background(), "tcp", addr)
		if err != nil {
			closeAll(listeners)
			return nil, fmt.Errorf("client port: %w", err)
		}
		deepen(l)
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// deepen gives a listener its backlog: listen(2) may be called again.
func deepen(l net.Listener) {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.Listen(int(fd), backlog) // or it stays as it is
		})
	}
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// turnAway closes what connects until the function that it returns is called: while the data is loaded, which may take
// minutes, clients should go on to the next server and not wait here.
func turnAway(listeners []net.Listener) (stop func()) {
	var running sync.WaitGroup
	var woken []*net.TCPListener
	for _, l := range listeners {
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			continue
		}
		woken = append(woken, tcp)
		running.Go(func() {
			for {
				nc, err := tcp.Accept()
				if err != nil {
					return
				}
				nc.Close()
			}
		})
	}
	return func() {
		for _, tcp := range woken {
			_ = tcp.SetDeadline(time.Unix(1, 0)) // fails only on a closed one, whose Accept has returned
		}
		running.Wait()
		for _, tcp := range woken {
			_ = tcp.SetDeadline(time.Time{})
		}
	}
}

// mostConns is how many client connections there may be: what is configured, 0 for no bound, and no more than the process has
// descriptors for. A client that is refused goes to another server; a server without descriptors can do nothing.
func mostConns(configured int, files uint64) int {
	most := int(min(files, 1<<30))
	if most -= min(filesBeside, most/2); configured > 0 {
		most = min(most, configured)
	}
	return most
}

// maxFiles returns how many descriptors the process may have open: Go has raised the soft limit to the hard one.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // what POSIX systems begin with
	}
	return limit.Cur
}
