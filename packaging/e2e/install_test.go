package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"zkd/packaging/testbed"
)

const debFile = "/var/tmp/zkd.deb"

// dpkg installs a version of the package on a host and returns what dpkg said.
func (s *story) dpkg(t *testing.T, h *testbed.Host, version string) string {
	t.Helper()
	if err := h.Put(s.ctx(t), debFile, string(built(t, version, "deb"))); err != nil {
		t.Fatal(err)
	}
	// As unattended upgrades do: an edited configuration stays.
	return s.run(t, h, "dpkg", "--force-confdef", "--force-confold", "--install", debFile)
}

// listening returns the local addresses of the zkd ports on which somebody listens, a line each.
func (s *story) listening(t *testing.T, h *testbed.Host) string {
	t.Helper()
	out := s.run(t, h, "ss", "--no-header", "--listening", "--tcp", "--numeric", "( sport = 2181 or sport = 2888 or sport = 3888 or sport = 8080 )")
	var addrs []string
	for line := range strings.Lines(out) {
		addrs = append(addrs, strings.Fields(line)[3])
	}
	return strings.Join(addrs, "\n")
}

func (s *story) install(t *testing.T) {
	for _, h := range s.lab.Hosts {
		s.dpkg(t, h, oldVersion)
		s.fails(t, h, 1, []string{"disabled"}, "systemctl", "is-enabled", "zkd.service")
		s.fails(t, h, 3, []string{"inactive"}, "systemctl", "is-active", "zkd.service")
		if got := s.listening(t, h); got != "" {
			t.Errorf("%s: somebody listens on %s", h.Name, got)
		}
		wants(t, "the user", s.run(t, h, "getent", "passwd", "zkd"), "/var/lib/zkd", "nologin")
		wants(t, "the data directory", s.run(t, h, "stat", "--format=%U:%G %a", "/var/lib/zkd"), "zkd:zkd 750")
		wants(t, "the program", s.run(t, h, "zkd", "version"), "zkd "+oldVersion)
		s.run(t, h, "zkd", "check-config", "--quiet")
		s.fails(t, h, 3, []string{"not running"}, "zkd", "status")
	}
}

func (s *story) standalone(t *testing.T) {
	h := s.lab.Hosts[0]
	s.run(t, h, "systemctl", "start", "zkd")
	wants(t, "systemctl status", s.run(t, h, "systemctl", "status", "--no-pager", "zkd"), "active (running)", "standalone, epoch 1, serving on 127.0.0.1:2181")
	wants(t, "zkd status", s.run(t, h, "zkd", "status"), "Mode: standalone")
	r, err := s.report(h)
	if err != nil || r.Mode != "standalone" || !r.Serving || r.Version != oldVersion || !r.Systemd.Notify || !r.Systemd.Watchdog {
		t.Errorf("/status: %v %+v", err, r)
	}
	for addr := range strings.Lines(s.listening(t, h)) {
		if !strings.HasPrefix(addr, "127.0.0.1:") && !strings.HasPrefix(addr, "[::1]:") {
			t.Errorf("it listens on %s", addr)
		}
	}
	if got := s.reach(t, s.lab.Client, h.IP4, 2181); got != "refused" {
		t.Errorf("the client port is %s to the network, want refused", got)
	}
}

func (s *story) confinement(t *testing.T) {
	h := s.lab.Hosts[0]
	s.run(t, h, "systemd-analyze", "security", "--no-pager", "--threshold=17", "zkd.service")
	status := s.run(t, h, "cat", "/proc/"+s.property(t, h, "MainPID")+"/status")
	const netAdmin = "0000000000001000" // bit 12 alone. Source: capabilities(7), linux/capability.h
	for _, set := range []string{"CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		wants(t, "the process", status, set+":\t"+netAdmin)
	}
	wants(t, "the process", status, "NoNewPrivs:\t1", "Seccomp:\t2")
	if uid := strings.TrimSpace(s.run(t, h, "id", "--user", "zkd")); !strings.Contains(status, "Uid:\t"+uid+"\t"+uid) || uid == "0" {
		t.Errorf("it runs as another user than zkd (%s):\n%s", uid, status)
	}
	s.run(t, h, "systemctl", "stop", "zkd")
	if result, status := s.property(t, h, "Result"), s.property(t, h, "ExecMainStatus"); result != "success" || status != "0" {
		t.Errorf("stopped with result %s, exit status %s", result, status)
	}
	// As a drop-in, what the firewall needs is taken away, and it serves.
	s.shell(t, h, `mkdir /etc/systemd/system/zkd.service.d
		cp /usr/share/doc/zkd/examples/no-firewall.conf /etc/systemd/system/zkd.service.d/
		systemctl daemon-reload; systemctl start zkd; zkd wait`)
	wants(t, "the process", s.run(t, h, "cat", "/proc/"+s.property(t, h, "MainPID")+"/status"), "CapEff:\t0000000000000000")
	s.shell(t, h, `systemctl stop zkd; rm -r /etc/systemd/system/zkd.service.d; systemctl daemon-reload`)
}

// instances are further servers of the same host, by the template unit.
func (s *story) instances(t *testing.T) {
	h := s.lab.Hosts[0]
	const blue = `data_dir = "/var/lib/zkd/blue"
client.listen = ["198.51.100.11:2281", "127.0.0.1:2281"]
admin.listen = ["127.0.0.1:8181"]
`
	if err := h.Put(s.ctx(t), "/etc/zkd/blue.toml", blue); err != nil {
		t.Fatal(err)
	}
	s.shell(t, h, "systemctl start zkd zkd@blue; zkd wait; zkd wait --config /etc/zkd/blue.toml")
	wants(t, "the data of the instance", s.run(t, h, "stat", "--format=%U %a", "/var/lib/zkd/blue"), "zkd 750")
	wants(t, "the journal of the instance", s.run(t, h, "journalctl", "--no-pager", "--unit=zkd@blue"), "ready serving=true")
	for port, want := range map[uint16]string{2281: "open", 2181: "refused"} { // one listens on the network, the other on loopback
		if got := s.reach(t, s.lab.Client, h.IP4, port); got != want {
			t.Errorf("port %d is %s, want %s", port, got, want)
		}
	}
	if got := s.reach(t, s.lab.Stranger, h.IP4, 2281); got != "shut" {
		t.Errorf("the port of the instance is %s to a stranger, want shut", got)
	}
	// Each has a table of its own, and takes only that away.
	s.run(t, h, "systemctl", "stop", "zkd")
	if got := s.reach(t, s.lab.Stranger, h.IP4, 2281); got != "shut" {
		t.Errorf("without the other server the port of the instance is %s to a stranger, want shut", got)
	}
	s.run(t, h, "test", "-d", "/run/zkd/blue") // and its other things in /run, too
	s.shell(t, h, "systemctl stop zkd@blue; rm -r /etc/zkd/blue.toml /var/lib/zkd/blue")
	if tables := s.run(t, h, "nft", "list", "tables"); tables != "" {
		t.Errorf("tables are left: %s", tables)
	}
}

func (s *story) wrongConfiguration(t *testing.T) {
	h := s.lab.Hosts[0]
	s.shell(t, h, `cp -p /etc/zkd/zkd.toml /var/tmp/; echo 'client.listn = []' > /etc/zkd/zkd.toml`)
	s.fails(t, h, 1, nil, "systemctl", "start", "zkd")
	if status, restarts := s.property(t, h, "ExecMainStatus"), s.property(t, h, "NRestarts"); status != "78" || restarts != "0" {
		t.Errorf("exit status %s and %s restarts, want 78 and none", status, restarts)
	}
	wants(t, "the journal", s.run(t, h, "journalctl", "--no-pager", "--unit=zkd", "--lines=20"), "client.listn")
	s.fails(t, h, 78, []string{"client.listn", "client.listen"}, "zkd", "check-config")
	s.shell(t, h, `cp -p /var/tmp/zkd.toml /etc/zkd/; systemctl reset-failed zkd`)
}

func (s *story) damagedData(t *testing.T) {
	h := s.lab.Hosts[0]
	s.shell(t, h, `for file in /var/lib/zkd/version-2/snapshot.*; do echo damaged > $file; done`)
	s.fails(t, h, 1, nil, "systemctl", "start", "zkd")
	if status, restarts := s.property(t, h, "ExecMainStatus"), s.property(t, h, "NRestarts"); status != "74" || restarts != "0" {
		t.Errorf("exit status %s and %s restarts, want 74 and none", status, restarts)
	}
	wants(t, "the journal", s.run(t, h, "journalctl", "--no-pager", "--unit=zkd", "--lines=20", "-x"), "/var/lib/zkd/version-2", "Subject: zkd has ended by itself")
	s.shell(t, h, `systemctl stop zkd; systemctl reset-failed zkd || true; rm -rf /var/lib/zkd/version-2`)
}

// dataElsewhere has the data outside of /var/lib, which the unit forbids until it is told.
func (s *story) dataElsewhere(t *testing.T) {
	h := s.lab.Hosts[0]
	s.shell(t, h, `install -d -o zkd -g zkd -m 750 /srv/zkd; sed -i 's|/var/lib/zkd|/srv/zkd|' /etc/zkd/zkd.toml`)
	s.fails(t, h, 1, nil, "systemctl", "start", "zkd")
	s.shell(t, h, `mkdir /etc/systemd/system/zkd.service.d
		cp /usr/share/doc/zkd/examples/data-elsewhere.conf /etc/systemd/system/zkd.service.d/
		systemctl daemon-reload; systemctl stop zkd; systemctl reset-failed zkd || true; systemctl start zkd; zkd wait
		ls /srv/zkd/version-2/snapshot.*; systemctl stop zkd
		rm -r /etc/systemd/system/zkd.service.d /srv/zkd; systemctl daemon-reload; cp -p /var/tmp/zkd.toml /etc/zkd/`)
}

// lateAddress gives a host an address of the client port only after the server was started, as DHCP may at boot.
func (s *story) lateAddress(t *testing.T) {
	h := s.lab.Hosts[0]
	s.shell(t, h, `sed -i 's|^listen = .*:2181.*|listen = ["127.0.0.1:2181", "203.0.113.5:2181"]|' /etc/zkd/zkd.toml; grep -q 203.0.113.5 /etc/zkd/zkd.toml
		systemctl start --no-block zkd`)
	s.await(t, "the server waits for its address", func() error {
		if text := s.property(t, h, "StatusText"); text != "waiting: this host does not have the address 203.0.113.5 yet" {
			return errors.New(text)
		}
		return nil
	})
	s.shell(t, h, "ip address add 203.0.113.5/32 dev lo")
	s.await(t, "with the address it is started", func() error {
		if state := s.property(t, h, "ActiveState"); state != "active" {
			return errors.New(state)
		}
		return nil
	})
	if restarts := s.property(t, h, "NRestarts"); restarts != "0" {
		t.Errorf("%s restarts, want none", restarts)
	}
	s.shell(t, h, `zkd wait; systemctl stop zkd; ip address del 203.0.113.5/32 dev lo; cp -p /var/tmp/zkd.toml /etc/zkd/`)
}

// configuration is zkd.toml of a server of the ensemble.
func (s *story) configuration(id int) string {
	h := s.lab.Hosts[id-1]
	text := fmt.Sprintf("id = %d\ndata_dir = \"/var/lib/zkd\"\n\n[client]\nlisten = [\"127.0.0.1:2181\", \"%s:2181\", \"[%s]:2181\"]\n\n[servers]\n", id, h.IP4, h.IP6)
	for i, h := range s.lab.Hosts {
		text += fmt.Sprintf("%d = \"%s\"\n", i+1, h.Name)
	}
	return text
}
