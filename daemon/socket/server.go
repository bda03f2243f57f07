package socket

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"zkd/quorum"
	"zkd/quorum/zk"
)

// Source is the server that is acted on.
type Source interface {
	Status() quorum.Status
	Sessions() []quorum.SessionInfo
	// CloseSession asks for the end of a session, which has ended once Sessions does not list it.
	CloseSession(id zk.SessionID) error
	Connections() []quorum.ConnInfo
	ShedConnections(percent int) int
	HandOver(ctx context.Context) (leader zk.ServerID, err error)
	Snapshot(ctx context.Context) (zk.Zxid, error)
}

// Options of a Server. All must be set but those that may be nil.
type Options struct {
	Path   string
	Source Source
	// SnapshotDir is the directory with the snapshots.
	SnapshotDir string
	// Fallback answers what is not the socket's own: the admin port's handler. Nil for nothing.
	Fallback http.Handler
	// SetLevel changes what is logged from now on, and returns what it was; nil where it cannot be changed.
	SetLevel func(level string) (was string, err error)
	// Reload has the configuration read again, and returns when that is done; nil where it cannot be.
	Reload func(ctx context.Context) (Reloaded, error)
	Logger *zap.Logger
}

// Server answers on the socket.
type Server struct {
	o    Options
	l    *listener
	busy chan struct{} // holds a token for each request under way
}

// The bounds of what operators may cost.
const (
	maxRequests       = 16
	maxHeaderBytes    = 16 << 10
	maxBodyBytes      = 1 << 20
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 30 * time.Second
	stopTimeout       = 2 * time.Second
)

// Open takes the path. An error that wraps syscall.EADDRINUSE says that another server answers on it; after any
// other the server can do without.
func Open(o Options) (*Server, error) {
	l, err := listen(o.Path)
	if err != nil {
		return nil, err
	}
	return &Server{o: o, l: l, busy: make(chan struct{}, maxRequests)}, nil
}

// Close gives up what Open took, in the place of Run.
func (s *Server) Close() { s.l.Close() }

// Run answers until ctx is done, then removes the file. What is under way then is given up.
func (s *Server) Run(ctx context.Context) {
	srv := &http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withCaller,
		ErrorLog:          zap.NewStdLog(s.o.Logger.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(s.l) }()
	s.o.Logger.Info("operators' socket open", zap.String("path", s.o.Path))
	select {
	case err := <-failed:
		s.o.Logger.Error("operators' socket failed", zap.Error(err))
		srv.Close()
	case <-ctx.Done():
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if srv.Shutdown(stopping) != nil {
			srv.Close()
		}
		<-failed
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sessions/list", answer(s.listSessions))
	mux.HandleFunc("POST /sessions/kill", answer(s.killSessions))
	mux.HandleFunc("POST /connections/list", answer(s.listConnections))
	mux.HandleFunc("POST /connections/shed", answer(s.shedConnections))
	mux.HandleFunc("POST /leader/hand-over", answer(s.handOver))
	mux.HandleFunc("POST /snapshot/save", s.saveSnapshot)
	if s.o.SetLevel != nil {
		mux.HandleFunc("POST /log/level", answer(s.setLevel))
	}
	if s.o.Reload != nil {
		mux.HandleFunc("POST /config/reload", answer(s.reload))
	}
	addProfiles(mux)
	if s.o.Fallback != nil {
		mux.Handle("GET /", s.o.Fallback)
	}
	return mux
}

// guard lets in who may ask, and not too many at a time.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := callerOf(r.Context())
		if err := s.l.allowed(who); err != nil {
			s.o.Logger.Warn("operators' socket: refused", zap.String("path", r.URL.Path), zap.Int("uid", who.uid), zap.Int("pid", who.pid), zap.Error(err))
			fail(w, &Error{Code: http.StatusForbidden, Text: err.Error()})
			return
		}
		select {
		case s.busy <- struct{}{}:
			defer func() { <-s.busy }()
		default:
			fail(w, &Error{Code: http.StatusServiceUnavailable, Text: "too many requests at a time on the operators' socket"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		next.ServeHTTP(w, r)
	})
}

// log says who changes what.
func (s *Server) log(ctx context.Context, message string, fields ...zap.Field) {
	who := callerOf(ctx)
	s.o.Logger.Info(message, append(fields, zap.Int("uid", who.uid), zap.Int("pid", who.pid))...)
}

// Error is an answer that is none.
type Error struct {
	Code int // of HTTP
	Text string
}

func (e *Error) Error() string { return e.Text }

func refuse(code int, text string) *Error { return &Error{Code: code, Text: text} }

// answer makes a handler of a function from one JSON document to another. A body that is empty is an empty document.
func answer[Request, Response any](do func(context.Context, Request) (Response, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var request Request
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&request); err != nil && !errors.Is(err, io.EOF) {
			fail(w, refuse(http.StatusBadRequest, "the request is no JSON document of this kind: "+err.Error()))
			return
		}
		response, err := do(r.Context(), request)
		if err != nil {
			fail(w, err)
			return
		}
		writeJSON(w, http.StatusOK, response)
	}
}

// failure is the document of an error.
type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	if typed, ok := errors.AsType[*Error](err); ok {
		code = typed.Code
	}
	writeJSON(w, code, failure{err.Error()})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}
