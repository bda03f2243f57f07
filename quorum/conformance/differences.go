package conformance

import (
	"fmt"
	"strings"
)

// Version is a release of Apache ZooKeeper: major, minor, patch.
type Version [3]int

func parseVersion(s string) (v Version, err error) {
	if _, err = fmt.Sscanf(s, "%d.%d.%d", &v[0], &v[1], &v[2]); err != nil {
		err = fmt.Errorf("version %q: %w", s, err)
	}
	return v, err
}

// String returns v in the usual form.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v Version) line() [2]int { return [2]int{v[0], v[1]} }

func (v Version) less(w Version) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

// Difference is a behaviour that not every server under test has.
type Difference struct {
	// Name is the key of its row in docs/compatibility.md.
	Name string
	// Since lists the first release of each line of Apache ZooKeeper that behaves like 3.9.5, in
	// ascending order; lines before the first of them do not, lines after the last do. Empty: no
	// release does, only zkd, on purpose.
	Since []Version
	// ZkdStays says that zkd, on purpose, behaves like the releases before Since.
	ZkdStays bool
}

func since(name string, releases ...string) *Difference {
	d := &Difference{Name: name}
	for _, r := range releases {
		v, err := parseVersion(r)
		if err != nil {
			panic(err)
		}
		d.Since = append(d.Since, v)
	}
	return d
}

func zkdStaysBefore(name string, releases ...string) *Difference {
	d := since(name, releases...)
	d.ZkdStays = true
	return d
}

func onlyZkd(name string) *Difference { return &Difference{Name: name} }

// in reports whether the server behaves in the new way.
func (d *Difference) in(s *Server) bool {
	if s.Zkd {
		return !d.ZkdStays
	}
	for _, v := range d.Since {
		if v.line() == s.Version.line() {
			return !s.Version.less(v)
		}
	}
	return len(d.Since) > 0 && d.Since[len(d.Since)-1].less(s.Version)
}

// String names the difference and where it begins.
func (d *Difference) String() string {
	if len(d.Since) == 0 {
		return d.Name + " (zkd)"
	}
	var releases []string
	for _, v := range d.Since {
		releases = append(releases, v.String())
	}
	return d.Name + " (" + strings.Join(releases, ", ") + ")"
}

// Releases of Apache ZooKeeper differ here; zkd does what 3.9.5 does.
var (
	notificationZxid     = since("notification-zxid", "3.9.0")
	existsNeedsRead      = since("exists-needs-read", "3.8.4", "3.9.2")
	eventsNeedRead       = since("events-need-read", "3.8.0", "3.9.2") // 3.8.4; Debian's 3.8.0 has the patch
	topLevelCheck        = since("top-level-check", "3.8.5", "3.9.3")
	ipv6ACL              = since("ip-acl-v6", "3.9.4")
	watcherTypes         = since("watcher-types-4-5", "3.9.0")
	additiveModes        = since("additive-watch-modes", "3.9.0")
	create2InMulti       = since("create2-in-multi", "3.8.2", "3.9.0")
	checkWatchesOfOthers = since("check-watches-of-others", "3.9.0")
)

// zkd does on purpose what older releases do.
var modeInMulti = zkdStaysBefore("unknown-mode-in-multi", "3.8.2", "3.9.0")

// zkd differs from every release here, on purpose.
var (
	internalOpsRefused = onlyZkd("internal-ops-refused")
	modeFitsOp         = onlyZkd("create-mode-fits-op")
	nullPath           = onlyZkd("null-path")
	wordsByDefault     = onlyZkd("four-letter-words-by-default")
)

// differences is all of them, for the test that compares them with the documentation.
var differences = []*Difference{
	notificationZxid, existsNeedsRead, eventsNeedRead, topLevelCheck, ipv6ACL, watcherTypes, additiveModes,
	modeInMulti, create2InMulti, checkWatchesOfOthers,
	internalOpsRefused, modeFitsOp, nullPath, wordsByDefault,
}
