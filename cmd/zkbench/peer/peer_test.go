package peer

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"zkd/cmd/zkbench/echo"
	"zkd/cmd/zkbench/wire"
)

// actAs makes the test binary a server to start: its value says which.
const actAs = "ZKBENCH_TEST_ACT_AS"

func TestMain(m *testing.M) {
	switch os.Getenv(actAs) {
	case "":
		os.Exit(m.Run())
	case "echo":
		listener, err := net.Listen("tcp", os.Args[1])
		if err == nil {
			err = echo.Serve(listener, nil)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case "broken":
		fmt.Fprintln(os.Stderr, "the disk is on fire")
		os.Exit(3)
	}
}

// newPeer returns a Peer that is this test binary in another role.
func newPeer(t *testing.T, role string) *Peer {
	t.Helper()
	t.Setenv(actAs, role)
	p := New("test", t.TempDir(), func(_, addr string) []string { return []string{os.Args[0], addr} })
	t.Cleanup(p.Kill)
	return p
}

func TestAPeerCanBeStartedKilledAndStartedAgain(t *testing.T) {
	p := newPeer(t, "echo")
	for _, end := range []func(){p.Kill, p.Stop} {
		took, err := p.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if took <= 0 || took > time.Minute {
			t.Errorf("it took %v to start", took)
		}
		used, err := p.Usage()
		if err != nil || used.RSSBytes < 1<<20 || used.PeakBytes < used.RSSBytes {
			t.Errorf("usage %+v, error %v; want a megabyte of memory at least and a peak above it", used, err)
		}
		end()
		if conn, err := net.Dial("tcp", p.Addr); err == nil {
			conn.Close()
			t.Error("somebody still listens on its port")
		}
		if _, err := p.Usage(); err == nil {
			t.Error("a peer that was ended has a usage")
		}
	}
	p.Stop() // once more does no harm
	if err := p.Wipe(); err != nil {
		t.Error(err)
	}
}

func TestAServerThatEndsAtOnceIsToldWithItsLastWords(t *testing.T) {
	_, err := newPeer(t, "broken").Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the disk is on fire") {
		t.Errorf("got error %v, want the exit status and the log", err)
	}
}

func TestAProgramThatIsNotThereIsTold(t *testing.T) {
	p := New("test", t.TempDir(), func(_, _ string) []string { return []string{"/does/not/exist"} })
	if _, err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("got error %v, want one that names the program", err)
	}
}

func TestAServerDoesNotOutliveItsContext(t *testing.T) {
	p := newPeer(t, "echo")
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := wire.Open(p.Addr, 10*time.Second, 4*time.Second, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	cancel()
	if err := c.Take(new(wire.Reply)); err == nil || os.IsTimeout(err) {
		t.Errorf("got %v, want the end of the connection", err)
	}
}

func TestConfigIsAnOrdinaryZooCfg(t *testing.T) {
	got, err := config("/data", "127.0.0.1:1234", []string{"snapCount=5"})
	want := `tickTime=2000
dataDir=/data
clientPort=1234
clientPortAddress=127.0.0.1
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
snapCount=5
`
	if err != nil || got != want {
		t.Errorf("got error %v and\n%s\nwant\n%s", err, got, want)
	}
}

func TestFiguresOfProc(t *testing.T) {
	stat := "123 (a name) S (x) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 100"
	if got, err := cpuOf([]byte(stat)); err != nil || got != 3*time.Second {
		t.Errorf("CPU of a process: %v, error %v; want 3s", got, err)
	}
	if _, err := cpuOf([]byte("123 (a) S 1 2")); err == nil {
		t.Error("a stat that ends early was accepted")
	}
	status := "Name:\tjava\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"
	if got := memoryOf([]byte(status), "VmRSS:"); got != 1<<20 {
		t.Errorf("resident: %d bytes, want 1 MiB", got)
	}
	if got := memoryOf([]byte(status), "VmSwap:"); got != 0 {
		t.Errorf("a line that is not there: %d, want 0", got)
	}
	machine := "cpu  100 20 30 9999 8888 1 2 47 0 0\ncpu0 1 2 3\n"
	if got, err := machineOf([]byte(machine)); err != nil || got != 2*time.Second {
		t.Errorf("CPU of the machine: %v, error %v; want the 2s that are neither idle nor waiting for a disk", got, err)
	}
	if _, err := machineOf([]byte("intr 1 2 3\n")); err == nil {
		t.Error("a stat without its first line was accepted")
	}
}
