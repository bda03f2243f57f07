package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The servers' times in an ensemble: a leader that hears of no quorum, and a follower that hears of no
// leader, gives up after ensembleSyncLimit ticks; a session outlives the election that follows.
const (
	ensembleTick           = 500 * time.Millisecond
	ensembleSyncLimit      = 6
	ensembleSessionTimeout = 20 * time.Second
)

// electionLimit bounds the time from a fault, or from the end of one, until a leader serves, on a busy machine.
const electionLimit = 60 * time.Second

// An ensemble is servers 1..N, each on a host of its own in one network, all with the same zoo.cfg
// but for the directory.
type ensemble struct {
	*network
	servers map[int]*server
	paused  map[int]bool
	all     []int // ids, which are host numbers, too
}

// startEnsemble starts a server of each target on fresh data and returns when all serve. They end
// with the test. Each of settings is a further line of zoo.cfg.
func startEnsemble(t testing.TB, targets []target, settings ...string) *ensemble {
	t.Helper()
	e := newEnsemble(t, targets, settings...)
	for _, id := range e.all {
		e.servers[id].launch(t)
	}
	e.awaitAll(t)
	return e
}

// newEnsemble is startEnsemble without the start.
func newEnsemble(t testing.TB, targets []target, settings ...string) *ensemble {
	t.Helper()
	e := &ensemble{servers: map[int]*server{}, paused: map[int]bool{}}
	var members []string
	for i := range targets {
		e.all = append(e.all, i+1)
		members = append(members, fmt.Sprintf("server.%d=%s:2888:3888", i+1, hostAddr(i+1)))
	}
	e.network = newNetwork(t, len(targets))
	for i, id := range e.all {
		s := &server{target: targets[i], dir: t.TempDir(), host: hostAddr(id), port: 2181, prefix: on(id)}
		e.servers[id] = s
		lines := slices.Concat([]string{
			fmt.Sprintf("tickTime=%d", ensembleTick.Milliseconds()),
			"initLimit=40",
			fmt.Sprintf("syncLimit=%d", ensembleSyncLimit),
			fmt.Sprintf("maxSessionTimeout=%d", 3*ensembleSessionTimeout.Milliseconds()),
			"dataDir=" + s.dataDir(),
			"clientPort=2181",
			"maxClientCnxns=0",
			"admin.enableServer=false",
			"4lw.commands.whitelist=*",
			"preAllocSize=64",
		}, members, settings)
		if err := os.Mkdir(s.dataDir(), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{
			s.cfg():                            strings.Join(lines, "\n") + "\n",
			filepath.Join(s.dataDir(), "myid"): fmt.Sprintln(id),
		} {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { s.cleanup(t) })
	}
	return e
}

func (s *server) dataDir() string { return filepath.Join(s.dir, "data") }

// addrs returns the client addresses of all servers.
func (e *ensemble) addrs() []string {
	var addrs []string
	for _, id := range e.all {
		addrs = append(addrs, e.servers[id].addr())
	}
	return addrs
}

// others returns all servers but some.
func (e *ensemble) others(ids ...int) []int {
	return slices.DeleteFunc(slices.Clone(e.all), func(id int) bool { return slices.Contains(ids, id) })
}

var modeLine = regexp.MustCompile(`(?m)^Mode: (\w+)`)

// modes asks all servers what they are; one that serves nobody is in the answer with "".
func (e *ensemble) modes() map[int]string {
	var mu sync.Mutex
	modes := map[int]string{}
	var wg sync.WaitGroup
	for id, s := range e.servers {
		wg.Go(func() {
			mode := ""
			if answer, err := fourLetterWordWithin(time.Second, s.addr(), "srvr"); err == nil {
				if found := modeLine.FindStringSubmatch(answer); found != nil {
					mode = found[1]
				}
			}
			mu.Lock()
			defer mu.Unlock()
			modes[id] = mode
		})
	}
	wg.Wait()
	return modes
}

// await waits until these servers serve together: one leads, the others follow. It returns the leader.
func (e *ensemble) await(t testing.TB, ids ...int) (leader int) {
	t.Helper()
	var modes map[int]string
	serving := poll(electionLimit, func() bool {
		for _, id := range ids {
			e.mustRun(t, id)
		}
		modes = e.modes()
		leader = 0
		for _, id := range ids {
			switch modes[id] {
			case "leader":
				if leader != 0 {
					return false
				}
				leader = id
			case "follower":
			default:
				return false
			}
		}
		return leader != 0
	})
	if !serving {
		t.Fatalf("servers %v do not serve together within %v: %v", ids, electionLimit, modes)
	}
	return leader
}

// awaitAll waits until all servers serve, and returns the leader.
func (e *ensemble) awaitAll(t testing.TB) (leader int) {
	t.Helper()
	return e.await(t, e.all...)
}

// awaitDeposed waits until a server that can no longer lead has noticed it.
func (e *ensemble) awaitDeposed(t testing.TB, id int) {
	t.Helper()
	eventually(t, electionLimit, fmt.Sprintf("server %d leads no more", id), func() bool {
		e.mustRun(t, id)
		return e.modes()[id] != "leader"
	})
}

// mustRun fails the test if a server has ended by itself.
func (e *ensemble) mustRun(t testing.TB, id int) {
	t.Helper()
	if s := e.servers[id]; s.ended() {
		t.Fatalf("server %d, %s, ended by itself: %v", id, s.target.name, s.cmd.ProcessState)
	}
}

// kill ends some servers as a crash of their hosts would, all at once.
func (e *ensemble) kill(t testing.TB, ids ...int) {
	t.Helper()
	for _, id := range ids {
		e.mustRun(t, id)
		if err := e.servers[id].cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range ids {
		<-e.servers[id].exited
	}
}

// launch starts some servers and does not wait.
func (e *ensemble) launch(t testing.TB, ids ...int) {
	t.Helper()
	for _, id := range ids {
		e.servers[id].launch(t)
	}
}

// pause stops a server between two instructions: its connections stay open, and it says nothing.
func (e *ensemble) pause(t testing.TB, id int) {
	t.Helper()
	e.signal(t, id, syscall.SIGSTOP)
	e.paused[id] = true
}

// resume lets paused servers go on.
func (e *ensemble) resume(t testing.TB) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(e.paused)) {
		e.signal(t, id, syscall.SIGCONT)
	}
	clear(e.paused)
}

func (e *ensemble) signal(t testing.TB, id int, signal os.Signal) {
	t.Helper()
	e.mustRun(t, id)
	if err := e.servers[id].cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// allAre reports whether every server is of that target.
func (e *ensemble) allAre(name string) bool {
	for _, s := range e.servers {
		if s.target.name != name {
			return false
		}
	}
	return true
}

// repeat returns n times a target.
func repeat(n int, one target) []target { return slices.Repeat([]target{one}, n) }
