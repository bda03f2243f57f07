package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zkd/daemon"
)

// build makes the program and returns its name.
func build(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "zkd")
	if out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return name
}

// free returns an address on loopback that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// manager is systemd's end of the notify socket.
type manager struct {
	t    *testing.T
	name string
	conn *net.UnixConn
}

func newManager(t *testing.T) manager {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return manager{t, name, conn}
}

func (m manager) await(text string) string {
	m.t.Helper()
	buf := make([]byte, 4096)
	for {
		if err := m.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			m.t.Fatal(err)
		}
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("waiting for %q: %v", text, err)
		}
		if strings.Contains(string(buf[:n]), text) {
			return string(buf[:n])
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	code, body := getAny(t, url)
	if code != http.StatusOK {
		t.Fatalf("%s: %d\n%s", url, code, body)
	}
	return body
}

// getAny is get for any status.
func getAny(t *testing.T, url string) (code int, text string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return resp.StatusCode, string(body)
}

func TestARealProcessFromStartToStop(t *testing.T) {
	program, m, dir := build(t), newManager(t), t.TempDir()
	client, admin := free(t), free(t)
	config := write(t, "zoo.cfg", "tickTime=2000\ndataDir="+filepath.Join(dir, "data")+"\nclientPortAddress=127.0.0.1\n"+
		"clientPort="+client[strings.LastIndexByte(client, ':')+1:]+"\nadmin.serverAddress=127.0.0.1\n"+
		"admin.serverPort="+admin[strings.LastIndexByte(admin, ':')+1:]+"\n")
	var stderr bytes.Buffer
	cmd := exec.Command(program, "run", "--config", config)
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.name)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // ours, and gone already unless the test failed

	if got := m.await("READY=1"); !strings.Contains(got, "STATUS=standalone, epoch 1, serving on "+client) {
		t.Errorf("ready with %q", got)
	}
	host, port, err := net.SplitHostPort(client)
	if err != nil {
		t.Fatal(err)
	}
	words := "Client port found: " + port + ". Client address: " + host + ". Client SSL: false.\nMode: standalone\n"
	for name, args := range map[string][]string{
		"by the configuration": {"status", "--config", config},
		"by the admin port":    {"status", "--admin", admin},
		"by the client port":   {"status", "--client", client},
	} {
		if code, stdout, stderr := zkd(t, args...); code != 0 || stdout != words || stderr != "" {
			t.Errorf("status %s: exit code %d, %q, %q", name, code, stdout, stderr)
		}
	}
	if got := get(t, "http://"+admin+"/status"); !strings.Contains(got, `"mode": "standalone"`) || !strings.Contains(got, `"notify": true`) {
		t.Errorf("/status: %s", got)
	}
	if got := get(t, "http://"+admin+"/readyz"); got != "ok\n" {
		t.Errorf("/readyz: %s", got)
	}
	for _, want := range []string{"\nznode_count 5\n", "\nzkd_serving 1\n", "\nzkd_admin_listening 1\n", `zkd_build_info{`} {
		if !strings.Contains(get(t, "http://"+admin+"/metrics"), want) {
			t.Errorf("/metrics has no %q", want)
		}
	}
	for path, want := range map[string]string{
		"monitor":       `"znode_count": 5,`,
		"configuration": `"client_port": ` + port + ",",
		"server_stats":  `"version": "3.9.5-zkd-`,
		"dirs":          `"datadir_size": `,
		"hash":          `"digests": [`,
	} {
		if got := get(t, "http://"+admin+"/commands/"+path); !strings.Contains(got, want) || !strings.Contains(got, `"error": null`) {
			t.Errorf("/commands/%s has no %s:\n%s", path, want, got)
		}
	}

	t.Run("a second server on the same directory is refused", func(t *testing.T) {
		out, err := exec.Command(program, "run", "--data-dir", filepath.Join(dir, "data"), "--client", free(t), "--admin", free(t)).CombinedOutput()
		wantExit(t, err, daemon.ExitBusy, out)
	})
	t.Run("a second server on the same port is refused", func(t *testing.T) {
		out, err := exec.Command(program, "run", "--data-dir", t.TempDir(), "--client", client, "--admin", free(t)).CombinedOutput()
		wantExit(t, err, daemon.ExitBusy, out)
	})

	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.await("RELOADING=1")
	m.await("READY=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.await("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, stderr.String())
	}
	if !strings.Contains(stderr.String(), `"data_dir":"`+dir) {
		t.Errorf("the log does not name the data directory:\n%s", stderr.String())
	}
	if code, _, _ := zkd(t, "status", "--config", config); code != daemon.ExitNotRunning {
		t.Errorf("status after the end: exit code %d, want %d", code, daemon.ExitNotRunning)
	}
	if code, stdout, stderr := zkd(t, "snapshot", "verify", filepath.Join(dir, "data")); code != 0 {
		t.Errorf("snapshot verify: exit code %d, %s %s", code, stdout, stderr)
	}
}

func wantExit(t *testing.T, err error, code int, output []byte) {
	t.Helper()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code {
		t.Errorf("%v, want exit code %d\n%s", err, code, output)
	}
}

func TestADirectoryThatMayNotBeWrittenIsAQuestionOfPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		// Root may write anywhere but where the kernel itself refuses.
		code := runCode(t, "/proc/zkd")
		if code == daemon.ExitOK {
			t.Errorf("exit code %d", code)
		}
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if code := runCode(t, filepath.Join(dir, "data")); code != daemon.ExitPermission {
		t.Errorf("exit code %d, want %d", code, daemon.ExitPermission)
	}
}

// runCode runs a server that cannot start and returns its exit code.
func runCode(t *testing.T, dataDir string) int {
	t.Helper()
	code, _, _ := zkd(t, "run", "--data-dir", dataDir, "--client", free(t), "--admin", free(t), "--log-level", "error")
	return code
}

// At boot the address that says which member this is may come after the server.
func TestAServerWaitsForTheAddressThatSaysItsNumber(t *testing.T) {
	program, m := build(t), newManager(t)
	config := write(t, "zkd.toml", "data_dir = \""+t.TempDir()+"\"\n[servers]\n1 = \"203.0.113.1\"\n2 = \"203.0.113.2\"\n3 = \"203.0.113.3\"\n")
	cmd := exec.Command(program, "run", "--config", config)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.name)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // ours, and gone already unless the test failed
	if got := m.await("STATUS=waiting: "); !strings.Contains(got, "none of them has an address of this host") {
		t.Errorf("while waiting: %q", got)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped while it waited: %v", err)
	}
}
