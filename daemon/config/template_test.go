package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestANewConfigurationIsRight(t *testing.T) {
	three := func(own string) []string { return []string{"1=" + own, "2=10.0.0.2", "3=10.0.0.3"} }
	for name, test := range map[string]struct {
		init Init
		want []string // client.listen
	}{
		"alone":                       {Init{}, []string{"127.0.0.1:2181", "[::1]:2181"}},
		"alone, for others":           {Init{DataDir: "/srv/zk", Client: []string{"10.0.0.1:2181"}}, []string{"10.0.0.1:2181"}},
		"a member":                    {Init{Servers: three("10.0.0.1"), Self: 1}, []string{"10.0.0.1:2181", "127.0.0.1:2181", "[::1]:2181"}},
		"a member by name":            {Init{Servers: three("zk1:2889:3889"), Self: 1}, []string{"zk1:2181", "127.0.0.1:2181", "[::1]:2181"}},
		"with two addresses":          {Init{Servers: three("10.0.0.1|[fd00::1]"), Self: 1}, []string{"10.0.0.1:2181", "[fd00::1]:2181", "127.0.0.1:2181", "[::1]:2181"}},
		"with a client port":          {Init{Servers: three("10.0.0.1;2182"), Self: 1}, []string{":2182"}},
		"with a client address":       {Init{Servers: three("10.0.0.1;10.0.0.1:2182"), Self: 1}, []string{"10.0.0.1:2182", "127.0.0.1:2182"}},
		"on loopback":                 {Init{Servers: three("127.0.0.1"), Self: 1}, []string{"127.0.0.1:2181", "[::1]:2181"}},
		"a member for other clients":  {Init{Servers: three("10.0.0.1"), Self: 1, Client: []string{"192.0.2.1:2181"}}, []string{"192.0.2.1:2181"}},
		"one that does not say which": {Init{Servers: three("10.0.0.1")}, []string{"127.0.0.1:2181", "[::1]:2181"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, notices, err := Parse("zkd.toml", []byte(test.init.Text()), func(string) ([]byte, error) { return []byte("1\n"), nil })
			if err != nil || len(notices) > 0 {
				t.Fatalf("%v %v in\n%s", err, notices, test.init.Text())
			}
			if !slices.Equal(c.Client.Listen, test.want) {
				t.Errorf("clients come by %v, want %v", c.Client.Listen, test.want)
			}
			if len(c.Servers) != len(test.init.Servers) || test.init.DataDir != "" && c.DataDir != test.init.DataDir {
				t.Errorf("%+v", c)
			}
			if test.init.Client == nil && test.init.Servers == nil {
				d := Default()
				if live, waiting := Changes(d, c); len(live) > 0 || len(waiting) > 0 {
					t.Errorf("%v %v are not the defaults", live, waiting)
				}
			}
			for n, l := range strings.Split(test.init.Text(), "\n") {
				if len(l) > 120 {
					t.Errorf("line %d is long: %s", n+1, l)
				}
			}
		})
	}
	if text := (Init{Servers: []string{"1=a;b"}, Self: 1}).Text(); !strings.Contains(text, fmt.Sprintf("1 = %q", "a;b")) {
		t.Errorf("what is wrong is not passed on to be found:\n%s", text)
	}
}
