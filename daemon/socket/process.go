package socket

import (
	"context"
	"net/http"
	"net/http/pprof"

	"go.uber.org/zap"
)

// What operators ask of the process rather than of the server in it.

// addProfiles adds what go tool pprof asks for. It shows what the process does and holds, and so is for operators.
func addProfiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// Level names how severe an entry of the log must be: debug, info, warn or error.
type Level struct {
	Level string `json:"level"`
}

// LevelSet says what was changed.
type LevelSet struct {
	Level string `json:"level"`
	Was   string `json:"was"`
}

func (s *Server) setLevel(ctx context.Context, l Level) (LevelSet, error) {
	was, err := s.o.SetLevel(l.Level)
	if err != nil {
		return LevelSet{}, refuse(http.StatusBadRequest, err.Error())
	}
	s.log(ctx, "log level changed by an operator", zap.String("level", l.Level), zap.String("was", was))
	return LevelSet{l.Level, was}, nil
}

// Reloaded says which keys were changed by a reload, and which wait for a restart.
type Reloaded struct {
	Changed []string `json:"changed"`
	Waiting []string `json:"waiting"`
}

func (s *Server) reload(ctx context.Context, _ none) (Reloaded, error) {
	s.log(ctx, "an operator asks for a reload")
	done, err := s.o.Reload(ctx)
	if err != nil {
		return Reloaded{}, refuse(http.StatusConflict, err.Error())
	}
	return Reloaded{append([]string{}, done.Changed...), append([]string{}, done.Waiting...)}, nil
}
