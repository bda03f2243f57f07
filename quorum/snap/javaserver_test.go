//go:build java

package snap

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/go-zookeeper/zk"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// javaRelease is an Apache ZooKeeper to test with.
type javaRelease struct {
	name      string
	classPath string
}

// javaReleases returns the one that Debian's libzookeeper-java installs, and one of 3.9 whose
// class path is in the environment. A missing one fails the test: there is no point in the tag
// without them.
func javaReleases(t *testing.T) []javaRelease {
	t.Helper()
	path38 := os.Getenv("ZKD_ZK38_CLASSPATH")
	if path38 == "" {
		path38 = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
	}
	path39 := os.Getenv("ZKD_ZK39_CLASSPATH")
	if path39 == "" {
		t.Fatal("set ZKD_ZK39_CLASSPATH to a ZooKeeper 3.9 with its libraries and snappy-java")
	}
	return []javaRelease{{"java-3.8", path38}, {"java-3.9", path39}}
}

// javaServer is one standalone ZooKeeper process.
type javaServer struct {
	t    *testing.T
	cmd  *exec.Cmd
	addr string
	log  string
}

// startJava starts a server on dataDir and waits until it serves.
func startJava(t *testing.T, release javaRelease, dataDir string, properties ...string) *javaServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &javaServer{t: t, addr: listener.Addr().String(), log: filepath.Join(t.TempDir(), "log")}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()

	cfg := filepath.Join(t.TempDir(), "zoo.cfg")
	text := fmt.Sprintf("tickTime=2000\nmaxSessionTimeout=600000\ndataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\n"+
		"admin.enableServer=false\n4lw.commands.whitelist=*\n", dataDir, port)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-Xmx256m", "-Dzookeeper.extendedTypesEnabled=true", "-Dzookeeper.preAllocSize=8"}
	args = append(args, properties...)
	args = append(args, "-cp", release.classPath, "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg)
	s.cmd = exec.Command("java", args...)
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log.Close()
	ended := make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-ended })
	s.await(ended)
	return s
}

// await polls srvr until the server says that it is standalone.
func (s *javaServer) await(ended <-chan struct{}) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 1200 {
		select {
		case <-ended:
			output, _ := os.ReadFile(s.log)
			s.t.Fatalf("the server ended:\n%s", output)
		case <-tick.C:
		}
		if strings.Contains(s.word("srvr"), "Mode: standalone") {
			return
		}
	}
	output, _ := os.ReadFile(s.log)
	s.t.Fatalf("the server does not serve:\n%s", output)
}

// word sends a four-letter word; "" if there is no answer.
func (s *javaServer) word(word string) string {
	conn, err := net.DialTimeout("tcp", s.addr, 5*time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(conn, word)
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// checkDigest fails the test if the server found a digest, in a snapshot or in a txn, that is not
// that of its tree.
func (s *javaServer) checkDigest() {
	s.t.Helper()
	if mntr := s.word("mntr"); !strings.Contains(mntr, "zk_digest_mismatches_count\t0\n") {
		s.t.Errorf("the server finds another digest:\n%s", mntr)
	}
}

// kill ends the process as kill -9 does and waits for its end.
func (s *javaServer) kill() {
	_ = s.cmd.Process.Kill()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.word("ruok") != "" {
		<-tick.C
	}
}

// connect opens a session. Its watch for lost connections is drained by nobody, and closed by the
// end of the test.
func (s *javaServer) connect(timeout time.Duration) *client.Conn {
	s.t.Helper()
	conn, events, err := client.Connect([]string{s.addr}, timeout, client.WithLogger(silent{}))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	for e := range events {
		if e.State == client.StateHasSession {
			return conn
		}
	}
	s.t.Fatal("no session")
	return nil
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// secret is the identity that owns some of the nodes.
const secret = "ben:secret"

// list shows the tree as state.listing does, but as the server tells it to a client.
func (s *javaServer) list(conn *client.Conn) string {
	s.t.Helper()
	if err := conn.AddAuth("digest", []byte(secret)); err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	var visit func(path string)
	visit = func(path string) {
		data, stat, err := conn.Get(path)
		if err != nil {
			s.t.Fatalf("get %s: %v", path, err)
		}
		list, _, err := conn.GetACL(path)
		if err != nil {
			s.t.Fatalf("getACL %s: %v", path, err)
		}
		var acl []proto.ACL
		for _, a := range list {
			acl = append(acl, proto.ACL{Perms: zk.Perm(a.Perms), ID: proto.ID{Scheme: a.Scheme, ID: a.ID}})
		}
		lines = append(lines, listingLine(path, data, acl, proto.Stat{
			Czxid: zk.Zxid(stat.Czxid), Mzxid: zk.Zxid(stat.Mzxid), Pzxid: zk.Zxid(stat.Pzxid),
			CtimeMillis: stat.Ctime, MtimeMillis: stat.Mtime,
			Version: stat.Version, Cversion: stat.Cversion, Aversion: stat.Aversion,
			EphemeralOwner: stat.EphemeralOwner, DataLength: stat.DataLength, NumChildren: stat.NumChildren,
		}))
		children, _, err := conn.Children(path)
		if err != nil {
			s.t.Fatalf("children of %s: %v", path, err)
		}
		for _, name := range children {
			visit(strings.TrimSuffix(path, "/") + "/" + name)
		}
	}
	visit("/")
	slices.SortFunc(lines, func(a, b string) int {
		return strings.Compare(a[:strings.Index(a, " data ")], b[:strings.Index(b, " data ")])
	})
	return strings.Join(lines, "")
}

// populate makes znodes of every kind through three sessions, two of which it leaves open.
func (s *javaServer) populate() {
	s.t.Helper()
	one, two, three := s.connect(100*time.Second), s.connect(200*time.Second), s.connect(20*time.Second)
	check := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	create := func(conn *client.Conn, path string, data []byte, flags int32, acl []client.ACL) {
		s.t.Helper()
		_, err := conn.Create(path, data, flags, acl)
		check(err)
	}
	world := client.WorldACL(client.PermAll)
	owned := append(client.DigestACL(client.PermAll, "ben", "secret"), client.WorldACL(client.PermRead)...)
	address := []client.ACL{{Perms: client.PermAll, Scheme: "ip", ID: "127.0.0.0/8"}}

	create(one, "/app", []byte("the application"), 0, world)
	create(one, "/app/null", nil, 0, world)
	create(one, "/app/empty", []byte{}, 0, world)
	create(one, "/app/large", bytes.Repeat([]byte("0123456789abcdef"), 64), 0, world)
	create(one, "/app/owned", []byte("by ben"), 0, owned)
	create(one, "/app/near", []byte("by address"), 0, address)
	create(one, "/app/приложение", []byte("имя"), 0, world)
	create(one, "/app/gone", []byte("soon"), 0, world)
	create(one, "/app/gone/child", nil, 0, world)
	check(one.Delete("/app/gone/child", -1))
	check(one.Delete("/app/gone", -1))
	for i := range 6 {
		_, err := one.Set("/app", fmt.Appendf(nil, "the application, version %d", i+1), int32(i))
		check(err)
	}
	_, err := one.SetACL("/app/near", owned, 0)
	check(err)
	create(one, "/queue", nil, 0, world)
	for i := range 9 {
		create(two, "/queue/item-", fmt.Appendf(nil, "%d", i), client.FlagSequence, world)
	}
	check(two.Delete("/queue/item-0000000004", 0))
	create(one, "/members", nil, 0, world)
	create(one, "/members/one", []byte("1"), client.FlagEphemeral, world)
	create(two, "/members/two", []byte("2"), client.FlagEphemeral, world)
	create(two, "/members/n-", nil, client.FlagEphemeral|client.FlagSequence, world)
	create(three, "/members/three", []byte("3"), client.FlagEphemeral, world)
	create(three, "/members/another", []byte("4"), client.FlagEphemeral, world)
	three.Close()
	_, err = one.CreateContainer("/container", []byte("c"), client.FlagContainer, world)
	check(err)
	create(one, "/container/child", nil, 0, world)
	_, err = one.CreateTTL("/ttl", []byte("t"), client.FlagTTL, world, 3600*time.Second)
	check(err)
	_, err = one.Multi(
		&client.CreateRequest{Path: "/multi", Data: []byte("all"), Acl: world, Flags: 0},
		&client.CreateRequest{Path: "/multi/child", Data: []byte("or nothing"), Acl: owned, Flags: 0},
		&client.SetDataRequest{Path: "/app/empty", Data: []byte{}, Version: 0},
		&client.CheckVersionRequest{Path: "/app", Version: 6},
		&client.DeleteRequest{Path: "/queue/item-0000000000", Version: 0},
	)
	check(err)
	if _, err = one.Multi(
		&client.CreateRequest{Path: "/never", Acl: world},
		&client.DeleteRequest{Path: "/missing", Version: -1},
	); err == nil {
		s.t.Fatal("a multi that must fail did not")
	}
	if _, err = one.Create("/app", nil, 0, world); err == nil {
		s.t.Fatal("a create that must fail did not")
	}
	create(one, "/zookeeper/quota/app", nil, 0, world)
	create(one, "/zookeeper/quota/app/zookeeper_limits", []byte("count=100,bytes=100000"), 0, world)
	create(one, "/zookeeper/quota/app/zookeeper_stats", []byte("count=0,bytes=0"), 0, world)
	create(one, "/app/counted", []byte("by the quota"), 0, world)

}
