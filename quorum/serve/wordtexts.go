package serve

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// javaDouble prints v as Java prints a double that was rounded to four decimals.
func javaDouble(v float64) string {
	if math.IsNaN(v) {
		v = 0
	}
	v = math.Round(v*1e4) / 1e4
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// Latency of the server so far, in milliseconds.
func (s *Server) latencyMillis() (least int64, avg float64, most int64) {
	h := &s.stats.Latency
	return h.Min() / 1000, h.Avg() / 1000, h.Max() / 1000
}

func (s *Server) srvr() string {
	least, avg, most := s.latencyMillis()
	status := s.cfg.Replica.Status()
	mode := s.cfg.Words.Mode()
	proposals := ""
	if mode == "leader" {
		sizes := &s.stats.ProposalBytes
		proposals = fmt.Sprintf("Proposal sizes last/min/max: %d/%d/%d\n", sizes.Last(), sizes.Min(), sizes.Max())
	}
	return lines(
		"Zookeeper version: "+s.cfg.Words.Version,
		fmt.Sprintf("Latency min/avg/max: %d/%s/%d", least, javaDouble(avg), most),
		fmt.Sprintf("Received: %d", s.stats.PacketsReceived.Load()),
		fmt.Sprintf("Sent: %d", s.stats.PacketsSent.Load()),
		fmt.Sprintf("Connections: %d", s.stats.ConnectionsAlive.Load()),
		fmt.Sprintf("Outstanding: %d", s.stats.Outstanding.Load()),
		"Zxid: "+status.Applied.String(),
		"Mode: "+mode,
		proposals+fmt.Sprintf("Node count: %d", status.Znodes),
	)
}

func (s *Server) stat() string {
	version, rest, _ := strings.Cut(s.srvr(), "\n")
	var b strings.Builder
	b.WriteString(version + "\nClients:\n")
	for _, c := range s.Connections() {
		fmt.Fprintf(&b, " /%s[%d](queued=%d,recved=%d,sent=%d)\n", c.Remote, c.Interest, c.Queued, c.Received, c.Sent)
	}
	b.WriteString("\n" + rest)
	return b.String()
}

func (s *Server) cons() string {
	var b strings.Builder
	for _, c := range s.Connections() {
		fmt.Fprintf(&b, " /%s[%d](queued=%d,recved=%d,sent=%d", c.Remote, c.Interest, c.Queued, c.Received, c.Sent)
		if c.Session != 0 {
			fmt.Fprintf(&b, ",sid=%v,lop=%s,est=%d,to=%d", c.Session, c.LastOp, c.Established.UnixMilli(), c.TimeoutMillis)
			if c.HasCxid {
				fmt.Fprintf(&b, ",lcxid=0x%x", uint32(c.LastCxid))
			}
			fmt.Fprintf(&b, ",lzxid=%v,lresp=%d,llat=%d,minlat=%d,avglat=%d,maxlat=%d",
				c.LastZxid, s.sinceStart(c.LastResponse), c.LastLatency.Milliseconds(),
				c.MinLatency.Milliseconds(), c.AvgLatency.Milliseconds(), c.MaxLatency.Milliseconds())
		}
		b.WriteString(")\n")
	}
	return b.String() + "\n"
}

// sinceStart returns t in milliseconds since the server began, 0 for the zero time.
func (s *Server) sinceStart(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Sub(s.cfg.Words.Started).Milliseconds()
}

func (s *Server) conf() string { return s.cfg.Words.Conf() }

// envi has the keys that ZooKeeper prints; those that speak of a Java runtime tell of this program.
func (s *Server) envi() string {
	host, _ := os.Hostname()
	dir, _ := os.Getwd()
	name, home := "<unknown>", "<unknown>"
	if u, err := user.Current(); err == nil {
		name, home = u.Username, u.HomeDir
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return lines("Environment:",
		"zookeeper.version="+s.cfg.Words.Version, "host.name="+host, "java.version=<NA>", "java.vendor=<NA>", "java.home=<NA>",
		"java.class.path=<NA>", "java.library.path=<NA>", "java.io.tmpdir="+os.TempDir(), "java.compiler="+runtime.Version(),
		"os.name="+osName(), "os.arch="+runtime.GOARCH, "os.version="+kernelVersion(),
		"user.name="+name, "user.home="+home, "user.dir="+dir,
		fmt.Sprintf("jvm.memory.free=%dMB", mem.HeapIdle>>20), fmt.Sprintf("jvm.memory.max=%dMB", mem.Sys>>20),
		fmt.Sprintf("jvm.memory.total=%dMB", mem.HeapSys>>20))
}

func osName() string { return strings.ToUpper(runtime.GOOS[:1]) + runtime.GOOS[1:] }

func kernelVersion() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "<NA>"
	}
	return string(bytes.TrimSpace(text))
}

func (s *Server) wchs() string {
	watchers, paths, watches := s.cfg.Replica.WatchSummary()
	return lines(fmt.Sprintf("%d connections watching %d paths", watchers, paths), fmt.Sprintf("Total watches:%d", watches))
}

// WatchesByPath returns who has data watches, by path.
func (s *Server) WatchesByPath() map[string][]zk.SessionID {
	byPath := make(map[string][]zk.SessionID)
	for path, watchers := range s.cfg.Replica.DataWatches() {
		for _, w := range watchers {
			if c, ok := w.(*conn); ok {
				byPath[path] = append(byPath[path], c.sessionID())
			}
		}
		slices.Sort(byPath[path])
	}
	return byPath
}

// WatchesBySession returns what has data watches, by session, paths sorted.
func (s *Server) WatchesBySession() map[zk.SessionID][]string {
	bySession := make(map[zk.SessionID][]string)
	for path, ids := range s.WatchesByPath() {
		for _, id := range ids {
			bySession[id] = append(bySession[id], path)
		}
	}
	for _, paths := range bySession {
		slices.Sort(paths)
	}
	return bySession
}

func (s *Server) wchp() string {
	byPath := s.WatchesByPath()
	return groups(byPath, func(p string) string { return p }, zk.SessionID.String)
}

func (s *Server) wchc() string {
	return groups(s.WatchesBySession(), zk.SessionID.String, func(p string) string { return p })
}

// groups prints each key on a line and its items indented below, then an empty line.
func groups[K cmp.Ordered, V any](all map[K][]V, key func(K) string, item func(V) string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(all)) {
		b.WriteString(key(k) + "\n")
		for _, v := range all[k] {
			b.WriteString("\t" + item(v) + "\n")
		}
	}
	return b.String() + "\n"
}

// javaDate is the layout of Java's Date.toString.
const javaDate = "Mon Jan 02 15:04:05 MST 2006"

func (s *Server) dump() string {
	var b strings.Builder
	b.WriteString("SessionTracker dump:\n")
	expiries, _ := s.cfg.Replica.Expiries() // none while stopping
	total := 0
	for _, e := range expiries {
		total += len(e.Sessions)
	}
	fmt.Fprintf(&b, "Session Sets (%d)/(%d):\n", len(expiries), total)
	for _, e := range expiries {
		fmt.Fprintf(&b, "%d expire at %s:\n", len(e.Sessions), e.At.Format(javaDate))
		for _, id := range e.Sessions {
			fmt.Fprintf(&b, "\t%v\n", id)
		}
	}
	owners := s.ephemerals()
	fmt.Fprintf(&b, "ephemeral nodes dump:\nSessions with Ephemerals (%d):\n", len(owners))
	for _, id := range slices.Sorted(maps.Keys(owners)) {
		fmt.Fprintf(&b, "%v:\n", id)
		for _, path := range owners[id] {
			fmt.Fprintf(&b, "\t%s\n", path)
		}
	}
	conns := s.Connections()
	fmt.Fprintf(&b, "Connections dump:\nConnections Sets (%d)/(%d):\n%d expire at %s:\n", min(1, len(conns)), len(conns),
		len(conns), time.Now().Format(javaDate))
	for _, c := range conns {
		fmt.Fprintf(&b, "\tip: /%s sessionId: %v\n", c.Remote, c.Session)
	}
	return b.String()
}

// ephemerals returns the paths of all ephemeral znodes by session.
func (s *Server) ephemerals() map[zk.SessionID][]string {
	owners := make(map[zk.SessionID][]string)
	s.cfg.Replica.Read(func(v *replica.View) {
		for id := range v.Tree().EphemeralOwners() {
			owners[id] = slices.Collect(v.Tree().Ephemerals(id))
		}
	})
	return owners
}

func (s *Server) dirs() string {
	snapshots, logs := s.cfg.Words.DirSizes()
	return lines(fmt.Sprintf("datadir_size: %d", snapshots), fmt.Sprintf("logdir_size: %d", logs))
}

func (s *Server) hash() string {
	var b strings.Builder
	for _, d := range s.cfg.Replica.Digests() {
		fmt.Fprintf(&b, "%x: %d\n", uint64(d.Zxid), int64(d.Digest))
	}
	return b.String()
}

func (s *Server) crst() string {
	s.ResetConnStats()
	return lines("Connection stats reset.")
}

func (s *Server) srst() string {
	s.stats.ResetLatency()
	return lines("Server stats reset.")
}
