package sd

import (
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listeners returns the sockets that the manager opened for this process (LISTEN_FDS), by the name
// that the socket unit gives them in FileDescriptorName=. The map is empty when there are none. To
// be called once: the variables are taken out of the environment.
func Listeners() (map[string][]net.Listener, error) {
	return activation.ListenersWithNames()
}
