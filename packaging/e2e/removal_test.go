package e2e

import (
	"strings"
	"testing"

	"zkd/packaging/testbed"
)

// gone checks that no server runs on a host, and that nothing of it filters packets.
func (s *story) gone(t *testing.T, h *testbed.Host) {
	t.Helper()
	if _, out := s.code(t, h, "pgrep", "--list-full", "--exact", "zkd"); out != "" {
		t.Errorf("%s: still runs: %s", h.Name, out)
	}
	if got := s.listening(t, h); got != "" {
		t.Errorf("%s: somebody listens on %s", h.Name, got)
	}
	if rules := s.run(t, h, "nft", "list", "tables"); strings.Contains(rules, "zkd") {
		t.Errorf("%s: the firewall's table is left: %s", h.Name, rules)
	}
	for _, name := range []string{"/usr/bin/zkd", "/usr/bin/zkctl", "/run/zkd"} {
		if code, _ := s.code(t, h, "test", "-e", name); code == 0 {
			t.Errorf("%s: %s is still there", h.Name, name)
		}
	}
}

func (s *story) removal(t *testing.T) {
	h := s.others(s.leader(t))[0]
	edited := s.run(t, h, "cat", "/etc/zkd/zkd.toml")
	// A server that was killed leaves its rules, which go with the package.
	s.shell(t, h, "systemctl kill --signal=KILL zkd; systemctl stop zkd; nft list table inet zkd")
	s.run(t, h, "dpkg", "--remove", "zkd")
	s.gone(t, h)
	if s.run(t, h, "cat", "/etc/zkd/zkd.toml") != edited {
		t.Error("the edited configuration is lost")
	}
	s.shell(t, h, `ls /var/lib/zkd/version-2/log.*`)
	for _, o := range s.others(h) {
		if r, err := s.report(o); err != nil || !r.Serving {
			t.Errorf("%s does not serve without it: %v", o.Name, err)
		}
	}
	s.dpkg(t, h, newVersion)
	wants(t, "what was enabled", s.run(t, h, "systemctl", "is-enabled", "zkd"), "enabled")
	s.run(t, h, "systemctl", "start", "zkd")
	s.inSync(t)
}

func (s *story) purge(t *testing.T) {
	for _, h := range s.lab.Hosts {
		// Other files of the operator's stay, and data elsewhere.
		s.shell(t, h, `echo kept > /etc/zkd/mine.toml; install -d -o zkd /srv/zkd; echo kept > /srv/zkd/data`)
		wants(t, "dpkg", s.run(t, h, "dpkg", "--purge", "zkd"), "removing the data in /var/lib/zkd")
		s.gone(t, h)
		left := s.shell(t, h, `find / -xdev -name '*zkd*' -not -path '/proc/*' -not -path '/var/tmp/*' -not -path '/var/log/journal/*' -not -path '/var/lib/systemd/*'`)
		for name := range strings.Lines(left) {
			switch strings.TrimSpace(name) {
			case "/etc/zkd", "/srv/zkd": // the operator's
			default:
				t.Errorf("%s: left behind: %s", h.Name, name)
			}
		}
		s.shell(t, h, `test "$(ls /etc/zkd)" = mine.toml; grep -q kept /srv/zkd/data; rm -r /etc/zkd /srv/zkd`)
		wants(t, "the user, whose number must not become another's", s.run(t, h, "getent", "passwd", "zkd"), "zkd")
	}
}

// rpm tries the other package with its scripts, on a Debian host: what it needs of a distribution is systemd.
func (s *story) rpm(t *testing.T) {
	h := s.lab.Hosts[0]
	rpm := func(version string, args ...string) string {
		t.Helper()
		const file = "/var/tmp/zkd.rpm"
		if err := h.Put(s.ctx(t), file, string(built(t, version, "rpm"))); err != nil {
			t.Fatal(err)
		}
		// Debian's rpm has a data base of its own, which knows nothing of Debian's packages.
		return s.run(t, h, append(append([]string{"rpm", "--force-debian", "--nodeps"}, args...), file)...)
	}
	rpm(oldVersion, "--install")
	s.fails(t, h, 3, []string{"inactive"}, "systemctl", "is-active", "zkd")
	s.shell(t, h, "systemctl start zkd; zkd wait --for standalone")
	wants(t, "the program", s.run(t, h, "zkd", "version"), "zkd "+oldVersion)
	s.shell(t, h, "test -f /usr/share/licenses/zkd/LICENSE; systemd-analyze security --no-pager --threshold=17 zkd.service; echo '# mine' >> /etc/zkd/zkd.toml")

	before := s.property(t, h, "MainPID")
	rpm(newVersion, "--upgrade")
	s.run(t, h, "zkd", "wait", "--for", "standalone")
	if after := s.property(t, h, "MainPID"); after == before || after == "0" {
		t.Errorf("process %s, before %s: an upgrade restarts a server that runs", after, before)
	}
	if r, err := s.report(h); err != nil || r.Version != newVersion {
		t.Errorf("version %s, %v", r.Version, err)
	}
	s.shell(t, h, "grep -q '# mine' /etc/zkd/zkd.toml; grep -q 'New in' /etc/zkd/zkd.toml.rpmnew")

	s.run(t, h, "rpm", "--force-debian", "--nodeps", "--erase", "zkd")
	s.gone(t, h)
	s.shell(t, h, "grep -q '# mine' /etc/zkd/zkd.toml.rpmsave; ls /var/lib/zkd/version-2/snapshot.*")
}
