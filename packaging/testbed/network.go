package testbed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// The networks, all of documentation ranges. Source: RFC 5737, RFC 3849.
var (
	LAN4 = netip.MustParsePrefix("198.51.100.0/24")
	LAN6 = netip.MustParsePrefix("2001:db8:51::/64")
	far4 = netip.MustParsePrefix("203.0.113.0/24")
	far6 = netip.MustParsePrefix("2001:db8:113::/64")
)

const bridge = "br0"

// Node is a place in the network to connect from and to.
type Node struct {
	Name     string
	IP4, IP6 netip.Addr
}

// at returns the address of number n in a network.
func at(p netip.Prefix, n byte) netip.Addr {
	bytes := p.Addr().AsSlice()
	bytes[len(bytes)-1] = n
	if p.Addr().Is6() && n >= 10 { // written as in IPv4: ::11 is host 11
		bytes[len(bytes)-1] = n/10<<4 | n%10
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

// makeSwitch joins the hosts to one network and forwards to the far one.
func makeSwitch() error {
	for _, args := range [][]string{
		{"link", "add", bridge, "type", "bridge"},
		{"address", "add", netip.PrefixFrom(at(LAN4, 1), LAN4.Bits()).String(), "dev", bridge},
		{"address", "add", netip.PrefixFrom(at(LAN6, 1), LAN6.Bits()).String(), "dev", bridge, "nodad"},
		{"link", "set", bridge, "up"},
	} {
		if err := command("ip", args...); err != nil {
			return err
		}
	}
	for name, value := range map[string]string{
		"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1",
		// Frames between hosts are none of this namespace's own firewall.
		"net/bridge/bridge-nf-call-iptables": "0", "net/bridge/bridge-nf-call-ip6tables": "0",
	} {
		err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // without the bridge's module there is nothing to turn off
			return err
		}
	}
	return nil
}

// newNode makes a namespace with the interface eth0, wired to the switch or, far, to a port of its own.
func newNode(name string, number byte, isFar bool) (Node, error) {
	net4, net6 := LAN4, LAN6
	if isFar {
		net4, net6 = far4, far6
	}
	n := Node{Name: name, IP4: at(net4, number), IP6: at(net6, number)}
	port := n.port()
	steps := [][]string{
		{"netns", "add", name},
		{"-n", name, "link", "set", "lo", "up"},
		{"link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name},
	}
	if isFar {
		steps = append(steps,
			[]string{"address", "add", netip.PrefixFrom(at(net4, 1), net4.Bits()).String(), "dev", port},
			[]string{"address", "add", netip.PrefixFrom(at(net6, 1), net6.Bits()).String(), "dev", port, "nodad"})
	} else {
		steps = append(steps, []string{"link", "set", port, "master", bridge})
	}
	steps = append(steps, [][]string{
		{"link", "set", port, "up"},
		{"-n", name, "address", "add", netip.PrefixFrom(n.IP4, net4.Bits()).String(), "dev", "eth0"},
		{"-n", name, "address", "add", netip.PrefixFrom(n.IP6, net6.Bits()).String(), "dev", "eth0", "nodad"},
		{"-n", name, "link", "set", "eth0", "up"},
		{"-n", name, "route", "add", "default", "via", at(net4, 1).String()},
		{"-n", name, "-6", "route", "add", "default", "via", at(net6, 1).String()},
	}...)
	for _, args := range steps {
		if err := command("ip", args...); err != nil {
			return n, err
		}
	}
	return n, nil
}

// port is the switch's end of the cable.
func (n Node) port() string { return "to-" + n.Name }

// Cut pulls the cable, and Mend plugs it in.
func (n Node) Cut() error  { return command("ip", "link", "set", n.port(), "down") }
func (n Node) Mend() error { return command("ip", "link", "set", n.port(), "up") }

func (n Node) namespace() string { return "/run/netns/" + n.Name }

// Command makes a command of the machine's own programs that sees the network as the node does.
func (n Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + n.namespace(), "--", name}, args...)...)
}

// Dial connects from the node to an address, which must be numeric.
func (n Node) Dial(ctx context.Context, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, err // a name would be looked up by another thread, in another namespace
	}
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var r result
		r.err = func() error {
			ns, err := os.Open(n.namespace())
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter %s: %w", ns.Name(), err)
			}
			r.conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
			return err
		}()
		done <- r
	}()
	r := <-done
	return r.conn, r.err
}
