package gather

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"zkd/daemon/doctor"
	"zkd/quorum/peer"
	"zkd/quorum/zk"
)

// maxWordBytes is more than the answer to a word has.
const maxWordBytes = 1 << 20

func sortedNames(all []doctor.Name) []doctor.Name {
	slices.SortFunc(all, func(a, b doctor.Name) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Host, b.Host))
	})
	return all
}

// members looks at the others: names, election ports, and what their client ports say.
func (g *gatherer) members(ctx context.Context) {
	if len(g.f.Config.Servers) < 2 {
		return
	}
	if g.f.NoID {
		g.unseen("the other members", "it is not known which of [servers] this one is")
		return
	}
	var questions sync.WaitGroup
	questions.Go(func() { g.names(ctx) })
	if !g.o.Members {
		g.unseen("the other members", "not asked for")
		questions.Wait()
		return
	}
	for _, s := range g.f.Config.Servers {
		if s.ID == g.f.Config.ID || g.f.Server.Told {
			continue // the server tells of its own connections
		}
		for _, a := range s.Addresses {
			addr := net.JoinHostPort(a.Host, strconv.Itoa(a.ElectionPort))
			questions.Go(func() { g.dial(ctx, "election", s.ID, false, addr) })
		}
	}
	for id, addr := range g.o.Others(g.f.Config) {
		questions.Go(func() { g.member(ctx, id, addr) })
	}
	questions.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	slices.SortFunc(g.f.Ports, func(a, b doctor.Port) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Use, b.Use), cmp.Compare(a.Address, b.Address))
	})
	slices.SortFunc(g.f.Members, func(a, b doctor.Member) int { return cmp.Compare(a.ID, b.ID) })
}

// member asks one client port.
func (g *gatherer) member(ctx context.Context, id zk.ServerID, addr string) {
	g.dial(ctx, "client", id, false, addr)
	m := doctor.Member{ID: id, Address: addr}
	text, err := g.word(ctx, addr, "srvr")
	if m.OK = err == nil; err != nil {
		m.Class = string(peer.Classify(err))
	} else {
		m.Version, m.NotServing = versionIn(text), strings.Contains(text, "not currently serving requests")
		if text, err = g.word(ctx, addr, "conf"); err == nil {
			m.Conf, m.Servers = parseConf(text)
		}
	}
	if m.OK && !strings.Contains(m.Version, "-zkd-") { // zkd's admin port is for its own host: it would count a stranger
		m.BehindMillis, m.HasClock = g.behind(ctx, addr)
	}
	switch {
	case !m.OK:
		g.unseen("configuration and version of the server at "+addr, "its client port does not answer ("+m.Class+")")
	case m.NotServing:
		g.unseen("configuration and version of the server at "+addr, "it does not serve, and says nothing else")
	case m.Conf == nil:
		g.unseen("configuration of the server at "+addr, "it may not answer conf: allow it there, by words.allow or 4lw.commands.whitelist")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f.Members = append(g.f.Members, m)
}

// word asks a four-letter word.
func (g *gatherer) word(ctx context.Context, addr, word string) (string, error) {
	ctx, cancel := g.as(ctx)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(g.o.Timeout)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, word); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(conn, maxWordBytes))
	if len(text) == 0 {
		return "", errors.Join(err, io.ErrUnexpectedEOF)
	}
	return string(text), nil
}

// versionIn returns the version of srvr's first line, "" if it has none.
func versionIn(srvr string) string {
	line, _, _ := strings.Cut(srvr, "\n")
	version, ok := strings.CutPrefix(line, "Zookeeper version: ")
	if !ok {
		return ""
	}
	return strings.TrimSpace(version)
}

// parseConf reads the answer to conf: key=value lines, and server.N=... among them. Both are nil for what is none.
func parseConf(text string) (conf map[string]string, servers map[zk.ServerID]string) {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.ContainsRune(key, ' ') {
			continue
		}
		if digits, ok := strings.CutPrefix(key, "server."); ok {
			if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
				if servers == nil {
					servers = make(map[zk.ServerID]string)
				}
				servers[zk.ServerID(n)] = value
			}
			continue
		}
		if conf == nil {
			conf = make(map[string]string)
		}
		conf[key] = value
	}
	if _, ok := conf["clientPort"]; !ok {
		return nil, nil
	}
	return conf, servers
}

// behind compares clocks with a member whose admin port is open to this host, as ZooKeeper's is by default: HTTP
// tells the time to a second, so that less than a second is no difference.
func (g *gatherer) behind(ctx context.Context, clientAddr string) (millis int64, ok bool) {
	host, _, err := net.SplitHostPort(clientAddr)
	cfg := g.f.Config
	if err != nil || len(cfg.Admin.Listen) == 0 {
		return 0, false
	}
	_, port, err := net.SplitHostPort(cfg.Admin.Listen[0])
	if err != nil {
		return 0, false
	}
	ctx, cancel := g.as(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/commands/ruok", nil)
	if err != nil {
		return 0, false
	}
	asked := time.Now()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, false
	}
	answered := time.Now()
	resp.Body.Close()
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return apart(asked, answered, theirs), true
}

// apart is by how much a clock that showed theirs, cut to a second, at some moment from asked to answered is surely
// behind: negative if it is ahead.
func apart(asked, answered, theirs time.Time) int64 {
	switch last := theirs.Add(time.Second); {
	case last.Before(asked):
		return asked.Sub(last).Milliseconds()
	case theirs.After(answered):
		return answered.Sub(theirs).Milliseconds()
	default:
		return 0
	}
}
