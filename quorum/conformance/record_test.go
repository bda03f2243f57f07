package conformance

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var record = flag.Bool("record", false, "record the golden bytes of quorum/proto anew from Apache ZooKeeper")

// TestRecordGoldenBytes lets Java's client talk to Java's server through a proxy and writes down
// what both said, and what the server then had in its log. It does so only with -record: ids and
// times differ from run to run.
func TestRecordGoldenBytes(t *testing.T) {
	if !*record {
		return
	}
	server := startJava(t, profiles[0].Profile)
	tap := newTap(t, server.addr)
	cmd := exec.Command("java", "-cp", oracleClassPath(t), "testdata/Golden.java", tap.listener.Addr().String())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "CUT" {
			tap.cut()
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	tap.close()

	dir := "../proto/testdata"
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	head := "# Recorded by go test ./quorum/conformance -run TestRecordGoldenBytes -record\n"
	frames := head + "# between the Java client and server of Apache ZooKeeper 3.8.0.\n" +
		"# > from the client, < from the server; bodies of frames, without their length.\n\n" + tap.text.String()
	if err := os.WriteFile(filepath.Join(dir, "frames.txt"), []byte(frames), 0o666); err != nil {
		t.Fatal(err)
	}
	txns := head + "# in the log of Apache ZooKeeper 3.8.0. Each line is the payload of one record.\n\n" + logText(t, server.dataDir)
	if err := os.WriteFile(filepath.Join(dir, "txns.txt"), []byte(txns), 0o666); err != nil {
		t.Fatal(err)
	}
}

// tap is a proxy that writes down every frame.
type tap struct {
	listener net.Listener
	server   string

	done sync.WaitGroup

	mu    sync.Mutex // guards what follows
	text  strings.Builder
	conns []net.Conn
	ops   map[int32]zk.Op // by xid, of the requests that wait for a reply
	first map[net.Conn]bool
}

func newTap(t *testing.T, server string) *tap {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap := &tap{listener: listener, server: server, ops: map[int32]zk.Op{}, first: map[net.Conn]bool{}}
	tap.done.Go(tap.accept)
	return tap
}

func (p *tap) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.first[client], p.first[server] = true, true
		p.mu.Unlock()
		p.done.Go(func() { p.copy(server, client, p.request) })
		p.done.Go(func() { p.copy(client, server, p.reply) })
	}
}

// copy forwards frames until either side ends.
func (p *tap) copy(to, from net.Conn, note func(body []byte, first bool)) {
	defer to.Close()
	defer from.Close()
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		p.mu.Lock()
		note(body, p.first[from])
		p.first[from] = false
		p.mu.Unlock()
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
}

func (p *tap) request(body []byte, first bool) {
	name := "connect"
	if !first {
		var h proto.RequestHeader
		d := jute.NewDecoder(body)
		h.Decode(&d)
		name = h.Op.String()
		p.ops[h.Xid] = h.Op
	}
	fmt.Fprintf(&p.text, "> %s %x\n", name, body)
}

func (p *tap) reply(body []byte, first bool) {
	name := "connect"
	if !first {
		var h proto.ReplyHeader
		d := jute.NewDecoder(body)
		h.Decode(&d)
		name = p.ops[h.Xid].String()
		if h.Xid == zk.XidNotification {
			name = zk.OpNotification.String()
		}
	}
	fmt.Fprintf(&p.text, "< %s %x\n", name, body)
}

// cut closes all connections.
func (p *tap) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *tap) close() {
	p.listener.Close()
	p.cut()
	p.done.Wait()
}

// logText returns the payloads of the only log file in dataDir, a line each.
func logText(t *testing.T, dataDir string) string {
	files, err := filepath.Glob(filepath.Join(dataDir, "version-2", "log.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("log files: %v, %v", files, err)
	}
	file, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for rest := file[16:]; ; {
		size := binary.BigEndian.Uint32(rest[8:])
		if size == 0 {
			return text.String()
		}
		payload := rest[12 : 12+size]
		var h proto.TxnHeader
		d := jute.NewDecoder(payload)
		h.Decode(&d)
		fmt.Fprintf(&text, "%v %x\n", h.Type, payload)
		rest = rest[12+size+1:]
	}
}
