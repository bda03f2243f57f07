package config

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

func TestParseSize(t *testing.T) {
	tests := map[string]struct {
		want Size
		ok   bool
	}{
		"0B":                   {0, true},
		"1B":                   {1, true},
		"512KiB":               {512 * 1024, true},
		"64MiB":                {64 << 20, true},
		"4 GiB":                {4 << 30, true},
		"2TiB":                 {2 << 40, true},
		"9223372036854775807B": {math.MaxInt64, true},
		"9223372036854775808B": {},
		"8388608TiB":           {},
		"64MB":                 {},
		"64":                   {},
		"-1B":                  {},
		"1.5GiB":               {},
		"MiB":                  {},
		"":                     {},
		"64mib":                {},
	}
	for text, want := range tests {
		got, err := ParseSize(text)
		if got != want.want || (err == nil) != want.ok {
			t.Errorf("ParseSize(%q) = %d, %v", text, got, err)
		}
	}
}

func TestSizesAndDurationsReadBackAsWritten(t *testing.T) {
	for size, want := range map[Size]string{0: "0B", 1: "1B", 1024: "1KiB", 0xfffff: "1048575B", 64 << 20: "64MiB", 1536 << 20: "1536MiB", 4 << 30: "4GiB"} {
		back, err := ParseSize(size.String())
		if size.String() != want || err != nil || back != size {
			t.Errorf("Size(%d) is %q and reads back as %d, %v; want %q", size, size, back, err, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", time.Millisecond: "1ms", 1500 * time.Millisecond: "1.5s",
		time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 25*time.Hour + time.Second: "25h0m1s", 10 * time.Hour: "10h"} {
		back, err := time.ParseDuration(formatDuration(d))
		if formatDuration(d) != want || err != nil || back != d {
			t.Errorf("%v is %q and reads back as %v, %v; want %q", d, formatDuration(d), back, err, want)
		}
	}
}

func TestQuoteIsTOML(t *testing.T) {
	for _, s := range []string{"", "plain", `a "b" \c`, "tab\tline\nreturn\r", "\x00\x1f\x7f", "é😀"} {
		var v struct{ S string }
		if _, err := toml.Decode("S = "+quote(s), &v); err != nil || v.S != s {
			t.Errorf("%q is written as %s and read as %q, %v", s, quote(s), v.S, err)
		}
	}
}

func TestNearest(t *testing.T) {
	candidates := []string{"log", "max_connections", "max_frame", "dataDir", "dataLogDir", "snapCount"}
	tests := map[string]string{
		"max_conections":   "max_connections",
		"max-connections":  "max_connections",
		"maxConnections":   "max_connections",
		"max_rfame":        "max_frame",
		"datadir":          "dataDir",
		"dataDri":          "dataDir",
		"snap_count":       "snapCount",
		"loh":              "log",
		"foo":              "",
		"x":                "",
		"something_else":   "",
		"completely wrong": "",
	}
	for name, want := range tests {
		if got := nearest(name, candidates); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestSplitHostPort(t *testing.T) {
	tests := map[string]struct {
		host string
		port int
		ok   bool
	}{
		"127.0.0.1:2181":      {"127.0.0.1", 2181, true},
		"[::1]:2181":          {"::1", 2181, true},
		"[fe80::1%eth0]:2181": {"fe80::1%eth0", 2181, true},
		":2181":               {"", 2181, true},
		"zk1.example.net:0":   {"zk1.example.net", 0, true},
		"2181":                {},
		"::1:2181":            {},
		"[::1]":               {},
		"[127.0.0.1]:2181":    {},
		"[::1:2181":           {},
		"a:65536":             {},
		"a:-1":                {},
		"a:+1":                {},
		"a:":                  {},
		"a b:1":               {},
		"http://a:1":          {},
	}
	for address, want := range tests {
		host, port, wrong := splitHostPort(address)
		if host != want.host || port != want.port || (wrong == "") != want.ok {
			t.Errorf("splitHostPort(%q) = %q, %d, %q", address, host, port, wrong)
		}
		if want.ok && joinHostPort(host, port) != address {
			t.Errorf("joinHostPort(%q, %d) = %q, want %q", host, port, joinHostPort(host, port), address)
		}
	}
}

func TestCollide(t *testing.T) {
	tests := map[string]bool{
		"127.0.0.1:1 127.0.0.1:1": true,
		"127.0.0.1:1 127.0.0.1:2": false,
		"127.0.0.1:0 127.0.0.1:0": false,
		"127.0.0.1:1 [::1]:1":     false,
		"0.0.0.0:1 127.0.0.1:1":   true,
		"0.0.0.0:1 [::1]:1":       false,
		"[::]:1 127.0.0.1:1":      true,
		"[::]:1 0.0.0.0:1":        true,
		":1 10.0.0.1:1":           true,
		":1 zk1:1":                true,
		"ZK1:1 zk1:1":             true,
		"zk1:1 zk2:1":             false,
		"[::1]:1 [0:0::1]:1":      true,
		"bad 127.0.0.1:1":         false,
	}
	for pair, want := range tests {
		a, b, _ := strings.Cut(pair, " ")
		if collide(a, b) != want || collide(b, a) != want {
			t.Errorf("collide(%s) is %v", pair, !want)
		}
	}
}
