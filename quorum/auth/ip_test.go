package auth

import "testing"

func TestIPIDsThatMayStandInAnACL(t *testing.T) {
	for id, want := range map[string]bool{
		"10.0.0.1":         true,
		"010.000.0.01":     true, // leading zeros are decimal, as in Java
		"10.0.0.1/32":      true,
		"10.0.0.1/0":       true,
		"::1":              true,
		"2001:db8::/32":    true,
		"1:2:3:4:5:6:7:8":  true,
		"1:2:3:4:5:6:7::":  true,
		"::/0":             true,
		"":                 false,
		"localhost":        false,
		"10.0.0":           false,
		"10.0.0.1.2":       false,
		"10.0.0.256":       false,
		"10.0.0.":          false,
		"10.0.0.-1":        false,
		"10.0.0.1/":        false,
		"10.0.0.1/33":      false,
		"10.0.0.1/-1":      false,
		"10.0.0.1/8/8":     false,
		"::1/129":          false,
		"::ffff:10.0.0.1":  false, // no IPv4 inside IPv6
		"fe80::1%eth0":     false,
		"1::2::3":          false,
		"1:2:3:4:5:6:7":    false,
		"1:2:3:4:5:6:7:8:": false,
		"12345::":          false,
		"g::":              false,
	} {
		if got := (ipScheme{}).Valid(id); got != want {
			t.Errorf("Valid(%q) = %v, want %v", id, got, want)
		}
	}
}

func TestIPMatches(t *testing.T) {
	tests := map[string]struct {
		id, expr string
		want     bool
	}{
		"the address itself":                  {"10.1.2.3", "10.1.2.3", true},
		"another address":                     {"10.1.2.4", "10.1.2.3", false},
		"a network of whole bytes":            {"10.1.2.3", "10.1.0.0/16", true},
		"a network of odd bits":               {"10.1.130.3", "10.1.128.0/18", true},
		"just outside it":                     {"10.1.192.0", "10.1.128.0/18", false},
		"host bits in the entry do not count": {"10.1.2.3", "10.1.9.9/16", true},
		"everything":                          {"10.1.2.3", "0.0.0.0/0", true},
		"IPv6 in Java's long text":            {"2001:db8:0:0:0:0:0:7", "2001:db8::/32", true},
		"IPv6 outside":                        {"2001:db9:0:0:0:0:0:7", "2001:db8::/32", false},
		"IPv4 is not in an IPv6 network":      {"10.1.2.3", "::/0", false},
		"IPv6 is not in an IPv4 network":      {"0:0:0:0:0:0:0:1", "0.0.0.0/0", false},
		"an entry that is no address":         {"10.1.2.3", "home", false},
		"a client without an address":         {"", "0.0.0.0/0", false},
	}
	for name, tt := range tests {
		if got := (ipScheme{}).Matches(tt.id, tt.expr); got != tt.want {
			t.Errorf("%s: Matches(%q, %q) = %v, want %v", name, tt.id, tt.expr, got, tt.want)
		}
	}
}
