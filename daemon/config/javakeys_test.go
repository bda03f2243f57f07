package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestJavaKeysAreWellFormed(t *testing.T) {
	known := map[string]bool{}
	for _, f := range fields() {
		known[f.Name] = true
	}
	seen := map[string]bool{}
	for _, k := range javaKeys() {
		switch {
		case seen[k.name]:
			t.Errorf("%s is there twice", k.name)
		case k.to != "" && (!known[k.to] || k.conv == nil):
			t.Errorf("%s maps to %q", k.name, k.to)
		case k.fate != honoured && k.why == "":
			t.Errorf("%s gives no reason", k.name)
		}
		seen[k.name] = true
	}
	for dead, working := range deadSpellings() {
		if seen[dead] || !seen[working] {
			t.Errorf("%s -> %s", dead, working)
		}
	}
}

// Nothing is dropped in silence: a key is mapped, or a notice or an error names it.
func TestEveryJavaKeyIsAccountedFor(t *testing.T) {
	silent := map[string]bool{"multiAddress.enabled": true} // allows | in server.N
	keys := append(javaKeys(), javaFamilies()...)
	for _, k := range keys {
		for _, value := range []string{"true", "false", "1", "x"} {
			name := k.name
			if strings.HasSuffix(name, ".") {
				name += "1"
			}
			text := fmt.Sprintf("clientPort=2181\ndataDir=/d\n%s=%s\n", name, value)
			c, notices, err := Parse("zoo.cfg", []byte(text), nil)
			named := strings.Contains(fmt.Sprint(err), "zoo.cfg:3: "+name)
			for _, n := range notices {
				named = named || n.Line == 3 && n.Key == name
			}
			for _, s := range c.sources {
				named = named || s.Line == 3 && s.Key == name
			}
			if !named && !silent[name] {
				t.Errorf("nothing is said about %s=%s", name, value)
			}
		}
	}
}

// The administrator's guide names them all; every_key.cfg is made from it.
func TestEveryDocumentedKeyIsKnown(t *testing.T) {
	_, _, notices, err := parseTestdata(t, "testdata/every_key.cfg")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notices {
		if strings.Contains(n.What, "is not known") {
			t.Error(n)
		}
	}
}

// Serving plaintext where TLS was asked for, or strangers where authentication was, must not happen.
func TestWhatProtectsIsNeverIgnored(t *testing.T) {
	for _, line := range []string{
		"secureClientPort=2281", "sslQuorum=true", "sslQuorum=yes", "portUnification=true", "client.portUnification=true",
		"quorum.auth.enableSasl=true", "quorum.auth.serverRequireSasl=true", "enforce.auth.enabled=true",
		"sessionRequireClientSASLAuth=true", "zookeeper.enforce.auth.enabled=true", "audit.enable=true", "admin.forceHttps=true",
		"authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider", "ensembleAuthName=prod",
		"emulate353TTLNodes=true",
	} {
		_, _, err := Parse("zoo.cfg", []byte("clientPort=2181\ndataDir=/d\n"+line), nil)
		key, _, _ := strings.Cut(line, "=")
		if err == nil || !strings.Contains(err.Error(), "zoo.cfg:3: "+key) || !strings.Contains(err.Error(), "not available in this version") {
			t.Errorf("%s: error %v", line, err)
		}
	}
}

func TestNoPasswordReachesAMessage(t *testing.T) {
	_, _, notices, err := parseTestdata(t, "testdata/tls_and_sasl.cfg")
	if all := fmt.Sprint(notices, err); strings.Contains(all, "hunter2") {
		t.Error(all)
	}
}

func TestJavaNumbers(t *testing.T) {
	tests := map[string]string{
		"tickTime=02000":                      `session.tick_time = "2s"`,
		"jute.maxbuffer=0x200000":             `client.max_frame = "2MiB"`,
		"maxClientCnxns=-1":                   `client.max_connections_per_address = 0`,
		"autopurge.purgeInterval=0":           `storage.purge_interval = "0s"`,
		"autopurge.purgeInterval=-5":          `storage.purge_interval = "0s"`,
		"autopurge.purgeInterval=10m":         `storage.purge_interval = "10m"`,
		"autopurge.purgeInterval=1d":          `storage.purge_interval = "24h"`,
		"autopurge.purgeInterval=2147483647d": `storage.purge_interval = "8760h"`,
		"preAllocSize=0":                      `storage.preallocate = "64KiB"`,
		"snapSizeLimitInKb=1024":              `storage.snap_size = "1MiB"`,
		"txnLogSizeLimitInKb=-1":              `storage.log_size = "0B"`,
		"fsync.warningthresholdms=20":         `storage.fsync_warning = "20ms"`,
		"4lw.commands.whitelist=":             `words.allow = []`,
		"4lw.commands.whitelist=stat, *":      `words.allow = ["stat", "*"]`,
	}
	for line, want := range tests {
		c, _, err := Parse("zoo.cfg", []byte("clientPort=2181\ndataDir=/d\n"+line), nil)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		found := false
		for _, s := range c.Explain() {
			found = found || s.Key+" = "+s.Value == want && s.Source == "zoo.cfg:3"
		}
		if !found {
			t.Errorf("%s does not give %s", line, want)
		}
	}
}

func TestIsZooCfg(t *testing.T) {
	tests := map[string]struct {
		name, text string
		want       bool
	}{
		"by .cfg":               {"/etc/zookeeper/conf/zoo.cfg", "", true},
		"by .toml":              {"/etc/zkd/zkd.toml", "dataDir=/x", false},
		"by a key of ZooKeeper": {"/etc/zkd/conf", "# x\ndataDir=/x", true},
		"by a server":           {"-", "server.1=a:2888:3888", true},
		"neither is TOML":       {"/etc/zkd/conf", "[client]\nlisten = []", false},
	}
	for name, tc := range tests {
		if got := IsZooCfg(tc.name, []byte(tc.text)); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
