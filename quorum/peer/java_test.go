//go:build java

package peer

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

	"go.uber.org/zap"

	"zkd/quorum/freeport"
	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// javaClassPath is Apache ZooKeeper as Debian's libzookeeper-java installs it.
func javaClassPath() string {
	if path := os.Getenv("ZKD_ZK38_CLASSPATH"); path != "" {
		return path
	}
	return "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
}

// javaEnsemble is three servers, of which one is Apache ZooKeeper's and two are voters of this test.
type javaEnsemble struct {
	config    proto.QuorumConfig
	peers     []proto.HostPort // peer ports, of server 1 first
	elections []net.Listener   // nil for the Java server
}

// startJava starts the Java server with that id, and nothing else.
func startJava(t *testing.T, id zk.ServerID) javaEnsemble {
	t.Helper()
	noLeaks(t)
	var e javaEnsemble
	dir := t.TempDir()
	var zoo bytes.Buffer
	fmt.Fprintf(&zoo, "tickTime=1000\ninitLimit=20\nsyncLimit=10\ndataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
		dir, freeport.Take(t, 1)[0])
	for i := range zk.ServerID(3) {
		l := loopback(t)
		here, peer := hostPort(l.Addr()), proto.HostPort{Host: "127.0.0.1", Port: uint16(freeport.Take(t, 1)[0])}
		fmt.Fprintf(&zoo, "server.%d=127.0.0.1:%d:%d\n", i+1, peer.Port, here.Port)
		e.config.Servers = append(e.config.Servers, proto.QuorumServer{
			ID: i + 1, Addrs: []proto.PeerAddr{{Host: here.Host, QuorumPort: peer.Port, ElectionPort: here.Port}},
		})
		e.peers = append(e.peers, peer)
		if i+1 == id {
			l.Close()
			l = nil
		}
		e.elections = append(e.elections, l)
	}
	cfg := filepath.Join(dir, "zoo.cfg")
	for name, text := range map[string][]byte{cfg: zoo.Bytes(), filepath.Join(dir, "myid"): fmt.Appendln(nil, id)} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("java", "-Xmx256m", "-cp", javaClassPath(), "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			output, _ := os.ReadFile(filepath.Join(dir, "output"))
			t.Logf("the Java server said:\n%s", output)
		}
	})
	return e
}

func receivedBy(link int, p proto.PacketType, z zk.Zxid, dataBytes int) string {
	return fmt.Sprintf("link %d: %v %v of %d", link, p, z, dataBytes)
}

// The Java server has the middle id: one voter connects to it, and it connects to the other. It then
// follows this room's port, with a snapshot.
func TestAJavaServerElectsAndFollows(t *testing.T) {
	e := startJava(t, 2)
	one := newVoter(t, 1, 0, e.config, e.elections[0])
	three := newVoter(t, 3, 0x1_0000_0001, e.config, e.elections[2])
	one.await(t, 3)
	three.await(t, 3)

	in := newLinkInbox()
	port := NewLeaderPort(LeaderConfig{Receiver: in, Logger: zap.NewNop()})
	defer port.Close()
	l, err := TCP(0).ListenRetrying(t.Context(), e.peers[2].String(), 3, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	port.Serve(l)
	in.await(t, receivedBy(1, proto.PacketFollowerInfo, 0, 20))
	link := linksOf(port)[0]
	if info, observer := link.Learner(); info.ServerID != 2 || observer {
		t.Errorf("learner %+v, observer %t", info, observer)
	}
	epoch := zk.MakeZxid(2, 0)
	link.Send(proto.QuorumPacket{Type: proto.PacketLeaderInfo, Zxid: epoch, Data: jute.AppendInt(nil, proto.QuorumProtocolVersion)})
	link.Flush()
	in.await(t, receivedBy(1, proto.PacketAckEpoch, 0, 4))
	link.Send(proto.QuorumPacket{Type: proto.PacketSnap, Zxid: 0x1_0000_0001})
	link.Stream(func(w io.Writer) error {
		_, err := w.Write(realSnapshot(t))
		return err
	})
	link.Send(proto.QuorumPacket{Type: proto.PacketNewLeader, Zxid: epoch})
	link.Flush()
	in.await(t, receivedBy(1, proto.PacketAck, epoch, 0))
	link.Send(proto.QuorumPacket{Type: proto.PacketUpToDate, Zxid: -1})
	link.Flush()
	in.await(t, receivedBy(1, proto.PacketAck, epoch, 0))
	link.Send(proto.QuorumPacket{Type: proto.PacketPing, Zxid: epoch})
	link.Flush()
	in.awaitPrefix(t, "link 1: PING")
	for _, v := range []*voter{one, three} {
		for _, r := range v.transport.Reach() {
			if !r.Linked {
				t.Errorf("server %d: reach %+v", v.id, r)
			}
		}
	}
}

// awaitPrefix waits for a report that begins so, and returns what came up to it.
func (in *linkInbox) awaitPrefix(t *testing.T, prefix string) []string {
	t.Helper()
	late := time.After(patience)
	var come []string
	for {
		come = append(come, in.take()...)
		if slices.ContainsFunc(come, func(s string) bool { return strings.HasPrefix(s, prefix) }) {
			return come
		}
		select {
		case <-in.more:
		case <-late:
			t.Fatalf("%q did not come; there is %q, %v", prefix, come, in.lastErr())
		}
	}
}

// The Java server has the largest id, and leads. One learner of this room gets a DIFF from it, the
// other a snapshot.
func TestAJavaServerElectsAndLeads(t *testing.T) {
	e := startJava(t, 3)
	for i := range 2 {
		newVoter(t, zk.ServerID(i+1), 0, e.config, e.elections[i]).await(t, 3)
	}
	var links []*Link
	var inboxes []*linkInbox
	for i := range zk.ServerID(2) {
		in := newLinkInbox()
		link, err := DialLeader(t.Context(), LearnerConfig{Network: TCP(0), Receiver: in, Logger: zap.NewNop()}, e.peers[2:])
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		link.Send(infoOf(i + 1))
		link.Flush()
		links, inboxes = append(links, link), append(inboxes, in)
	}
	epoch := zk.MakeZxid(1, 0)
	acks := []proto.QuorumPacket{
		{Type: proto.PacketAckEpoch, Data: jute.AppendInt(nil, 0)},
		{Type: proto.PacketAckEpoch, Zxid: epoch, Data: jute.AppendInt(nil, -1)}, // of an epoch it does not know
	}
	for i, link := range links {
		inboxes[i].await(t, receivedBy(1, proto.PacketLeaderInfo, epoch, 4))
		link.Send(acks[i])
		link.Flush()
	}
	for i, link := range links {
		come := strings.Join(inboxes[i].awaitPrefix(t, "link 1: NEWLEADER"), "\n")
		if want := []string{"link 1: DIFF", "link 1: snapshot of"}[i]; !strings.Contains(come, want) {
			t.Errorf("learner %d got %q, without %s", i+1, come, want)
		}
		link.Send(proto.QuorumPacket{Type: proto.PacketAck, Zxid: epoch})
		link.Flush()
	}
	for i := range links {
		inboxes[i].await(t, receivedBy(1, proto.PacketUpToDate, -1, 0))
	}
}
