package admin

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"zkd/daemon/admin/page"
	"zkd/firewall/keeper"
	"zkd/quorum"
	"zkd/quorum/stats"
	"zkd/quorum/zk"
)

// Source is the server that is asked about.
type Source interface {
	Status() quorum.Status
	Stats() *stats.Server
	WatchSummary() (conns, paths, watches int)
	// FourLetter answers a four-letter word; ok is false for one that it does not know.
	FourLetter(word string) (answer string, ok bool)
}

// Clients tells what clients do, which is for the operators' socket alone.
type Clients interface {
	Sessions() []quorum.SessionInfo
	Connections() []quorum.ConnInfo
	// WatchesBySession returns the paths of data watches.
	WatchesBySession() map[zk.SessionID][]string
}

// Info is what does not change while the server runs.
type Info struct {
	Version, Revision, GoVersion string
	DataDir, LogDir              string
	Notify, Watchdog             bool // systemd is told, and watches
}

// Options of a Server. Source, Info and Logger must be set.
type Options struct {
	Source Source
	Info   Info
	// Clients is asked for [Server.LocalHandler]; nil for nobody.
	Clients Clients
	// Addrs are the host:port to listen on. Each is tried by itself; one of the two families may be
	// missing on a host.
	Addrs []string
	// Names that a request may give as Host besides loopback's own and the hosts of Addrs.
	Names []string
	// Metrics answers /metrics.
	Metrics http.Handler
	// Firewall says how the rules for the ports are; ok is false, and it may be nil, where there are none.
	Firewall func() (st keeper.Status, ok bool)
	// Asker asks other members; nil for nobody.
	Asker Asker
	// Listening is set to the number of addresses listened on. May be nil.
	Listening *stats.Gauge
	// StuckAfter is how long the server may show no progress before /livez calls it dead; 0 means
	// [DefaultStuckAfter].
	StuckAfter time.Duration
	Logger     *zap.Logger
}

// Server is the admin port.
type Server struct {
	o       Options
	handler http.Handler
	local   http.Handler
	now     func() time.Time
	page    *page.Page
	course  *course

	// For tests.
	listen     func(ctx context.Context, addr string) (net.Listener, error)
	retryEvery time.Duration

	opened map[string]net.Listener // by Open, not yet served; configured address -> listener

	mu    sync.Mutex
	bound map[string]net.Addr // configured address -> the one in use
}

// The bounds of what one client, or all of them, may cost.
const (
	maxConns          = 64 // per address
	maxHeaderBytes    = 16 << 10
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	answerTimeout     = 20 * time.Second
	idleTimeout       = 30 * time.Second
	stopTimeout       = 2 * time.Second
	retryEvery        = 10 * time.Second
)

// New makes a Server; Run starts it.
func New(o Options) *Server {
	if o.Listening == nil {
		o.Listening = new(stats.Gauge)
	}
	if o.StuckAfter <= 0 {
		o.StuckAfter = DefaultStuckAfter
	}
	s := &Server{o: o, now: time.Now, page: page.New(), course: newCourse(o.Source), retryEvery: retryEvery,
		bound: make(map[string]net.Addr), opened: make(map[string]net.Listener)}
	s.listen = func(ctx context.Context, addr string) (net.Listener, error) {
		var lc net.ListenConfig
		return lc.Listen(ctx, "tcp", addr)
	}
	s.handler, s.local = s.guard(s.routes(false)), s.guard(s.routes(true))
	return s
}

// Handler returns what answers a request, guards included.
func (s *Server) Handler() http.Handler { return s.handler }

// LocalHandler is Handler for the operators' socket: it also answers the commands that tell what clients do.
func (s *Server) LocalHandler() http.Handler { return s.local }

func (s *Server) routes(local bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /status/schema.json", s.schema)
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /healthz", s.readyz)
	mux.HandleFunc("GET /version", s.version)
	mux.HandleFunc("GET /commands", s.commandList(local))
	mux.HandleFunc("GET /commands/{$}", s.commandList(local))
	mux.HandleFunc("GET /commands/{name}", s.command(local))
	if s.o.Metrics != nil {
		mux.Handle("GET /metrics", s.o.Metrics)
	}
	return mux
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Version   string `json:"version"`
		Revision  string `json:"revision"`
		GoVersion string `json:"go_version"`
	}{s.o.Info.Version, s.o.Info.Revision, s.o.Info.GoVersion})
}
