package gather

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"zkd/daemon/admin"
	"zkd/daemon/config"
	"zkd/daemon/doctor"
	"zkd/quorum/peer"
	"zkd/quorum/replica"
	"zkd/quorum/zk"
)

// Options say where to look.
type Options struct {
	// ConfigFile is what Load reads, "" for the built-in configuration.
	ConfigFile string
	Load       func() (config.Config, []config.Notice, error)
	// Others are the client ports of the other members.
	Others func(config.Config) map[zk.ServerID]string
	// Members says whether to ask them.
	Members bool
	// Deep reads all of the transaction log.
	Deep bool
	// Timeout of each question; 0 is two seconds.
	Timeout time.Duration
}

// gatherer gathers once.
type gatherer struct {
	o Options
	f doctor.Facts
	// said is what the server on this host says of itself; nil if it does not.
	said *admin.Report

	mu sync.Mutex // guards f while questions are asked side by side
}

// Gather gathers.
func Gather(ctx context.Context, o Options) doctor.Facts {
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Second
	}
	g := &gatherer{o: o}
	g.f.ConfigFile = o.ConfigFile
	g.config()
	// First what others are judged by.
	g.f.Listen = listeners(os.ReadFile)
	g.f.Inbound = inbound(os.ReadFile, g.f.Listen, ownAddresses())
	g.unit(ctx)
	g.server(ctx)
	g.process()
	if r, ok := PortRange(); ok {
		g.f.Ephemeral = &r
	}
	var questions sync.WaitGroup
	questions.Go(func() { g.clock() })
	if g.f.ConfigError == "" {
		questions.Go(func() { g.storage(ctx) })
		questions.Go(func() { g.firewall(ctx) })
		questions.Go(func() { g.ownPorts(ctx) })
		questions.Go(func() { g.members(ctx) })
	}
	questions.Wait()
	return g.f
}

// ownAddresses are those of this host.
func ownAddresses() (own []netip.Addr) {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr())
		}
	}
	return own
}

// unseen says that something could not be looked at.
func (g *gatherer) unseen(what, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f.Unseen = append(g.f.Unseen, doctor.Unseen{What: what, Why: why})
}

// asRoot is why a file of the server's is not looked at that who asks may not read.
const asRoot = "permission denied; run this as root or as zkd"

// why says why something is not looked at.
func why(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return asRoot
	}
	return err.Error()
}

// config reads the configuration. That who asks may not read myid says nothing of the server, which may.
func (g *gatherer) config() {
	cfg, notices, err := g.o.Load()
	g.f.Config = cfg
	denied := ""
	g.f.Notices = slices.DeleteFunc(slices.Clone(notices), func(n config.Notice) bool {
		if n.Denied {
			denied = n.File
		}
		return n.Denied
	})
	if wrong, ok := errors.AsType[config.Errors](err); ok {
		g.f.Wrong = slices.DeleteFunc(slices.Clone(wrong), func(p config.Problem) bool {
			if p.Denied {
				denied, g.f.NoID = p.File, true
			}
			return p.Denied
		})
	}
	if denied != "" {
		g.unseen("the number of this server in "+denied, asRoot)
	}
	if g.f.Wrong != nil && cfg.DataDir != "" {
		return
	}
	if err != nil {
		g.f.ConfigError = err.Error()
	}
}

// as is the time limit of a question.
func (g *gatherer) as(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, g.o.Timeout)
}

// dial tries a port.
func (g *gatherer) dial(ctx context.Context, use string, id zk.ServerID, own bool, addr string) {
	ctx, cancel := g.as(ctx)
	defer cancel()
	p := doctor.Port{Use: use, Server: id, Own: own, Address: addr}
	began := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err == nil {
		p.OK, p.RTTMicros = true, time.Since(began).Microseconds()
		conn.Close()
	} else {
		p.Class = string(peer.Classify(err))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f.Ports = append(g.f.Ports, p)
}

// ownPorts tries the client and the admin port from this host itself, if somebody listens there.
func (g *gatherer) ownPorts(ctx context.Context) {
	var tries sync.WaitGroup
	cfg := g.f.Config
	for _, a := range cfg.Client.Listen {
		tries.Go(func() { g.dial(ctx, "client", cfg.ID, true, admin.Loopback(a)) })
	}
	if cfg.Admin.Enabled {
		for _, a := range cfg.Admin.Listen {
			tries.Go(func() { g.dial(ctx, "admin", cfg.ID, true, admin.Loopback(a)) })
		}
	}
	tries.Wait()
}

// storage looks at the directories.
func (g *gatherer) storage(ctx context.Context) {
	cfg := g.f.Config
	var found []doctor.Dir
	for _, d := range []doctor.Dir{{Use: "data_dir", Path: cfg.DataDir}, {Use: "log_dir", Path: cfg.LogDir}} {
		if d.Path != "" && (len(found) == 0 || filepath.Clean(d.Path) != filepath.Clean(found[0].Path)) {
			if err := lookAt(&d); errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
				g.unseen(d.Use+" "+d.Path, asRoot)
				continue
			}
			d.Server = g.serverUser()
			found = append(found, d)
		}
	}
	logDir := cfg.LogDir
	if logDir == "" {
		logDir = cfg.DataDir
	}
	speed, err := fsync(ctx, logDir)
	if err != nil {
		g.unseen("disk latency", why(err))
	}
	snapshots, err := g.snapshots(filepath.Join(cfg.DataDir, "version-2"), filepath.Join(logDir, "version-2"))
	if err != nil {
		g.unseen("snapshots and log", why(err))
	}
	_, restoring := os.Stat(filepath.Join(cfg.DataDir, replica.RestoreNote))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f.Dirs, g.f.Fsync, g.f.Snapshots, g.f.Restoring = found, speed, snapshots, restoring == nil
}

// serverUser is the name of whom the server runs as, "" if nothing says so.
func (g *gatherer) serverUser() string {
	switch {
	case g.f.Process != nil && g.f.Process.Command == "zkd":
		return userName(g.f.Process.UID)
	case g.f.Unit != nil && g.f.Unit.Loaded:
		return g.f.Unit.User
	}
	return ""
}

// names resolves the hosts of the members.
func (g *gatherer) names(ctx context.Context) {
	var mu sync.Mutex
	var lookups sync.WaitGroup
	all := make([]doctor.Name, 0)
	for _, s := range g.f.Config.Servers {
		for _, a := range s.Addresses {
			n := doctor.Name{Server: s.ID, Own: s.ID == g.f.Config.ID, Host: a.Host}
			lookups.Go(func() {
				n.Addresses, n.Error = g.lookup(ctx, n.Host)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, n)
			})
		}
	}
	lookups.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f.Names = sortedNames(all)
}

func (g *gatherer) lookup(ctx context.Context, host string) (addrs []netip.Addr, failure string) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, ""
	}
	ctx, cancel := g.as(ctx)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return nil, strings.TrimPrefix(dns.Err, "lookup ")
	} else if err != nil {
		return nil, err.Error()
	}
	return addrs, ""
}
