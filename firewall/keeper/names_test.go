package keeper

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script is what a resolver says of each family: addresses, or "not found", "not this family" or "timeout".
type script struct{ v4, v6 string }

func (s script) LookupNetIP(_ context.Context, network, host string) (list []netip.Addr, err error) {
	text := s.v4
	if network == "ip6" {
		text = s.v6
	}
	switch text {
	case "not found":
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	case "not this family":
		return nil, &net.AddrError{Err: "no suitable address", Addr: host}
	case "timeout":
		return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
	}
	for _, a := range strings.Fields(text) {
		list = append(list, netip.MustParseAddr(a))
	}
	return list, nil
}

func TestAddressesOfNamesAreKeptAndGivenUp(t *testing.T) {
	for name, steps := range map[string][]struct {
		script
		after time.Duration
		want  string
		fails bool
	}{
		"half an answer takes nothing away": {
			{script{"10.0.0.1", "fd00::1"}, 0, "10.0.0.1 fd00::1", false},
			{script{"10.0.0.1", "timeout"}, time.Hour, "10.0.0.1 fd00::1", true},
			{script{"timeout", "fd00::1"}, time.Hour, "10.0.0.1 fd00::1", true},
			{script{"10.0.0.1", "fd00::1"}, time.Minute, "10.0.0.1 fd00::1", false},
		},
		"no answer takes nothing away": {
			{script{"10.0.0.1", "fd00::1"}, 0, "10.0.0.1 fd00::1", false},
			{script{"timeout", "timeout"}, time.Hour, "10.0.0.1 fd00::1", true},
			{script{"not found", "not found"}, time.Hour, "10.0.0.1 fd00::1", true},
			{script{"", ""}, time.Hour, "10.0.0.1 fd00::1", true},
		},
		"a family that there never was is not missed": {
			{script{"10.0.0.1", "timeout"}, 0, "10.0.0.1", false},
			{script{"10.0.0.1", "not found"}, time.Minute, "10.0.0.1", false},
			{script{"10.0.0.1", "not this family"}, time.Minute, "10.0.0.1", false},
		},
		"a family goes after a while": {
			{script{"10.0.0.1", "fd00::1"}, 0, "10.0.0.1 fd00::1", false},
			{script{"10.0.0.1", "not found"}, linger, "10.0.0.1 fd00::1", false},
			{script{"10.0.0.1", "not found"}, time.Second, "10.0.0.1", false},
		},
		"addresses that take turns": {
			{script{"10.0.0.1 10.0.0.2", "not found"}, 0, "10.0.0.1 10.0.0.2", false},
			{script{"10.0.0.3 10.0.0.4", "not found"}, resolveEvery, "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4", false},
			{script{"10.0.0.1 10.0.0.4", "not found"}, linger, "10.0.0.1 10.0.0.3 10.0.0.4", false},
			{script{"10.0.0.1", "not found"}, 2 * linger, "10.0.0.1", false},
		},
		"IPv4 in the form of IPv6": {{script{"::ffff:10.0.0.1", "not found"}, 0, "10.0.0.1", false}},
		"no name at all":           {{script{"not found", "timeout"}, 0, "", true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n names
				for i, s := range steps {
					time.Sleep(s.after)
					n.lookUp(t.Context(), s.script, []string{"h", "h", "", "10.9.9.9"})
					var got []string
					list, err := n.addresses("h")
					for _, a := range list {
						got = append(got, a.String())
					}
					if s2 := strings.Join(got, " "); s2 != s.want || (err != nil) != s.fails {
						t.Errorf("step %d: %s (%v), want %s", i, s2, err, s.want)
					}
				}
			})
		})
	}
	if (answer{err: errors.New("no buffer")}).none() {
		t.Error("an error of the system is taken for an answer")
	}
}
