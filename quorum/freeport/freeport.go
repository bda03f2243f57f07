// Package freeport finds ports for servers that tests start.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
)

// The ports lie below the range from which the kernel takes those of outgoing connections (ip_local_port_range): there, a
// client that dials its dead server again and again would sooner or later be given the very port it
// dials, connect to itself, and keep the server from binding.
const low, high = 20000, 32000

// Take returns n ports of 127.0.0.1 that were free a moment ago, all different. It fails the test if there are none.
func Take(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range 100 * n {
		port := low + rand.IntN(high-low)
		if slices.Contains(ports, port) {
			continue
		}
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatalf("no %d free ports between %d and %d", n, low, high)
	return nil
}
