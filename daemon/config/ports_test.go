package config

import (
	"strings"
	"testing"
)

func TestPortsThatTheKernelMayGiveAway(t *testing.T) {
	c, _, err := Parse("zkd.toml", []byte("id = 1\nclient.listen = [\"127.0.0.1:40000\", \"[::1]:40000\"]\nadmin.listen = [\"127.0.0.1:8080\"]\n"+
		"[servers]\n1 = \"a:2888:50000\"\n2 = \"b:50001:50002\"\n3 = \"c\"\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		limits, reserved string
		want             string // the ports, in order
		bad              bool
	}{
		"both are in the usual range":   {limits: "32768\t60999\n", reserved: "\n", want: "40000 50000"},
		"one is reserved":               {limits: "32768 60999", reserved: "40000,41000-42000", want: "50000"},
		"both are, one in a range":      {limits: "32768 60999", reserved: "39000-40000,50000"},
		"another range":                 {limits: "50000 60999", want: "50000"},
		"ports of others are not ours":  {limits: "50001 50002"},
		"what the kernel never says":    {limits: "x", bad: true},
		"nor does it say this of ports": {limits: "1 2", reserved: "a-b", bad: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r, ok := ParsePortRange(tc.limits, tc.reserved)
			if ok == tc.bad {
				t.Fatalf("ok = %t", ok)
			}
			if tc.bad {
				return
			}
			var got []string
			for _, n := range c.Taken(r) {
				_, rest, _ := strings.Cut(n.What, "port ")
				port, _, _ := strings.Cut(rest, " ")
				got = append(got, port)
				if n.Severity != Warning || n.Line == 0 || !strings.Contains(n.Fix, "ip_local_reserved_ports="+port) {
					t.Errorf("%+v", n)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("ports %v, want %s", got, tc.want)
			}
		})
	}
}
