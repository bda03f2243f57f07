// Package conformance is a suite of rules that a ZooKeeper server keeps on its client port. It
// talks the raw protocol and may be pointed at any server: at zkd, and at Apache ZooKeeper, whose
// answers prove the suite.
//
// Each case is a function named after the rule that it checks. It expects what Apache ZooKeeper
// 3.9.5 does. Where an older release, or zkd on purpose, does something else, the case asks for
// the [Difference]; each of them has a row in docs/compatibility.md.
//
// Cases of one server run side by side, each below a znode of its own. Those that look at what all
// share (zxids, the root, counters) run one after the other before them.
//
// Sources: the client protocol as FinalRequestProcessor, PrepRequestProcessor, NIOServerCnxn and
// DataTree of Apache ZooKeeper 3.9.5 act it out, and the behaviour of running servers.
package conformance

import (
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"zkd/quorum/rawclient"
)

// workers is how many cases run against one server at a time. Most of them wait for the server's
// clock (expiry, reaping), so it is more than there are cores.
const workers = 8

// Profile is the configuration of a server that some cases need. Names of the settings are those
// of Apache ZooKeeper; what is not here has ZooKeeper's default.
type Profile struct {
	Name string

	TickTime                             time.Duration
	MinSessionTimeout, MaxSessionTimeout time.Duration // 0: 2 and 20 ticks

	ExtendedTypes    bool          // extendedTypesEnabled
	EnforceQuota     bool          // enforceQuota
	SkipACL          bool          // skipACL
	SuperDigest      string        // DigestAuthenticationProvider.superDigest, "" for none
	MaxConnsPerIP    int           // maxClientCnxns, 0 for no bound
	MaxFrameBytes    int           // jute.maxbuffer, 0 for its default
	HandshakeTimeout time.Duration // nio.sessionlessCnxnTimeout, 0 for its default
	ReapInterval     time.Duration // znode.container.checkIntervalMs, 0 for its default
	FourLetterWords  []string      // 4lw.commands.whitelist, nil for its default
}

// The password of the digest user "super" in profiles with a SuperDigest.
const superPassword = "super:secret"

// profiles are the servers that the suite needs.
var profiles = []struct {
	Profile
	groups []group
}{
	{
		Profile{
			Name: "everything on", TickTime: 500 * time.Millisecond,
			MinSessionTimeout: time.Second, MaxSessionTimeout: 30 * time.Second,
			ExtendedTypes: true, EnforceQuota: true, SuperDigest: digestID(superPassword),
			ReapInterval: 500 * time.Millisecond,
			FourLetterWords: []string{
				"cons", "conf", "crst", "dirs", "dump", "envi", "hash", "isro", "mntr", "ruok",
				"srst", "srvr", "stat", "wchc", "wchp", "wchs",
			},
		},
		[]group{
			framingCases, handshakeCases, sessionCases, xidCases, zxidCases, createCases, sequenceCases,
			ttlCases, deleteCases, dataCases, statCases, aclCases, authCases, childrenCases, pathCases,
			opcodeCases, multiCases, multiReadCases, watchCases, persistentWatchCases, setWatchesCases,
			watchACLCases, removeWatchesCases, quotaCases, systemNodeCases, fourLetterCases, resetCases,
		},
	},
	{
		Profile{Name: "defaults", TickTime: 2 * time.Second, MaxConnsPerIP: 60},
		[]group{defaultCases},
	},
	{
		Profile{
			Name: "tight", TickTime: 2 * time.Second, MaxConnsPerIP: tightMaxConns, MaxFrameBytes: tightMaxBuffer,
			HandshakeTimeout: time.Second, SkipACL: true,
		},
		[]group{tightCases},
	},
}

// group is a list of cases about one thing.
type group struct {
	name   string
	serial bool // alone on the server: looks at something that all cases share
	cases  []func(*T)
}

// Server is a running server under test.
type Server struct {
	Addr    string  // host:port for clients
	Version Version // of Apache ZooKeeper, whose behaviour it has or claims
	Zkd     bool
}

// Start starts a server for a profile and sees to it that t's cleanup stops it. It returns the
// address for clients once the server answers them.
type Start func(t *testing.T, p Profile) (addr string)

// Run runs the whole suite, with a new server for each profile.
func Run(t *testing.T, start Start) {
	for _, p := range profiles {
		t.Run(p.Name, func(t *testing.T) {
			server, err := identify(start(t, p.Profile))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s serves %s", server, p.Name)
			runGroups(t, server, p.groups)
		})
	}
}

func runGroups(t *testing.T, server *Server, groups []group) {
	queue := make(chan func())
	var done sync.WaitGroup
	for range workers {
		done.Go(func() {
			for run := range queue {
				run()
			}
		})
	}
	defer done.Wait()
	defer close(queue)
	for _, serial := range []bool{true, false} {
		for _, g := range groups {
			if g.serial != serial {
				continue
			}
			for _, c := range g.cases {
				name := g.name + "/" + caseName(c)
				run := func() { t.Run(name, func(t *testing.T) { c(newT(t, server)) }) }
				if serial {
					run()
				} else {
					queue <- run
				}
			}
		}
	}
}

// caseName returns the name of the function.
func caseName(c func(*T)) string {
	full := runtime.FuncForPC(reflect.ValueOf(c).Pointer()).Name()
	return full[strings.LastIndexByte(full, '.')+1:]
}

var versionLine = regexp.MustCompile(`(?m)^Zookeeper version: (\d+)\.(\d+)\.(\d+)(-zkd-)?`)

// identify asks the server what it is, by the one four-letter word that is always answered.
func identify(addr string) (*Server, error) {
	answer, err := rawclient.FourLetter(addr, "srvr")
	if err != nil {
		return nil, fmt.Errorf("srvr of %s: %w", addr, err)
	}
	m := versionLine.FindStringSubmatch(answer)
	if m == nil {
		return nil, fmt.Errorf("srvr of %s has no version: %q", addr, answer)
	}
	v, err := parseVersion(strings.Join(m[1:4], "."))
	return &Server{Addr: addr, Version: v, Zkd: m[4] != ""}, err
}

// String names the server and its version.
func (s *Server) String() string {
	if s.Zkd {
		return fmt.Sprintf("zkd as ZooKeeper %v at %s", s.Version, s.Addr)
	}
	return fmt.Sprintf("Apache ZooKeeper %v at %s", s.Version, s.Addr)
}
